r"""Units at the end of an answer that is an expression: ``2\sqrt{3} \text{ cm}``.

A unit is words in ``\text{}`` or a known unit behind a space. It is left out for comparison,
because golds often leave it out too; where gold and answer both name a known one, it must be the
same.
"""

import re

from filters.verify.extract import undecorate
from filters.verify.quantity import UNITS

_UNIT = re.compile(
    r"(?<=[\d})\w])"
    r"(?:\s*\\(?:text|mathrm|mbox|textrm)\s*\{\s*(?!(?:and|or)\b)(?P<text>[A-Za-z][A-Za-z ./]*)\}"
    r"|\s+(?P<word>(?:square |cubic |sq\.? )?"
    r"(?:[kcm]m|ft|inches|feet|units?|degrees|(?:kilo|centi|milli)?met(?:er|re)s)))"
    r"(?:\s*\^\s*\{?[23]\}?)?\s*$"
)


def without_unit(text: str) -> str:
    """An answer without decoration and without a unit at its end."""
    return _UNIT.sub("", undecorate(text))


def units_differ(gold: str, answer: str) -> bool:
    """Whether both name a known unit at their end, and not the same."""
    first, second = _unit(gold), _unit(answer)
    return first is not None and second is not None and first != second


def _unit(text: str) -> tuple[str, object] | None:
    """What the unit measures and its size, where it is a known one."""
    if len(text) > 2000 or not (found := _UNIT.search(undecorate(text))):
        return None
    word = (found["text"] or found["word"]).strip().lower()
    return UNITS.get(word)
