"""Verifiers that note every call in a file named by the problem, which workers write to."""

from pathlib import Path

from filters.verify.verdicts import verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class Whole:
    """Reads the whole completion; its first word is the outcome."""

    name = "whole"
    version = "1"

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        with Path(problem.metadata).open("a") as file:
            file.write(f"{candidate.id}\n")
        if candidate.completion.startswith("crash"):
            raise ValueError("no verdict")
        outcome = Outcome(candidate.completion.split()[0])
        return verdict(
            self, candidate, outcome, "because", results=["passed"], share=1.0, isolation="full"
        )


class Ending(Whole):
    """Decides on the first word."""

    name = "ending"

    def decides_on(self, problem: Problem, candidate: Candidate) -> str | None:
        return candidate.completion.split()[0] if candidate.completion[-1] != "?" else None


WHOLE = Whole()
ENDING = Ending()
