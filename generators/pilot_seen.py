"""What a pilot saw of its problems, as columns to draw runs from (`generators.pilot`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Tried(NamedTuple):
    """One candidate of the pilot."""

    prompt_tokens: int
    tokens: int
    seconds: float
    """Wall time of the request it came with."""
    correct: bool | None
    """None where its verdict is no trial (unverifiable)."""
    requests: int = 1
    """Requests made until one was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What was seen."""

    problems: Sequence[Sequence[Tried]]
    """Candidates of every problem, at least one each; two problems or more."""
    seconds: float
    """Wall time of it all."""
    concurrency: int
    """Requests under way at a time, at most."""
    per_request: float = 1
    """Candidates in a request, on average."""


class Seen(NamedTuple):
    """The pilot's problems as columns."""

    right: Floats
    wrong: Floats
    prompt: Floats
    seconds: Floats
    right_tokens: Floats
    """Expected tokens of a right candidate; of a wrong one below."""
    wrong_tokens: Floats
    spread: float
    """Standard deviation of a candidate's tokens by their mean, within a problem."""
    lost: tuple[int, int]
    """Candidates that are no trial, and those that are."""
    failed: tuple[int, int]
    """Requests without an answer, and with one."""


def columns(pilot: Pilot) -> Seen:
    """The pilot's problems, summed up one by one."""
    tried = [one for problem in pilot.problems for one in problem]
    trials = [[one for one in problem if one.correct is not None] for problem in pilot.problems]
    right = np.array([sum(one.correct is True for one in p) for p in trials], dtype=float)
    wrong = np.array([len(p) for p in trials]) - right
    means = np.array([np.mean([one.tokens for one in p]) for p in pilot.problems])
    ratio = _right_by_wrong(pilot.problems)
    # a problem's mean length is that of its mixture: m = (right r w + wrong w) / (right + wrong)
    share = np.divide(right, right + wrong, out=np.full_like(right, 0.5), where=right + wrong > 0)
    wrong_tokens = means / (share * ratio + 1 - share)
    return Seen(
        right=right,
        wrong=wrong,
        prompt=np.array([np.mean([one.prompt_tokens for one in p]) for p in pilot.problems]),
        seconds=np.array([np.mean([one.seconds for one in p]) for p in pilot.problems]),
        right_tokens=ratio * wrong_tokens,
        wrong_tokens=wrong_tokens,
        spread=_spread(pilot.problems),
        lost=(len(tried) - int((right + wrong).sum()), int((right + wrong).sum())),
        failed=(sum(max(1, one.requests) - 1 for one in tried), len(tried)),
    )


def _spread(problems: Sequence[Sequence[Tried]]) -> float:
    """Standard deviation of tokens by their mean, within problems; 0.5 where nothing tells."""
    square, freedom = 0.0, 0
    for problem in problems:
        tokens = np.array([one.tokens for one in problem], dtype=float)
        if len(tokens) > 1 and tokens.any():
            square += float(((tokens / tokens.mean() - 1) ** 2).sum())
            freedom += len(tokens) - 1
    return math.sqrt(square / freedom) if freedom else 0.5


def _right_by_wrong(problems: Sequence[Sequence[Tried]]) -> float:
    """Length of right candidates by that of wrong ones, within problems that have both; else 1."""
    right = wrong = 0.0
    for problem in problems:
        ours = [one.tokens for one in problem if one.correct is True]
        others = [one.tokens for one in problem if one.correct is False]
        if ours and others:
            right, wrong = right + float(np.mean(ours)), wrong + float(np.mean(others))
    return right / wrong if right and wrong else 1.0


def priors(seen: Seen, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws of the a and b of the pass rates' beta distribution, given the pilot's counts.

    The grid has means from 0.01 to 0.99 and a + b from 0.3 to 30 (even in the logarithm), each as
    likely as the other beforehand.
    """
    means, sizes = np.meshgrid(np.linspace(0.01, 0.99, 50), np.geomspace(0.3, 30, 12))
    a, b = (means * sizes).ravel(), ((1 - means) * sizes).ravel()
    gamma = np.vectorize(math.lgamma)
    counts, times = np.unique(np.stack([seen.right, seen.wrong]), axis=1, return_counts=True)
    likely = np.zeros_like(a)
    for right, wrong, many in zip(*counts, times, strict=True):
        beta = gamma(a + right) + gamma(b + wrong) - gamma(a + b + right + wrong)
        likely += many * (beta - gamma(a) - gamma(b) + gamma(a + b))
    chance = np.exp(likely - likely.max())
    at = rng.choice(len(a), size=draws, p=chance / chance.sum())
    return a[at], b[at]
