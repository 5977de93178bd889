"""Intervals. Every number the factory shows about a model has one."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Z95 = 1.959963984540054
"""Two-sided 95% quantile of the standard normal distribution."""


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    mean: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval:
    """Share of successes with Wilson's score interval (E. B. Wilson, 1927).

    It stays inside 0..1 and is usable at 0 or all successes. Without trials nothing is known:
    mean 0 and the interval 0..1.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    share = successes / trials
    z2 = Z95 * Z95
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = share * (1 - share) / trials + z2 / (4 * trials * trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(spread)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high)


def paired_change(before: Sequence[bool], after: Sequence[bool]) -> Interval:
    """Mean of after - before over the same problems, with its 95% interval.

    The differences are -1, 0 or 1; the interval is mean +- 1.96 * sd / sqrt(n) with the sample
    standard deviation (n - 1), the usual large-sample interval of a paired difference. It is not
    meant for fewer than about 30 problems. With all differences equal it has no width; then half
    a problem (0.5 / n) is taken instead, since n problems cannot tell less than that.

    Raises:
        ValueError: The two sequences differ in length or are empty.
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"expected as many after as before, got {len(before)} and {len(after)}")
    n = len(before)
    differences = [int(b) - int(a) for a, b in zip(before, after, strict=True)]
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / max(1, n - 1)
    half = max(Z95 * math.sqrt(variance / n), 0.5 / n)
    return Interval(mean, max(-1.0, mean - half), min(1.0, mean + half))


def mean_of(values: Sequence[float]) -> Interval:
    """Mean of values in 0..1, one a problem, with its 95% interval.

    mean +- 1.96 * sd / sqrt(n), cut to 0..1, and never narrower than half a problem (0.5 / n) on
    either side, as in `paired_change`; not meant for fewer than about 30 problems.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("expected at least one value, got none")
    n = len(values)
    mean = math.fsum(values) / n
    variance = math.fsum((v - mean) ** 2 for v in values) / max(1, n - 1)
    half = max(Z95 * math.sqrt(variance / n), 0.5 / n)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


def pass_at_k(trials: int, correct: int, k: int) -> float:
    """Unbiased estimate of pass@k, 1 - C(n-c, k) / C(n, k) (Chen et al., 2021, HumanEval).

    Raises:
        ValueError: k is larger than the number of trials, for which no unbiased estimate exists.
    """
    if not 1 <= k <= trials or not 0 <= correct <= trials:
        raise ValueError(f"expected 1 <= k <= trials, got k={k}, {correct} of {trials}")
    if trials - correct < k:
        return 1.0
    return 1.0 - math.comb(trials - correct, k) / math.comb(trials, k)
