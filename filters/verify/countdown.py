r"""Countdown and the Game of 24: an expression that uses every given number once and hits a target.

The expression is read by a small parser of our own into exact fractions; nothing is evaluated as
code. Allowed are the given numbers, ``+ - * /`` (also ``× ÷ − ·``, ``x`` for times, ``\times``,
``\div``, ``\cdot``, ``\frac{}{}``), brackets of any kind, a sign, and a bracket right behind a
number or bracket for times. ``expression = 24`` is right only where it is true, and in a chain
``a = b = 24`` every side must hold. Numbers are compared as written: ``46`` made of 4 and 6, or
``4.0`` and ``04`` for 4, are not the given numbers. A given -4 is a 4 with a minus of its own
(``-4 + 5``, ``5 - (-4)``), not the 4 of ``5 - 4``. The puzzle's own data: ``numbers``, ``target``.

Powers, factorials and functions are no part of the game: with them an answer is not read, and
nothing is cut out of it.

Any right expression counts, whatever the gold; a gold that names another target than the metadata
is not looked at. Not covered: variants in which some numbers may stay unused.
"""

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from filters.verify.extract import final_claim, unwrap

LONGEST = 2000
"""Characters of an expression that is read."""
DEEPEST = 50
"""Levels of brackets and signs in it."""

_SPACE = re.compile(r"\\(?:left|right|displaystyle|[,;:! ])|[\s~]+")
_TOKEN = re.compile(
    r"(?P<number>\d{1,30}(?:\.\d{1,30})?)(?![\d.])|(?P<frac>\\[dt]?frac)"
    r"|(?P<times>\*(?!\*)|\\times\b|\\cdot\b|\\ast\b|[×∗·⋅xX])|(?P<over>/(?!/)|\\div\b|[÷∕])"
    r"|(?P<plus>\+)|(?P<minus>[-−–])|(?P<open>[(\[]|\\?\{)|(?P<close>[)\]]|\\?\})"
)
_GIVEN = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_RUN = re.compile(r"(?<![\w.])[(\[]*\d[\d\s+\-*/×÷·−()\[\]=]*(?![\w!^])")
_OTHER = re.compile(r"[\d)\]}]\s*[!^]")
"""A factorial or a power."""
_NUMBERS = re.compile(r"\[?\(?\s*\d+(?:(?:\s*,\s*|\s+)\d+){1,11}\s*\)?\]?")


class NotAnExpression(ValueError):
    """The text is no expression of numbers and the four operations."""


def from_text(prompt: str, answer: str) -> dict[str, Any] | None:
    """Metadata of a puzzle that is nothing but numbers, with its target as the answer."""
    if not _NUMBERS.fullmatch(prompt.strip()) or not re.fullmatch(r"\d{1,6}", answer.strip()):
        return None
    return {"numbers": [int(n) for n in re.findall(r"\d+", prompt)], "target": int(answer)}


def claimed(text: str) -> str | None:
    """The expression that a visible text claims: the last claim, or a text that is nothing else."""
    claim = final_claim(text)
    if claim is not None:
        return None if claim.text is None else unwrap(claim.text)
    bare = unwrap(text)
    return bare if "\n" not in bare and re.search(r"\d.*[-+*/×÷−]", bare[:LONGEST]) else None


def judge(text: str, metadata: dict[str, Any]) -> tuple[bool, str]:
    """Whether an expression solves the puzzle, and why.

    Raises:
        NotAnExpression: It cannot be read.
        KeyError, TypeError, ValueError: The metadata lacks ``numbers`` or ``target``, or they are
            not a list of numbers and a number.
    """
    given, target = _given(metadata["numbers"]), Fraction(str(metadata["target"]))
    try:
        sides = _sides(text)
    except ZeroDivisionError:
        return False, "it divides by zero"
    used = [_as_given(numbers, given) for _, numbers in sides]
    if given not in used:
        shown = " ".join(max(used, key=Counter.total).elements())
        return False, f"it uses {shown[:60]}, given are {' '.join(given.elements())[:60]}"
    for value, _ in sides:
        if value != target:
            shown = str(value) if len(str(value)) < 30 else f"{float(value):.6g}"
            return False, f"it is {shown}, not {target}"
    return True, f"it is {target} and uses every number once"


def _given(numbers: Any) -> Counter[str]:
    """The given numbers as they are to be written.

    Raises:
        ValueError: They are not a list of numbers.
    """
    if not isinstance(numbers, list | tuple) or not numbers:
        raise ValueError(f"expected a list of numbers, got {str(numbers)[:60]!r}")
    written = [str(number).removesuffix(".0") for number in numbers]  # Parquet may hold 4.0
    for number in written:
        if not _GIVEN.fullmatch(number):
            raise ValueError(f"expected a list of numbers, got {number[:60]!r} in it")
    return Counter(written)


def _as_given(numbers: Sequence[str], given: Counter[str]) -> Counter[str]:
    """Numbers as written; a minus belongs to its number only while a given one has it."""
    used: Counter[str] = Counter()
    for number in numbers:
        own = not number.startswith("-") or used[number] < given[number]
        used[number if own else number[1:]] += 1
    return used


def _sides(text: str) -> list[tuple[Fraction, list[str]]]:
    """Both sides of an equation, or the one expression; words around the only one do not count."""
    if len(text) > LONGEST:
        raise NotAnExpression(f"the expression is longer than {LONGEST} characters")
    if _OTHER.search(text):
        raise NotAnExpression("did not expect a factorial or a power")
    try:
        return [evaluate(side) for side in text.split("=")[:10]]
    except NotAnExpression:
        runs = [run for run in _RUN.findall(text) if re.search(r"\d.*[-+*/×÷−]", run)]
        if len(runs) != 1 or "\\" in text:
            raise
        return [evaluate(side) for side in runs[0].split("=")[:10]]


def evaluate(text: str) -> tuple[Fraction, list[str]]:
    """Value of an expression, and its numbers as written, in order, with the minus of their own.

    Raises:
        NotAnExpression: It cannot be read.
        ZeroDivisionError: It divides by zero.
    """
    parser = _Parser(_tokens(text))
    value = parser.sum(0)
    if parser.kind is not None:
        raise NotAnExpression(f"did not expect {parser.word!r}")
    return value, parser.numbers


def _tokens(text: str) -> list[tuple[str, str]]:
    text = _SPACE.sub(" ", text).strip()
    found, at = [], 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise NotAnExpression(f"did not expect {text[at : at + 12]!r}")
        found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over tokens: sums of products of signed numbers, brackets, fractions."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self.numbers: list[str] = []

    @property
    def kind(self) -> str | None:
        """Kind of the next token; None at the end."""
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    @property
    def word(self) -> str:
        """Text of the next token."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else "the end"

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self.kind in ("plus", "minus"):
            sign = 1 if self._take() == "+" else -1
            value += sign * self._product(depth)
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while self.kind in ("times", "over", "open", "frac"):
            divides = self.kind == "over"
            if self.kind in ("times", "over"):
                self._take()
            factor = self._factor(depth)
            value = value / factor if divides else value * factor
        return value

    def _factor(self, depth: int) -> Fraction:
        if depth > DEEPEST:
            raise NotAnExpression(f"more than {DEEPEST} levels of brackets")
        if self.kind == "number":
            self.numbers.append(self._take())
            return Fraction(self.numbers[-1])
        if self.kind in ("plus", "minus"):
            sign = 1 if self._take() == "+" else -1
            if sign < 0 and self.kind == "number":
                self.numbers.append(f"-{self._take()}")
                return Fraction(self.numbers[-1])
            return sign * self._factor(depth + 1)
        if self.kind == "frac":
            self._take()
            above = self._bracket(depth)
            return above / self._bracket(depth)
        return self._bracket(depth)

    def _bracket(self, depth: int) -> Fraction:
        if self.kind != "open":
            raise NotAnExpression(f"expected a number or a bracket, got {self.word!r}")
        closing = _CLOSING[self._take()]
        value = self.sum(depth + 1)
        if self.word != closing:
            raise NotAnExpression(f"expected {closing!r}, got {self.word!r}")
        self._take()
        return value

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]
