"""Estimates: unbiased under every policy, exactly; intervals that cover; values known by hand."""

import math
import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stopping_rules import play, policies

from generators.adaptive import Policy
from generators.pass_rates import chances, ends, estimate, interval, mean_rate, reachable
from rsfactory.stats import wilson


def expected(policy: Policy, rate: float, bound: int | None = None) -> tuple[float, float]:
    """Expectation of the estimate and of correct / asked, over all ends."""
    found, weights = ends(policy, bound), chances(policy, rate, bound).tolist()
    ours = math.fsum(
        w * estimate(policy, e.asked, e.correct) for w, e in zip(weights, found, strict=True)
    )
    return ours, math.fsum(w * e.correct / e.asked for w, e in zip(weights, found, strict=True))


@settings(max_examples=150, deadline=None)
@given(policies(64), st.floats(0, 1))
def test_unbiased_under_every_policy(policy: Policy, rate: float) -> None:
    assert math.fsum(chances(policy, rate)) == pytest.approx(1, abs=1e-10)
    assert expected(policy, rate)[0] == pytest.approx(rate, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(policies(40), st.integers(1, 40), st.floats(0, 1))
def test_unbiased_where_the_budget_cuts(policy: Policy, bound: int, rate: float) -> None:
    assert expected(policy, rate, bound)[0] == pytest.approx(rate, abs=1e-9)


@pytest.mark.parametrize("name", ["correct", "interval", "difficulty"])
def test_unbiased_at_256(name: str) -> None:
    policy = Policy(name=name, num_samples=256, correct=20, width=0.1, hopeless=32)
    for rate in (0.001, 0.03, 0.5, 0.97):
        assert expected(policy, rate)[0] == pytest.approx(rate, abs=1e-9)


def test_the_share_correct_is_biased() -> None:
    until_right = Policy(name="correct", num_samples=64, correct=1)
    assert expected(until_right, 0.5)[1] == pytest.approx(math.log(2), abs=0.01)
    hopeless = Policy(name="fixed", num_samples=16, hopeless=4)
    # every order that begins with 4 wrong ones loses what would have come: 0.2 (1 - 0.75 * 0.8^4)
    assert expected(hopeless, 0.2)[1] == pytest.approx(0.2 * (1 - 0.75 * 0.8**4))
    narrow = Policy(name="interval", num_samples=64, width=0.4)
    assert abs(expected(narrow, 0.8)[1] - 0.8) > 0.005


@pytest.mark.parametrize(("k", "bound"), list(product([1, 2, 3], [4, 8])))
def test_until_k_right_is_the_known_formula(k: int, bound: int) -> None:
    policy = Policy(name="correct", num_samples=bound, correct=k)
    for end in ends(policy):
        m, s = end.asked, end.correct
        formula = s / bound if s < k else (k - 1) / (m - 1) if m > 1 else 1.0
        assert estimate(policy, m, s) == formula


def test_orders_counted_by_hand() -> None:
    """Every order of 6 answers, played: where it ends, and whether it began with a right one."""
    policy = Policy(name="difficulty", num_samples=6, correct=3, hopeless=4)
    began: dict[tuple[int, int], list[tuple[bool, ...]]] = {}
    for answers in product([False, True], repeat=6):
        n = next(n for n in range(7) if policy.reason(n, sum(answers[:n])))
        began.setdefault((n, sum(answers[:n])), []).append(answers[:n])
    assert {(e.asked, e.correct): e.orders for e in ends(policy)} == {
        counts: len(set(orders)) for counts, orders in began.items()
    }
    for (n, s), orders in began.items():
        share = sum(order[0] for order in set(orders)) / len(set(orders))
        assert estimate(policy, n, s) == pytest.approx(share)


COVERED = [
    Policy(name="fixed", num_samples=8),
    Policy(name="correct", num_samples=8),
    Policy(name="correct", num_samples=64, correct=4, hopeless=16),
    Policy(name="interval", num_samples=64, width=0.4, first=2),
    Policy(name="interval", num_samples=128, width=0.2, hopeless=8),
    Policy(name="difficulty", num_samples=64, correct=4, first=2),
]


@pytest.mark.parametrize("policy", COVERED, ids=str)
def test_intervals_cover(policy: Policy) -> None:
    found = [interval(policy, e.asked, e.correct) for e in ends(policy)]
    low, high = np.array([i.low for i in found]), np.array([i.high for i in found])
    for rate in np.linspace(0.002, 0.998, 250):
        covers = (low <= rate) & (rate <= high)
        assert chances(policy, rate)[covers].sum() >= 0.95
    for one in found:
        assert 0 <= one.low <= one.mean <= one.high <= 1


@settings(max_examples=30, deadline=None)
@given(policies(40), st.floats(0, 1))
def test_intervals_cover_under_any_policy(policy: Policy, rate: float) -> None:
    found = [interval(policy, e.asked, e.correct) for e in ends(policy)]
    weights = chances(policy, rate).tolist()
    covered = [w for w, i in zip(weights, found, strict=True) if i.low <= rate <= i.high]
    assert math.fsum(covered) >= 0.95 - 1e-9
    assert all(0 <= i.low <= i.mean <= i.high <= 1 for i in found)


@pytest.mark.parametrize("cut", [3, 7, 20])
def test_intervals_cover_where_the_budget_cuts(cut: int) -> None:
    policy = Policy(name="correct", num_samples=64, correct=4)
    found = ends(policy, cut)
    ours = [interval(policy, e.asked, e.correct) for e in found]
    for rate in np.linspace(0.01, 0.99, 50):
        weights = chances(policy, rate, cut)
        covered = [w for w, i in zip(weights, ours, strict=True) if i.low <= rate <= i.high]
        assert math.fsum(covered) >= 0.95


def test_intervals_of_fixed_are_clopper_and_pearson() -> None:
    # 3 of 10: 0.0667 to 0.6525 (Clopper and Pearson 1934); 0 of 10: 1 - 0.025^(1/10)
    policy = Policy(name="fixed", num_samples=10)
    assert interval(policy, 10, 3) == pytest.approx((0.3, 0.0667, 0.6525), abs=5e-5)
    assert interval(policy, 10, 0) == pytest.approx((0, 0, 1 - 0.025**0.1), abs=1e-6)
    assert interval(policy, 0, 0) == (0, 0, 1)


def test_wilson_does_not_cover_under_a_stopping_rule() -> None:
    """Why there is an interval of our own: the plain one falls below 95% by far."""
    policy = Policy(name="correct", num_samples=64)
    worst = min(
        math.fsum(
            w
            for w, e in zip(chances(policy, rate), ends(policy), strict=True)
            if wilson(e.correct, e.asked).low <= rate <= wilson(e.correct, e.asked).high
        )
        for rate in np.linspace(0.02, 0.98, 49)
    )
    assert worst < 0.9


def test_the_mean_over_problems_is_unbiased_and_covered() -> None:
    """200 simulated sets of 60 problems, a fifth of whose candidates are unverifiable."""
    rng = random.Random(5)
    policy = Policy(name="correct", num_samples=12, correct=2)
    covered, means = 0, []
    for _ in range(200):
        rates = [rng.betavariate(0.7, 0.7) for _ in range(60)]
        share = mean_rate(policy, [(0, 0), *(play(policy, r, rng, 0.2) for r in rates)])
        means.append(share.mean)
        covered += share.low <= 0.5 <= share.high
    assert covered >= 180
    assert math.fsum(means) / len(means) == pytest.approx(0.5, abs=0.01)


def test_counts_of_another_policy_are_refused() -> None:
    policy = Policy(name="correct", num_samples=8)
    assert reachable(policy, 3, 1)
    assert not reachable(policy, 3, 2)
    assert not reachable(policy, 9, 1)
    for asked, correct in [(3, 2), (0, 0), (9, 1), (2, 3)]:
        with pytest.raises(ValueError, match="another policy"):
            estimate(policy, asked, correct)
    with pytest.raises(ValueError, match="another policy"):
        interval(policy, 3, 2)
