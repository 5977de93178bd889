"""A verifier for GRPO's tests: judges by the completion's length, so that a random model varies."""

from rsfactory.records import Candidate, Outcome, Problem, Verdict


class ToyVerifier:
    """Even length is correct, odd is wrong; cut off is truncated; ``unsure`` is our fault."""

    name = "toy"
    version = "1"

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if candidate.finish_reason == "length":
            outcome = Outcome.TRUNCATED
        elif problem.answer == "3":
            outcome = Outcome.UNVERIFIABLE
        else:
            outcome = Outcome.WRONG if len(candidate.completion) % 2 else Outcome.CORRECT
        return Verdict(
            id=Verdict.key(candidate.id, self.name, self.version),
            candidate_id=candidate.id,
            verifier=self.name,
            version=self.version,
            outcome=outcome,
            extracted=None,
            reason="toy",
            seconds=0.0,
            isolation="none",
        )


VERIFIERS = {"toy": ToyVerifier()}


class ToyPool:
    """The same as a pool that must be closed."""

    closed = 0

    def verify(self, pairs: list[tuple[Problem, Candidate]]) -> list[Verdict]:
        return [VERIFIERS["toy"].verify(*pair) for pair in pairs]

    def close(self) -> None:
        ToyPool.closed += 1
