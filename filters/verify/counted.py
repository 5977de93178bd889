r"""Words behind a number: what is counted or measured, or something that changes the number.

"7 apples" is 7; "7 squared", "7 eighths", "7 million" and "7 wrong" are not. Words are taken for
what is counted only where one of them is known to be: a unit, a plural, or a noun that counts
without an ending (`_NOUNS`); behind a number that is 1 or less a singular will do. None of them may
be a number, a fraction, an operator or a denial. A gold is trusted: there, any other noun will do
("5 yuan").

Not covered: plurals that are verbs or adverbs beyond those listed.
"""

import re
from collections.abc import Sequence

from filters.verify.measures import UNITS

MAGNITUDES = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "grand": 10**3, "lakh": 10**5,
    "million": 10**6, "crore": 10**7, "billion": 10**9, "trillion": 10**12, "quadrillion": 10**15,
}  # fmt: skip
MAGNITUDES |= {f"{word}s": size for word, size in MAGNITUDES.items() if word != "grand"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHANGES = _words(
    "or and to plus minus over divided multiplied by mod modulo remainder base pi sqrt root "
    "squared cubed factorial choose log ln sin cos tan exp score scores is are was were not isn no "
    "than less few about almost nearly if but tens ones gross between percentile "
    "infinity point below under too zero one two three four five six seven eight nine ten eleven "
    "twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty "
    "fifty sixty seventy eighty ninety half halves quarter quarters k bn mn mil basis ppm ppb "
    "permille mille versus vs equals means makes yes perhaps always sometimes unless maybe except "
    "hundredfold fold nor neither instead without"
)
_FRACTION = re.compile(
    r"(?:thir|four|fif|six|seven|eigh|nin|ten|eleven|twelf|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)tie|hundred|thousand|(?:m|b|tr)illion)(?:ths?|ds?)"
)
_DENIES = _words(
    "wrong false incorrect untrue invalid impossible undefined unknown uncertain unsure possibly "
    "probably roughly approximately around nil none nothing null nope never negative off short "
    "double doubled twice triple tripled halved inverse reciprocal recurring repeating prime bar "
    "binary octal hex hexadecimal decimal up down ish true right correct good i exactly left-over"
)
"""Said of a number, not counted by it; "7 wrong answers" counts answers."""
_NOUNS = _words(
    "people men women children feet mice geese sheep fish deer teeth dice each left remaining "
    "total altogether overall away apart ago old long tall high wide deep per yuan won baht rand "
    "peso rmb cny inr oz ounce lb lbs pound ton tonne quart pint unit cup tsp tbsp mph kph kmh "
    "kmph rpm hz khz mhz newton joule watt volt amp mol mole pa acre hectare month year decade "
    "century yr yrs mo wk cal kcal kwh kw cl dl percent page step way item staff fruit bus sq cu "
    "person student remaining pc pcs apiece pm am all them more"
)
_SINGULAR = re.compile(r"[a-z]{3,}(?:-[a-z]+)*")


def counts(words: Sequence[str], *, single: bool = False, trusted: bool = False) -> bool:
    """Whether lower-case words behind a number leave it the number it is.

    Args:
        words: All the words; none leave it what it is.
        single: The number is 1 or less, so what is counted need not be a plural.
        trusted: They are a gold's.
    """
    if any(_changes(word) for word in words) or "times" in words[:-1]:
        return False
    if words and words[-1] in _DENIES:
        return False
    if not words or any(_known(word) for word in words):
        return True
    loose = single or trusted
    return loose and bool(_SINGULAR.fullmatch(words[-1]))


def _changes(word: str) -> bool:
    last = word.rpartition("-")[2]
    return last in _CHANGES or last in MAGNITUDES or bool(_FRACTION.fullmatch(last))


def _known(word: str) -> bool:
    """A unit, a plural, or a noun of the list."""
    if (word in UNITS and word != "in") or word in _NOUNS:
        return True
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
