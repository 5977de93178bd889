"""One teacher over several event loops: nothing is left open, and what was learned stays."""

import asyncio
import contextlib
import gc
import os
from pathlib import Path

import pytest
import uvloop

from generators.teachers.api import work
from tests.faulty_server import serving, text_of
from tests.generators.teachers.api.asking import ask, ask_all, one, request, teacher


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BASE", 0.01)


def sockets() -> int:
    """Sockets this process has open."""
    gc.collect()
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in this moment, by another thread
            found += os.readlink(link).startswith("socket")
    return found


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_every_loop_closes_its_sockets(run) -> None:
    with serving() as server, teacher(server.url) as asked:
        before = sockets()
        for start in (0, 100, 200):
            requests = [request(seed) for seed in range(start, start + 50)]
            got = run(ask_all(asked, requests, 20))
            assert [g.text for [g] in got] == [text_of(s) for s in range(start, start + 50)]
            # The server's own ends close when it notices.
            assert sockets() <= before + 20
        assert asked.stats.completions == 150
    assert sockets() <= before


def test_what_was_learned_stays() -> None:
    with serving(gives=1) as server, teacher(server.url, n=4, concurrency=100) as asked:
        ask(asked, *(request(*range(s, s + 4)) for s in range(0, 400, 4)), at_once=10)
        assert asked.per_request == 1
        known = len(server.seen)
        assert one(asked, 900)[0].text == text_of(900)
        assert len(server.seen) == known + 1
        assert asked.per_request == 1


def test_a_stopped_run_leaves_nothing() -> None:
    with serving(plan=lambda asked: "silent") as server, teacher(server.url) as asked:

        async def stopped() -> None:
            async with asyncio.timeout(0.2):
                await ask_all(asked, [request(1, 2, 3), *(request(s) for s in range(4, 30))], 30)

        with pytest.raises(TimeoutError):
            asyncio.run(stopped())
        assert asked.stats.in_flight == 0
        assert asked.stats.requests == 27
        asked.close()
        server.plan = lambda asked: None
        assert one(asked, 99)[0].text == text_of(99)


def test_closing_between_and_within_loops() -> None:
    with serving() as server, teacher(server.url) as asked:
        with asyncio.Runner() as runner:
            runner.run(asked.complete(request(1)))
            asked.close()  # the loop is there, and idle
            assert runner.run(asked.complete(request(2)))[0].text == text_of(2)

        async def inside() -> None:
            await asked.complete(request(3))
            asked.close()
            await asyncio.sleep(0.01)
            assert (await asked.complete(request(4)))[0].text == text_of(4)

        asyncio.run(inside())


def test_one_part_that_fails_ends_the_others() -> None:
    plan = lambda asked: "status 401" if asked.seed == 3 else "silent"  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, n=2) as asked:
        with pytest.raises(Exception, match="401"):
            one(asked, 1, 2, 3, 4)
        assert asked.stats.in_flight == 0
