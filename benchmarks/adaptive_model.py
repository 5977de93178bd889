"""Adaptive sampling against a fixed number of candidates, with a real model and real runs.

    python -m benchmarks.adaptive_model [--problems 96] [--data FOLDER] [--json]

The teacher is the embedded model after the star recipe's cold start (sums of five digits, of which
it solves about two of five), asked by `factory run collect` for the same problems with the same
seed: 8 candidates of each problem (`fixed`), and until one or two are right (`correct`), with
bounds of 8 and more. What is compared at an equal number of solved problems, and of accepted traces
(correct ones, at most one or two a problem; duplicates count, since the teacher's sums differ
little), is the tokens sampled. Between two bounds tokens are interpolated in the count.

Candidates have the seeds that their places give them, so that both ways see nearly the same texts
(they move in the last digits with the shape of a batch). A prompt is paid for every candidate by
this teacher, and is not counted.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rsfactory.catalog import open_catalog
from rsfactory.store import Store

FACTORY = [sys.executable, "-m", "flows.commands"]
SUMS = {
    "problems.params.operators": '["+"]', "problems.params.allow_parentheses": "false",
    "problems.params.allow_negation": "false", "problems.params.min_terms": "5",
    "problems.params.max_terms": "5", "problems.params.min_digits": "1",
    "problems.params.max_digits": "1",
}  # fmt: skip
BOUNDS = {1: (8, 12, 16), 2: (8, 12, 16)}
"""Right candidates wanted of a problem -> bounds that are tried, until the count is reached."""
COUNT = """
SELECT coalesce(sum(least(n, ?)), 0)::BIGINT FROM (
    SELECT problem_id, count(*) FILTER (outcome = 'correct') AS n FROM lineage GROUP BY 1)
"""


def main() -> None:
    """Runs all, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=96)
    parser.add_argument("--data", type=Path, help="where the runs stay; by default nowhere")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or Path(folder)
        model = _cold_start(data)
        fixed = _collect(data, model, given.problems, {"adaptive.policy": "fixed"}, 8)
        rows = [
            row for most in BOUNDS for row in _against(data, model, given.problems, fixed, most)
        ]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['goal']:<11} fixed 8: {row['count']:>4} for {row['fixed']:>6} tokens; "
            f"correct={row['correct']}: {row['adaptive']:>6.0f} tokens, ratio {row['ratio']:.2f} "
            f"({row['runs']})"
        )


def _cold_start(data: Path) -> str:
    """Folder of the embedded model after its cold start."""
    result = _run("run", "star", "--rounds", "1", "--run", "start", "--data", str(data), settings={
        "keep.checkpoints": "all", "problems.per_round": "8", "evaluate.problems": "32",
        "grpo.steps": "0", "rationalize.num_samples": "0", "sft.epochs": "1",
    })  # fmt: skip
    [cold] = [f for f in (Path(result["folder"]) / "checkpoints").iterdir() if "cold" in f.name]
    return str(cold)


def _against(
    data: Path, model: str, problems: int, fixed: dict[str, Any], correct: int
) -> list[dict[str, Any]]:
    """Tokens of `correct` where it reaches what fixed reached, for both goals."""
    points: list[tuple[int, int, int]] = [(0, 0, 0)]
    wanted = fixed["counts"][correct]
    for bound in BOUNDS[correct]:
        settings = {"adaptive.policy": "correct", "adaptive.correct": str(correct)}
        made = _collect(data, model, problems, settings, bound)
        points.append((bound, made["counts"][correct], made["tokens"]))
        if made["counts"][correct] >= wanted:
            break
    tokens = _interpolated(points, wanted)
    goal = "solved" if correct == 1 else f"accepted {correct}"
    shown = "; ".join(f"bound {b}: {count} for {t}" for b, count, t in points[1:])
    return [
        {
            "goal": goal, "count": wanted, "fixed": fixed["tokens"], "correct": correct,
            "adaptive": tokens, "ratio": tokens / fixed["tokens"], "runs": shown,
        }
    ]  # fmt: skip


def _interpolated(points: list[tuple[int, int, int]], wanted: int) -> float:
    """Tokens at a count between two bounds; those of the last bound where it is not reached."""
    for (_, low, before), (_, high, after) in itertools.pairwise(points):
        if high >= wanted:
            if low == 0:
                return float(after)  # the first bound reaches it: nothing below was tried
            return before + (after - before) * (wanted - low) / max(1, high - low)
    return float("nan")


def _collect(
    data: Path, model: str, problems: int, settings: dict[str, str], bound: int
) -> dict[str, Any]:
    """One run: tokens sampled, and right candidates, at most 1 or 2 a problem."""
    result = _run("run", "collect", "--teacher", f"local:{model}", "--data", str(data), settings={
        **SUMS, "problems.per_round": str(problems), "sample.num_samples": str(bound),
        "sample.temperature": "0.7", "sample.shard_size": "96", **settings,
    })  # fmt: skip
    with open_catalog(Store(Path(result["folder"]))) as catalog:
        counts = {most: catalog.execute(COUNT, [most]).fetchall()[0][0] for most in BOUNDS}
    return {"tokens": result["tokens"], "counts": counts}


def _run(*words: str, settings: dict[str, str]) -> dict[str, Any]:
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [*FACTORY, *words, *changes, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ})
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    main()
