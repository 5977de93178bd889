"""Exact duplicates: what is the same, and that every row comes out once."""

import pytest
from filter_rows import candidate
from hypothesis import given
from hypothesis import strategies as st

from filters.dedup import ExactDedup

TABLE = [
    ("3 + 4 = 7", "3 + 4 = 7", True, "equal"),
    ("3 + 4 = 7", " 3 +  4\n= 7 ", True, "whitespace"),
    ("caf\u00e9", "cafe\u0301", True, "composed and decomposed"),
    ("So 7", "so 7", False, "case is kept"),
    ("3 + 4 = 7", "4 + 3 = 7", False, "other order"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "same", "why"), TABLE)
def test_table(first: str, second: str, same: bool, why: str) -> None:
    rows = [candidate(first, id="c-1"), candidate(second, id="c-2")]
    found = [rejection for _, rejection in ExactDedup()(rows)]
    assert found[0] is None
    assert (found[1] is not None) == same, why


def test_another_problem_may_have_the_same_text() -> None:
    rows = [candidate("7", id="c-1"), candidate("7", id="c-2", problem_id="p-2")]
    assert [rejection for _, rejection in ExactDedup()(rows)] == [None, None]


def test_earlier_rounds_are_remembered_and_named() -> None:
    earlier = [candidate("7", id="c-old")]
    [(_, rejection)] = ExactDedup(earlier)([candidate(" 7", id="c-new", round=2)])
    assert rejection is not None
    assert (rejection.rule, rejection.reason) == ("duplicate", "the same completion as c-old")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "x "]))))
def test_every_row_once_in_order_and_one_of_each_kept(texts: list[tuple[str, str]]) -> None:
    rows = [candidate(t, id=f"c-{n}", problem_id=p) for n, (p, t) in enumerate(texts)]
    found = list(ExactDedup()(rows))
    assert [row for row, _ in found] == rows
    kept = [(row.problem_id, row.completion.strip()) for row, why in found if why is None]
    assert len(kept) == len(set(kept))
    assert set(kept) == {(p, t.strip()) for p, t in texts}


def test_another_way_to_the_same_last_line_is_no_duplicate() -> None:
    ways = ["1 + 6 is 7", "2 + 5 is 7", "1 + 6  is 7"]
    rows = [candidate("Answer: 7", id=f"c-{n}", reasoning=way) for n, way in enumerate(ways)]
    assert [rejection is not None for _, rejection in ExactDedup()(rows)] == [False, False, True]
