"""The default run, `factory run star --rounds 3`, on several seeds: accuracy, seconds, memory.

    python benchmarks/default_run.py --seeds 0 1 2 [--data DIR]

Prints Markdown for docs/results.md: a table of accuracy per round with 95% intervals, one of
seconds per stage with tokens/s, and one of peak resident memory per process (the largest of each
kind, as the operating system counted it, looked at twice a second). Nothing else should run beside
it. A finished run in DIR is not run again: its wall time and memory are then those of reading it.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil


def run(seed: int, data: Path, extra: list[str]) -> dict[str, Any]:
    """One default run; its JSON with wall seconds and the peak memory of its processes in MB."""
    command = ["factory", "run", "star", "--rounds", "3", "--seed", str(seed), "--json"]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--data", str(data), *extra], stdout=subprocess.PIPE, text=True
    )
    peaks: dict[str, float] = {}
    while process.poll() is None:
        note_peaks(process.pid, peaks)
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    assert process.stdout is not None
    result: dict[str, Any] = json.loads(process.stdout.read())
    result["wall"] = time.monotonic() - began
    result["peaks"] = peaks
    return result


def note_peaks(pid: int, peaks: dict[str, float]) -> None:
    """Raises the peaks, by kind of process, to those of a run's living processes.

    A child is told by the log it writes to: ``sampling.log``, ``round-1-sft.log``.
    """
    with contextlib.suppress(psutil.Error):
        main = psutil.Process(pid)
        for process in (main, *main.children(recursive=True)):
            with contextlib.suppress(OSError, StopIteration, psutil.Error):
                log = Path(os.readlink(f"/proc/{process.pid}/fd/2"))
                status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                peak = next(line for line in status if line.startswith("VmHWM"))
                kind = "run" if process == main else log.stem.rpartition("-")[2]
                kind = kind if log.suffix == ".log" or process == main else "verifier"
                peaks[kind] = max(peaks.get(kind, 0.0), int(peak.split()[1]) * 1024 / 1e6)


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
    lines = [f"| seed | {' | '.join(stages)} | sampled tokens/s |"]
    lines.append("|---" * (len(stages) + 2) + "|")
    for seed, result in results.items():
        rows = result["rounds"]
        total = {s: sum(row["seconds"].get(s, 0) for row in rows) for s in stages}
        busy = total.get("sample", 0) + total.get("rationalize", 0)
        speed = sum(row["tokens"] for row in rows) / busy if busy else 0
        cells = [f"{total[s]:.0f}" for s in stages]
        lines.append(f"| {seed} | {' | '.join(cells)} | {speed:.0f} |")
    return "\n".join(lines)


def memory_table(results: dict[int, dict[str, Any]]) -> str:
    """Peak resident MB, by kind of process."""
    kinds = sorted({kind for result in results.values() for kind in result["peaks"]})
    lines = [f"| seed | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for seed, result in results.items():
        cells = [f"{result['peaks'].get(kind, 0):.0f}" for kind in kinds]
        lines.append(f"| {seed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Runs every seed in turn and prints the tables."""
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
    tables = (accuracy_table(results), stage_table(results), memory_table(results))
    print(*tables, sep="\n\n")


if __name__ == "__main__":
    main()
