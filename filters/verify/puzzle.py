"""``puzzle``: problems with many right answers, or with a scorer of their own.

`Problem.metadata` says which kind of puzzle it is and holds what its rules need:

- ``{"kind": "countdown", "numbers": [4, 5, 6, 10], "target": 24}`` (`filters.verify.countdown`)
- ``{"kind": "knights_and_knaves", "names": [...], "statements": "((...), ...)"}``
  (`filters.verify.knights`)
- ``{"kind": "gym", "family": ..., "params": {...}, "entry": {...}}`` (`filters.verify.gym`)

Without metadata two cases are plain enough to be read from the columns: a question that is nothing
but numbers with a number as its answer (the target), and an answer that says who is a knight and
who a knave. Anything else is UNVERIFIABLE, and so is metadata that cannot be understood.

The first two kinds are bounded work and are decided in the calling process; a scorer of
reasoning-gym is other people's code and runs in a worker that can be killed.
"""

import time
from typing import Any

from filters.verify import countdown, gym, knights
from filters.verify.extract import final_claim, strong_claims, visible
from filters.verify.fences import fenced
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory import tagged
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class PuzzleVerifier:
    """Puzzles by their own rules."""

    name = "puzzle"
    version = "2"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict | None:
        """The verdict, or None where a library's scorer is needed."""
        began = time.monotonic()
        try:
            metadata = _metadata(problem)
            if candidate.finish_reason == "length" and _may_be_cut(metadata, candidate):
                return unanswered(self, candidate, "the answer may be cut off", began=began)
            if metadata.get("kind") == "gym":
                return self._gym_without_scorer(metadata, candidate, began)
            text = visible(candidate.completion)
            extracted, outcome, reason = _decide(metadata, problem.answer, text)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return self._unfit(candidate, error, began)
        if extracted is None:
            return unanswered(self, candidate, reason, began=began)
        return self._say(candidate, outcome, reason, began, extracted)

    def prepare(self) -> None:
        """Imports the library whose scorers need a worker."""
        gym.load()

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict. May run long or need much memory: call it in a worker."""
        began = time.monotonic()
        done = self.quick(problem, candidate)
        if done is not None:
            return done
        metadata = _metadata(problem)
        texts = gym.readings(visible(candidate.completion), metadata)
        try:
            extracted, outcome, reason = gym.judge(texts, metadata)
        except gym.BadEntry as error:
            return self._unfit(candidate, error, began)
        return self._say(candidate, outcome, reason, began, extracted)

    def _gym_without_scorer(
        self, metadata: dict[str, Any], candidate: Candidate, began: float
    ) -> Verdict | None:
        """The verdict where there is no answer to score."""
        if gym.readings(visible(candidate.completion), metadata):
            return None
        return unanswered(self, candidate, "no answer is claimed", began=began)

    def _unfit(self, candidate: Candidate, error: Exception, began: float) -> Verdict:
        reason = f"the puzzle cannot be judged: {shorten(str(error) or type(error).__name__, 200)}"
        return self._say(candidate, Outcome.UNVERIFIABLE, reason, began)

    def _say(
        self, candidate: Candidate, outcome: Outcome, reason: str, began: float,
        extracted: str | None = None,
    ) -> Verdict:  # fmt: skip
        return verdict(self, candidate, outcome, reason, extracted=extracted, began=began)


Decision = tuple[str | None, Outcome, str]
"""Extracted answer, outcome, reason."""


def _metadata(problem: Problem) -> dict[str, Any]:
    """What the problem says about its puzzle.

    Raises:
        ValueError: It says nothing that is understood.
    """
    if problem.metadata:
        metadata = tagged.loads(problem.metadata)
        if not isinstance(metadata, dict) or metadata.get("kind") not in KINDS:
            raise ValueError(f"expected metadata with a kind of {', '.join(KINDS)}")
        if metadata["kind"] == "gym":
            gym.check(metadata)
        return metadata
    if numbers := countdown.from_text(problem.prompt, problem.answer):
        return {"kind": "countdown", **numbers}
    if people := knights.from_text(problem.answer):
        return {"kind": "knights_and_knaves", **people}
    raise ValueError(
        "it has no metadata, and is neither numbers with a target nor an answer that says who is "
        "a knight; give metadata with its kind"
    )


KINDS = ("countdown", "knights_and_knaves", "gym")


def _may_be_cut(metadata: dict[str, Any], candidate: Candidate) -> bool:
    """Whether more of the answer might have followed, had the completion not been cut off."""
    text = visible(candidate.completion)
    strong = strong_claims(text)
    if strong:
        return strong[-1].open_end
    claim = None if _takes_lines(metadata) else final_claim(text)
    return claim.open_end if claim else not fenced(text)


def _takes_lines(metadata: dict[str, Any]) -> bool:
    """Whether an answer may have several lines, so that a line's end does not end it."""
    if metadata["kind"] == "gym":
        return "\n" in str(metadata["entry"]["answer"] or "\n")
    return bool(metadata["kind"] == "knights_and_knaves")


def _decide(metadata: dict[str, Any], gold: str, text: str) -> Decision:
    """What a visible text says about a puzzle of our own; KeyError for a kind that is not known."""
    if metadata["kind"] == "countdown":
        return _countdown(metadata, text)
    if metadata["kind"] == "knights_and_knaves":
        return _knights(metadata, gold, text)
    raise KeyError(metadata["kind"])


def _countdown(metadata: dict[str, Any], text: str) -> Decision:
    claim = countdown.claimed(text)
    if claim is None:
        return None, Outcome.UNPARSED, "no expression is claimed"
    try:
        right, reason = countdown.judge(claim, metadata)
    except countdown.NotAnExpression as error:
        return claim, Outcome.UNPARSED, f"no expression of numbers and + - * /: {error}"
    return claim, Outcome.CORRECT if right else Outcome.WRONG, reason


def _knights(metadata: dict[str, Any], answer: str, text: str) -> Decision:
    names, statements = metadata["names"], metadata.get("statements")
    gold = knights.gold(answer, names, statements)
    claim = knights.claimed(text, names)
    stated = None if claim is None else knights.read(claim, names)
    if claim is None or stated is None:
        return claim, Outcome.UNPARSED, "it does not say, once, who is a knight and who a knave"
    left_out = [name for name in names if name not in stated]
    if left_out:
        return claim, Outcome.WRONG, f"it says nothing of {', '.join(left_out)[:60]}"
    wrong = [name for name in names if stated[name] != gold[name]]
    if not wrong:
        return claim, Outcome.CORRECT, "it is the gold assignment"
    if statements is not None and knights.consistent(stated, names, statements):
        return claim, Outcome.CORRECT, "it agrees with all statements"
    return claim, Outcome.WRONG, f"it is wrong about {', '.join(wrong)[:60]}"
