"""A policy played out exactly, wave by wave, for many pass rates at once."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from generators.adaptive import Policy


class Played(NamedTuple):
    """A way for problems to end, and its chance at every rate."""

    asked: int
    correct: int
    requests: int
    chance: NDArray[np.float64]


def play_out(policy: Policy, rates: NDArray[np.float64], per_request: int) -> Iterator[Played]:
    """All ways to end; their chances add up to 1 at every rate.

    Args:
        policy: Whom to ask how many.
        rates: Pass rates, of any shape.
        per_request: Candidates in a request at most; a wave takes as many requests as it needs.
    """
    level = {0: {(0, 0): np.ones_like(rates)}}  # asked -> (correct, requests) -> chance
    while level:
        asked = min(level)
        for (correct, requests), chance in level.pop(asked).items():
            wave = policy.wanted(asked, correct)
            if wave == 0:
                yield Played(asked, correct, requests, chance)
                continue
            after, more = level.setdefault(asked + wave, {}), requests + -(-wave // per_request)
            for right in range(wave + 1):
                orders = float(math.comb(wave, right))
                each = chance * orders * rates**right * (1 - rates) ** (wave - right)
                key = (correct + right, more)
                after[key] = after[key] + each if key in after else each


def longest(policy: Policy) -> int:
    """Waves that a problem without a right candidate takes."""
    asked = waves = 0
    while wave := policy.wanted(asked, 0):
        asked, waves = asked + wave, waves + 1
    return waves
