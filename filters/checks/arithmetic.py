r"""``wrong_step``: a step ``a op b = c`` that is not so.

Read are numbers (``1,200``, ``$3.50``), ``+ - * / ^`` with their other spellings (Unicode and LaTeX
signs, ``x`` between numbers, ``**``), ``\frac{a}{b}``, brackets, and chains (``2+3=5+1=6``, where
the next step begins behind the result), also inside ``<<...>>`` marks. Each side is the longest
piece of plain arithmetic that touches the sign; where something else touches that piece (a letter,
a percent sign, an operator in front of something unread), nothing is said about it.

A result may be rounded or cut at its last digit: ``22/7 = 3.14`` is right, ``22/7 = 3.15`` is not;
``7/2 = 3`` is wrong and ``7/2 ≈ 4`` is not. Differences of 1e-9 of the value (0.001 behind ``≈``)
are taken for a computer's rounding. All work is exact (fractions), linear in the text, and bounded:
longer numbers or powers are left alone.

Not covered: units that change (``2 km + 500 m``), letters, percentages, a mixed number ``1 1/2``
that is not written with ``\frac``, steps in words, and whether the right quantities were taken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rsfactory.records import Candidate, Flag, Problem

REACH = 100_000
"""Characters that are looked at; a longer completion is judged by its beginning."""
DIGITS = 30
"""Of a number; longer ones are left alone."""
POWER = 64
"""Of an exponent."""
LONGEST = 400
"""Characters of one side of a step."""
SHOWN = 3
"""Wrong steps that the evidence quotes."""

_SPELLINGS = (
    (re.compile(r"\\(?:left|right)(?![a-zA-Z])"), ""),  # f\left(2\right) stays f(2)
    (re.compile(r"\\[,;!() \[\]]|\\quad|[$€£]|\\\$"), " "),
    (re.compile(r"(\d+)\s*\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}"), r"(\1+(\2)/(\3))"),
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"\\times|\\cdot|\\ast|[×·∙⋅∗]|(?<=[\d)]) ?[xX] ?(?=[\d(])"), "*"),
    (re.compile(r"\\div|[÷∕]"), "/"),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"^\s*[-*] "), ""),  # a bullet
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\approx|\\simeq|≃|≅"), "≈"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\^\{(\d{1,3})\}"), r"^\1"),
)  # fmt: skip
_MARK = re.compile(r"<<([^<>]*)>>")
"""A calculator's mark; what stands in it is read on its own."""
_SIGN = re.compile(r"(?<![<>!=:≠≤≥])=(?![=>])|≈")
_PLAIN = re.compile(r"[\d.+\-*/^() ]")
_FIRST = re.compile(r"\d+(?:\.\d+)?(?=\s*[-+*/^])")
_COMMAND = re.compile(r"\\(?![a-zA-Z]*arrow|implies|iff|therefore|to$)[a-zA-Z]+$")
"""Of LaTeX, as the last thing before a step: ``\\sin``, ``\\star``; not what only says "so"."""
_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+|[-+*/^()])")


class WrongStep:
    """``wrong_step``."""

    name = "wrong_step"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag that quotes the first wrong steps; none where every step read is right."""
        found = steps(candidate.completion[:REACH])
        wrong = list({step.text: step for step in found if not step.right}.values())
        if not wrong:
            return []
        shown = "; ".join(f"{step.text} (it is {_words(step.value)})" for step in wrong[:SHOWN])
        more = f"; {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return [Flag.make(candidate.id, self.name, shown + more)]


@dataclass(frozen=True, slots=True)
class Step:
    """One sign between two pieces of arithmetic."""

    text: str
    value: Fraction
    """Of the left side."""
    right: bool


def steps(text: str) -> Iterator[Step]:
    """Every step that can be read, in order."""
    for line in text.splitlines():
        if "=" in line or "≈" in line or "approx" in line:
            for part in (_MARK.sub("", line), *_MARK.findall(line)):
                plain = part
                for spelling, meant in _SPELLINGS:
                    plain = spelling.sub(meant, plain)
                yield from _line(plain)


def _line(line: str) -> Iterator[Step]:
    signs = list(_SIGN.finditer(line))
    ends = [0, *(sign.end() for sign in signs)]
    begins = [*(sign.start() for sign in signs), len(line)]
    for number, sign in enumerate(signs):
        left = _suffix(line[ends[number] : begins[number]])
        right = _prefix(line[ends[number + 1] : begins[number + 1]])
        if left is None or right is None or not (_operates(left) or _operates(right)):
            continue
        value, other = _value(left), _value(right)
        if value is None or other is None:
            continue
        loose = sign[0] == "≈"
        fits = _same(value, other, right, loose) or _same(other, value, left, loose)
        first = _FIRST.match(right)
        if first and number + 1 < len(signs):  # 2+3=5+1=6: loosely written, rightly computed
            fits = fits or _same(value, Fraction(first[0]), first[0], loose)
        yield Step(f"{left} {sign[0]} {right}", value, fits)


def _suffix(text: str) -> str | None:
    """The arithmetic that a text ends with; None where something unread touches it."""
    start = len(text)
    while start > 0 and len(text) - start < LONGEST and _PLAIN.match(text[start - 1]):
        start -= 1
    touches = not text[start : start + 1].isspace()
    piece, before = _balance(" ".join(text[start:].split()), text[:start].rstrip())
    if not piece or piece[0] in "*/^)+":
        return None
    if before and ((touches and before[-1].isalnum()) or before[-1] in "%&\\_{}=^"):
        return None
    if _COMMAND.search(before[-40:]):
        return None
    if piece[0] == "-" and before:  # a minus or a dash behind words
        return None
    return piece.lstrip(". ") if piece[0] == "." and not piece[1:2].isdigit() else piece


def _prefix(text: str) -> str | None:
    """The arithmetic that a text begins with; None where something unread touches it."""
    end = 0
    while end < min(len(text), LONGEST) and _PLAIN.match(text[end]):
        end += 1
    piece, after = text[:end], text[end:]
    if after and not piece.endswith(" ") and (after[0].isalnum() or after[0] in "%\\_{^"):
        return None
    piece = " ".join(piece.split()).rstrip(".").rstrip()
    while piece.count("(") < piece.count(")") and piece.endswith(")"):
        piece = piece[:-1].rstrip()
    if piece.count("(") > piece.count(")"):
        piece = piece[: piece.rindex("(")].rstrip()  # "= 12 (the sum)"
        return None if piece and piece[-1] in "+-*/^" else piece or None
    if not piece or piece[-1] in "+-*/^" or after.lstrip()[:1] in ("%", "\\", "^"):
        return None
    return piece


def _balance(piece: str, before: str) -> tuple[str, str]:
    """Takes closing brackets that were opened outside, and what stands before them, away."""
    depth = lowest = 0
    cut = 0
    for at, character in enumerate(piece):
        depth += (character == "(") - (character == ")")
        if depth < lowest:
            lowest, cut = depth, at + 1
    if cut:
        return "", before
    while depth > 0 and piece.startswith("("):  # "(3 + 4 = 7)"
        piece, depth = piece[1:].lstrip(), depth - 1
    return ("", before) if depth else (piece, before)


def _operates(piece: str) -> bool:
    return re.search(r"[\d)]\s*[-+*/^]", piece) is not None


def _same(value: Fraction, shown: Fraction, text: str, loose: bool) -> bool:
    """Whether what is shown is the value, exactly or to its last digit."""
    noise = Fraction(1, 10**9) + (Fraction(1, 1000) if loose else 0)
    if abs(value - shown) <= noise * abs(value):
        return True
    number = re.fullmatch(r"-?\s*\d*(?:\.(\d+))?", text)
    if number is None:
        return False
    if number[1] is None:
        return loose and abs(value - shown) < 1
    last = Fraction(1, 10 ** len(number[1]))
    cut = abs(value) - abs(shown)
    return (value < 0) == (shown < 0) and (0 <= cut < last or abs(cut) <= last / 2)


def _value(piece: str) -> Fraction | None:
    """A piece's value; None where it is not arithmetic after all, or too large."""
    tokens: list[str] = []
    at = 0
    while at < len(piece):
        found = _TOKEN.match(piece, at)
        if found is None or len(found[1]) > DIGITS:
            return None
        if tokens and tokens[-1][-1].isdigit() and found[1][0] in ".0123456789":
            return None  # two numbers side by side: a mixed number, a list
        tokens.append(found[1])
        at = found.end()
    try:
        value, left = _sum(tokens, 0, 0)
    except (_NotArithmetic, ZeroDivisionError):
        return None
    return value if left == len(tokens) else None


class _NotArithmetic(Exception):
    pass


def _sum(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _product(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "+-":
        other, after = _product(tokens, at + 1, depth)
        value, at = (value + other if tokens[at] == "+" else value - other), after
    return value, at


def _product(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _power(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "*/(":
        bare = tokens[at] == "("  # 2(3 + 4)
        other, after = _power(tokens, at if bare else at + 1, depth)
        value, at = (value / other if tokens[at] == "/" else value * other), after
        _bounded(value)
    return value, at


def _power(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    if at < len(tokens) and tokens[at] == "-":
        value, at = _power(tokens, at + 1, depth)
        return -value, at
    value, at = _atom(tokens, at, depth)
    if at < len(tokens) and tokens[at] == "^":
        exponent, at = _power(tokens, at + 1, depth)
        if exponent.denominator != 1 or abs(exponent) > POWER:
            raise _NotArithmetic
        value = value ** int(exponent)
        _bounded(value)
    return value, at


def _atom(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    if at >= len(tokens) or depth > 20:
        raise _NotArithmetic
    if tokens[at] == "(":
        value, at = _sum(tokens, at + 1, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise _NotArithmetic
        return value, at + 1
    if not tokens[at][-1].isdigit():
        raise _NotArithmetic
    return Fraction(tokens[at]), at + 1


def _bounded(value: Fraction) -> None:
    if max(abs(value.numerator), value.denominator).bit_length() > 2000:
        raise _NotArithmetic


def _words(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.6g}"
