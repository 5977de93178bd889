r"""What is measured by the words behind a number: ``cm``, ``km per hour``, ``square feet``.

A measure is a product of known units with their powers, written as a kind (``length^1 time^-1``)
and its size in base units, exact. Money loses what it is paid for: ``$15`` answers "15 dollars per
hour". Morning and afternoon, degrees and radians are kinds of their own. Not covered: prefixes
beyond those listed, Celsius and Fahrenheit, units whose sign is one capital letter.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

Measure = tuple[str, Fraction]
"""Kind, and size in that kind's base unit."""

UNITS: dict[str, Measure] = {
    word: (kind, Fraction(factor))
    for kind, factor, words in (
        ("dollar", "1", "$ dollar dollars usd bucks"),
        ("dollar", "1/100", "cent cents ¢"),
        ("euro", "1", "€ euro euros eur"),
        ("sterling", "1", "£ gbp"),
        ("yen", "1", "¥ yen"),
        ("rupee", "1", "₹ rupee rupees"),
        ("length", "1", "m meter meters metre metres"),
        ("length", "1000", "km kilometer kilometers kilometre kilometres"),
        ("length", "1/100", "cm centimeter centimeters centimetre centimetres"),
        ("length", "1/1000", "mm millimeter millimeters millimetre millimetres"),
        ("length", "0.3048", "ft foot feet"),
        ("length", "0.0254", "in inch inches"),
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
        ("liter", "1", "liter liters litre litres"),
        ("liter", "1/1000", "ml milliliter milliliters millilitre millilitres"),
        ("gallon", "1", "gal gallon gallons"),
        ("degree", "1", "deg degree degrees"),
        ("radian", "1", "rad rads radian radians"),
        ("morning", "1", "am a.m a.m."),
        ("afternoon", "1", "pm p.m p.m."),
    )
    for word in words.split()
}
"""Unit -> what it measures, and how many base units it is."""
_MONEY = frozenset({"dollar", "euro", "sterling", "yen", "rupee"})
_WRITTEN_OUT = {
    "mph": ("miles", "per", "hour"), "kph": ("km", "per", "hour"), "kmh": ("km", "per", "hour"),
    "kmph": ("km", "per", "hour"),
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "^2": 2, "^3": 3, "squared": 2, "cubed": 3}


def measure(words: Sequence[str]) -> Measure | None:
    """What lower-case words say is measured; None where one of them is no known unit.

    Args:
        words: ``["km", "per", "hour"]``, ``["square", "feet"]``, ``["m", "per", "s", "^2"]``.
    """
    spelt = [part for word in words for part in _WRITTEN_OUT.get(word, (word,))]
    kinds: Counter[str] = Counter()
    factor, side, power = Fraction(1), 1, 1
    last: Measure | None = None
    for word in spelt:
        if word == "per":
            side, last = -1, None
        elif (raised := _POWERS.get(word)) and last:
            kinds[last[0]] += side * (raised - 1)
            factor *= last[1] ** (side * (raised - 1))
        elif raised:
            power = raised
        elif found := UNITS.get(word.rstrip(".")) or UNITS.get(word):
            kinds[found[0]] += side * power
            factor *= found[1] ** (side * power)
            power, last = 1, found
            if found[0] in _MONEY:
                return found
        else:
            return None
    kind = " ".join(f"{name}^{kinds[name]}" for name in sorted(kinds) if kinds[name])
    return (kind, factor) if kind else None
