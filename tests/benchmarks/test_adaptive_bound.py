"""The best stopping rule, where it is known."""

import pytest

from benchmarks.adaptive import SHAPES, ask, streams
from benchmarks.adaptive_bound import fewest
from generators.adaptive import Policy


@pytest.mark.parametrize("most", [1, 2, 4])
def test_where_all_is_right_it_asks_for_no_more_than_counts(most: int) -> None:
    assert fewest(1e6, 1e-3, most, right=300, wrong=450) == pytest.approx(most / 8, rel=1e-2)


def test_where_everything_counts_and_rates_are_equal_nothing_is_left_out() -> None:
    assert fewest(1e6, 1e6, 64, right=300, wrong=300) == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_policy_is_below_it(shape: str) -> None:
    problems = streams(shape, 2000, 0)
    fixed = ask(Policy(name="fixed", num_samples=8), problems, 2)
    ours = ask(Policy(name="correct", num_samples=8, correct=2), problems, 2)
    assert ours.count == fixed.count  # the same streams, the same bound
    wrong = 450 * 1.1972  # exp(0.18), the mean of a lognormal with sigma 0.6
    least = fewest(*SHAPES[shape], 2, right=300 * 1.1972, wrong=wrong)
    assert ours.completion / fixed.completion > least - 0.03  # one draw of problems
