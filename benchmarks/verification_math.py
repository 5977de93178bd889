"""The ``math`` verifier beside Math-Verify 0.9.0 as shipped: the sections of the benchmark.

``speed``: from a Parquet shard of candidates to a Parquet shard of verdicts through the pool;
Math-Verify parses gold and answer and verifies, for every row. The pool is warm: starting its
worker is once a run. ``equivalence``: pairs with what is expected. ``hostile``: seconds of every
hostile string, as answer and as gold; Math-Verify under the pool's own limit of 5 s.
"""

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.hostile_math import ANSWERS, COMPLETIONS
from benchmarks.math_labels import FILES
from filters.audit import kind_of, labelled, written
from filters.verify.bare import math_claim
from filters.verify.pool import VerifierPool
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.store import CANDIDATES, PROBLEMS, VERDICTS, Store

OURS, THEIRS = "math", "benchmarks.math_labels:PLAIN"
REPEATS = {OURS: 5, THEIRS: 2}
"""Times each file is verified for its rate; the fastest counts."""
LATE = 2.0
"""Seconds beyond which a hostile string counts as late."""


def run(material: Path, only: Sequence[str]) -> dict[str, Any]:
    """All sections, or those named."""
    sections: dict[str, Callable[[Path], Any]] = {
        "speed": speed, "equivalence": equivalence, "hostile": hostile,
    }  # fmt: skip
    return {name: made(material) for name, made in sections.items() if not only or name in only}


def speed(material: Path) -> list[dict[str, Any]]:
    """One row a file: rates, what both got wrong, how many rows needed the worker."""
    table = []
    with _pool() as pool:
        _warm(pool)
        for name in FILES:
            rows = [json.loads(line) for line in (material / name).read_text().splitlines()]
            row = {"file": Path(name).stem, "rows": len(rows)}
            for who, key in ((OURS, "ours"), (THEIRS, "math_verify")):
                row |= {f"{key}_{k}": v for k, v in _file(rows, name, who, pool).items()}
            row["times"] = round(
                row["ours_rows_per_second"] / row["math_verify_rows_per_second"], 1
            )
            print(json.dumps(row), flush=True)
            table.append(row)
    return table


def _file(
    rows: Sequence[dict[str, Any]], name: str, verifier: str, pool: VerifierPool
) -> dict[str, Any]:
    """One file under one verifier: shards written, verified, verdict shards written."""
    read = [labelled(i, row, {}, verifier, name) for i, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.write(PROBLEMS, 0, "rows", [row.problem for row in read])
        store.write(CANDIDATES, 0, "rows", [row.candidate for row in read])
        best, verdicts = float("inf"), []
        for again in range(REPEATS[verifier]):
            began = time.perf_counter()
            verdicts = _shard(store, str(again), pool)
            best = min(best, time.perf_counter() - began)
    kinds = [kind_of(row, verdict) for row, verdict in zip(read, verdicts, strict=True)]
    return {
        "rows_per_second": round(len(rows) / best),
        "false_accepts": kinds.count("false_accept"),
        "false_rejects": kinds.count("false_reject"),
        "unverifiable": kinds.count("unverifiable"),
        "in_worker": sum(verdict.isolation == "process" for verdict in verdicts),
    }


def _shard(store: Store, part: str, pool: VerifierPool) -> list[Verdict]:
    """From the shards of problems and candidates to the shard of verdicts."""
    problems, candidates = store.read(PROBLEMS, 0), store.read(CANDIDATES, 0)
    verdicts = pool.verify(list(zip(problems, candidates, strict=True)))
    store.write(VERDICTS, 0, part, verdicts)
    return verdicts


def equivalence(material: Path) -> dict[str, Any]:
    """Equal pairs missed, unequal ones accepted; notation that must parse, and must not crash."""
    folder = material / "equivalence"
    pairs = _jsonl(folder / "answer_equivalence.jsonl")
    found: dict[str, Any] = {"equal": sum(p["expected"] for p in pairs), "pairs": len(pairs)}
    with _pool() as pool:
        for who, key in ((OURS, "ours"), (THEIRS, "math_verify")):
            rows = [
                _pair(
                    p["gold"], _completion(p["prediction"]) if who == OURS else p["prediction"], who
                )
                for p in pairs
            ]
            right = [v.outcome is Outcome.CORRECT for v in pool.verify(rows)]
            wrong = [p for p, r in zip(pairs, right, strict=True) if p["expected"] != r]
            found[key] = {
                "missed": sum(p["expected"] for p in wrong),
                "accepted": sum(not p["expected"] for p in wrong),
                "rows": [p["id"] for p in wrong],
            }
        for name in ("parseable_latex", "malformed_latex"):
            rows = [
                _pair(row["latex"], rf"\boxed{{{row['latex']}}}", OURS)
                for row in _jsonl(folder / f"{name}.jsonl")
            ]
            outcomes = [str(verdict.outcome) for verdict in pool.verify(rows)]
            found[name] = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    print(json.dumps(found), flush=True)
    return found


def hostile(_: Path) -> dict[str, Any]:
    """The slowest strings of each, how many were late, what was accepted, what is left behind.

    Math-Verify gets them as answers only: as golds they would cost it as much again.
    """
    texts = {name: rf"\boxed{{{text}}}" for name, text in ANSWERS.items()} | COMPLETIONS
    answers = [(name, "5", text) for name, text in texts.items()]
    golds = {**ANSWERS, **COMPLETIONS}.items()
    cases = [*answers, *((f"{name}, as gold", text, r"\boxed{5}") for name, text in golds)]
    found = {"ours": _hostile(cases, OURS), "math_verify": _hostile(answers, THEIRS)}
    print(json.dumps(found), flush=True)
    return found


def _hostile(cases: Sequence[tuple[str, str, str]], verifier: str) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    accepted = []
    with _pool() as pool:
        _warm(pool)
        for name, gold, text in cases:
            began = time.perf_counter()
            [verdict] = pool.verify([_pair(gold, text, verifier)])
            seconds[name] = round(time.perf_counter() - began, 2)
            accepted += [name] * (verdict.outcome is Outcome.CORRECT)
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:10]
    return {
        "strings": len(cases),
        "late": sum(spent > LATE for spent in seconds.values()),
        "slowest": {name: seconds[name] for name in slowest},
        "accepted": accepted,
        "processes_left": _children(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "peak_mib_of_workers": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
    }


def _pool() -> VerifierPool:
    return VerifierPool(workers=1, cache=False)


def _warm(pool: VerifierPool) -> None:
    """Has the worker load both verifiers' libraries."""
    rows = [_pair(r"\sum_{k=1}^{3} k", r"\boxed{6}", who) for who in (OURS, THEIRS)]
    assert {v.isolation for v in pool.verify(rows)} == {"process"}


def _pair(gold: str, completion: str, verifier: str) -> tuple[Problem, Candidate]:
    problem = Problem(
        id="p-benchmark", source="benchmark", split="benchmark",
        domain="math", verifier=verifier, prompt="", answer=gold, choices=[], solution=None, row=0,
    )  # fmt: skip
    return problem, written(problem, completion, "benchmark")


def _completion(prediction: str) -> str:
    """A prediction as a completion: as it is where it marks an answer or says so, else marked."""
    marked = math_claim(prediction) is not None or prediction.startswith("Answer")
    return prediction if marked else f"<answer>{prediction}</answer>"


def _jsonl(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _children() -> int:
    """Processes whose parent this one is."""
    here = str(os.getpid())
    stats = (p.read_text() for p in Path("/proc").glob("[0-9]*/stat") if p.exists())
    return sum(stat.rpartition(")")[2].split()[1] == here for stat in stats)
