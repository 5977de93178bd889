import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfactory.records import Outcome, Verdict
from trainers.rewards import (
    Weights,
    format_reward,
    group_advantages,
    has_signal,
    reward,
    token_objective,
)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(
        id="v", candidate_id="c", verifier="toy", version="1", outcome=outcome,
        extracted=None, reason="", seconds=0.0, isolation="none",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "completion", "expected"),
    [
        (Outcome.CORRECT, "3+4=7\nAnswer: 7", 1.1),
        (Outcome.CORRECT, "it is 7", 1.0),
        (Outcome.WRONG, "3+4=8\nAnswer: 8", 0.1),
        (Outcome.WRONG, "it is 8", 0.0),
        (Outcome.UNPARSED, "Answer: 7", 0.0),
        (Outcome.TRUNCATED, "Answer: 7", 0.0),
        (Outcome.UNVERIFIABLE, "Answer: 7", None),
    ],
)
def test_reward(outcome: Outcome, completion: str, expected: float | None) -> None:
    assert reward(verdict(outcome), completion) == pytest.approx(expected)


def test_a_share_of_the_tests_counts_where_it_is_asked_for() -> None:
    half = Verdict(
        id="v", candidate_id="c", verifier="code", version="1", outcome=Outcome.WRONG,
        extracted=None, reason="", seconds=0.0, isolation="full", share=0.5,
    )  # fmt: skip
    assert reward(half, "x = 1") == 0
    assert reward(half, "x = 1", Weights(share=0.4)) == pytest.approx(0.2)
    assert reward(verdict(Outcome.CORRECT), "x = 1", Weights(share=0.4)) == 1
    assert reward(verdict(Outcome.UNVERIFIABLE), "x = 1", Weights(share=0.4)) is None


@pytest.mark.parametrize(
    ("completion", "expected", "why"),
    [
        ("3+4=7\n#### 7", 1, "hash"),
        ("so \\boxed{7}.", 1, "box"),
        ("<think>x</think>\n<answer>7</answer>", 1, "tag"),
        ("Answer: 7\n\n", 1, "blank lines behind it"),
        ("Answer: 7\nAnswer: 7", 0, "marked twice"),
        ("Answer: 7\nor perhaps not", 0, "not at the end"),
        ("the answer is 7", 0, "not marked"),
        ("####", 0, "nothing behind the mark"),
        ("", 0, "empty"),
        ("#### 1" * 100_000, 0, "a loop, long"),
    ],
)
def test_format_reward(completion: str, expected: float, why: str) -> None:
    assert format_reward(completion) == expected, why


def test_form_never_outscores_a_right_answer() -> None:
    assert Weights().format < Weights().outcome


def test_worked_advantages() -> None:
    assert group_advantages([1.0, 0.0, 0.5], epsilon=0) == [1.0, -1.0, 0.0]
    population = group_advantages([1.0, 0.0, 0.5], sample=False, epsilon=0)
    assert population == pytest.approx([1.22, -1.22, 0.0], abs=0.005)


@pytest.mark.parametrize("rewards", [[1.0, 1.0, 1.0], [0.5], [None, 1.0], [None, None], []])
def test_no_signal(rewards: list[float | None]) -> None:
    assert group_advantages(rewards) == [0.0] * len(rewards)
    assert not has_signal(rewards)


@settings(deadline=None)  # the first case imports trl
@given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.1, 1.0, 1.1])), max_size=12))
def test_advantages_agree_with_trl(rewards: list[float | None]) -> None:
    """TRL: rewards minus nanmean, divided by nanstd + 1e-4, what is left unknown is 0."""
    torch = pytest.importorskip("torch")
    from trl.trainer.utils import nanstd

    if not rewards:
        return
    theirs = torch.tensor([[math.nan if r is None else r for r in rewards]])
    mean = torch.nanmean(theirs, dim=1, keepdim=True)
    theirs = torch.nan_to_num((theirs - mean) / (nanstd(theirs, dim=1, keepdim=True) + 1e-4))
    assert group_advantages(rewards) == pytest.approx(theirs[0].tolist(), abs=2e-3)


def test_worked_objective() -> None:
    """The example of RECIPES: probability 0.10 before, 0.111 now, advantage 1.22, beta 0.04."""
    arguments: dict[str, Any] = {"before": 0.10, "now": 0.111, "reference": 0.10}
    surrogate = token_objective(**arguments, advantage=1.22, clip=0.2, beta=0)
    with_kl = token_objective(**arguments, advantage=1.22, clip=0.2, beta=0.04)
    kl = (surrogate - with_kl) / 0.04
    assert surrogate == pytest.approx(1.35, abs=0.005)
    assert kl == pytest.approx(0.0053, abs=5e-5)
    assert surrogate - with_kl == pytest.approx(0.0002, abs=2e-5)
    assert (with_kl - surrogate + 1.35 - 1.1000 + 0) / 3 == pytest.approx(0.0833, abs=5e-5)


def test_clip_bounds_a_good_step_and_never_a_bad_one() -> None:
    arguments: dict[str, Any] = {"before": 0.1, "now": 0.2, "reference": 0.2, "clip": 0.2}
    assert token_objective(**arguments, advantage=1.0, beta=0) == pytest.approx(1.2)
    assert token_objective(**arguments, advantage=-1.0, beta=0) == pytest.approx(-2.0)
