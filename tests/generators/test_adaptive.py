"""Policies: where they stop, why, and that waves change neither."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stopping_rules import NAMES, play, policies

from generators.adaptive import REASONS, Policy, looks, policy_of, target, trial
from rsfactory.recipe import AdaptiveSection
from rsfactory.records import Outcome
from rsfactory.stats import wilson

CORRECT = Policy(name="correct", num_samples=16, correct=2)
CASES = [
    (Policy(name="fixed", num_samples=8), 0, 0, 8, ""),
    (Policy(name="fixed", num_samples=8), 5, 5, 3, ""),
    (Policy(name="fixed", num_samples=8), 8, 8, 0, "num_samples"),
    (Policy(name="fixed", num_samples=8, hopeless=4), 0, 0, 4, ""),
    (Policy(name="fixed", num_samples=8, hopeless=4), 4, 0, 0, "hopeless"),
    (Policy(name="fixed", num_samples=8, hopeless=4), 4, 1, 4, ""),
    (CORRECT, 0, 0, 2, ""),  # one by one would ask for two as well
    (CORRECT, 2, 1, 1, ""),
    (CORRECT, 2, 2, 0, "correct"),
    (CORRECT, 8, 1, 2, ""),  # the next look is 10
    (CORRECT, 9, 2, 1, ""),  # one of that wave did not count: on to its look
    (CORRECT, 10, 3, 0, "correct"),
    (CORRECT, 15, 1, 1, ""),  # 12, 15, then the bound
    (CORRECT, 16, 1, 0, "num_samples"),
    (CORRECT, 16, 2, 0, "correct"),
    (CORRECT, 20, 0, 0, "num_samples"),  # asked under a larger bound
    (Policy(name="correct", num_samples=8, first=4), 0, 0, 4, ""),
    (Policy(name="correct", num_samples=8, first=20), 0, 0, 8, ""),
    (Policy(name="correct", num_samples=8, hopeless=3), 3, 0, 0, "hopeless"),
    (Policy(name="interval", num_samples=64, width=0.4), 0, 0, 6, ""),  # 6 of 6: 0.61 to 1
    (Policy(name="interval", num_samples=64, width=0.4), 6, 6, 0, "interval"),
    (Policy(name="interval", num_samples=64, width=0.4), 22, 11, 0, "interval"),
    (Policy(name="difficulty", num_samples=64, correct=4), 0, 0, 2, ""),
    (Policy(name="difficulty", num_samples=64, correct=4), 2, 2, 0, "difficulty"),
    (Policy(name="difficulty", num_samples=64, correct=4), 8, 3, 0, "difficulty"),
    (Policy(name="difficulty", num_samples=64, correct=4), 18, 3, 4, ""),
]


@pytest.mark.parametrize(("policy", "asked", "correct", "wanted", "reason"), CASES)
def test_where_it_stops(policy: Policy, asked: int, correct: int, wanted: int, reason: str) -> None:
    assert policy.wanted(asked, correct) == wanted
    assert policy.reason(asked, correct) == reason


@given(policies(), st.floats(0, 1), st.integers(0, 1 << 30), st.sampled_from([0.0, 0.3]))
def test_it_ends_within_its_bound_with_a_reason(
    policy: Policy, rate: float, seed: int, lost: float
) -> None:
    asked, correct = play(policy, rate, random.Random(seed), lost)
    reason = policy.reason(asked, correct)
    assert asked <= policy.num_samples
    assert reason in REASONS
    assert asked == policy.num_samples or asked in looks(policy)
    if reason == "correct":
        assert correct >= policy.correct
    if reason == "interval":
        share = wilson(correct, asked)
        assert share.high - share.low <= policy.width
    if reason == "hopeless":
        assert correct == 0


@given(policies(), st.lists(st.booleans(), min_size=40, max_size=40))
def test_waves_stop_where_one_by_one_would(policy: Policy, answers: list[bool]) -> None:
    asked = 0
    while wave := policy.wanted(asked, sum(answers[:asked])):
        asked += wave
    single = next(n for n in range(41) if policy.reason(n, sum(answers[:n])))
    assert asked == single


@given(policies(), st.lists(st.booleans(), min_size=40, max_size=40))
def test_little_is_overshot(policy: Policy, answers: list[bool]) -> None:
    """Against a look after every candidate: nothing up to 8, then less than a quarter."""
    if policy.name == "fixed":
        return
    asked = next(n for n in range(41) if policy.reason(n, sum(answers[:n])))
    first = [c for c in looks(policy) if c < asked]
    before = max(first, default=0)
    assert asked <= policy.first or asked - before <= max(1, before // 4)


def test_difficulty_asks_more_of_the_harder() -> None:
    policy = Policy(name="difficulty", num_samples=64, correct=8)
    targets = [target(policy, 30, correct) for correct in range(31)]
    assert targets[0] == 8
    assert targets[-1] == 1
    assert targets == sorted(targets, reverse=True)


def test_what_is_our_fault_is_no_trial() -> None:
    assert [trial(outcome) for outcome in Outcome] == [True, False, False, False, None]


def test_impossible_counts_are_refused() -> None:
    for asked, correct in [(2, 3), (-1, 0), (3, -1)]:
        with pytest.raises(ValueError, match="expected 0 <= correct"):
            CORRECT.wanted(asked, correct)
        with pytest.raises(ValueError, match="expected 0 <= correct"):
            CORRECT.reason(asked, correct)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_names_its_policy(name: str) -> None:
    section = AdaptiveSection.model_validate({"policy": name, "correct": 3, "hopeless": 4})
    policy = policy_of(section, 12)
    assert (policy.name, policy.num_samples, policy.correct, policy.hopeless) == (name, 12, 3, 4)
    assert policy == policy_of(section, 12)
