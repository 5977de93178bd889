"""Selection: the rules, their order, and that the order of the rows does not matter."""

import random

import pytest
from filter_rows import candidate
from hypothesis import given
from hypothesis import strategies as st

from filters.select import select_candidates
from rsfactory.records import Candidate, Flag, Outcome, Verdict


def verdict(row: Candidate, outcome: Outcome) -> Verdict:
    return Verdict(
        id=Verdict.key(row.id, "math", "1"), candidate_id=row.id, verifier="math", version="1",
        outcome=outcome, extracted=None, reason="5 is not 7", seconds=0.0, isolation="none",
    )  # fmt: skip


def decide(
    rows: list[Candidate], wrong: tuple[str, ...] = (), flags: tuple[Flag, ...] = (),
    earlier: tuple[Candidate, ...] = (), most: int = 2, max_length: int | None = None,
) -> dict[str, str | None]:  # fmt: skip
    """Candidate -> rule that rejects it, or None."""
    outcomes = {r.id: Outcome.WRONG if r.id in wrong else Outcome.CORRECT for r in rows}
    found = select_candidates(
        rows, {r.id: verdict(r, outcomes[r.id]) for r in rows}, flags,
        earlier=earlier, max_per_problem=most, reject_flags=["leaked_hint"], max_length=max_length,
    )  # fmt: skip
    return {row.id: rejection and rejection.rule for row, rejection in found}


def made(number: int, text: str | None = None, **more: object) -> Candidate:
    text = f"way {number}" if text is None else text
    return candidate(text, id=f"c-{number}", index=number, **more)  # type: ignore[arg-type]


def test_only_correct_ones() -> None:
    assert decide([made(0), made(1)], wrong=("c-0",)) == {"c-0": "outcome", "c-1": None}


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.CORRECT])
def test_the_reason_names_the_outcome(outcome: Outcome) -> None:
    row = made(0)
    [(_, rejection)] = select_candidates(
        [row], {row.id: verdict(row, outcome)}, [], max_per_problem=1, reject_flags=[]
    )
    assert rejection is not None
    assert rejection.reason == f"{outcome}: 5 is not 7"


def test_flags_that_the_recipe_rejects() -> None:
    flags = (Flag.make("c-0", "leaked_hint", "hint"), Flag.make("c-1", "loop", "again"))
    assert decide([made(0), made(1)], flags=flags) == {"c-0": "flag", "c-1": None}


def test_what_training_would_not_take() -> None:
    rows = [made(0, prompt_tokens=10, tokens=20), made(1, prompt_tokens=10, tokens=21)]
    assert decide(rows, max_length=30) == {"c-0": None, "c-1": "length"}


def test_the_first_rule_is_the_reason() -> None:
    rows = [made(0, "same"), made(1, "same")]
    flags = (Flag.make("c-1", "leaked_hint", "hint"),)
    assert decide(rows, wrong=("c-1",), flags=flags)["c-1"] == "outcome"
    assert decide(rows, flags=flags)["c-1"] == "flag"
    assert decide(rows, most=1)["c-1"] == "duplicate"


def test_duplicates_take_no_place_and_earlier_rounds_count() -> None:
    rows = [made(0, "a"), made(1, "a "), made(2, "b"), made(3, "c")]
    expected = {"c-0": None, "c-1": "duplicate", "c-2": None, "c-3": "max_per_problem"}
    assert decide(rows) == expected
    old = (candidate("b", id="c-old"),)
    assert decide(rows, earlier=old) == {**expected, "c-2": "duplicate", "c-3": None}


def test_a_flagged_one_does_not_make_the_next_a_duplicate() -> None:
    rows = [made(0, "same"), made(1, "same")]
    flags = (Flag.make("c-0", "leaked_hint", "hint"),)
    assert decide(rows, flags=flags) == {"c-0": "flag", "c-1": None}


def test_the_bound_is_per_problem() -> None:
    rows = [made(0), made(1), made(2, problem_id="p-2")]
    assert decide(rows, most=1) == {"c-0": None, "c-1": "max_per_problem", "c-2": None}


def test_hinted_ones_only_where_nothing_else_is_correct() -> None:
    rows = [made(0, hinted=True), made(1), made(2, hinted=True, problem_id="p-2")]
    assert decide(rows, most=9) == {"c-0": "max_per_problem", "c-1": None, "c-2": None}
    assert decide(rows, wrong=("c-1",))["c-0"] is None


def test_a_candidate_without_verdict_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 candidates have no verdict"):
        list(select_candidates([made(0)], {}, [], max_per_problem=1, reject_flags=[]))


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from("abc"))), st.randoms())
def test_the_order_of_rows_does_not_matter(
    made_of: list[tuple[int, bool, str]], chance: random.Random
) -> None:
    rows = [
        made(n, text, hinted=hinted, problem_id=f"p-{p}")
        for n, (p, hinted, text) in enumerate(made_of)
    ]
    mixed = list(rows)
    chance.shuffle(mixed)
    first, second = decide(rows), decide(mixed)
    assert first == second
    assert list(second) == [row.id for row in mixed]
    selected = [row for row in rows if first[row.id] is None]
    assert len({(row.problem_id, row.completion) for row in selected}) == len(selected)
