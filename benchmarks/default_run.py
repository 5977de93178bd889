"""The default run, `factory run star --rounds 3`, on several seeds: accuracy, seconds, memory.

    python benchmarks/default_run.py --seeds 0 1 2 [--data DIR]

Prints Markdown for docs/results.md: a table of accuracy per round with 95% intervals, and one of
seconds per stage with tokens/s. Peak memory is the largest single process (the trainer or the
sampler), as the operating system counted it. Nothing else should run beside it. A finished run in
DIR is not run again: its wall time is then the sum of its stages.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def run(seed: int, data: Path, extra: list[str]) -> dict[str, Any]:
    """One default run; its JSON with wall seconds and the largest process in MB so far."""
    command = ["factory", "run", "star", "--rounds", "3", "--seed", str(seed), "--json"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--data", str(data), *extra], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    result["wall"] = time.monotonic() - began
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return result


def interval(row: dict[str, Any]) -> str:
    """Accuracy with its interval."""
    return f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def accuracy_table(results: dict[int, dict[str, Any]]) -> str:
    """One row a seed."""
    lines = [
        "| seed | base | start | round 1 | round 2 | round 3 | change, paired 95% | wall s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for seed, result in results.items():
        rounds = [interval(row) for row in result["rounds"]]
        rounds += ["-"] * (3 - len(rounds))
        change = result["change"]
        said = f"{change['mean']:+.3f} [{change['low']:+.3f}, {change['high']:+.3f}]"
        cells = [str(seed), interval(result["base"]), interval(result["start"]), *rounds, said]
        lines.append(f"| {' | '.join(cells)} | {result['wall']:.0f} |")
    return "\n".join(lines)


def stage_table(results: dict[int, dict[str, Any]]) -> str:
    """Seconds per stage, summed over the rounds, and tokens/s while sampling."""
    stages = sorted({s for r in results.values() for row in r["rounds"] for s in row["seconds"]})
    lines = [f"| seed | {' | '.join(stages)} | sampled tokens/s | largest process MB |"]
    lines.append("|---" * (len(stages) + 3) + "|")
    for seed, result in results.items():
        rows = result["rounds"]
        total = {s: sum(row["seconds"].get(s, 0) for row in rows) for s in stages}
        busy = total.get("sample", 0) + total.get("rationalize", 0)
        speed = sum(row["tokens"] for row in rows) / busy if busy else 0
        cells = [f"{total[s]:.0f}" for s in stages]
        lines.append(f"| {seed} | {' | '.join(cells)} | {speed:.0f} | {result['peak_mb']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Runs every seed in turn and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("extra", nargs="*", help="passed on to factory run, after --")
    given = parser.parse_args()
    results = {}
    for seed in given.seeds:
        results[seed] = run(seed, given.data, given.extra)
        print(f"seed {seed}: {results[seed]['change']}", file=sys.stderr)
    print(f"{platform.machine()}, Python {platform.python_version()}\n")
    print(accuracy_table(results), stage_table(results), sep="\n\n")


if __name__ == "__main__":
    main()
