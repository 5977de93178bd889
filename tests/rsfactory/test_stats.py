"""Intervals against values known from elsewhere."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfactory.stats import mean_of, paired_change, pass_at_k, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (1998), table I: the score interval without continuity correction
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),
    ],
)
def test_wilson_known_values(successes: int, trials: int, low: float, high: float) -> None:
    share = wilson(successes, trials)
    assert share.mean == successes / trials
    assert share.low == pytest.approx(low, abs=5e-5)
    assert share.high == pytest.approx(high, abs=5e-5)


def test_wilson_without_trials_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    successes, trials = counts
    share, other = wilson(successes, trials), wilson(trials - successes, trials)
    assert 0 <= share.low <= share.mean <= share.high <= 1
    assert share.low == pytest.approx(1 - other.high)


def test_paired_change_by_hand() -> None:
    before = [True] * 10 + [False] * 30
    after = [False] * 2 + [True] * 20 + [False] * 18
    # 2 lost, 12 gained, 26 as before: mean 0.25, variance (14 - 40 * 0.25^2) / 39
    half = 1.959963984540054 * math.sqrt((14 - 40 * 0.0625) / 39 / 40)
    change = paired_change(before, after)
    assert change.mean == 0.25
    assert change.low == pytest.approx(0.25 - half)
    assert change.high == pytest.approx(0.25 + half)


def test_paired_change_is_narrower_than_unpaired_when_paired_alike() -> None:
    before = [i % 2 == 0 for i in range(100)]
    after = [b or i == 1 for i, b in enumerate(before)]
    change = paired_change(before, after)
    assert change.mean == pytest.approx(0.01)
    assert change.high - change.low < 0.05


def test_paired_change_without_differences_has_half_a_problem_of_width() -> None:
    assert paired_change([True] * 50, [True] * 50) == (0.0, -0.01, 0.01)
    assert paired_change([False] * 50, [True] * 50) == (1.0, 0.99, 1.0)


@pytest.mark.parametrize(("before", "after"), [([], []), ([True], [True, False])])
def test_paired_change_refuses_what_is_not_paired(before: list[bool], after: list[bool]) -> None:
    with pytest.raises(ValueError, match="as many"):
        paired_change(before, after)


def test_mean_of_by_hand() -> None:
    # 10 ones and 30 zeros: variance 40 * 0.25 * 0.75 / 39
    share = mean_of([1.0] * 10 + [0.0] * 30)
    half = 1.959963984540054 * math.sqrt(7.5 / 39 / 40)
    assert share == pytest.approx((0.25, 0.25 - half, 0.25 + half))
    assert mean_of([0.0] * 50) == (0.0, 0.0, 0.01)
    with pytest.raises(ValueError, match="at least one"):
        mean_of([])


@pytest.mark.parametrize(
    ("trials", "correct", "k", "value"),
    [(10, 3, 1, 0.3), (5, 2, 2, 1 - 3 / 10), (4, 4, 4, 1.0), (4, 0, 2, 0.0), (4, 3, 2, 1.0)],
)
def test_pass_at_k(trials: int, correct: int, k: int, value: float) -> None:
    assert pass_at_k(trials, correct, k) == pytest.approx(value)


@pytest.mark.parametrize(("trials", "correct", "k"), [(3, 1, 4), (3, 4, 1), (3, 1, 0)])
def test_pass_at_k_refuses_what_has_no_unbiased_estimate(trials: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= k"):
        pass_at_k(trials, correct, k)
