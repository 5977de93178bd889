"""What a run would cost, from a small pilot.

A pilot asks some problems of the run a few times each. Every number is estimated by drawing many
runs (seeded) that the pilot could have come from, and taking their median and 95% range:

- problems are drawn again with replacement (bootstrap): between-problem differences in length,
  latency and pass rate carry over, and so does what they have to do with each other
- a problem's pass rate is drawn from its posterior Beta(a + right, b + wrong); a and b come from
  their own posterior given all the pilot's problems (beta-binomial, on a grid), so that 0 of 4
  right in a hard set is read as harder than in an easy one. How the pilot decided to stop does not
  matter to either. So are the shares of unverifiable candidates and of requests made again
- for that rate the policy is played out exactly, wave by wave: candidates, requests, right ones
- the run's own luck is added: the variance of a sum over as many problems as it would ask
- the range is widened by Student's t for pilots of few problems

Seconds are what the requests take together, shared by the places they run in, plus, at every end of
a round or an evaluation, the idle time seen at the end of the pilot. Whether a server bears more at
once than the pilot asked is not known: `low` says it does at the same latency, `high` says it gives
no more than it did, and that every round ends with a problem that takes all its waves alone; `mid`
lies between (geometric mean).

What is not covered: pass rates and lengths that change as a student learns, time for verifying and
training, cached prompts, and tokens of requests that failed. A pilot that is no random part of the
run's problems misleads.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from generators.adaptive import Policy
from generators.pilot_seen import Floats, Pilot, Seen, Tried, columns, priors
from generators.waves import longest, play_out
from rsfactory.budget import Prices
from rsfactory.stats import Z95

__all__ = ["Asked", "Pilot", "Plan", "Range", "Tried", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run would ask."""

    problems: int
    """In a round."""
    rounds: int
    policy: Policy
    concurrency: int
    hinted: int = 0
    """Hinted candidates of a problem without a right one."""
    evaluations: int = 0
    held_out: int = 0
    """Problems of an evaluation, one candidate each."""
    per_request: int = 1
    """Candidates in a request, at most."""


class Range(NamedTuple):
    """Median and 95% range of what a run may come to."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would cost, and bring."""

    requests: Range
    prompt_tokens: Range
    completion_tokens: Range
    tokens: Range
    money: Range | None
    """USD; None where a price is missing."""
    seconds: Range
    """Of asking."""
    solved: Range
    """Problems with a right candidate, hinted ones left out."""


def plan(pilot: Pilot, asked: Asked, prices: Prices, *, seed: int = 0, draws: int = 400) -> Plan:
    """What a run would cost, each number with its 95% range.

    Raises:
        ValueError: The pilot has fewer than two problems, or one without a candidate.
    """
    if len(pilot.problems) < 2 or not all(pilot.problems):
        raise ValueError("expected a pilot of at least two problems with a candidate each")
    rng = np.random.default_rng(seed)
    seen = columns(pilot)
    picked = rng.integers(len(seen.right), size=(draws, len(seen.right)))
    a, b = priors(seen, draws, rng)
    rates = rng.beta(a[:, None] + seen.right[picked], b[:, None] + seen.wrong[picked])
    totals = _totals(seen, picked, rates, asked, rng)
    requests, prompt, completion, work, solved = totals
    wide = _student(len(seen.right) - 1)
    cost = None
    if prices.prompt is not None and prices.completion is not None:
        cost = _range((prompt * prices.prompt + completion * prices.completion) / 1e6, wide)
    return Plan(
        requests=_range(requests, wide),
        prompt_tokens=_range(prompt, wide),
        completion_tokens=_range(completion, wide),
        tokens=_range(prompt + completion, wide),
        money=cost,
        seconds=_seconds(pilot, asked, work, wide),
        solved=_range(np.clip(solved, 0, asked.problems * asked.rounds), wide),
    )


def _totals(
    seen: Seen, picked: NDArray[np.intp], rates: Floats, asked: Asked, rng: np.random.Generator
) -> Floats:
    """Requests, prompt tokens, completion tokens, request seconds and solved problems of each draw.

    Shape: 5 x draws. A draw's problems stand for the run's: their mean times as many, with the
    variance that a sum over so many has.
    """
    costs = _Costs(seen, picked)
    mean, square = _moments(costs, seen.spread, rates, asked, _odds(seen.lost, rates, rng))
    problems, answered = asked.problems * asked.rounds, asked.held_out * asked.evaluations
    total = problems * mean.mean(axis=2)
    variance = problems * np.maximum(0, square.mean(axis=2) - mean.mean(axis=2) ** 2)
    greedy = rates * costs.of(1, 1, 0) + (1 - rates) * costs.of(1, 0, 1)
    total[:4] += answered * greedy.mean(axis=2)
    variance[:4] += answered * asked.evaluations * greedy.var(axis=2)
    odds = _odds(seen.failed, rates, rng)[:, 0]
    variance[0] = variance[0] * (1 + odds) ** 2 + total[0] * odds * (1 + odds)
    total[0] *= 1 + odds
    luck = rng.standard_normal(rates.shape[0])
    result: Floats = np.maximum(0, total + np.sqrt(variance) * luck)
    return result


class _Costs:
    """What requests and candidates cost, for each problem of each draw."""

    def __init__(self, seen: Seen, picked: NDArray[np.intp]) -> None:
        self.right, self.wrong = seen.right_tokens[picked], seen.wrong_tokens[picked]
        self.prompt, self.seconds = seen.prompt[picked], seen.seconds[picked]

    def of(self, requests: Any, right: Any, wrong: Any) -> Floats:
        """Requests, prompt tokens, completion tokens and request seconds. Shape: 4 x draws x m."""
        each = requests * np.ones_like(self.prompt)
        completion = right * self.right + wrong * self.wrong
        return np.stack([each, each * self.prompt, completion, each * self.seconds])


def _moments(
    costs: _Costs, spread: float, rates: Floats, asked: Asked, lost: Floats
) -> tuple[Floats, Floats]:
    """Mean and mean square of what one problem costs, and of whether it is solved."""
    mean, square = np.zeros((5, *rates.shape)), np.zeros((5, *rates.shape))
    again = lost * (1 + lost)  # variance of how many are lost until one counts
    unit, hinted_requests = costs.of(1, 0, 1), -(-asked.hinted // asked.per_request)
    for end in play_out(asked.policy, rates, asked.per_request):
        failed = end.correct == 0
        made = costs.of(
            end.requests * (1 + lost) + hinted_requests * failed,
            end.correct * (1 + lost),
            (end.asked - end.correct) * (1 + lost) + asked.hinted * failed,
        )
        value = np.concatenate([made, np.full((1, *rates.shape), float(not failed))])
        mean += end.chance * value
        square += end.chance * value**2
        square[:4] += end.chance * end.asked * again * unit**2
        square[2] += end.chance * value[2] * spread**2 * costs.wrong
    return mean, square


def _odds(counts: tuple[int, int], rates: Floats, rng: np.random.Generator) -> Floats:
    """Draws of failures for one success, given both counts (Jeffreys' prior). Shape: draws x 1."""
    share = rng.beta(counts[0] + 0.5, counts[1] + 0.5, size=(rates.shape[0], 1))
    odds: Floats = share / np.maximum(1 - share, 1e-3)
    return odds


def _seconds(pilot: Pilot, asked: Asked, work: Floats, wide: float) -> Range:
    requests = max(1.0, sum(map(len, pilot.problems)) / pilot.per_request)
    done = sum(one.seconds for p in pilot.problems for one in p) / pilot.per_request
    places = max(1, min(pilot.concurrency, requests))
    idle = max(0.0, pilot.seconds - done / places)
    waits = idle * (asked.rounds * (2 if asked.hinted else 1) + asked.evaluations)
    best = _range(work / max(places, asked.concurrency) + waits, wide)
    chain = asked.rounds * (longest(asked.policy) - 1) * done / requests
    worst = _range(work / min(places, asked.concurrency) + waits + chain, wide)
    return Range(best.low, math.sqrt(best.mid * worst.mid), worst.high)


def _range(values: Floats, wide: float) -> Range:
    low, mid, high = np.quantile(values, [0.025, 0.5, 0.975]).tolist()
    return Range(max(0.0, mid - wide * (mid - low)), mid, mid + wide * (high - mid))


def _student(freedom: int) -> float:
    """How much wider Student's 95% range is than a bootstrap's.

    The series of Cornish and Fisher for t; the root, since a bootstrap takes the sample's variance
    for the population's.
    """
    z, v = Z95, freedom
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v * v)
    return t / z * math.sqrt((freedom + 1) / freedom)
