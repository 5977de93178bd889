"""Checks on a candidate's reasoning: each looks for one thing and reports what it saw.

A check never decides: it leaves a flag with its evidence, and the recipe's ``[flags]`` says for
each what becomes of it: ``ignore`` (not looked for), ``count`` (kept beside the candidate) or
``reject`` (kept out of training). A check is a class with a ``name`` and one method, and one line
in `CHECKS`; a score of a reward model or a judge has its place here too.
"""

from collections.abc import Collection
from dataclasses import replace

from filters.checks.answers import NoDerivation, SeveralAnswers
from filters.checks.arithmetic import WrongStep
from filters.checks.hint import LeakedHint
from filters.checks.loops import Repetition
from filters.checks.thinking import CopiedPrompt, EmptyThinking, LanguageChange, SelfCorrection
from rsfactory.contracts import Check
from rsfactory.records import Candidate, Flag, Problem

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        LeakedHint(),
        WrongStep(),
        NoDerivation(),
        SeveralAnswers(),
        Repetition(),
        EmptyThinking(),
        CopiedPrompt(),
        LanguageChange(),
        SelfCorrection(),
    )
}
"""Name -> check, in the order in which they look."""


def flags_of(problem: Problem, candidate: Candidate, names: Collection[str]) -> list[Flag]:
    """What the checks of these names find.

    They see one text: a reasoning field stands before the completion, in think tags.
    """
    seen = replace(candidate, completion=candidate.trace, reasoning=None)
    return [flag for name in CHECKS if name in names for flag in CHECKS[name].check(problem, seen)]
