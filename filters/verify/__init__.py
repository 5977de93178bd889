"""Verifiers by name: each decides whether a candidate's answer is right.

Importing this is cheap: a heavy library (math-verify) is imported by the verifier that needs it
when it first needs it, in a worker process (`filters.verify.pool`). What a verifier may have
besides ``verify`` stands in `rsfactory.contracts.Verifier`; what else a name may stand for, the
user's own functions among it, in `filters.verify.named`.
"""

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
