"""Factory against a bare script doing the same sampling, checking and TRL training, in one run.

    python benchmarks/overhead.py --rounds 1 [--pairs 1]

Runs `benchmarks/bare_star.py` (one process, nothing kept) and `factory run star` (children, shards,
verdicts, progress) in turn with the same seed and recipe, and prints wall seconds and their ratio.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = Path(__file__).parent / "bare_star.py"


def timed(command: list[str]) -> tuple[float, str]:
    """Wall seconds of a command and what it printed."""
    began = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.monotonic() - began, done.stdout


def main() -> None:
    """Prints one line a pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--model", default="embedded")
    given = parser.parse_args()
    same = ["--rounds", str(given.rounds), "--model", given.model]
    for seed in range(100, 100 + given.pairs):
        bare, said = timed([sys.executable, str(BARE), "--seed", str(seed), *same])
        with tempfile.TemporaryDirectory() as data:
            words = ["factory", "run", "star", "--seed", str(seed), "--json", "--data", data, *same]
            ours, printed = timed(words)
        result = json.loads(printed)
        accuracy = [f"{row['accuracy']:.3f}" for row in (result["start"], *result["rounds"])]
        print(f"bare {bare:.0f} s {json.loads(said.splitlines()[-1])['accuracy'][1:]}")
        print(f"factory {ours:.0f} s {accuracy}; ratio {ours / bare:.3f}", flush=True)


if __name__ == "__main__":
    main()
