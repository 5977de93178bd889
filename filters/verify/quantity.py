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
- A unit counts when both sides name one that is known here (money, length, mass, time): ``150
  cents`` equals ``$1.50``, and ``5 cm`` is not ``5 m``; else the numbers are compared as written.
  A letter right behind a number is a variable (``5m``). Any other words after a number are taken
  for what is counted ("18 eggs"), unless one of them could change the value ("5 or 6", "5 x").
- ``204_5`` is its digits in that base: equal to the same digits with the same base or with none.
- ``2 + 3 = 5`` is 5, what a chain of arithmetic ends with.
- ``1,234`` is a thousand and more, never a pair. ``x = 5`` is 5; ``x = 5`` against ``y = 5`` is
  left to math-verify.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from filters.verify.extract import unwrap

LONGEST = 50_000
"""Characters of a number that is read; comparing two of that length takes milliseconds."""
MANY_PLACES = 6
"""Decimal places from which on a decimal may stand for a value it cannot write exactly."""

UNITS: dict[str, tuple[str, Fraction]] = {
    word: (kind, Fraction(factor))
    for kind, factor, words in (
        ("dollar", "1", "$ dollar dollars usd bucks"),
        ("dollar", "1/100", "cent cents ¢"),
        ("euro", "1", "€ euro euros eur"),
        ("pound sterling", "1", "£ gbp"),
        ("yen", "1", "¥ yen"),
        ("rupee", "1", "₹ rupee rupees"),
        ("length", "1", "m meter meters metre metres"),
        ("length", "1000", "km kilometer kilometers kilometre kilometres"),
        ("length", "1/100", "cm centimeter centimeters centimetre centimetres"),
        ("length", "1/1000", "mm millimeter millimeters millimetre millimetres"),
        ("length", "0.3048", "ft foot feet"),
        ("length", "0.0254", "inch inches"),
        ("length", "0.9144", "yd yard yards"),
        ("length", "1609.344", "mi mile miles"),
        ("mass", "1", "g gram grams"),
        ("mass", "1000", "kg kilogram kilograms kilos"),
        ("mass", "1/1000", "mg milligram milligrams"),
        ("time", "1", "s sec secs second seconds"),
        ("time", "60", "min mins minute minutes"),
        ("time", "3600", "h hr hrs hour hours"),
        ("time", "86400", "day days"),
        ("time", "604800", "week weeks"),
    )
    for word in words.split()
}
"""Unit -> what it measures, and how many base units it is."""
_MAGNITUDES = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9,
    "trillion": 10**12,
}  # fmt: skip
_NOT_COUNTED = (
    "or and to plus minus times over divided multiplied by mod modulo remainder base pi sqrt "
    "squared cubed factorial choose log ln sin cos tan exp half halves third thirds quarter "
    "quarters fourth fifth fifths sixth eighth tenth tenths hundredth hundredths score is are "
    "was not isn no than more less fewer about almost nearly if but tens ones gross between "
    "percentile infinity"
)
_CHANGES_VALUE = frozenset(_NOT_COUNTED.split())

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
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_REPLACE = (
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


def read(text: str) -> Quantity | None:
    """The one number a text says, or None."""
    if len(text) > LONGEST:
        return None
    if found := _SIMPLE.fullmatch(text.strip()):
        return _simple(found)
    text = _clean(text)
    left, _, right = text.rpartition("=")
    if _ARITHMETIC.fullmatch(left):
        text = right.strip()
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
    return _with_rest(value, places, sign["money"], text[end:], name)


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
    value: Fraction, places: int | None, money: str, rest: str, name: str | None
) -> Quantity | None:
    """The quantity, if what follows the number leaves it the number it is."""
    if found := _PERCENT.match(rest):
        tail = _words(rest[found.end() :])
        ok = tail is not None and not money and not (set(tail) & _MAGNITUDES.keys())
        return Quantity(value, places, percent=True, name=name) if ok else None
    rest = _NO_REMAINDER.sub("", rest)
    glued = bool(rest) and rest[0].isalpha()
    words = _words(rest)
    if words is None or (glued and (words[0] not in UNITS or len(words[0]) == 1)):
        return None
    while words and words[0] in _MAGNITUDES:
        value, places, words = value * _MAGNITUDES[words[0]], None, words[1:]
    if any(word in _MAGNITUDES for word in words):
        return None
    unit = UNITS.get(money) or (UNITS.get(words[0]) if len(words) == 1 else None)
    if unit is None:
        return Quantity(value, places, name=name)
    return Quantity(value, places, kind=unit[0], factor=unit[1], name=name)


def _words(rest: str) -> list[str] | None:
    """The words after a number, lower case; None where they may change its value."""
    rest = rest.strip().rstrip(".")
    if not rest:
        return []
    if rest in UNITS:
        return [rest]
    plain = re.sub(r"(?<=[A-Za-z])(?: ?\^ ?\{?[23]\}?|[²³])", " squared-unit", rest)
    plain = plain.replace("/", " per ").replace("$", " ").replace("'s", "s")
    words = plain.split()
    fits = len(words) <= 8 and all(_WORD.fullmatch(word) for word in words)
    words = [word.lower() for word in words]
    known = all(len(word) > 1 or word in UNITS or word == "a" for word in words)
    if not fits or not known or _CHANGES_VALUE & set(words):
        return None
    return words
