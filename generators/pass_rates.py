"""Pass rates of problems that were asked until a policy stopped them.

Where to stop depends on the answers, so the share of right ones is biased: asked until the first
right answer, a problem of pass rate 1/2 shows 0.69 on average. All policies stop by the counts
(asked, correct) alone, for which Girshick, Mosteller and Savage (1946) give an unbiased estimate:
of the orders of right and wrong answers that lead to these counts without stopping before, the
share that begins with a right one. Orders are counted exactly, in integers.

What is not covered: policies that look at anything else (tokens, time, other problems), and counts
that no order leads to, as after a policy was changed in the middle (see `reachable`).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from generators.adaptive import Policy
from rsfactory.stats import Interval, mean_of

TAIL = 0.025
"""Chance of each side of a 95% interval."""
GRID = 512
"""Pass rates at which a tail is looked at before it is narrowed down."""


class End(NamedTuple):
    """Counts that a problem can end with."""

    asked: int
    correct: int
    orders: int
    """Orders of right and wrong answers that end here; each has the chance
    rate^correct * (1 - rate)^(asked - correct)."""


def reachable(policy: Policy, asked: int, correct: int) -> bool:
    """Whether a problem asked by this policy can have these counts, at an end or on its way."""
    rows = _orders(policy)
    return 0 <= correct <= asked < len(rows) and rows[asked][correct].all > 0


def estimate(policy: Policy, asked: int, correct: int) -> float:
    """The unbiased estimate of a problem's pass rate; made to be averaged over problems.

    For ``fixed``, correct / asked. For ``correct`` with k looked at one by one, (k - 1) /
    (asked - 1) where it stopped at k, and correct / asked at the bound; with k = 1 that is whether
    the first answer was right, since whatever came later came because it was not. Single estimates
    are coarse: for one problem `interval` says more.

    Raises:
        ValueError: Nothing was asked, or the policy never leads to these counts.
    """
    if asked == 0 or not reachable(policy, asked, correct):
        raise ValueError(
            f"expected counts that {policy} leads to, got {correct} correct of {asked}; "
            "was the problem asked by another policy?"
        )
    orders = _orders(policy)[asked][correct]
    return orders.right_first / orders.all


def interval(policy: Policy, asked: int, correct: int) -> Interval:
    """Share correct of one problem, with a 95% interval that holds under the stopping rule.

    The interval is Clopper and Pearson's with ends in the order of their share correct (as for
    group-sequential trials: Jennison and Turnbull 1983; Emerson and Fleming 1990): all pass rates
    at which neither this end and those above nor this end and those below have a chance of 2.5% or
    less. Its ``mean`` is correct / asked, the most likely rate whatever the rule; average
    `estimate` instead. A problem that was cut counts as if its bound had been ``asked``. Without
    trials nothing is known.

    Raises:
        ValueError: The policy never leads to these counts.
    """
    if asked == 0 and correct == 0:
        return Interval(0.0, 0.0, 1.0)
    estimate(policy, asked, correct)
    return _interval(policy, asked, correct)


def mean_rate(policy: Policy, counts: Sequence[tuple[int, int]]) -> Interval:
    """Mean pass rate over problems, unbiased, with its 95% interval.

    Args:
        policy: By which all were asked.
        counts: (asked, correct) of every problem; those never asked are left out, which is fair
            only where they are a random part (a budget that ends before the last problems).

    Raises:
        ValueError: No problem was asked, or the policy never leads to some of the counts.
    """
    return mean_of([estimate(policy, n, s) for n, s in counts if n])


@lru_cache(512)
def ends(policy: Policy, bound: int | None = None) -> tuple[End, ...]:
    """Every end a problem can come to, in ascending order of its share correct.

    Args:
        policy: The stopping rule.
        bound: Cut at this count, if it is below ``policy.num_samples``.
    """
    last = min(bound or policy.num_samples, policy.num_samples)
    found = [
        End(asked, correct, orders.all)
        for asked, row in enumerate(_orders(policy)[: last + 1])
        for correct, orders in enumerate(row)
        if orders.all and (asked == last or policy.reason(asked, correct))
    ]
    return tuple(sorted(found, key=lambda end: (end.correct / end.asked, end.asked)))


def chances(policy: Policy, rate: float, bound: int | None = None) -> NDArray[np.float64]:
    """The chance of each of `ends` for a problem of this pass rate; they add up to 1."""
    asked, correct, logs = _arrays(policy, bound)
    if rate in (0.0, 1.0):
        return np.where(correct == (asked if rate else 0), 1.0, 0.0)
    each: NDArray[np.float64] = logs + correct * math.log(rate)
    return np.exp(each + (asked - correct) * math.log1p(-rate))


class _Orders(NamedTuple):
    all: int
    right_first: int


@lru_cache(64)
def _orders(policy: Policy) -> tuple[tuple[_Orders, ...], ...]:
    """For every (asked, correct): orders that lead there without stopping before."""
    rows = [[_Orders(1, 0)]]
    for asked in range(policy.num_samples):
        row = [_Orders(0, 0)] * (asked + 2)
        for correct, (total, right) in enumerate(rows[-1]):
            if total == 0 or policy.reason(asked, correct):
                continue
            lost, won = row[correct], row[correct + 1]
            row[correct] = _Orders(lost.all + total, lost.right_first + right)
            begun = right if asked else 1
            row[correct + 1] = _Orders(won.all + total, won.right_first + begun)
        rows.append(row)
    return tuple(map(tuple, rows))


@lru_cache(512)
def _arrays(policy: Policy, bound: int | None) -> tuple[NDArray[np.float64], ...]:
    """Asked, correct and the logarithm of the orders of `ends`."""
    found = ends(policy, bound)
    columns = zip(*((e.asked, e.correct, math.log(e.orders)) for e in found), strict=True)
    return tuple(np.array(column, dtype=np.float64) for column in columns)


@lru_cache(1 << 14)
def _interval(policy: Policy, asked: int, correct: int) -> Interval:
    bound = None if policy.reason(asked, correct) else asked
    seen, right, _ = _arrays(policy, bound)
    share = right / seen
    above, below = share >= correct / asked, share <= correct / asked

    def tail(rate: float, side: NDArray[np.bool_]) -> bool:
        return bool(chances(policy, rate, bound)[side].sum() > TAIL)

    rates = np.linspace(0, 1, GRID + 1)
    low = next(i for i, rate in enumerate(rates) if tail(rate, above))
    high = next(i for i in range(GRID, -1, -1) if tail(rates[i], below))
    return Interval(
        correct / asked,
        0.0 if low == 0 else _edge(rates[low - 1], rates[low], lambda r: tail(r, above)),
        1.0 if high == GRID else _edge(rates[high + 1], rates[high], lambda r: tail(r, below)),
    )


def _edge(outside: float, inside: float, holds: Callable[[float], bool]) -> float:
    """Where ``holds`` begins between two rates, from outside so that coverage is kept."""
    for _ in range(30):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if holds(middle) else (middle, inside)
    return float(outside)
