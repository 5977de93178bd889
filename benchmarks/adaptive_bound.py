"""The fewest tokens that any stopping rule needs which does not know the problems' pass rates.

A problem's rate comes from a beta distribution that the rule knows, as it knows the tokens of right
and wrong candidates; nothing tells one problem from another but its own answers. The rule that
brings most for a given spending maximizes, problem by problem, what counts less a price times the
tokens (Lagrange: over many problems the budget becomes a price). That is solved exactly from the
last candidate backwards over the counts (asked, right), where the chance that the next is right is
the posterior mean (right + a) / (asked + a + b). The price is then moved until as much counts as
with a fixed number of candidates. `benchmarks/adaptive.py` prints it beside what the policies
reach, which do not know the distribution.

What is not covered: prompts, paid again with each request; what a problem's text says about it.
"""

from math import comb, exp, lgamma

import numpy as np


def fewest(a: float, b: float, most: int, right: float, wrong: float, fixed: int = 8) -> float:
    """Tokens of the best rule by those of a fixed number of candidates, at an equal count.

    Args:
        a: Of the beta distribution of pass rates.
        b: Of the beta distribution of pass rates.
        most: Right candidates of a problem that count.
        right: Mean tokens of a right candidate.
        wrong: Mean tokens of a wrong one.
        fixed: Candidates of every problem that it is compared with; the rule may take 64.
    """
    wanted = sum(min(k, most) * _chance(k, fixed, a, b) for k in range(fixed + 1))
    paid = fixed * (a * right + b * wrong) / (a + b)
    points = [
        _best(a, b, most, right, wrong, price) for price in np.geomspace(1e-5, 1 / right, 200)
    ]
    counts, tokens = zip(*sorted(points), strict=True)
    return float(np.interp(wanted, counts, tokens)) / paid


def _best(
    a: float, b: float, most: int, right: float, wrong: float, price: float, bound: int = 64
) -> tuple[float, float]:
    """What counts and what is paid a problem, on average, by the best rule at a price."""
    count, paid = np.zeros((2, bound + 1, bound + 2))
    for asked in range(bound - 1, -1, -1):
        for seen in range(min(asked, most - 1) + 1):
            chance = (seen + a) / (asked + a + b)
            gain = chance * (1 + count[asked + 1, seen + 1]) + (1 - chance) * count[asked + 1, seen]
            cost = chance * (right + paid[asked + 1, seen + 1])
            cost += (1 - chance) * (wrong + paid[asked + 1, seen])
            if gain > price * cost:
                count[asked, seen], paid[asked, seen] = gain, cost
    return float(count[0, 0]), float(paid[0, 0])


def _chance(k: int, n: int, a: float, b: float) -> float:
    """Of k right ones among n (beta-binomial)."""

    def log_beta(x: float, y: float) -> float:
        return lgamma(x) + lgamma(y) - lgamma(x + y)

    return comb(n, k) * exp(log_beta(k + a, n - k + b) - log_beta(a, b))
