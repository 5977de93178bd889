r"""Answers without a mark, which count in mathematics only, and only where nothing is marked.

A completion may be nothing but one value; its last line may be nothing but a number; or a program
printed one number last (a block ```` ```output ````) and that is the first number in the text
behind it. Prose that happens to contain a number is not an answer.
"""

import re

from filters.verify import quantity
from filters.verify.extract import Claim, final_claim, unwrap, visible

LONGEST = 2000
"""Characters of a value without a mark."""
_OUTPUT = re.compile(r"```output\s*\n([^\n`]{1,200})\n```")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?", re.ASCII)


def math_claim(completion: str) -> Claim | None:
    """The claim that decides: the last marked one, else a value that stands by itself."""
    text = visible(completion)
    claim = final_claim(text)
    return claim or _whole(text) or _last_line(text) or _printed(text)


def _whole(text: str) -> Claim | None:
    """A text that is nothing but a number or one formula."""
    bare = text.strip()
    formula = bare.startswith(("$", r"\(", r"\[")) and unwrap(bare) != bare and "\n" not in bare
    if (formula and len(bare) <= LONGEST) or quantity.read(bare) is not None:
        return Claim(bare, 0, len(text), True)
    return None


def _last_line(text: str) -> Claim | None:
    """A last line that is nothing but a number, in no list of such lines."""
    text = text.rstrip()
    start = text.rfind("\n") + 1
    line = text[start:]
    if not 0 < len(line) <= LONGEST or quantity.read(line) is None:
        return None
    before = text[max(0, start - 100) : start].strip().rpartition("\n")[2]
    if _BULLET.sub("", before) and quantity.read(_BULLET.sub("", before)) is not None:
        return None
    return Claim(line.strip(), start, len(text), True) if line.strip()[-1] != "." else None


def _printed(text: str) -> Claim | None:
    """The number that a program printed last, said again behind it."""
    blocks = list(_OUTPUT.finditer(text, max(0, len(text) - 10 * LONGEST)))
    if not blocks or quantity.read(blocks[-1][1]) is None:
        return None
    value = blocks[-1][1].strip()
    again = _NUMBER.search(text, blocks[-1].end(), blocks[-1].end() + LONGEST)
    if again is None or again[0] != value:
        return None
    return Claim(value, blocks[-1].start(1), len(text), False)
