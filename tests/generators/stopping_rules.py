"""Random policies, and a problem played against one."""

import random

from hypothesis import strategies as st

from generators.adaptive import Policy

NAMES = ("fixed", "correct", "interval", "difficulty")


def policies(bound: int = 40) -> st.SearchStrategy[Policy]:
    return st.builds(
        Policy,
        name=st.sampled_from(NAMES),
        num_samples=st.integers(1, bound),
        correct=st.integers(1, 6),
        width=st.sampled_from([0.2, 0.4, 0.6]),
        first=st.integers(1, 6),
        hopeless=st.none() | st.integers(1, 12),
    )


def play(policy: Policy, rate: float, rng: random.Random, lost: float = 0.0) -> tuple[int, int]:
    """Asks until it stops; some candidates of a wave may come to nothing (unverifiable)."""
    asked = correct = 0
    while wave := policy.wanted(asked, correct):
        counted = sum(rng.random() >= lost for _ in range(wave))
        correct += sum(rng.random() < rate for _ in range(counted))
        asked += counted
    return asked, correct
