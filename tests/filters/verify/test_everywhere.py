"""The same verdicts from wherever the pool is asked: they depend on the rows alone."""

import asyncio
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest
from verdict_rows import ROWS, deterministic, judge, pairs, said

from filters.verify import VERIFIERS
from filters.verify.pool import VerifierPool
from rsfactory.forkserver import ForkServer

ROOT = Path(__file__).parents[3]
Said = list[dict[str, object]]


@pytest.fixture(scope="module")
def shared() -> Iterator[VerifierPool]:
    with VerifierPool(workers=1, limit=20.0, cache=False) as pool:
        yield pool


@pytest.fixture(scope="module")
def expected(shared: VerifierPool) -> Said:
    """From the main thread."""
    return judge(shared.verify)


def test_rows_reach_every_verifier_and_workers_too(expected: Said) -> None:
    assert set(ROWS) - {"code"} <= set(deterministic())
    assert {row["verifier"] for row in expected} == set(deterministic())
    assert {"none", "process"} <= {row["isolation"] for row in expected}
    of_code = {row["isolation"] for row in expected if row["verifier"] == "code"}
    assert not of_code or of_code - {"none", "process"}  # the sandbox says what it was
    assert {"correct", "wrong", "unparsed", "unverifiable"} <= {row["outcome"] for row in expected}


def test_again_with_a_cache_and_with_more_workers(expected: Said) -> None:
    with VerifierPool(workers=3, limit=20.0) as pool:
        assert judge(pool.verify) == expected
        assert judge(pool.verify) == expected
        assert sum(cost.cached for cost in pool.costs().values()) > 0


def test_from_a_thread(shared: VerifierPool, expected: Said) -> None:
    found: list[Said] = []
    threads = [threading.Thread(target=lambda: found.append(judge(shared.verify))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected, expected]


def test_in_a_coroutine_and_from_its_executor(shared: VerifierPool, expected: Said) -> None:
    async def ask() -> tuple[Said, Said]:
        loop = asyncio.get_running_loop()
        return judge(shared.verify), await loop.run_in_executor(None, judge, shared.verify)

    assert asyncio.run(ask()) == (expected, expected)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_in_a_child(shared: VerifierPool, expected: Said, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    answers: SimpleQueue[Said] = context.SimpleQueue()
    pool = shared if method == "fork" else None
    child = context.Process(target=_answer, args=(answers, pool))
    child.start()
    found = answers.get()
    child.join(30)
    assert (found, child.exitcode) == (expected, 0)


def _answer(answers: "SimpleQueue[Said]", pool: VerifierPool | None) -> None:
    with pool or VerifierPool(workers=1, limit=20.0) as mine:
        answers.put(judge(mine.verify))


def test_in_a_child_of_our_fork_server(expected: Said, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    server = ForkServer(["filters.verify.pool"], log=tmp_path / "log", env=env)
    try:
        with (tmp_path / "errors").open("wb") as errors:
            child = server.start("verdict_rows", [], errors)
        found = json.loads(child.stdout.read())
        assert child.wait(30) == 0
        child.stdin.close()
        child.stdout.close()
    finally:
        server.close()
    assert found == expected


def test_without_a_pool(expected: Said) -> None:
    """As a REPL would ask; a worker adds its isolation and nothing else."""
    found = said([VERIFIERS[p.verifier].verify(p, c) for p, c in pairs()])
    for verifier in VERIFIERS.values():
        getattr(verifier, "close", lambda: None)()
    for ours, theirs in zip(found, expected, strict=True):
        isolation = "process" if ours["isolation"] == "none" else ours["isolation"]
        assert theirs["isolation"] in (ours["isolation"], isolation)
        assert {**ours, "isolation": theirs["isolation"]} == theirs
