r"""What a text says right behind its answer that takes it back: "Wait, it's 8", "or maybe 8".

Only the next few words are looked at (`REACH`), and only for what names another number at the end
of its sentence, denies the answer outright, or announces that another answer follows. Doubt
without another value ("I hope that is right") takes nothing back.
"""

import re
from dataclasses import dataclass
from typing import Literal

REACH = 200
"""Characters behind an answer that are looked at."""
_CLOSE = r"[\s.,;:!)\]$*_\\-]{0,12}"
_VALUE = r"(?P<value>[-+]?\$?\d[\d,]*(?:\.\d+)?)\b(?=[\s*$)]*(?:[.!?](?:\s|$)|\n|$))"
_HEDGE = re.compile(
    r"[\s,*$)\]\\]{0,9}(?:or|but)\s(?:it\s)?(?:(?:could|may|might)\s(?:also\s)?be|maybe|perhaps|possibly)\s\$?"
    + _VALUE,
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    _CLOSE + r"(?:(?:oh|hmm|but)[,.\s]{1,3})?(?:(?:wait|no|actually|sorry|oops|correction|hmm)\b"
    r"[\s,.:!-]{1,5}){1,3}(?:(?:it|that|this)(?:'s|\sis|\sshould\sbe)\s|i\smean\s|make\sthat\s)?\$?"
    + _VALUE,
    re.IGNORECASE,
)
_MEANT = re.compile(_CLOSE + r"(?:I mean|or rather|make that)[,\s]{1,3}\$?" + _VALUE, re.IGNORECASE)
_DENIED = re.compile(
    _CLOSE + r"(?:(?:wait|no|actually|hmm|oops)\b[\s,.!]{1,5}){0,2}(?:but\s)?"
    r"(?:which|this|that|it)(?:'s|\s(?:is|was|answer\sis))\s(?:wrong|incorrect|not\s(?:right|correct))"
    r"\b",
    re.IGNORECASE,
)
_ANEW = re.compile(
    r"\b(?:[Ww]ait|No|[Aa]ctually|wrong|incorrect|mistake|[Ss]orry|[Cc]orrection|[Hh]mm|[Oo]ops)\b"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of an answer."""

    kind: Literal["also", "instead", "anew"]
    """Another value beside it, in its place, or one that may be claimed later."""
    value: str = ""
    end: int = 0
    """Where in the tail it was said."""
    denied: bool = False
    """Where nothing is claimed later, the answer is taken back."""


def turn(tail: str) -> Turn | None:
    """What a text turns to right behind its answer; None for nothing of that kind."""
    tail = tail[:REACH]
    if found := _HEDGE.match(tail):
        return Turn("also", found["value"], found.end())
    if found := _INSTEAD.match(tail) or _MEANT.match(tail):
        return Turn("instead", found["value"], found.end())
    denied = _DENIED.match(tail) is not None
    if found := _ANEW.search(tail):
        return Turn("anew", end=found.start(), denied=denied)
    return Turn("anew", denied=True) if denied else None
