r"""Where a completion has its program.

Read from the visible text. In order: of an ``<answer>`` tag that is closed, the content is looked
at alone; of the fenced blocks in Python (or in no language), the last one that defines what is
asked for, else the last one; blocks in other languages are passed over. A fence that is never
closed reaches to the end. Without fences the longest stretch of lines that is Python counts. Where
the program goes on from the problem's own text (``prefix``), it is put behind it. Nothing is run.

Not covered: programs in other languages, several files, diffs.
"""

import ast
import re
import textwrap
import warnings
from dataclasses import dataclass

from filters.verify.extract import visible
from filters.verify.fences import Block, blocks

LONGEST = 200_000
"""Characters of a program."""
PARSED = 20_000
"""Characters of text without fences that are looked through for a program."""
ROUNDS = 200
"""How often such a text is parsed at most."""
_PYTHON = frozenset({"", "python", "py", "python3", "py3", "python2"})


@dataclass(frozen=True, slots=True)
class Program:
    """The program a completion gives."""

    text: str
    whole: bool
    """Nothing says that its end is missing."""


def find(completion: str, entry: str | None = None, prefix: str = "") -> Program | None:
    """The program, or None where there is none, or one of more than `LONGEST` characters.

    Args:
        completion: As the model wrote it.
        entry: The function that is asked for.
        prefix: What the program has to go on from (HumanEval's prompt), if it may.
    """
    text = visible(completion)
    text = _tagged(text)
    fenced = blocks(text)
    if fenced:
        block = _best(fenced, entry)
        if block is None or len(block.text) > LONGEST:
            return None
        return _program(block.text, entry, prefix, whole=block.closed)
    if prefix and not _defines(text, entry):
        body = _continued(prefix, text)
        if body is not None:
            return Program(body, whole=True)
    found = longest(text[-PARSED:])
    return None if found is None else Program(found, whole=True)


def longest(text: str) -> str | None:
    """The longest stretch of lines that is Python and does something more than name a value."""
    lines = text.splitlines()
    best: list[str] = []
    start = 0
    for _ in range(ROUNDS):
        if start >= len(lines):
            break
        good = _good_lines(lines[start:])
        part = lines[start : start + good]
        if _count(part) > _count(best) and _does_something("\n".join(part)):
            best = part
        start += good + 1
    return textwrap.dedent("\n".join(best)).strip("\n") or None


def _tagged(text: str) -> str:
    """The content of the last ``<answer>`` tag that is closed; the text itself where none is."""
    lower = text.lower()
    end = lower.rfind("</answer>")
    start = lower.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end] if start >= 0 else text


def _best(fenced: list[Block], entry: str | None) -> Block | None:
    python = [block for block in fenced if block.language in _PYTHON and block.text.strip()]
    defining = [block for block in python if _defines(block.text, entry)]
    chosen = defining if entry and defining else python
    return chosen[-1] if chosen else None


def _program(text: str, entry: str | None, prefix: str, *, whole: bool) -> Program:
    code = textwrap.dedent(text)
    if prefix and entry and not _defines(code, entry):
        code = _continued(prefix, text) or code
    return Program(code, whole)


def _defines(text: str, entry: str | None) -> bool:
    """Whether a text has a function, class or name of this name at the start of a line."""
    if not entry:
        return False
    name = re.escape(entry)
    made = rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b|^{name}[ \t]*="
    return re.search(made, text, re.MULTILINE) is not None


def _continued(prefix: str, text: str) -> str | None:
    """The prefix with as much of the text behind it as is Python; None where nothing is."""
    head = prefix if prefix.endswith("\n") else prefix + "\n"
    lines = text[:PARSED].strip("\n").splitlines()
    known = len(head.splitlines())
    for _ in range(ROUNDS):
        if not any(line.strip() for line in lines):
            return None
        bad = _bad_line(head + "\n".join(lines))
        if bad is None:
            return head + "\n".join(lines) + "\n"
        lines = lines[: max(0, min(bad - 1 - known, len(lines) - 1))]
    return None


def _good_lines(lines: list[str]) -> int:
    """How many lines from the first on are Python."""
    good = len(lines)
    for _ in range(ROUNDS):
        bad = _bad_line("\n".join(lines[:good]))
        if bad is None:
            return good
        good = max(0, min(bad - 1, good - 1))
    return 0


def _bad_line(text: str) -> int | None:
    """Number of the first line (from 1) at which a text is not Python; None where it is."""
    try:
        _parse(text)
    except SyntaxError as error:
        return error.lineno or 1
    except (ValueError, RecursionError, MemoryError):  # null bytes, nesting beyond the parser
        return 1
    return None


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it thinks of a program's escapes is not our concern
        return ast.parse(text)


def _count(lines: list[str]) -> int:
    return sum(bool(line.strip()) for line in lines)


def _does_something(text: str) -> bool:
    """Whether it is more than words that happen to be expressions."""
    try:
        body = _parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        not isinstance(part, ast.Expr) or isinstance(part.value, ast.Call | ast.Await)
        for part in body
    )
