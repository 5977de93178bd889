r"""Answers to reasoning-gym's items, judged by the scorer of their own family.

Only the score 1.0 is right. The scorer is asked about the answer as claimed and, until one scores
1.0, about forms of it that differ in padding only: white space, the code fence or math signs around
it, a full stop, the words "the answer is", a currency sign or commas in a number. An answer that is
the gold apart from case and white space counts as the gold, except in `CASE_COUNTS`, where case is
what is asked for. Answers of several lines (boards, grids, moves) are taken whole: from a tag, a
fence, or all that follows ``Answer:``. A text without any mark counts if it has no more lines than
the gold and is not much longer.

What the library's scorers do with a model's text, and the guards here (`load`, `_fits`):

- ``binary_matrix``, ``n_queens``, ``spiral_matrix``, ``string_insertion`` call ``eval`` on it, for
  partial credit only; in these modules ``eval`` is replaced by ``ast.literal_eval``.
  ``number_sorting`` evaluates its own gold: the same. ``bitwise_arithmetic`` evaluates the item's
  problem: only hexadecimal numbers and operators get through.
- ``simple_integration``, ``intermediate_integration``, ``polynomial_multiplication``, ``puzzle24``
  and ``countdown`` call sympy's ``parse_expr``, which evaluates Python: only numbers, operators,
  single letters and the names of `_FUNCTIONS` get through; no attributes, quotes, underscores,
  towers of powers or exponents of four digits. ``Integral`` (which restates the question, and would
  score 1.0) gets through only where the library's own gold has it.
- Exponents of five digits are kept from ``coin_flip`` (fractions), repeat counts of four from
  ``rubiks_cube``: both are memory bombs. What still takes too long is killed with its worker.

Where the library accepts answers that are wrong, so does this: ``game_of_life_halting`` accepts any
text, ``puzzle24`` any four numbers that make 24, ``number_sorting`` numbers off by 1,
``game_of_life`` boards with cells added, ``gsm_symbolic`` the wrong sign.
`generators.problems.family` therefore has other verifiers decide the first two and the last. An
entry whose gold does not score 1.0 is UNVERIFIABLE unless the answer does.
"""

import ast
import builtins
import importlib
import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

from filters.verify.extract import strong_claims, unwrap, weak_claims
from filters.verify.fences import fenced
from filters.verify.labels import behind_label, line_behind_label
from filters.verify.verdicts import shorten
from rsfactory.records import Outcome

CASE_COUNTS = frozenset({"codeio", "word_sorting"})
"""Families in which another case is another answer."""
LONGEST = 20_000
"""Characters of an answer that a scorer is asked about, or four times the gold's where more."""

_LITERALS = (
    "algorithmic.binary_matrix", "algorithmic.number_sorting", "algorithmic.spiral_matrix",
    "algorithmic.string_insertion", "games.n_queens",
)  # fmt: skip
_SYMBOLIC = frozenset({
    "countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24",
    "simple_integration",
})  # fmt: skip
_FUNCTIONS = frozenset({
    "Abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "cot", "csc", "erf",
    "exp", "ln", "log", "pi", "sec", "sin", "sinh", "sqrt", "tan", "tanh",
})  # fmt: skip
_SYMBOL = re.compile(r"\d+(?:\.\d*)?|\.\d+|[A-Za-z]+|[-+*/^(),\s]")
_TOWER = re.compile(r"(?:\*\*|\^)[\s(+-]*(?:\d{4,}|[\w.]+[\s)]*(?:\*\*|\^))")
_BOMBS = {"coin_flip": re.compile(r"[eE][-+]?\d{5,}"), "rubiks_cube": re.compile(r"\d{4,}")}
_BITWISE = re.compile(r"0x[0-9a-fA-F]+|\d+|<<|>>|[-+*()&|^~\s]")

_HASHES = re.compile(r"^[ \t]*####(?!#)", re.MULTILINE)
_BOLD = re.compile(r"(?<![\w)])\*\*([^*\n]+)\*\*(?!\w)")
_MONEY = re.compile(r"[$€£]?\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)")


class BadEntry(ValueError):
    """The item cannot be scored, whatever the answer."""


def check(metadata: dict[str, Any]) -> None:
    """Looks whether metadata describes an item, without the library.

    Raises:
        ValueError: It does not.
    """
    entry = metadata.get("entry")
    if not isinstance(metadata.get("family"), str) or not isinstance(entry, dict):
        raise ValueError("expected a family and an entry in the metadata")
    if not {"answer", "metadata"} <= set(entry):
        raise ValueError(f"expected an entry with answer and metadata, got {', '.join(entry)[:80]}")


def readings(text: str, metadata: dict[str, Any]) -> list[str]:
    """Forms of the answer that a visible text claims; empty where it claims none."""
    gold = _gold(metadata)
    many_lines = gold is None or "\n" in gold.strip()
    forms: dict[str, None] = {}
    for claim in _claims(text, gold, many_lines):
        forms |= dict.fromkeys(_forms(claim, many_lines))
    if gold is not None and metadata["family"] not in CASE_COUNTS:
        folded = _folded(gold)
        if any(_folded(form) == folded for form in forms):
            forms = {gold: None, **forms}
    return [form for form in forms if form.strip()]


def judge(texts: list[str], metadata: dict[str, Any]) -> tuple[str | None, Outcome, str]:
    """Extracted answer, outcome and reason for the forms of one answer.

    Raises:
        BadEntry: The library has no such family, or cannot score the item's own gold.
    """
    family, entry = metadata["family"], metadata["entry"]
    scorer = _scorer(family, json.dumps(metadata.get("params") or {}, sort_keys=True))
    fitting = [text for text in texts if _fits(text, family, entry)]
    best = -1.0
    for text in fitting:
        score = _score(scorer, text, entry)
        if score == 1.0:
            return text, Outcome.CORRECT, f"the scorer of {family} gives 1.0"
        best = max(best, -1.0 if score is None else score)
    gold = _gold(metadata)
    if gold is not None and _score(scorer, gold, entry) != 1.0:
        raise BadEntry(f"the scorer of {family} does not accept the gold {shorten(gold)!r}")
    if not fitting:
        return texts[0], Outcome.UNPARSED, f"the answer is not of a form that {family} can score"
    scored = f"gives {best:.3g}" if best >= 0 else "cannot read it"
    return fitting[0], Outcome.WRONG, f"the scorer of {family} {scored}"


@cache
def load() -> None:
    """Imports the library and takes ``eval`` from the modules that call it on text."""
    import reasoning_gym  # noqa: F401

    for name in _LITERALS:
        importlib.import_module(f"reasoning_gym.{name}").__dict__["eval"] = ast.literal_eval
    bitwise = importlib.import_module("reasoning_gym.arithmetic.bitwise_arithmetic")
    bitwise.__dict__["eval"] = _hexadecimal


def _hexadecimal(text: str) -> Any:
    """``eval`` for numbers and operators only."""
    if len(text) > LONGEST or _BITWISE.sub("", text):
        raise ValueError("expected hexadecimal numbers and operators")
    return builtins.eval(text, {"__builtins__": {}})


@cache
def _scorer(family: str, params: str) -> Any:
    load()
    from reasoning_gym.factory import create_dataset

    try:
        return create_dataset(family, seed=0, size=1, **json.loads(params)).score_answer
    except Exception as error:  # whatever the library says of a family or its parameters
        raise BadEntry(f"reasoning-gym has no family {family} like this: {error}") from error


def _score(scorer: Any, text: str, entry: dict[str, Any]) -> float | None:
    """The library's score; None where its scorer fails on the text."""
    try:
        return float(scorer(text, deepcopy(entry)))  # some scorers write into the entry
    except MemoryError:
        raise
    except Exception:  # many scorers raise on text that they do not expect
        return None


def _gold(metadata: dict[str, Any]) -> str | None:
    answer = metadata["entry"]["answer"]
    return None if answer is None else str(answer)


def _fits(text: str, family: str, entry: dict[str, Any]) -> bool:
    """Whether a scorer may be asked about a text."""
    if len(text) > max(LONGEST, 4 * len(str(entry["answer"]))):
        return False
    if family in _BOMBS and _BOMBS[family].search(text):
        return False
    if family not in _SYMBOLIC:
        return True
    words = re.findall(r"[A-Za-z]+", text)
    allowed = _FUNCTIONS | ({"Integral"} if "Integral" in str(entry["answer"]) else frozenset())
    known = all(len(word) == 1 or word in allowed for word in words)
    return known and not _SYMBOL.sub("", text) and not _TOWER.search(text)


def _claims(text: str, gold: str | None, many_lines: bool) -> list[str]:
    """Texts of the claim that decides, read in the ways that are open."""
    strong = strong_claims(text)
    if strong:
        if strong[-1].text is None:
            return []
        hashes = text.startswith("####", strong[-1].start)
        behind = [text[strong[-1].start + 4 :]] if hashes and many_lines else []
        return [*behind, strong[-1].text]
    found = []
    rest, line = behind_label(text), line_behind_label(text)
    if rest is None and many_lines and (hashes_at := list(_HASHES.finditer(text))):
        rest = text[hashes_at[-1].end() :]
    if rest is not None:
        whole = many_lines or rest.lstrip().startswith(("```", "[", "{"))
        found = [rest if whole else "", line or ""]
    elif blocks := fenced(text):
        found = [blocks[-1]]
    weak = [claim.text for claim in weak_claims(text)[-1:] if claim.text]
    return [*found, *weak, *([text] if _is_bare(text, gold) else [])]


def _is_bare(text: str, gold: str | None) -> bool:
    """Whether a text can be an answer and nothing else."""
    size = 2 * len(gold) + 20 if gold is not None else LONGEST
    lines = len(gold.strip().splitlines()) if gold is not None else 1
    if text.lstrip().startswith(("[", "{")):  # JSON may be spread over lines
        size, lines = 4 * size, len(text)
    return len(text.strip()) <= size and len(text.strip().splitlines()) <= max(1, lines)


def _forms(claim: str, many_lines: bool) -> list[str]:
    """A claim as written, and without what is around it."""
    forms = [claim, claim.strip()]
    forms += fenced(claim)[-1:]
    forms += ["\n".join(line.rstrip() for line in form.strip().splitlines()) for form in forms]
    if many_lines and "\n" in claim.strip():
        return forms
    bare = unwrap(claim)
    forms += [
        bare,
        unwrap(_BOLD.sub(r"\1", claim)),
        *(weak.text for weak in weak_claims(claim)[-1:] if weak.text),
    ]
    if money := _MONEY.fullmatch(bare):
        forms += [money[1], money[1].replace(",", "")]
    return forms


def _folded(text: str) -> list[str]:
    """Text as it is compared with the gold: case and white space forgiven, lines kept."""
    return [" ".join(line.split()).casefold() for line in text.splitlines() if line.strip()]
