"""The exact verifier as a table: gold, completion, outcome, why."""

import pytest
from filter_rows import candidate, problem

from filters.verify.exact import ExactVerifier
from rsfactory.records import Outcome

TABLE = [
    ("olleh", "The answer is olleh.", Outcome.CORRECT, "plain"),
    ("New York", "<answer>new\n  york</answer>", Outcome.CORRECT, "case and whitespace"),
    ("yes", r"\boxed{\text{Yes}}", Outcome.CORRECT, "decoration"),
    ("ﬁve", "Answer: five", Outcome.CORRECT, "compatibility forms"),
    ("1/2", r"\boxed{0.5}", Outcome.WRONG, "nothing is computed"),
    ("hello", "The answer is olleh.", Outcome.WRONG, "other text"),
    ("to be or not to be, that is it", "Hm.\nAnswer: To be or not to be, that is it",
     Outcome.CORRECT, "a long line"),
    ("A man. A plan.", "Answer: a man. a plan.", Outcome.CORRECT, "several sentences"),
    ("of, such, the", "Answer: of, such, the", Outcome.CORRECT, "a list of words"),
    ("of, such, the", "Answer: of, such", Outcome.WRONG, "half a list"),
    ("olleh", "olleh it is", Outcome.UNPARSED, "no mark"),
    ("olleh", "<think>The answer is olleh</think>", Outcome.UNPARSED, "only in the thinking"),
    (" ", "The answer is olleh.", Outcome.UNVERIFIABLE, "no gold"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), TABLE)
def test_table(gold: str, completion: str, outcome: Outcome, why: str) -> None:
    verdict = ExactVerifier().verify(problem(gold), candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_verdict_of_broken_unicode_can_be_stored() -> None:
    verdict = ExactVerifier().verify(problem("5"), candidate("The answer is 5\ud800"))
    assert (verdict.extracted, verdict.outcome) == ("5?", Outcome.WRONG)


def test_an_answer_that_ends_at_the_cut_may_be_cut_itself() -> None:
    cut = candidate("The answer is oll", finish_reason="length")
    assert ExactVerifier().verify(problem("olleh"), cut).outcome is Outcome.TRUNCATED
