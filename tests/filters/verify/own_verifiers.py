"""Verifiers as users write them, named ``own_verifiers:NAME``."""

from filters.verify.verdicts import Stamp, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict


def says(problem: Problem, candidate: Candidate) -> object:
    """A bool, an outcome, nothing, or something else, as the completion asks."""
    asked = candidate.completion
    if asked == "raise":
        raise LookupError("no such word")
    if asked in list(Outcome):
        return Outcome(asked)
    known: dict[str, object] = {"true": True, "false": False, "half": 0.5, "word": "yes"}
    return known.get(asked)


def whole(problem: Problem, candidate: Candidate) -> Verdict:
    stamp = Stamp("another", "7")
    return verdict(stamp, candidate, Outcome.WRONG, "because", results=["no"], share=0.25)


def counted(problem: Problem, candidate: Candidate) -> bool:
    return True


counted.version = 3  # type: ignore[attr-defined]


class Kind:
    """A class with all that a verifier has."""

    name = "kind"
    version = "2"

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        return verdict(self, candidate, Outcome.CORRECT, "kind")


class Nameless:
    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        raise AssertionError


class Picky(Kind):
    def __init__(self, word: str) -> None:
        self.word = word


async def later(problem: Problem, candidate: Candidate) -> bool:
    return True


def alone(candidate: Candidate) -> bool:
    return True


OBJECT = Kind()
NUMBER = 5
PARTLY = Nameless()
