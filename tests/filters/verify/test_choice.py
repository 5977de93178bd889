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
    ("B", r"\boxed{(B) (C)}", UNPARSED, "two letters side by side"),
    ("B", r"\boxed{B. or C.}", UNPARSED, "or behind a full stop"),
    ("B", r"\boxed{(B) enforce or (C) yell at}", UNPARSED, "two choices with their texts"),
    ("B", r"\boxed{(B) enforce or C}", UNPARSED, "text, then a letter"),
    ("B", r"\boxed{(B) enforce, C}", UNPARSED, "text, then a letter behind a comma"),
    ("B", r"\boxed{(B) enforce / C}", UNPARSED, "text, then a letter behind a stroke"),
    ("B", r"\boxed{(B) enforcing, (C) yelling}", UNPARSED, "two choices in other words"),
    ("B", r"\boxed{B: enforce, C: yell at}", UNPARSED, "two choices behind colons"),
    ("B", "Answer: B, or C", UNPARSED, "a claim that goes on"),
    ("B", "Answer: B. Or maybe (C).", UNPARSED, "not with a small or"),
    ("B", "The answer is B, or perhaps C.", UNPARSED, "perhaps"),
    ("B", "Answer: option B or option C", UNPARSED, "both named as options"),
    ("B", r"\boxed{B) not}", UNPARSED, "taken back"),
    ("B", r"\boxed{B: wrong}", UNPARSED, "each choice with what it is"),
    ("B", r"\boxed{(B) enforce is wrong}", UNPARSED, "taken back behind its text"),
    ("B", "Answer: option B is not correct", UNPARSED, "an option taken back"),
    ("B", "Answer: B; C", UNPARSED, "a claim that a letter follows"),
    ("B", r"\boxed{(B) enforce, avoid}", UNPARSED, "two texts"),
    ("B", r"\boxed{(B) enforce or yell at}", UNPARSED, "two texts with or"),
    ("B", r"\boxed{(B) not enforce}", UNPARSED, "not its text"),
    ("B", "B. enforce\nor C. yell at", UNPARSED, "or on a line of its own"),
    ("B", "The answer is B, and C is wrong.", RIGHT, "another one is judged"),
    ("B", r"\boxed{(B) enforce, not (C)}", RIGHT, "another one is excluded"),
    ("B", r"\boxed{(B) (B)}", RIGHT, "the same letter twice"),
    ("B", r"\boxed{(B) enforce, as with vitamin C}", RIGHT, "a letter that is no choice here"),
    ("B", "The answer is option B, enforce", RIGHT, "an option with its text"),
    ("B", "Answer: B, and a bank is not.", RIGHT, "a small letter is a word"),
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


SEVERAL = [
    ("A, C", "Answer: A, C", RIGHT, "letters"),
    ("A, C", "Answer: C and A.", RIGHT, "another order"),
    ("A, C", "Answer: (A) and (C)", RIGHT, "brackets"),
    ("A, C", "The answer is A, and C", RIGHT, "a comma before and"),
    ("A, C", "Answer: AC", RIGHT, "letters in a row"),
    ("AC", "Answer: A/C", RIGHT, "a gold in a row"),
    ('["A", "C"]', r"\boxed{A, C}", RIGHT, "a gold as a list, a box"),
    ("A, C", r"\boxed{A} and \boxed{C}", RIGHT, "two boxes that are joined"),
    ("A, C", "<answer>A. ignore\nC. yell at</answer>", RIGHT, "with their texts, on lines"),
    ("A, C", "Answer: ignore, yell at", RIGHT, "their texts alone"),
    ("ignore, yell at", "Answer: A, C", RIGHT, "a gold of texts"),
    ("A, C", "Both hold.\nA, C", RIGHT, "a last line of letters"),
    ("A, C, D", "Answer: A, C and D", RIGHT, "three"),
    ("A, C", "Answer: A", WRONG, "one is missing"),
    ("A, C", "Answer: A, B, C", WRONG, "one too many"),
    ("A, C", "Answer: A, B", WRONG, "another one"),
    ("A, C", "Answer: A or C", UNPARSED, "a hedge"),
    ("A, C", "The answer is A and C but not both.", UNPARSED, "not both"),
    ("A, C", r"\boxed{\text{either A and C}}", UNPARSED, "either"),
    ("A, C", "Answer: A and C, not B.", RIGHT, "another one is denied"),
    ("A, C", "Answer: A, F", UNPARSED, "F is not among the choices"),
    ("A, C", r"\boxed{A, C} no, \boxed{A, B}", UNPARSED, "two different claims"),
    ("A, C", r"\boxed{A, C} \boxed{", UNPARSED, "the last box is never closed"),
    ("A, C", "I think so.", UNPARSED, "no claim"),
    ("A, F", "Answer: A, F", Outcome.UNVERIFIABLE, "the gold has no such choice"),
]

TEXTS = ("vitamin C", "a vitamin A or C tablet", "not (A)", "B", "none is wrong")

OWN = [
    ("A", "Answer: (A) vitamin C", RIGHT, "a letter in the choice's own text"),
    ("B", r"\boxed{(B) a vitamin A or C tablet}", RIGHT, "two of them"),
    ("B", r"\boxed{(B) a vitamin A or C tablet or (C)}", UNPARSED, "and one behind it"),
    ("C", r"\boxed{C. not (A)}", RIGHT, "a text that denies"),
    ("D", "Answer: (D) B", RIGHT, "a text that is a letter"),
    ("B", "Answer: (B) B", UNPARSED, "the text of another choice"),
    ("E", r"\boxed{(E) None is wrong.}", RIGHT, "a text with wrong"),
]


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), OWN)
def test_letters_in_the_texts_of_choices(
    gold: str, completion: str, outcome: Outcome, why: str
) -> None:
    asked = problem(gold, verifier="choice", choices=TEXTS)
    verdict = ChoiceVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


WORDS = [
    ("yes", "Answer: Yes", RIGHT, "case"),
    ("Yes", "The answer is yes, because it is even.", RIGHT, "with a reason"),
    ("no", r"\boxed{\text{No}}", RIGHT, "a box"),
    ("True", "<answer>true</answer>", RIGHT, "a tag"),
    ("True", "true", RIGHT, "nothing but the word"),
    ("yes", "Answer: No", WRONG, "the opposite"),
    ("yes", "Answer: yes or no", UNPARSED, "a hedge"),
    ("yes", "The answer is yes. The answer is no.", UNPARSED, "two claims"),
    ("yes", "Answer: true", UNPARSED, "another pair"),
    ("yes", "Answer: A", UNPARSED, "a letter"),
    ("yes", "Yes it may be, or not.", UNPARSED, "no claim"),
    ("yes", "", UNPARSED, "empty"),
]


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), SEVERAL)
def test_several_answers(gold: str, completion: str, outcome: Outcome, why: str) -> None:
    asked = problem(gold, verifier="choice", choices=CHOICES)
    verdict = ChoiceVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


@pytest.mark.parametrize(("gold", "completion", "outcome", "why"), WORDS)
def test_words(gold: str, completion: str, outcome: Outcome, why: str) -> None:
    verdict = ChoiceVerifier().verify(problem(gold, verifier="choice"), candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_without_choices_any_letter_is_taken() -> None:
    for completion in (
        r"\boxed{\text{E}}", r"\boxed{E: A polygenic risk score}", r"\boxed{E. False}",
        "Answer: (E) Not the same", "Answer: (E) no",
    ):  # fmt: skip
        verdict = ChoiceVerifier().verify(problem("E"), candidate(completion))
        assert (verdict.outcome, verdict.extracted) == (RIGHT, "E")


def test_cut_off_without_a_letter_is_truncated() -> None:
    asked = problem("B", choices=CHOICES)
    verdict = ChoiceVerifier().verify(asked, candidate("Let us see", finish_reason="length"))
    assert verdict.outcome is Outcome.TRUNCATED


@given(st.text(max_size=200))
def test_never_raises(text: str) -> None:
    for completion in (text, f"Answer: {text}", rf"\boxed{{{text}}}"):
        for asked in (problem("B", choices=CHOICES), problem("A, C", choices=CHOICES),
                      problem("yes"), problem(text, choices=CHOICES)):  # fmt: skip
            ChoiceVerifier().verify(asked, candidate(completion))
