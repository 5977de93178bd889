"""Programs a second: the code verifier through its pool, beside the usual ways of running one.

HumanEval's canonical solutions with all their tests. Ours: verdicts at full isolation, one worker
on one core, then more workers than cores and both cores. Beside it, the same programs with the same
tests in one process each: plain ``python -I -S`` without any isolation, and bubblewrap started once
a program. Processes inherit the core they may use, so that a rate is that of a core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filters.audit import gold_candidate
from filters.sandbox import bubblewrap
from filters.verify.pool import VerifierPool
from generators.problems import open_source
from rsfactory.records import Outcome, Problem


def run(material: Path, only: list[str]) -> dict[str, Any]:
    """Programs a second of each way; ``only`` is not used, there is one section."""
    file = material / "code" / "humaneval.jsonl"
    problems = list(open_source(str(file), seed=0, purpose="train").problems())
    cores = sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))
    ways: dict[str, Callable[[], float]] = {
        "plain python -I -S, no isolation, 1 core": lambda: _each(problems[:64], cores[:1], []),
        "bubblewrap started per program, 1 core": lambda: _each(problems[:64], cores[:1], _bwrap()),
        "ours, full isolation, 1 worker, 1 core": lambda: _ours(problems, cores[:1], 1),
        "ours, full isolation, 2 workers, 1 core": lambda: _ours(problems, cores[:1], 2),
        "ours, full isolation, 2 workers, 2 cores": lambda: _ours(problems, cores[:2], 2),
        "ours, full isolation, 4 workers, 2 cores": lambda: _ours(problems, cores[:2], 4),
    }
    found = {}
    for name, way in ways.items():
        found[name] = round(way(), 1)
        print(f"{found[name]:8.1f} programs/s  {name}", file=sys.stderr)
    return {"programs_per_second": found}


def _ours(problems: list[Problem], cores: list[int], workers: int) -> float:
    with _on(cores), VerifierPool(workers=workers, cache=False) as pool:
        pairs = [(problem, gold_candidate(problem)) for problem in problems]
        pool.verify(pairs[:8])  # interpreters started, caches warm
        began = time.perf_counter()
        verdicts = pool.verify(pairs)
        seconds = time.perf_counter() - began
    if not all(v.outcome is Outcome.CORRECT and v.isolation == "full" for v in verdicts):
        raise SystemExit("a canonical solution does not pass")
    return len(pairs) / seconds


def _each(problems: list[Problem], cores: list[int], wall: list[str]) -> float:
    """One interpreter a program, started under ``wall`` where that is given."""
    with _on(cores), tempfile.TemporaryDirectory() as folder:
        texts = []
        for problem in problems:
            tests = json.loads(problem.metadata)
            texts.append(f"{problem.answer}\n{tests['check']}\ncheck({tests['entry']})\n")

        def one(text: str) -> int:
            words = [*wall, bubblewrap.interpreter(), "-I", "-S", "-c", text]
            return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode

        began = time.perf_counter()
        with ThreadPoolExecutor(2 * len(cores)) as threads:
            codes = list(threads.map(one, texts))
        seconds = time.perf_counter() - began
    if any(codes):
        raise SystemExit("a canonical solution does not pass")
    return len(texts) / seconds


def _bwrap() -> list[str]:
    found = bubblewrap.find()
    if found is None:
        raise SystemExit("bubblewrap is not installed")
    return bubblewrap.command(found, drop_root=False)


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    """This process and those it starts on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
