"""Verdicts to rewards: the one bridge to GRPO, and the formulas GRPO makes of them.

All parts of a reward are added up here, before TRL sees it: TRL leaves a completion out only when
every reward function gives None, so an unverifiable completion with a format reward of its own
would be trained as wrong.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsfactory.records import Outcome, Verdict

OUTCOME_REWARDS: dict[Outcome, float | None] = {
    Outcome.CORRECT: 1.0,
    Outcome.WRONG: 0.0,
    Outcome.UNPARSED: 0.0,
    Outcome.TRUNCATED: 0.0,
    Outcome.UNVERIFIABLE: None,
}
"""None: our fault, so the completion says nothing about the policy."""

MARKED_ANSWER = re.compile(
    r"^Answer:[ \t]*\S|(?<!#)####(?!#)[ \t]*[^\s#]|\\boxed\{|<answer>", re.MULTILINE
)
r"""Where an answer is marked: ``Answer: 7``, ``#### 7``, ``\boxed{7}``, ``<answer>7</answer>``."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of a reward counts."""

    outcome: float = 1.0
    format: float = 0.1
    """Small: a wrong answer in the right form must stay far below a right one."""
    share: float = 0.0
    """Of the share of tests that a wrong program passes (or votes that agree with it)."""


DEFAULT_WEIGHTS = Weights()


def reward(verdict: Verdict, completion: str, weights: Weights = DEFAULT_WEIGHTS) -> float | None:
    """The whole reward of a completion; None leaves it out of its group.

    The form counts only where an answer was found: a completion that repeats the marker until it
    is cut off gets nothing.
    """
    outcome = OUTCOME_REWARDS[verdict.outcome]
    if outcome is None:
        return None
    answered = verdict.outcome in (Outcome.CORRECT, Outcome.WRONG)
    passed = (verdict.share or 0.0) if verdict.outcome is Outcome.WRONG else 0.0
    formed = answered and format_reward(completion)
    return weights.outcome * outcome + weights.share * passed + weights.format * formed


def format_reward(completion: str) -> float:
    """1 where the answer is marked exactly once, in the completion's last line; else 0."""
    marks = list(MARKED_ANSWER.finditer(completion))
    last_line = completion.rstrip().rfind("\n") + 1
    return float(len(marks) == 1 and marks[0].start() >= last_line)


def group_advantages(
    rewards: Sequence[float | None], sample: bool = True, epsilon: float = 1e-4
) -> list[float]:
    """Advantages of one group: (reward - mean) / (standard deviation + epsilon); 0 for None.

    GRPO (Shao et al., 2024, DeepSeekMath, section 4.1) without saying which deviation; TRL 1.16
    divides by the sample one (n - 1) and adds 1e-4, which is what we train with. A group with one
    known reward, or with equal ones, gives no signal: all 0.

    Args:
        rewards: One a completion; None where it is unknown.
        sample: Divide the squares by n - 1 (TRL), not by n.
        epsilon: Added to the deviation.
    """
    known = [r for r in rewards if r is not None]
    if len(known) < 2:
        return [0.0] * len(rewards)
    mean = math.fsum(known) / len(known)
    squares = math.fsum((r - mean) ** 2 for r in known)
    deviation = math.sqrt(squares / (len(known) - 1 if sample else len(known)))
    return [0.0 if r is None else (r - mean) / (deviation + epsilon) for r in rewards]


def has_signal(rewards: Sequence[float | None]) -> bool:
    """Whether a group moves the policy: two known rewards differ."""
    return len({r for r in rewards if r is not None}) > 1


def token_objective(
    before: float, now: float, reference: float, advantage: float, *, clip: float, beta: float
) -> float:
    """GRPO's objective of one token (to be maximised; the loss is minus its mean).

    ``min(ratio * A, clamp(ratio, 1 - clip, 1 + clip) * A) - beta * KL``, with ratio = now / before
    and the estimate KL = r - ln r - 1, r = reference / now (Schulman, 2020, "k3").

    Args:
        before: Probability of the token when it was sampled.
        now: Its probability under the policy that is trained.
        reference: Its probability under the reference model.
        advantage: Advantage of its completion.
        clip: Half width of the trust region.
        beta: Weight of the KL term.
    """
    ratio = now / before
    clipped = min(max(ratio, 1 - clip), 1 + clip)
    r = reference / now
    return min(ratio * advantage, clipped * advantage) - beta * (r - math.log(r) - 1)
