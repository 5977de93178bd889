r"""Words at the end of an answer that is an expression: ``2\sqrt{3} \text{ cm}``.

They are a unit if they are known to be what is measured or counted (`filters.verify.counted`), and
then left out for comparison, because golds often leave them out too; where gold and answer both
name a known measure, it must be the same. Other words at the end of an answer may change it
(``7 \text{ squared}``): an answer that has some, where the gold has none, is another answer.
"""

import re
from functools import lru_cache

from filters.verify.counted import counts
from filters.verify.extract import undecorate
from filters.verify.measures import UNITS, Measure, measure
from filters.verify.tokens import GREEK

_END = re.compile(
    r"(?<=[\d})\w!%])(?:\s|\\[,;:! ]|~)*"
    r"(?:\\(?:text|mathrm|mbox|textrm|textit|textbf)\s*\{(?P<text>[^{}\\]*)\}"
    r"|(?<=\s)(?P<word>(?:(?:square|cubic|sq\.?) )?[A-Za-z]{2,}))"
    r"(?:\s*\^\s*\{?(?P<power>[23])\}?)?\s*$"
)
_PLAIN = re.compile(
    r"(?:(?:square|cubic|sq\.?) )?"
    r"(?:[kcm]m|ft|inches|feet|units?|degrees|(?:kilo|centi|milli)?met(?:er|re)s)"
)
"""Words that are units without being marked as text; others could be variables."""
_PROSE = re.compile(
    r"(?<=[\d})])(?:\s|\\[,;:! ]|~)*\(?(?P<said>[A-Za-z]+(?: [A-Za-z]+){0,8})\)?\s*$"
)
_SIGNS = frozenset(
    ("L", "l", "N", "J", "W", "V", "A", "C", "F", "Pa", "Hz", "kHz", "kN", "kW", "kJ", "mA", "mL")
)
_SPELT = frozenset(word.lower() for word in GREEK) | {"infinity"}
_JOINS = frozenset({"and", "or"})


def without_unit(text: str, *, trusted: bool = False) -> str:
    """An answer without decoration and without a unit at its end; ``trusted`` if it is a gold."""
    text = undecorate(text)
    found = _END.search(text) if len(text) <= 20_000 else None
    return text[: found.start()] if found and _is_unit(found, trusted) else text


def units_differ(gold: str, answer: str) -> bool:
    """Whether both name a known measure at their end, and not the same."""
    first, second = _measure(gold), _measure(answer)
    return first is not None and second is not None and first != second


@lru_cache(1024)
def has_other_words(text: str, *, trusted: bool = False) -> bool:
    """Whether an answer ends in words behind a value that are no unit."""
    text = undecorate(text)
    if len(text) > 2000:
        return False
    found = _END.search(text)
    if found is None or found["text"] is None:
        return _ends_in_prose(text, trusted)
    said = found["text"].strip(" .,()")
    return len(said) > 1 and said not in _JOINS and not _is_unit(found, trusted)


def _ends_in_prose(text: str, trusted: bool) -> bool:
    """Whether words that no formula has stand behind a value; short ones may be variables."""
    found = _PROSE.search(text)
    if found is None:
        return False
    words = found["said"].lower().split()
    longest = max(words, key=len)
    formula = len(longest) < 4 or (len(words) == 1 and longest in _SPELT)
    return not formula and not counts(words, trusted=trusted)


def _is_unit(found: re.Match[str], trusted: bool) -> bool:
    if found["word"]:
        return _PLAIN.fullmatch(found["word"]) is not None
    said = found["text"].strip(" .()")
    if len(said) == 1 or said in _SIGNS:
        return said in _SIGNS or said in UNITS  # M is no m
    words = _split(said)
    if measure(words):
        return True
    return bool(words) and not _JOINS & set(words) and counts(words, trusted=trusted)


def _measure(text: str) -> Measure | None:
    """What the unit measures and its size, where it is a known one."""
    if len(text) > 2000 or not (found := _END.search(undecorate(text))):
        return None
    power = [f"^{found['power']}"] if found["power"] else []
    return measure([*_split(found["text"] or found["word"]), *power])


def _split(text: str) -> list[str]:
    """Words in lower case, ``m/s^2`` as ``m per s ^2``; none where there is anything else."""
    plain = text.strip(" .").replace("/", " per ").replace("^", " ^").replace("'s", "s")
    words = [
        word.rstrip(".,").lower() for word in plain.replace("(", " ").replace(")", " ").split()
    ]
    return words if all(re.fullmatch(r"[a-z]+(?:-[a-z]+)*|\^[23]", word) for word in words) else []
