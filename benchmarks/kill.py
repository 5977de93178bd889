"""SIGKILL at random points: nothing lost, nothing twice, at most the shard in flight redone.

    python benchmarks/kill.py scripted    # the scripted teacher, nothing trained
    python benchmarks/kill.py tiny        # a tiny random model: local sampling, TRL training

An undisturbed run is made first. Then the same command (same seed, another folder) is killed at
random moments, each time continued by the next start; when it ends another one begins, until 20
kills have found a living process. The candidate keys, the selected keys and the completions must be
those of the undisturbed run, and no shard that was complete at a kill may have been written again
(same inode, same time).
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from tiny import make_tiny_model

from rsfactory.store import CANDIDATES, EVALUATION_CANDIDATES, SELECTIONS, Store

COMMON = ["--rounds", "2", "--set", "problems.per_round=24", "--set", "sample.shard_size=8",
          "--set", "evaluate.problems=32", "--set", "sample.max_tokens=24",
          "--set", "evaluate.max_tokens=24", "--run", "killed"]  # fmt: skip


QUIET = subprocess.DEVNULL


def command(kind: str, data: Path, model: Path) -> list[str]:
    """The run that is killed."""
    factory = ["factory", "run", "star", "--data", str(data), *COMMON]
    if kind == "scripted":
        return [*factory, "--model", "scripted", "--set", "train.trainer=dry-run"]
    return [*factory, "--model", str(model), "--teacher", "scripted:0.5",
            "--set", "grpo.steps=1", "--set", "grpo.max_tokens=16"]  # fmt: skip


def outcome(data: Path) -> tuple[set[tuple[str, str]], set[str], int]:
    """Keys with their completions, selected keys, and how many keys occur twice."""
    store = Store(data / "runs" / "killed")
    rows = [*store.read(CANDIDATES), *store.read(EVALUATION_CANDIDATES)]
    selected = {s.id for s in store.read(SELECTIONS) if s.selected}
    keys = {(row.id, row.completion) for row in rows}
    return keys, selected, len(rows) - len({row.id for row in rows})


def shards(data: Path) -> dict[Path, tuple[int, int]]:
    """Every finished shard with its inode and time of writing."""
    found = (data / "runs").rglob("part-*.parquet")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def killed_runs(
    arguments: Callable[[Path], list[str]], folder: Path, kills: int, life: float, seed: int
) -> Iterator[Path]:
    """Kills runs at random moments, continuing each; yields the data folder of each that ended.

    A run that ends before its next kill is yielded, and another one is begun in a new folder, until
    ``kills`` kills have found a living process.
    """
    chance = random.Random(seed)
    left, begun = kills, 0
    while left:
        begun += 1
        data = folder / f"killed-{begun}"
        before: dict[Path, tuple[int, int]] = {}
        while left:
            run = subprocess.Popen(
                arguments(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.2, life))
            if run.poll() is not None:
                break
            run.send_signal(signal.SIGKILL)
            run.wait()
            left -= 1
            now = shards(data)
            changed = [path for path, stamp in before.items() if now.get(path) != stamp]
            if changed:
                raise SystemExit(f"a finished shard was written again: {changed}")
            before = now
        subprocess.run(arguments(data), check=True, stdout=subprocess.DEVNULL, stderr=QUIET)
        yield data


def main() -> None:
    """Runs both and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["scripted", "tiny"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = make_tiny_model(Path(folder) / "model") if given.kind == "tiny" else Path()
        calm = Path(folder) / "calm"
        began = time.monotonic()
        subprocess.run(
            command(given.kind, calm, model), check=True, stdout=subprocess.DEVNULL, stderr=QUIET
        )
        whole = time.monotonic() - began
        keys, selected, twice = outcome(calm)
        ended, wrong = 0, twice
        for data in killed_runs(
            lambda data: command(given.kind, data, model), Path(folder), given.kills, whole,
            given.seed,
        ):  # fmt: skip
            keys_after, selected_after, twice_after = outcome(data)
            ended += 1
            wrong += len(keys ^ keys_after) + len(selected ^ selected_after) + twice_after
    print(
        f"{given.kind}: {given.kills} kills of living processes over {ended} runs, undisturbed "
        f"{whole:.0f} s; {len(keys)} keys with their completions and {len(selected)} selected: "
        f"{wrong} lost, changed or twice; no finished shard written again"
    )
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
