"""The whole ``factory run collect`` against the stub: its rate, and its memory with a long queue.

What is believed is what lies on the disk afterwards: as many candidates as were asked for, each key
once, all with a text and a verdict.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sampling_clients import question
from benchmarks.sampling_measure import measure, stub

MEMORY = "memory"
FACTORY = [sys.executable, "-c", "from flows.commands import main; main()"]
"""The command of this checkout, whichever is installed."""
SLOW = 2.0
"""Seconds that the stub takes for an answer while a queue is looked at."""
LOOKED = 40.0
"""Seconds until such a run is told to stop."""
QUEUES = {"100,000 problems, 1 sample": (100_000, 1), "12,500 problems, 8 samples": (12_500, 8)}


def problems(file: Path, rows: int) -> Path:
    """A file of problems; the stub's answer, 42, is right for every other one."""
    with file.open("w") as out:
        for i in range(rows):
            out.write(json.dumps({"problem": question(i), "answer": str(42 + i % 2)}) + "\n")
    return file


def command(
    port: int, folder: Path, rows: int, in_flight: int, samples: int, processes: int
) -> list[str]:
    """A run that asks ``rows * samples`` times, each time for one completion."""
    settings = {
        "sample.num_samples": samples,
        "sample.max_tokens": 512,
        "sample.processes": processes,
        "endpoint.concurrency": in_flight,
        "endpoint.n": 1,
    }
    if processes == 1:
        del settings["sample.processes"]
    return [
        *FACTORY, "run", "collect", "--json", "--run", "stub", "--data", str(folder / "data"),
        "--teacher", f"openai:stub@http://127.0.0.1:{port}/v1",
        "--problems", str(problems(folder / "problems.jsonl", rows)),
        *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")),
    ]  # fmt: skip


def collect(
    port: int, folder: Path, requests: int, in_flight: int, *, samples: int, processes: int
) -> dict[str, Any]:
    """The figures of one run, after a look at what it left on the disk."""
    words = command(port, folder, requests // samples, in_flight, samples, processes)
    found = measure(words, port, requests, _environment(folder))
    json.loads(found["stdout"])  # one document, nothing else
    if found["seeds"] != requests:
        raise SystemExit(f"expected {requests} seeds, the stub saw {found['seeds']}")
    check(folder / "data" / "runs" / "stub", requests)
    return found


def check(run: Path, requests: int) -> None:
    """Looks into a run's shards.

    Raises:
        SystemExit: Candidates are missing, doubled, without a text or without a verdict.
    """
    from rsfactory.store import CANDIDATES, VERDICTS, Store

    store = Store(run)
    candidates, verdicts = store.read(CANDIDATES), store.read(VERDICTS)
    keys = {candidate.id for candidate in candidates}
    judged = {verdict.candidate_id for verdict in verdicts}
    texts = sum("boxed" in candidate.completion for candidate in candidates)
    right = sum(verdict.outcome == "correct" for verdict in verdicts)
    if not len(candidates) == len(keys) == texts == requests or judged != keys or not right:
        raise SystemExit(
            f"expected {requests} candidates with texts and verdicts, found {len(candidates)} rows "
            f"with {len(keys)} keys, {texts} texts, {len(judged)} verdicts, {right} of them correct"
        )


def _environment(folder: Path) -> dict[str, str]:
    return {"OPENAI_API_KEY": "stub", "HOME": str(folder), "TMPDIR": str(folder)}


def memory(in_flight: int) -> dict[str, Any]:
    """MiB of the process while 100,000 requests wait: its peak, and its median while asking."""
    found = {}
    for name, (rows, samples) in QUEUES.items():
        with stub(SLOW) as port, tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            words = command(port, folder, rows, in_flight, samples, 1)
            row = measure(words, port, rows * samples, _environment(folder), stop_after=LOOKED)
        print(f"{name}: {row['rss']:.0f} MiB at its peak", file=sys.stderr, flush=True)
        kept = ("rss", "rss_asking", "rss_all", "completions", "most_under_way", "wall")
        found[name] = {key: row[key] for key in kept}
    return found
