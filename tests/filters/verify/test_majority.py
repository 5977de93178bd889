"""Majority: groups of answers as a table, and what must not matter."""

import itertools

import pytest
from filter_rows import candidate, problem
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.majority import MajorityVerifier
from rsfactory.records import Candidate, Outcome, Problem, Verdict

C, W, U, P, T = (
    Outcome.CORRECT, Outcome.WRONG, Outcome.UNVERIFIABLE, Outcome.UNPARSED, Outcome.TRUNCATED,
)  # fmt: skip
MAJORITY = MajorityVerifier(share=0.5, minimum=3)


def group(*answers: str) -> list[Candidate]:
    """Candidates that answer these; one that ends in ``...`` was cut off."""
    return [
        candidate(
            text.removesuffix("...") if " " in text or not text else f"Answer: {text}",
            id=f"c-{i}", index=i, finish_reason="length" if text.endswith("...") else "stop",
        )
        for i, text in enumerate(answers)
    ]  # fmt: skip


def decide(*answers: str, of: Problem | None = None) -> list[Verdict]:
    return MAJORITY.verify_group(of or problem("", verifier="majority"), group(*answers))


TABLE = [
    (("42", "42", "42"), [C, C, C], "all agree"),
    (("42", "42", "42", "7"), [C, C, C, W], "one does not"),
    (
        ("42", "$42.0", r"The result: \boxed{42}", "9"),
        [C, C, C, W],
        "the same number in three forms",
    ),
    (("0.5", r"\frac{1}{2}", "50%", "2"), [C, C, C, W], "a half"),
    (("Paris", "**paris**", "Paris.", "Rome"), [C, C, C, W], "the same word"),
    ((r"\left(1,2\right)", "(1,2)", r"(1,\,2)", "(2,1)"), [C, C, C, W], "LaTeX spacing"),
    (("42", "42"), [U, U], "two are too few"),
    (("42",), [U], "one says nothing"),
    (("1", "1", "1", "2", "2", "2"), [U] * 6, "as many on two"),
    (("1", "1", "1", "2", "3", "4", "5"), [U] * 7, "three of seven are less than a half"),
    (("1", "1", "1", "", "I give up"), [C, C, C, P, P], "no answer, no vote, but it counts"),
    (("1", "1", "1", "", "", "", ""), [U, U, U, P, P, P, P], "three of seven again"),
    (("1", "1", "1", "so I think..."), [C, C, C, T], "cut off before an answer"),
    (("1", "1", "1", "The answer is 1..."), [C, C, C, T], "cut off in the answer"),
    (("", "", ""), [P, P, P], "nobody answers"),
    (("x+1", "1+x", "Answer: x + 1", "x+1"), [C, W, C, C], "not covered: equal after algebra only"),
]


@pytest.mark.parametrize(("answers", "outcomes", "why"), TABLE)
def test_table(answers: tuple[str, ...], outcomes: list[Outcome], why: str) -> None:
    assert [v.outcome for v in decide(*answers)] == outcomes, why


def test_the_reason_says_that_no_gold_was_used() -> None:
    right, *_, wrong = decide("42", "42", "42", "7")
    assert right.reason == "3 of 4 agree on 42 (no gold)"
    assert wrong.reason == "7, but 3 of 4 agree on 42 (no gold)"
    assert (right.verifier, right.share, right.extracted) == ("majority", 0.75, "42")
    tied = decide("1", "1", "1", "2", "2", "2")[0]
    assert tied.reason == "no majority: 3 of 6 agree on 1, and as many on another answer (no gold)"
    few = decide("1", "1")[0]
    assert few.reason == "no majority: 2 of 2 agree on 1, needed are 3 and a share of 0.5 (no gold)"


def test_a_gold_is_not_looked_at() -> None:
    told = decide("42", "42", "42", "7", of=problem("7", verifier="majority"))
    assert [v.outcome for v in told] == [C, C, C, W]


def test_choices_are_compared_by_letter() -> None:
    of = problem("", verifier="majority", choices=("red", "blue"), domain="choice")
    told = decide("B", r"\boxed{B}", "The answer is blue", "A", "Answer: A or B", of=of)
    assert [v.outcome for v in told] == [C, C, C, W, P]
    assert [v.extracted for v in told] == ["B", "B", "B", "A", None]


def test_settings_make_the_version() -> None:
    versions = {
        MajorityVerifier(share=share, minimum=minimum)
        .verify_group(problem(""), group("1"))[0]
        .version
        for share, minimum in itertools.product((0.5, 0.6), (2, 3))
    }
    assert len(versions) == 4
    assert all(version.startswith("1+") for version in versions)


@given(st.permutations(["1", "1", "1", "0.999999", "2", "", "50%", "0.5", "1/2", "1.0", "x"]))
def test_the_order_of_the_group_does_not_matter(answers: list[str]) -> None:
    """Shards may come in any order: the index decides which answer leads a set."""
    rows = sorted(group(*sorted(answers)), key=lambda c: answers.index(c.completion[8:]))
    straight = {v.candidate_id: v.outcome for v in decide(*sorted(answers))}
    turned = MAJORITY.verify_group(problem(""), rows)
    assert [v.candidate_id for v in turned] == [row.id for row in rows]
    assert {v.candidate_id: v.outcome for v in turned} == straight


@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_texts(texts: list[str]) -> None:
    rows = [candidate(f"Answer: {t}", id=f"c-{i}", index=i) for i, t in enumerate(texts)]
    told = MAJORITY.verify_group(problem(""), rows)
    right = [v for v in told if v.outcome is C]
    assert [v.candidate_id for v in told] == [row.id for row in rows]
    assert not right or (len(right) >= 3 and 2 * len(right) >= len(rows))
    assert bool(right) or all(v.outcome is not W for v in told)
