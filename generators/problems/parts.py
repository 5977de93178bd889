r"""What a format finds in a row, and the problem that it makes.

Who decides where nobody says: ``choice`` where there are choices, ``math`` for a gold that is a
number or a formula, ``exact`` for words.
"""

import re
from dataclasses import dataclass

from generators.problems.origin import NOWHERE, Origin
from rsfactory.records import Problem

_NUMBER = re.compile(r"\\?\$?\s*[-+]?\d[\d,]*(\.\d+)?\s*\\?%?|[-+]?\d+\s*/\s*\d+")
_FORMULA = re.compile(
    r"(?=.*[\d=^])[-+*/^()\[\]{}=<>,.!|\s\d]*([a-zA-Z]\b[-+*/^()\[\]{}=<>,.!|\s\d]*)*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a format finds in a row."""

    prompt: str
    answer: str
    choices: tuple[str, ...] = ()
    solution: str | None = None
    math: bool = False
    """The format itself says that answers are mathematical."""
    verifier: str | None = None
    """Who decides, where the format itself says."""
    metadata: str = ""
    """JSON: what that verifier needs beyond the answer."""
    origin: Origin = NOWHERE
    """What the format itself says of it."""


def problem_of(parts: Parts, source: str, row: int, verifier: str | None) -> Problem:
    """The problem that the parts make; the verifier is the user's, else the format's."""
    kind, decides = "text", "exact"
    if parts.verifier:
        kind, decides = "code" if parts.verifier == "code" else "text", parts.verifier
    elif parts.choices:
        kind, decides = "choice", "choice"
    elif parts.math or mathematical(parts.answer):
        kind, decides = "math", "math"
    return Problem(
        id=Problem.key(source, parts.prompt, parts.answer or parts.metadata),
        source=source,
        split="train",
        domain=kind,
        verifier=verifier or decides,
        prompt=parts.prompt,
        answer=parts.answer,
        choices=list(parts.choices),
        solution=parts.solution,
        row=row,
        metadata=parts.metadata,
        licence=parts.origin.licence,
        provenance=parts.origin.provenance,
    )


def mathematical(answer: str) -> bool:
    """Whether a gold answer is a number or a formula rather than words."""
    answer = answer.strip()
    if _NUMBER.fullmatch(answer) or "\\" in answer:
        return True
    return len(answer) <= 200 and _FORMULA.fullmatch(answer) is not None


def last_box(text: str) -> str | None:
    r"""Content of the last ``\boxed{...}``, braces balanced; None where there is none."""
    start = text.rfind("\\boxed{")
    depth, begin = 0, start + len("\\boxed{")
    for end in range(begin, len(text) if start >= 0 else begin):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth < 0:
            return text[begin:end].strip()
    return None
