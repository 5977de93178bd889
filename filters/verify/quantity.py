r"""Numbers as people write them, read exactly: decimals, fractions, percent, money, units.

Arithmetic is exact (`fractions.Fraction`), and the work is bounded by `LONGEST` characters, so
reading and comparing is safe in the calling process. What cannot be read as one number is None and
left to math-verify. Choices made here:

- ``60%`` equals ``0.6``. It also equals a bare ``60``, because a gold answer often leaves the sign
  out; below 1 that would be a guess (``0.6%`` against ``0.6``), and they differ.
- A decimal stands for a value it cannot write exactly when it has six places or more and is within
  one unit of its last place: ``0.333333`` for 1/3, ``0.33`` not (math-verify rounds to six too).
  A gold may be looser than an answer: a gold ``0.3333`` (two places, four digits or more) is
  answered by ``1/3``, a gold ``1/3`` not by ``0.3333``.
- A unit counts when both sides name one that is known (`filters.verify.measures`): ``150 cents``
  equals ``$1.50``, ``5 cm`` is neither ``5 m`` nor ``5 cm^2``; else the numbers are compared as
  written. A letter right behind a number is a variable (``5m``). Other words after a number must
  be what is counted ("18 eggs", `filters.verify.counted`).
- ``204_5`` is its digits in that base: equal to the same digits with the same base or with none.
- ``2 + 3 = 5`` is 5, what a chain of arithmetic ends with; ``8 = 7`` is nothing.
- ``1,234`` is a thousand and more, never a pair. ``x = 5`` is 5; ``x = 5`` against ``y = 5`` is
  left to math-verify.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from filters.verify.counted import MAGNITUDES, counts
from filters.verify.extract import unwrap
from filters.verify.measures import UNITS, measure

LONGEST = 50_000
"""Characters of a number that is read; comparing two of that length takes milliseconds."""
MANY_PLACES = 6
"""Decimal places from which on a decimal may stand for a value it cannot write exactly."""

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_SIMPLE = re.compile(
    r"(?P<sign>-?)(?P<money>\$?)(?P<digits>(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,18})(?:\.\d{1,18})?)",
    re.ASCII,
)
_PLAIN = re.compile(rf"(?P<whole>{_NUMBER})(?!\s*[/\d])", re.ASCII)
_FRACTION = re.compile(
    rf"(?:(?P<mixed>\d{{1,9}})\s*)?\\frac\s*\{{\s*(?P<up>-?\s*(?:{_NUMBER}))\s*\}}\s*\{{\s*(?P<down>{_NUMBER})\s*\}}",
    re.ASCII,
)
_SHORT_FRACTION = re.compile(
    r"(?:(?P<mixed>\d{1,9})\s*)?\\frac\s*(?P<up>\d)\s*(?P<down>\d)", re.ASCII
)
_SLASH = re.compile(
    rf"(?:(?P<mixed>\d{{1,9}})\s+)?(?P<up>{_NUMBER})\s*/\s*(?P<down>{_NUMBER})(?!\s*[/\d])",
    re.ASCII,
)
_NAME = re.compile(r"(?P<name>[A-Za-z][A-Za-z_ ]{0,40}(?:\([a-z]\))?)\s*=(?!=)\s*")
_ARITHMETIC = re.compile(r"[\d .,+*/()$=\u00d7-]*", re.ASCII)
_LEADING = re.compile(rf"\s*(-?\s?\$?(?:{_NUMBER}))(?![\d/^!]|\s*/)", re.ASCII)
_ALONE = re.compile(rf"\s*(-?\$?(?:{_NUMBER}))\s*", re.ASCII)
_SIGN = re.compile(r"\s*(?P<sign>[-+]?)\s*(?P<money>[$€£¥₹]?)\s*(?P<inner>[-+]?)\s*")
_BASE = re.compile(r"([0-9A-Za-z]{1,400})_\{?\s*(\d\d?)\s*\}?", re.ASCII)
_REPEATING = re.compile(
    r"(?P<whole>\d{0,400})\.(?P<fixed>\d{0,400})\\overline\s*\{\s*(?P<again>\d{1,400})\s*\}",
    re.ASCII,
)
_PERCENT = re.compile(r"\s*(?:%|(?:percent|per cent|pct|percentage)\b)\s*", re.IGNORECASE)
_NO_REMAINDER = re.compile(
    r"\s?[(,]?\s?(?:with )?(?:a )?remainder (?:of )?\s?0\s?\)?\s?$", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*|\^[23]")
_UNIT_POWER = re.compile(r"(?<=[A-Za-z]) ?\^ ?\{?([23])\}?")
_DOTS = re.compile(r"(?<=\.)(\d{0,12}?)(\d{1,6}?)\2{2,12}(?:\.\.\.|\u2026|\s?\\[lc]?dots(?![a-z]))")
"""Digits of which the last ones are the same group three times or more: ``0.1666...``."""
_REPLACE = (
    (re.compile(r"\\(?:dot|bar)\s?\{\s?(\d)\s?\}"), r"\\overline{\1}"),
    (re.compile(r"(?<=\.)(\d{0,40})\((\d{1,40})\)"), r"\1\\overline{\2}"),
    (_DOTS, r"\1\\overline{\2}"),
    (re.compile(r"\{,\}|\\!\s*,\s*|,\s*\\!\s*"), ","),
    (re.compile(r"\\[!,;:]|\\ |~|\\left|\\right|\u00a0|\u202f"), " "),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"[\u2212\u2013]"), "-"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\\$"), "$"),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\u00b0|\\degree"), " degrees"),
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with what was written around it."""

    value: Fraction
    places: int | None = None
    """Decimal places, where it was written as a decimal."""
    percent: bool = False
    kind: str | None = None
    """What its unit measures, where the unit is known."""
    factor: Fraction = Fraction(1)
    """The unit in that kind's base unit; ``value`` is the number as written."""
    name: str | None = None
    """The variable it was assigned to."""


def read(text: str, *, trusted: bool = False) -> Quantity | None:
    """The one number a text says, or None; ``trusted`` where it is a gold."""
    if len(text) > LONGEST:
        return None
    if found := _SIMPLE.fullmatch(text.strip()):
        return _simple(found)
    text = _clean(text)
    left, _, right = text.rpartition("=")
    if _ARITHMETIC.fullmatch(left):
        text = right.strip()
    if left and not _ends_in(left, text):
        return None
    name = None
    if found := _NAME.match(text):
        name, text = " ".join(found["name"].split()), text[found.end() :]
    if (based := _BASE.fullmatch(text)) and based[1].isdigit():
        return Quantity(Fraction(Decimal(based[1])), kind=f"base {based[2]}", name=name)
    sign = _SIGN.match(text)
    assert sign is not None  # every part of it is optional
    number = _magnitude(text, sign.end())
    if number is None or (sign["sign"] and sign["inner"]):
        return None
    value, places, end = number
    if "-" in (sign["sign"], sign["inner"]):
        value = -value
    quantity = _with_rest(value, places, sign["money"], text[end:], trusted)
    return quantity and replace(quantity, name=name)


def _ends_in(left: str, last: str) -> bool:
    """Whether the plain numbers of a chain are what it ends with: not so in ``8 = 7``."""
    end = _LEADING.match(last)
    if end is None:
        return True
    value = _decimal(end[1].replace(" ", "").replace("$", ""))
    places = len(end[1].partition(".")[2])
    members = [found[1] for part in left.split("=") if (found := _ALONE.fullmatch(part))]
    near = Fraction(1, 2 * 10**places) if places else 0
    return all(abs(_decimal(member.replace("$", "")) - value) <= near for member in members)


def _simple(found: re.Match[str]) -> Quantity:
    """``1,234.50`` or ``$-5``, by a shorter way than other notations."""
    digits = found["digits"].replace(",", "")
    places = len(digits.partition(".")[2]) if "." in digits else None
    value = Fraction(int(digits)) if places is None else Fraction(Decimal(digits))
    value = -value if found["sign"] else value
    kind, factor = UNITS["$"] if found["money"] else (None, Fraction(1))
    return Quantity(value, places, kind=kind, factor=factor)


def same(gold: Quantity, answer: Quantity) -> bool | None:
    """Whether two quantities are the same; None where that needs more than numbers."""
    if gold.name and answer.name and gold.name.casefold() != answer.name.casefold():
        return None
    if gold.kind and answer.kind:
        return (gold.kind, gold.value * gold.factor) == (answer.kind, answer.value * answer.factor)
    if gold.percent != answer.percent and (gold.kind or answer.kind):
        return False
    if gold.percent != answer.percent:
        share, other = (gold, answer) if gold.percent else (answer, gold)
        return share.value / 100 == other.value or (
            share.value == other.value and abs(other.value) >= 1
        )
    near = _stands_for(gold, answer) or _stands_for(answer, gold) or _rounds(gold, answer)
    return gold.value == answer.value or near


def _rounds(gold: Quantity, answer: Quantity) -> bool:
    """Whether a gold of two places and four digits or more is a fraction, rounded."""
    if gold.places is None or gold.places < 2 or answer.places is not None:
        return False
    scale = Fraction(10**gold.places)
    unwritable = (answer.value * scale).denominator != 1
    near = abs(gold.value - answer.value) * scale * 2 <= 1
    return unwritable and near and abs(gold.value) * scale >= 1000


def _stands_for(decimal: Quantity, exact: Quantity) -> bool:
    """Whether a decimal is the rounded (or cut) form of a value it cannot write."""
    if decimal.places is None or decimal.places < MANY_PLACES:
        return False
    scale = Fraction(10**decimal.places)
    enough = abs(decimal.value) * scale >= 1000  # four digits at least
    unwritable = (exact.value * scale).denominator != 1
    return enough and unwritable and abs(decimal.value - exact.value) * scale < 1


def _clean(text: str) -> str:
    text = " ".join(text.split())  # and so no pattern below meets long runs of spaces
    for pattern, replacement in _REPLACE:
        text = pattern.sub(replacement, text)
    text = " ".join(unwrap(text).split())
    while len(text) > 2 and (text[0], text[-1]) in (("{", "}"), ("(", ")")) and len(text) < 200:
        inner = text[1:-1]
        if any(c in inner for c in "(){},"):
            break
        text = inner.strip()
    return text


def _magnitude(text: str, at: int) -> tuple[Fraction, int | None, int] | None:
    """Value without sign, decimal places, and where the number ends."""
    for pattern in (_FRACTION, _SHORT_FRACTION, _SLASH):
        if found := pattern.match(text, at):
            up, down = _decimal(found["up"].replace(" ", "")), _decimal(found["down"])
            if down == 0 or (found["mixed"] and up < 0):
                return None
            return up / down + (int(found["mixed"]) if found["mixed"] else 0), None, found.end()
    if found := _REPEATING.match(text, at):
        return _repeating(found["whole"] or "0", found["fixed"], found["again"]), None, found.end()
    if found := _PLAIN.match(text, at):
        whole = found["whole"]
        places = len(whole.partition(".")[2]) if "." in whole else None
        return _decimal(whole), places, found.end()
    return None


def _decimal(digits: str) -> Fraction:
    """Exact value; through Decimal, whose conversion has no limit on digits."""
    return Fraction(Decimal(digits.replace(",", "")))


def _repeating(whole: str, fixed: str, again: str) -> Fraction:
    r"""Value of ``0.8\overline{3}``: the repeating digits over as many nines."""
    start = Fraction(Decimal(f"{whole}.{fixed or 0}"))
    return start + Fraction(Decimal(again)) / Fraction((10 ** len(again) - 1) * 10 ** len(fixed))


def _with_rest(
    value: Fraction, places: int | None, money: str, rest: str, trusted: bool
) -> Quantity | None:
    """The quantity, if what follows the number leaves it the number it is."""
    if found := _PERCENT.match(rest):
        tail = _words(rest[found.end() :])
        ok = tail is not None and not money and counts(tail, single=True, trusted=trusted)
        return Quantity(value, places, percent=True) if ok else None
    rest = _NO_REMAINDER.sub("", rest)
    glued = bool(rest) and rest[0].isalpha()
    words = _words(rest)
    if words is None or (glued and (words[0] not in UNITS or len(words[0]) == 1)):
        return None
    while words and words[0] in MAGNITUDES:
        value, places, words = value * MAGNITUDES[words[0]], None, words[1:]
        trusted = True  # "7 million more" has more; a bare noun cannot change it any further
    single = abs(value) <= 1 or bool(money)
    unit = measure(words) if words else None
    if unit is None and not counts(words, single=single, trusted=trusted):
        return None
    unit = UNITS.get(money) or unit
    if unit is None:
        return Quantity(value, places)
    return Quantity(value, places, kind=unit[0], factor=unit[1])


def _words(rest: str) -> list[str] | None:
    """The words after a number, lower case; None where they may be something else."""
    rest = rest.strip()
    if rest in UNITS or (len(rest) > 1 and rest.lower() in UNITS):
        return [rest.lower()]
    rest = rest if rest.endswith("..") else rest.removesuffix(".")
    if not rest:
        return []
    plain = _UNIT_POWER.sub(r" ^\1", rest.replace("²", "^2").replace("³", "^3"))
    plain = plain.replace("/", " per ").replace("$", " ").replace("'s", "s")
    words = plain.split()
    fits = len(words) <= 8 and all(_WORD.fullmatch(word) or word in UNITS for word in words)
    known = all(len(word) > 1 or word in UNITS or word == "a" for word in words)  # M is no m
    return [word.lower() for word in words] if fits and known else None
