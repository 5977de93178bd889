"""A policy played out exactly agrees with its ends, and with counting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from stopping_rules import policies

from generators.adaptive import Policy
from generators.pass_rates import chances, ends
from generators.waves import longest, play_out

RATES = np.array([[0.0, 0.03, 0.4], [0.5, 0.9, 1.0]])


@settings(max_examples=50, deadline=None)
@given(policies(24))
def test_it_ends_where_the_policy_ends(policy: Policy) -> None:
    played: dict[tuple[int, int], np.ndarray] = {}
    for way in play_out(policy, RATES, 8):
        key = (way.asked, way.correct)
        played[key] = played.get(key, np.zeros_like(RATES)) + way.chance
    found = ends(policy)
    assert set(played) == {(e.asked, e.correct) for e in found}
    for at in np.ndindex(RATES.shape):
        ours = [played[e.asked, e.correct][at] for e in found]
        assert ours == pytest.approx(chances(policy, float(RATES[at])).tolist(), abs=1e-9)


@pytest.mark.parametrize(
    ("policy", "per_request", "rate", "requests", "waves"),
    [
        (Policy(name="fixed", num_samples=8), 8, 0.5, 1, 1),
        (Policy(name="fixed", num_samples=8), 3, 0.5, 3, 1),
        (Policy(name="fixed", num_samples=256), 256, 0.5, 1, 1),
        (Policy(name="correct", num_samples=3), 8, 0.5, 1.75, 3),  # 1/2 1 + 1/4 2 + 1/4 3
        (Policy(name="correct", num_samples=8, correct=2), 1, 0.0, 8, 4),
        (Policy(name="correct", num_samples=8, correct=2), 2, 0.0, 4, 4),
    ],
)
def test_requests(
    policy: Policy, per_request: int, rate: float, requests: float, waves: int
) -> None:
    played = list(play_out(policy, np.array([rate]), per_request))
    assert sum(way.requests * way.chance[0] for way in played) == pytest.approx(requests)
    assert longest(policy) == waves
