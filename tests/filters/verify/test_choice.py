"""The choice verifier as a table: gold, completion, outcome, why."""

import pytest
from filter_rows import candidate, problem
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.choice import ChoiceVerifier
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
CHOICES = ("ignore", "enforce", "yell at", "a bank", "avoid")
LISTED = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCDE", CHOICES, strict=True))

TABLE = [
    ("B", "Answer: (B)", RIGHT, "letter in brackets"),
    ("B", "Answer: B", RIGHT, "letter"),
    ("B", "So the answer is B.", RIGHT, "full stop"),
    ("B", "The answer is **B**.", RIGHT, "bold"),
    ("B", "The answer is option B.", RIGHT, "named as option"),
    ("B", "The answer is (B) enforce.", RIGHT, "with its text"),
    ("B", "The answer is B: enforce", RIGHT, "with its text behind a colon"),
    ("B", "The answer is enforce.", RIGHT, "its text alone"),
    ("D", "The answer is a bank.", RIGHT, "a text that begins with a letter of its own"),
    ("B", r"\boxed{B}", RIGHT, "box"),
    ("B", r"\boxed{\text{(B)}}", RIGHT, "box with text"),
    ("B", "<answer>B</answer>", RIGHT, "tags"),
    ("B", "#### B", RIGHT, "hashes"),
    ("B", "B.", RIGHT, "nothing but the letter"),
    ("B", "(B) enforce", RIGHT, "nothing but the choice"),
    ("B", "enforce", RIGHT, "nothing but its text"),
    ("B", "It must be strong.\nB", RIGHT, "letter on its own line"),
    ("B", "The answer is b", RIGHT, "small letter alone"),
    ("enforce", "Answer: B", RIGHT, "gold given as text"),
    ("A", "Answer: (B)", WRONG, "another letter"),
    ("A", r"The answer is A, no: \boxed{B}", WRONG, "a box is stronger than a phrase"),
    ("B", "Answer: A or B", UNPARSED, "hedging"),
    ("B", "Answer: A, B", UNPARSED, "hedging with a comma"),
    ("B", "The answer is A. The answer is B.", UNPARSED, "two different claims"),
    ("B", r"\boxed{A} \boxed{B}", UNPARSED, "two different boxes"),
    ("B", r"\boxed{B} so \boxed{B}", RIGHT, "the same claim twice"),
    ("B", "The answer is (B) avoid.", UNPARSED, "letter of one, text of another"),
    ("B", "Answer: F", UNPARSED, "not among the choices"),
    ("B", f"The choices are\n{LISTED}", UNPARSED, "a list of choices is no claim"),
    ("E", f"The choices are\n{LISTED}", UNPARSED, "not even its last line"),
    ("B", "<think>The answer is B</think>Hm.", UNPARSED, "only in the thinking"),
    ("B", r"\boxed{B} and \boxed{", UNPARSED, "the last box is never closed"),
    ("B", "Enforcing is what a sanction does.", UNPARSED, "no claim"),
    ("B", "I think so.", UNPARSED, "I is not a choice"),
    ("B", "", UNPARSED, "empty"),
    ("B", "Answer: B\n" * 100_000, RIGHT, "1 MB of the same"),
    ("G", "Answer: B", Outcome.UNVERIFIABLE, "the gold is no choice"),
    ("", "Answer: B", Outcome.UNVERIFIABLE, "no gold"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), TABLE)
def test_table(gold: str, completion: str, outcome: Outcome, why: str) -> None:
    asked = problem(gold, verifier="choice", choices=CHOICES)
    verdict = ChoiceVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_without_choices_any_letter_is_taken() -> None:
    for completion in (r"\boxed{\text{E}}", r"\boxed{E: A polygenic risk score}"):
        verdict = ChoiceVerifier().verify(problem("E"), candidate(completion))
        assert (verdict.outcome, verdict.extracted) == (RIGHT, "E")


def test_cut_off_without_a_letter_is_truncated() -> None:
    asked = problem("B", choices=CHOICES)
    verdict = ChoiceVerifier().verify(asked, candidate("Let us see", finish_reason="length"))
    assert verdict.outcome is Outcome.TRUNCATED


@given(st.text(max_size=200))
def test_never_raises(text: str) -> None:
    for completion in (text, f"Answer: {text}", rf"\boxed{{{text}}}"):
        ChoiceVerifier().verify(problem("B", choices=CHOICES), candidate(completion))
