"""SIGKILL while a server is asked: nothing lost or doubled, only what was in flight asked again.

    python -m benchmarks.kill_sampling                 # 50 kills, 4,000 candidates
    python -m benchmarks.kill_sampling --share 0.1     # a tenth of the requests fail in some way
    python -m benchmarks.kill_sampling --processes 2

``factory run collect`` is killed at random moments of its whole life, imports and export included,
and the same command is started again, until it ends; then another run begins in a new folder, until
so many kills have found a living process. Counts are the server's own, by seed; a candidate's text
comes from its seed alone. Looked at after each kill: what the server was asked for and what lies on
the disk (shards and journal); the difference may not be more than the requests in flight. Looked at
when a run ends: every candidate that was planned once, with the server's text and one verdict, no
finished shard written again, and how often the server answered a seed once more.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faulty_server import FaultyServer, mixed, text_of

from rsfactory.store import CANDIDATES, VERDICTS, Store

ROOT = Path(__file__).parent.parent
FACTORY = [sys.executable, "-c", "from flows.commands import main; main()"]
"""The command of this checkout, whichever is installed."""
SETTLED = 0.3
"""Seconds until the server has read what a killed process had sent."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run, over and over."""

    problems: int = 1000
    samples: int = 4
    in_flight: int = 32
    seconds: float = 0.05
    """Until the server answers."""
    share: float = 0.0
    """Of the requests, that fail in some way."""
    shard_size: int = 256
    processes: int = 1

    @property
    def candidates(self) -> int:
        """In all."""
        return self.problems * self.samples


@dataclass
class Seen:
    """What came out of all kills."""

    kills: int = 0
    runs: int = 0
    lost_in_flight: int = 0
    """Requests that the server had when its client was killed, and that were in no file."""
    most_in_flight: int = 0
    """The most of one kill."""
    repeated: int = 0
    """Answers to a seed that was answered before."""
    faults: list[str] = field(default_factory=list)
    """What must not be."""


def problems(file: Path, count: int) -> Path:
    """A file of problems."""
    with file.open("w") as out:
        for i in range(count):
            row = {"problem": f"How much is {i} modulo 97?", "answer": str(i % 97)}
            out.write(json.dumps(row) + "\n")
    return file


def command(url: str, folder: Path, plan: Plan) -> list[str]:
    """The run that is killed."""
    settings = {
        "sample.num_samples": plan.samples,
        "sample.shard_size": plan.shard_size,
        "endpoint.concurrency": plan.in_flight,
        "endpoint.n": 1,
        "sample.processes": plan.processes,
    }
    return [
        *FACTORY, "run", "collect", "--json", "--run", "killed", "--data", str(folder / "data"),
        "--teacher", f"openai:m@{url}", "--problems", str(folder / "problems.jsonl"),
        *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")),
    ]  # fmt: skip


def start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """The command, its output in a file."""
    env = {**os.environ, "OPENAI_API_KEY": "none", "PYTHONPATH": str(ROOT)}
    with (folder / "out.txt").open("wb") as out:
        return subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=env)


def answered(server: FaultyServer) -> Counter[int]:
    """Seed -> whole answers that the server began to give."""
    return Counter(asked.seed for asked in list(server.seen) if server.plan(asked) is None)


def kept(store: Store) -> set[int]:
    """Seeds of the candidates on the disk."""
    rows = [row for _, segment in store.answers(1).left() for row in segment]
    return {row.seed for row in (*rows, *store.read(CANDIDATES))}


def shards(store: Store) -> dict[Path, tuple[int, int]]:
    """Every finished shard with its inode and time of writing."""
    found = store.folder.rglob("part-*.parquet")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def check(server: FaultyServer, store: Store, plan: Plan) -> Iterator[str]:
    """What is wrong with a run that ended."""
    rows = store.read(CANDIDATES)
    keys = Counter(row.id for row in rows)
    if len(keys) != plan.candidates or len(rows) != plan.candidates:
        yield f"expected {plan.candidates} candidates, got {len(rows)} rows, {len(keys)} keys"
    changed = sum(row.completion != text_of(row.seed) for row in rows)
    if changed:
        yield f"{changed} candidates do not say what the server said"
    if {row.seed for row in rows} != set(answered(server)):
        yield "the seeds are not those that the server answered"
    verdicts = Counter(verdict.candidate_id for verdict in store.read(VERDICTS))
    if verdicts.keys() != keys.keys() or max(verdicts.values()) > 1:
        yield f"expected one verdict a candidate, got {verdicts.total()}"
    if list(store.folder.glob("answers/**/*.jsonl")):
        yield "answers are left in the journal"


def one_run(folder: Path, plan: Plan, seen: Seen, kills: int, dice: random.Random) -> None:
    """Kills a run until it ends, or until there were ``kills`` in all; then lets it end."""
    problems(folder / "problems.jsonl", plan.problems)
    store = Store(folder / "data" / "runs" / "killed")
    failing = mixed(plan.share)
    with FaultyServer(plan=failing, seconds=plan.seconds) as server:
        words = command(server.url, folder, plan)
        life = 5 + plan.candidates / plan.in_flight * plan.seconds
        before: dict[Path, tuple[int, int]] = {}
        while seen.kills < kills:
            run = start(words, folder)
            time.sleep(dice.uniform(0.5, life))
            if run.poll() is not None:
                break
            run.send_signal(signal.SIGKILL)
            run.wait()
            time.sleep(SETTLED)
            seen.kills += 1
            in_flight = len(set(answered(server)) - kept(store))
            seen.lost_in_flight += in_flight
            seen.most_in_flight = max(seen.most_in_flight, in_flight)
            now = shards(store)
            if any(now.get(path) != stamp for path, stamp in before.items()):
                seen.faults.append("a finished shard was written again")
            before = now
        run = start(words, folder)
        if run.wait(600):
            seen.faults.append(f"exit {run.returncode}: {(folder / 'out.txt').read_text()[-600:]}")
        seen.runs += 1
        seen.repeated += sum(count - 1 for count in answered(server).values())
        seen.faults += check(server, store, plan)


def kill(plan: Plan, kills: int, seed: int = 0) -> Seen:
    """Runs and kills; returns what was seen."""
    seen, dice = Seen(), random.Random(seed)
    while seen.kills < kills:
        with tempfile.TemporaryDirectory() as folder:
            one_run(Path(folder), plan, seen, kills, dice)
    if seen.most_in_flight > plan.in_flight:
        seen.faults.append(f"{seen.most_in_flight} answers of one kill are in no file")
    if seen.repeated > seen.lost_in_flight:
        seen.faults.append(f"{seen.repeated} answers were asked for again")
    return seen


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--share", type=float, default=0.0, help="of requests that fail")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    plan = Plan(
        problems=given.problems, in_flight=given.in_flight, share=given.share,
        processes=given.processes,
    )  # fmt: skip
    began = time.monotonic()
    seen = kill(plan, given.kills, given.seed)
    print(
        f"{seen.kills} kills over {seen.runs} runs of {plan.candidates} candidates, "
        f"{plan.in_flight} in flight, {plan.share:.0%} faults, {plan.processes} processes, "
        f"{time.monotonic() - began:.0f} s: "
        f"in flight at a kill {seen.lost_in_flight} in all, {seen.most_in_flight} at most; "
        f"asked again {seen.repeated} of at most {seen.kills * plan.in_flight}; "
        f"faults: {seen.faults or 'none'}"
    )
    if seen.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
