"""What ``factory plan`` says against what the run then takes, on the stub with random latencies.

    python -m benchmarks.plan [--problems 600] [--pilots 3] [--latency 0.3] [--spread 0.6]

Every pilot is of another seed, so of other problems. The stub knows how often it was asked; that
nothing was asked twice is checked. Seconds are those of sampling, the pilot's included. A stub's
answers are all of one length and half of the problems are always right, so that what varies is how
long an answer takes and how often a problem is asked.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sampling_collect import FACTORY, problems
from benchmarks.sampling_measure import ROOT, stats, stub

POLICIES = {"fixed": (), "correct": ("adaptive.policy=correct", "adaptive.correct=2")}


def words(port: int, folder: Path, seed: int, settings: tuple[str, ...]) -> list[str]:
    """The flags that plan and run share."""
    fixed = ("sample.num_samples=6", "endpoint.concurrency=32", "endpoint.n=1")
    prices = ("endpoint.price_prompt=1", "endpoint.price_completion=4")
    return [
        "collect", "--json", "--data", str(folder / "data"), "--seed", str(seed),
        "--problems", str(folder / "problems.jsonl"),
        "--teacher", f"openai:stub@http://127.0.0.1:{port}/v1",
        *(word for setting in (*fixed, *prices, *settings) for word in ("--set", setting)),
    ]  # fmt: skip


def said(command: str, flags: list[str]) -> dict[str, Any]:
    """What a command prints."""
    environment = {**os.environ, "OPENAI_API_KEY": "stub"}
    done = subprocess.run(
        [*FACTORY, command, *flags], capture_output=True, text=True, check=True, cwd=ROOT,
        env=environment,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(name: str, seed: int, rows: int, latency: float, spread: float) -> None:
    """One plan and its run, a line a number."""
    with stub(latency, spread) as port, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        problems(folder / "problems.jsonl", rows)
        flags = words(port, folder, seed, POLICIES[name])
        planned = said("plan", flags)
        pilot = stats(port)
        ran = said("run", flags)
        asked = stats(port)
    if asked["most_of_a_seed"] > 1 or planned["spent"]["requests"] != pilot["requests"]:
        raise SystemExit(f"asked twice: {pilot} after the pilot, {asked} after the run")
    [report] = ran["rounds"]
    took = {
        "requests": asked["requests"],
        "tokens": report["prompt_tokens"] + report["tokens"],
        "money": report["cost"],
        "seconds": report["seconds"]["sample"],
    }
    for key, value in took.items():
        low, mid, high = (planned[key][word] for word in ("low", "mid", "high"))
        inside = "yes" if low <= value <= high else "no"
        print(f"| {name}, seed {seed} | {key} | {low:,.4g} | {mid:,.4g} | {high:,.4g} "
              f"| {value:,.4g} | {inside} |", flush=True)  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=600)
    parser.add_argument("--pilots", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--spread", type=float, default=0.6)
    given = parser.parse_args()
    print("| run | | low | mid | high | took | inside |\n|---|---|---|---|---|---|---|")
    for name in POLICIES:
        for seed in range(given.pilots):
            compare(name, seed, given.problems, given.latency, given.spread)


if __name__ == "__main__":
    main()
