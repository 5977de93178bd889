"""Verifiers by name: each decides whether a candidate's answer is right.

Importing this is cheap: a heavy library (math-verify) is imported by the verifier that needs it
when it first needs it, in a worker process (`filters.verify.pool`). A verifier may also offer
``quick``: a verdict found by bounded, exact work alone, safe to ask for in the calling process;
None leaves the row to a worker.

What else the pool looks for in a verifier: ``limit`` (wall seconds of a verdict) and ``memory``
(bytes of its worker's address space) instead of the pool's own; ``prepare()`` and ``close()``,
called in a worker before its first row and when it ends normally; ``decides_on``, the answer that
alone decides (`filters.verify.cache`).
"""

from typing import Protocol, runtime_checkable

from filters.verify.choice import ChoiceVerifier
from filters.verify.code import CodeVerifier
from filters.verify.exact import ExactVerifier
from filters.verify.format import FormatVerifier
from filters.verify.json_schema import JsonSchemaVerifier
from filters.verify.judge import LlmJudge
from filters.verify.majority import MajorityVerifier
from filters.verify.math import MathVerifier
from filters.verify.puzzle import PuzzleVerifier
from filters.verify.regex import RegexVerifier
from rsfactory.contracts import Verifier
from rsfactory.records import Candidate, Problem, Verdict


@runtime_checkable
class QuickVerifier(Verifier, Protocol):
    """A verifier that decides cheap rows without a worker process."""

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict | None:
        """The same verdict as ``verify``, or None where more than bounded work is needed."""
        ...


VERIFIERS: dict[str, Verifier] = {
    "math": MathVerifier(),
    "choice": ChoiceVerifier(),
    "code": CodeVerifier(),
    "exact": ExactVerifier(),
    "puzzle": PuzzleVerifier(),
    "format": FormatVerifier(),
    "regex": RegexVerifier(),
    "json-schema": JsonSchemaVerifier(),
}

JUDGES = {"judge": LlmJudge}
"""Judges by name; each is made with the settings of a recipe and asks a teacher."""

GROUP_VERIFIERS = {"majority": MajorityVerifier}
"""Verifiers of whole groups by name; each is made with the settings of a recipe."""
