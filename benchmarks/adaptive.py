"""Tokens of adaptive sampling against a fixed number of candidates, at equal results.

    PYTHONPATH=. python benchmarks/adaptive.py [--problems 1000] [--seeds 5] [--bound 8] [--json]

The teacher is simulated: a problem has a pass rate drawn from a beta distribution, and a stream of
candidates, each right with that chance. Their lengths are lognormal: median 300 tokens if right and
450 if wrong, sigma 0.6. Every way of asking reads the same streams from their beginning, so that a
difference is the policy's and not luck's. A prompt has 150 tokens and is paid once a request of at
most 8 candidates, which adaptive sampling pays again in every wave.

`solved` are problems with a right candidate; `accepted M` are right candidates, at most M a problem
(`select.max_per_problem`). Tokens are compared at equal counts, in two directions, since one policy
at one bound seldom gives exactly the count of another:

- `down`: fixed at 8 candidates, and the policy with that bound which reaches the same count
- `up`: the policy at its bound (`--bound`), and fixed with as many candidates as reach its count

Between two bounds tokens are interpolated linearly in the count. A ratio is the policy's tokens by
fixed's, over all seeds together; `-` says that the count is out of reach below 64 candidates.
`possible` is `down` of the best rule there is for problems whose rates nobody knows beforehand
(benchmarks/adaptive_bound.py): below it nothing can come.

What is not covered: answers that depend on each other, duplicates, truncation, time.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.adaptive_bound import fewest
from generators.adaptive import Policy

SHAPES = {
    "even": (1.0, 1.0),
    "easy or hard": (0.4, 0.4),
    "mostly easy": (4.0, 1.0),
    "mostly hard": (1.0, 4.0),
    "mostly hopeless": (0.3, 2.0),
}
"""Beta distributions of the problems' pass rates."""
BOUNDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32, 48, 64)
RIGHT, WRONG, SIGMA = 300, 450, 0.6
"""Medians of tokens, and the spread of both."""
PER_REQUEST = 8
PROMPT = 150
GOALS = {"solved": 1, "accepted 1": 1, "accepted 2": 2, "accepted 4": 4}
"""Goal -> right candidates of a problem that count towards it."""


@dataclass(frozen=True)
class Stream:
    """Candidates of one problem in order, as running sums with a 0 in front."""

    right: Sequence[int]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Spent:
    """What one way of asking cost and brought."""

    count: int
    completion: int
    prompt: int


def streams(shape: str, problems: int, seed: int) -> list[Stream]:
    """The problems of one seed."""
    rng = np.random.default_rng([seed, *map(ord, shape)])
    rates = rng.beta(*SHAPES[shape], size=(problems, 1))
    right = rng.random((problems, BOUNDS[-1])) < rates
    medians = np.where(right, RIGHT, WRONG)
    tokens = np.rint(rng.lognormal(0, SIGMA, right.shape) * medians).astype(int)
    return [Stream(_sums(r), _sums(t)) for r, t in zip(right, tokens, strict=True)]


def _sums(values: NDArray[np.generic]) -> list[int]:
    return [0, *np.cumsum(values).tolist()]


def ask(policy: Policy, problems: Sequence[Stream], most: int) -> Spent:
    """All problems until the policy stops them; at most ``most`` right ones of each count."""
    count = completion = requests = 0
    for problem in problems:
        asked = 0
        while wave := policy.wanted(asked, problem.right[asked]):
            asked += wave
            requests += -(-wave // PER_REQUEST)
        count += min(most, problem.right[asked])
        completion += problem.tokens[asked]
    return Spent(count, completion, requests * PROMPT)


def at(count: int, curve: Sequence[Spent], price: Callable[[Spent], int]) -> float | None:
    """Tokens at which a curve over rising bounds reaches a count; None where it does not."""
    best = np.maximum.accumulate([spent.count for spent in curve])
    if not best[0] <= count <= best[-1]:
        return None
    keep = [0, *(i for i in range(1, len(best)) if best[i] > best[i - 1])]
    return float(np.interp(count, best[keep], [price(curve[i]) for i in keep]))


def compare(
    policy: Policy, problems: Sequence[Stream], most: int, price: Callable[[Spent], int]
) -> tuple[float | None, float | None]:
    """The policy's tokens by fixed's at equal counts: ``down`` and ``up``."""
    fixed = Policy(name="fixed", num_samples=8)
    plain = ask(fixed, problems, most)
    ours = ask(policy, problems, most)
    curve = [ask(replace(policy, num_samples=n), problems, most) for n in BOUNDS]
    line = [ask(replace(fixed, num_samples=n), problems, most) for n in BOUNDS]
    down, up = at(plain.count, curve, price), at(ours.count, line, price)
    return (down and down / price(plain), up and price(ours) / up)


def policies(most: int, bound: int) -> dict[str, Policy]:
    """What is compared, for a goal of so many right candidates a problem."""
    correct = Policy(name="correct", num_samples=bound, correct=most)
    return {
        "correct": correct,
        "correct, first=2": replace(correct, first=2),
        "correct, hopeless=4": replace(correct, hopeless=4),
        "correct, hopeless=6": replace(correct, hopeless=6),
        "difficulty": replace(correct, name="difficulty", correct=2 * most),
        "interval": replace(correct, name="interval", width=0.5),
    }


def rows(problems: int, seeds: int, bound: int) -> list[dict[str, object]]:
    """One row for every shape, goal and policy."""
    found: list[dict[str, object]] = []
    for shape in SHAPES:
        drawn = [p for seed in range(seeds) for p in streams(shape, problems, seed)]
        for goal, most in GOALS.items():
            if goal == "accepted 1":
                continue  # the same count as solved
            mean = float(np.exp(SIGMA**2 / 2))
            possible = fewest(*SHAPES[shape], most, mean * RIGHT, mean * WRONG)
            for name, policy in policies(most, bound).items():
                down, up = compare(policy, drawn, most, lambda s: s.completion)
                paid, _ = compare(policy, drawn, most, lambda s: s.completion + s.prompt)
                found.append(
                    {"rates": shape, "goal": goal, "policy": name}
                    | {"down": down, "up": up, "down_with_prompts": paid, "possible": possible}
                )
    return found


def main() -> None:
    """Prints a table, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bound", type=int, default=8, help="of the policy, for `up`")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = rows(given.problems, given.seeds, given.bound)
    if given.json:
        print(json.dumps({"problems": given.problems, "seeds": given.seeds, "rows": found}))
        return
    print(
        f"{'pass rates':16} {'equal':12} {'policy':20} {'down':>6} {'up':>6} {'with prompts':>13}"
        f" {'possible':>9}"
    )
    for row in found:
        shown = [row["down"], row["up"], row["down_with_prompts"], row["possible"]]
        down, up, paid, least = (f"{r:.2f}" if isinstance(r, float) else "-" for r in shown)
        head = f"{row['rates']:16} {row['goal']:12} {row['policy']:20}"
        print(f"{head} {down:>6} {up:>6} {paid:>13} {least:>9}")


if __name__ == "__main__":
    main()
