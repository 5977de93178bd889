"""Adaptive sampling against a fixed number of candidates, with a real model and real runs.

    python -m benchmarks.adaptive_model [--problems 96] [--model FOLDER] [--data FOLDER] [--json]

The teacher is the embedded model after the star recipe's cold start on sums of five digits, or with
``--model`` a later checkpoint of such a run. It is asked by `factory run collect` for two sets of
problems: sums of two to seven digits, of every difficulty, as training sets are, and sums of five
alone. Each set is asked with the same seed for 8 candidates of each problem (`fixed`), and until
one or two are right (`correct`; also with `hopeless`), with bounds of 8 and more. What is compared
at an equal number of solved problems, and of accepted traces (correct ones, at most one or two a
problem; duplicates count, since the teacher's sums differ little), is the tokens sampled. Between
two bounds tokens are interpolated in the count. `possible` is the ratio of the best rule there is
for problems whose rates nobody knows beforehand (benchmarks/adaptive_bound.py), their beta
distribution taken from the fixed run's counts by its moments.

Candidates have the seeds that their places give them, so that both ways see nearly the same texts
(they move in the last digits with the shape of a batch). A prompt is paid for every candidate by
this teacher, and is not counted.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.adaptive_bound import fewest
from rsfactory.catalog import open_catalog
from rsfactory.store import Store

FACTORY = [sys.executable, "-m", "flows.commands"]
SUMS = {
    "problems.params.operators": '["+"]', "problems.params.allow_parentheses": "false",
    "problems.params.allow_negation": "false",
    "problems.params.min_digits": "1", "problems.params.max_digits": "1",
}  # fmt: skip
TERMS = {"sums of 2 to 7 digits": (2, 7), "sums of 5 digits": (5, 5)}
FIXED = 8
BOUNDS = (8, 12, 16)
"""Tried one after the other, until the count is reached."""
POLICIES: tuple[tuple[int, dict[str, str]], ...] = (
    (1, {}),
    (2, {}),
    (2, {"adaptive.hopeless": "6"}),
)
"""Right candidates wanted of a problem, and what is set beside `adaptive.policy=correct`."""
COUNT = """
SELECT count(*) FILTER (outcome = 'correct')::BIGINT AS correct FROM lineage GROUP BY problem_id
"""
LENGTHS = "SELECT outcome = 'correct', avg(tokens) FROM lineage GROUP BY 1 ORDER BY 1"


@dataclass(frozen=True)
class Asked:
    """Who is asked for what."""

    data: Path
    model: str
    problems: int
    terms: tuple[int, int]


def main() -> None:
    """Runs all, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=96)
    parser.add_argument("--model", help="a checkpoint's folder; by default one is made")
    parser.add_argument("--data", type=Path, help="where the runs stay; by default nowhere")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        model = given.model or _cold_start(data)
        rows = [
            row
            for name, terms in TERMS.items()
            for row in _rows(Asked(data, model, given.problems, terms), name)
        ]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['problems']}: {row['goal']:<10} fixed {FIXED}: {row['count']:>4} for "
            f"{row['fixed']:>6} tokens; {row['policy']}: {row['adaptive']:>6.0f} tokens, ratio "
            f"{row['ratio']:.2f}, possible {row['possible']:.2f} ({row['runs']})"
        )


def _rows(asked: Asked, name: str) -> list[dict[str, Any]]:
    """Both goals on one set of problems."""
    fixed = _collect(asked, {"adaptive.policy": "fixed"}, FIXED)
    a, b = _beta([right / FIXED for right in fixed["right"]])
    wrong, right = fixed["lengths"]
    found = []
    for most, settings in POLICIES:
        row = _against(asked, fixed, most, settings)
        row |= {"problems": name, "possible": fewest(a, b, most, right, wrong, FIXED)}
        found.append(row)
    return found


def _beta(shares: list[float]) -> tuple[float, float]:
    """The beta distribution of the rates behind shares of `FIXED` answers, by their moments."""
    mean = statistics.fmean(shares)
    between = statistics.variance(shares) - mean * (1 - mean) / FIXED
    between = max(between * FIXED / (FIXED - 1), 1e-6)
    size = max(mean * (1 - mean) / between - 1, 1e-3)
    return mean * size, (1 - mean) * size


def _cold_start(data: Path) -> str:
    """Folder of the embedded model after its cold start."""
    result = _run("run", "star", "--rounds", "1", "--run", "start", "--data", str(data), settings={
        "keep.checkpoints": "all", "problems.per_round": "8", "evaluate.problems": "32",
        "grpo.steps": "0", "rationalize.num_samples": "0", "sft.epochs": "1",
    })  # fmt: skip
    [cold] = [f for f in (Path(result["folder"]) / "checkpoints").iterdir() if "cold" in f.name]
    return str(cold)


def _against(
    asked: Asked, fixed: dict[str, Any], most: int, settings: dict[str, str]
) -> dict[str, Any]:
    """Tokens of `correct` where it reaches what fixed reached."""
    points: list[tuple[int, int, int]] = [(0, 0, 0)]
    wanted = _count(fixed, most)
    chosen = {"adaptive.policy": "correct", "adaptive.correct": str(most), **settings}
    for bound in BOUNDS:
        made = _collect(asked, chosen, bound)
        points.append((bound, _count(made, most), made["tokens"]))
        if points[-1][1] >= wanted:
            break
    tokens = _interpolated(points, wanted)
    return {
        "goal": "solved" if most == 1 else f"accepted {most}", "count": wanted,
        "policy": " ".join(f"{key.split('.')[1]}={value}" for key, value in chosen.items()),
        "fixed": fixed["tokens"], "adaptive": tokens, "ratio": tokens / fixed["tokens"],
        "runs": "; ".join(f"bound {b}: {count} for {t}" for b, count, t in points[1:]),
    }  # fmt: skip


def _count(made: dict[str, Any], most: int) -> int:
    return sum(min(right, most) for right in made["right"])


def _interpolated(points: list[tuple[int, int, int]], wanted: int) -> float:
    """Tokens at a count between two bounds; those of the last bound where it is not reached."""
    for (_, low, before), (_, high, after) in itertools.pairwise(points):
        if high >= wanted:
            if low == 0:
                return float(after)  # the first bound reaches it: nothing below was tried
            return before + (after - before) * (wanted - low) / max(1, high - low)
    return float("nan")


def _collect(asked: Asked, settings: dict[str, str], bound: int) -> dict[str, Any]:
    """One run: tokens sampled, right candidates of each problem, tokens of wrong and right ones."""
    low, high = asked.terms
    result = _run(
        "run", "collect", "--teacher", f"local:{asked.model}", "--data", str(asked.data),
        settings={
            **SUMS, "problems.params.min_terms": str(low), "problems.params.max_terms": str(high),
            "problems.per_round": str(asked.problems), "sample.num_samples": str(bound),
            "sample.temperature": "0.7", "sample.shard_size": "96", **settings,
        },
    )  # fmt: skip
    with open_catalog(Store(Path(result["folder"]))) as catalog:
        right = [row[0] for row in catalog.execute(COUNT).fetchall()]
        lengths = [row[1] for row in catalog.execute(LENGTHS).fetchall()]
    return {"tokens": result["tokens"], "right": right, "lengths": lengths}


def _run(*words: str, settings: dict[str, str]) -> dict[str, Any]:
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [*FACTORY, *words, *changes, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
