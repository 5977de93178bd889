"""Storms of 429, waits that servers ask for, servers that die: nobody is lost, nobody hammered."""

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from generators.teachers.api import address, work
from rsfactory.errors import EndpointRefused, NoAnswer
from tests.faulty_server import Asked, FaultyServer, serving, text_of
from tests.generators.teachers.api.asking import ask, ask_all, one, request, teacher


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BASE", 0.01)
    monkeypatch.setattr(address, "OPEN_FIRST", 0.1)
    monkeypatch.setattr(address, "OPEN_MOST", 0.2)


def gaps(server: FaultyServer) -> list[float]:
    times = [asked.at for asked in server.seen]
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        ("status 429 after 0.3", 0.3),
        ("status 429 ms 300", 0.3),
        ("status 503 after 0.3", 0.3),
        ("status 429 until 2", 0.9),  # dates have whole seconds
        ("status 429 after soon", 0.0),
        ("status 429 after -5", 0.0),
        ("status 429 after nan", 0.0),
    ],
)
def test_a_wait_that_the_server_asks_for_is_kept(fault: str, least: float) -> None:
    plan = lambda asked: fault if asked.number == 0 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:
        [got] = one(asked)
        assert got.requests == 2
        assert least <= gaps(server)[0] <= least + 5


def test_the_whole_address_pauses() -> None:
    """All 64 under way are sent away; of the others hardly one comes before the time is over."""
    plan = lambda asked: "status 429 after 1" if asked.number < 64 else None  # noqa: E731
    with serving(plan=plan, seconds=0.3) as server, teacher(server.url) as asked:
        got = ask(asked, *(request(seed) for seed in range(150)), at_once=150)
        assert [one.text for [one] in got] == [text_of(seed) for seed in range(150)]
        assert asked.stats.rate_limited == len(server.seen) - 150
        early = [a for a in server.seen[64:] if a.at < server.seen[63].at + 1]
        assert len(early) < 10


def test_a_day_of_waiting_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = lambda asked: "status 429 after 86400"  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, concurrency=8) as asked:

        async def all_of_them() -> list[object]:
            tasks = [asked.complete(request(seed)) for seed in range(40)]
            return await asyncio.gather(*tasks, return_exceptions=True)

        results = asyncio.run(all_of_them())
        assert {type(result) for result in results} == {NoAnswer}
        assert len(server.seen) < 20


def test_a_storm_of_rate_limits_does_not_count_as_failures() -> None:
    """Every candidate is sent away more often than `max_requests` allows of faults."""
    plan = lambda asked: "status 429" if asked.times < 5 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, max_requests=2) as asked:
        got = ask(asked, *(request(seed) for seed in range(40)))
        assert [one.requests for [one] in got] == [6] * 40
        assert asked.stats.retries == {"status 429": 200}
        assert asked.stats.no_answer == 0
        assert server.asked.total() == 240


def test_a_rate_limit_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PATIENCE", 0.3)
    monkeypatch.setattr(address, "PATIENCE", 0.3)
    began = time.monotonic()
    for fault in ("status 429", "status 429 after 3600"):
        with serving(plan=lambda _, fault=fault: fault) as server, teacher(server.url) as asked:
            with pytest.raises(NoAnswer, match="rate limited"):
                one(asked)
            assert asked.stats.in_flight == 0
    assert time.monotonic() - began < 4


def test_concurrency_falls_with_a_server_that_bears_little() -> None:
    """It takes 8 at a time and sends the others away."""
    server: FaultyServer

    def plan(asked: Asked) -> str | None:
        return "status 429" if server._under_way > 8 else None

    with serving(plan=plan, seconds=0.02) as server, teacher(server.url) as asked:
        got = ask(asked, *(request(seed) for seed in range(600)))
        assert len(got) == 600
        assert max(asked.stats.limits.values()) < 40
        # Whoever keeps 256 under way is sent away some 10,000 times.
        assert asked.stats.rate_limited < 1000


def test_a_fast_server_gets_all_of_the_concurrency_at_once() -> None:
    with serving(seconds=0.05) as server, teacher(server.url) as asked:
        ask(asked, *(request(seed) for seed in range(900)))
        assert asked.stats.limits == {server.url: 256}
        assert server.most > 64  # what it begins with


def test_concurrency_is_bounded_by_the_recipe() -> None:
    with serving(seconds=0.01) as server, teacher(server.url, concurrency=3) as asked:
        ask(asked, *(request(seed) for seed in range(30)))
        assert server.most == 3


def test_requests_a_minute() -> None:
    with serving() as server, teacher(server.url, requests_per_minute=1200) as asked:
        ask(asked, *(request(seed) for seed in range(80)))
        times = [a.at for a in server.seen]
        # A burst of 60 (a twentieth of the minute), then 19 a second.
        assert 0.8 < times[-1] - times[0] < 20


@pytest.mark.parametrize("kind", ["prompt", "completion"])
def test_tokens_a_minute(kind: str) -> None:
    """10 prompt and 7 completion tokens a request, whatever was estimated before."""
    each = {"prompt": 10, "completion": 7}[kind]
    limits = {f"{kind}_tokens_per_minute": each * 1200}
    with serving() as server, teacher(server.url, **limits) as asked:
        one(asked, 1)  # after which tokens are known
        ask(asked, *(request(seed) for seed in range(80)), at_once=4)
        times = [a.at for a in server.seen]
        assert 0.5 < times[-1] - times[1] < 20


def test_a_server_that_dies_and_comes_back_loses_nothing() -> None:
    server = FaultyServer(seconds=0.01)
    server.start()

    def die() -> None:
        time.sleep(0.4)
        server.stop()
        time.sleep(3)
        server.start()

    killer = threading.Thread(target=die)
    with teacher(server.url, max_requests=8) as asked:
        killer.start()
        got = ask(asked, *(request(seed) for seed in range(3000)), at_once=40)
        killer.join()
        assert [one.text for [one] in got] == [text_of(seed) for seed in range(3000)]
        assert asked.stats.no_answer == 0
        assert asked.stats.retries.total() < 40 * 8
        assert asked.stats.limits[server.url] > 0
    server.stop()


def test_a_server_that_only_fails_for_a_while_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """500 for all, longer than eight requests for each take."""
    monkeypatch.setattr(address, "BROKEN_STILL", 0.2)
    monkeypatch.setattr(work, "BASE", 0.03)
    began = time.monotonic()

    def plan(asked: Asked) -> str | None:
        return "status 500" if 0.2 < asked.at - began < 6 else None

    with serving(plan=plan, seconds=0.01) as server, teacher(server.url) as asked:
        began = time.monotonic()
        got = ask(asked, *(request(seed) for seed in range(1000)), at_once=30)
        assert [one.text for [one] in got] == [text_of(seed) for seed in range(1000)]
        assert time.monotonic() - began > 6


def test_the_other_address_takes_over() -> None:
    with serving() as gone:
        dead = gone.url
    with serving() as server, teacher(dead, server.url) as asked:
        got = ask(asked, *(request(seed) for seed in range(300)))
        assert [one.text for [one] in got] == [text_of(seed) for seed in range(300)]
        assert server.asked.total() == 300


def test_an_address_that_refuses_is_left_to_the_other() -> None:
    with serving(plan=lambda asked: "status 401") as shut, serving() as server:
        with teacher(shut.url, server.url) as asked:
            assert len(ask(asked, *(request(seed) for seed in range(50)))) == 50
            assert asked.stats.limits[shut.url] == 0
            [said] = asked.stats.said
            assert said.startswith(f"{shut.url} refuses: status 401")
        with teacher(shut.url, f"{server.url}/../nowhere", server.url) as asked:
            assert one(asked)[0].finish_reason == "stop"
        with teacher(shut.url) as asked, pytest.raises(EndpointRefused, match="401"):
            one(asked)


def test_load_is_balanced() -> None:
    with serving(seconds=0.02) as left, serving(seconds=0.02) as right:
        with teacher(left.url, right.url) as asked:
            ask(asked, *(request(seed) for seed in range(1500)))
        assert left.asked.total() + right.asked.total() == 1500
        assert min(left.asked.total(), right.asked.total()) > 200


@pytest.mark.parametrize(
    ("reached", "error", "said"),
    [(True, NoAnswer, "nobody answered"), (False, EndpointRefused, "nobody answers")],
)
def test_when_nobody_comes_all_are_sent_home(
    reached: bool, error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "OUTAGE" if reached else "NEVER", 0.5)
    monkeypatch.setattr(work, "MOST", 0.1)
    server = FaultyServer()
    server.start()
    with teacher(server.url, max_requests=1000) as asked:
        if reached:
            one(asked)
        server.stop()
        began = time.monotonic()

        async def all_of_them() -> list[object]:
            tasks = [asked.complete(request(seed)) for seed in range(20)]
            return await asyncio.gather(*tasks, return_exceptions=True)

        results = asyncio.run(all_of_them())
        assert {type(result) for result in results} == {error}
        assert said in str(results[-1])
        assert time.monotonic() - began < 10


def test_one_bad_prompt_does_not_shut_the_address() -> None:
    """A server that always fails at one request, asked one at a time."""
    plan = lambda asked: "status 500" if asked.seed == 5 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:

        async def three() -> list[object]:
            return [
                await asyncio.gather(asked.complete(request(seed)), return_exceptions=True)
                for seed in (4, 5, 6)
            ]

        [_, [failed], [[after]]] = asyncio.run(three())
        assert isinstance(failed, NoAnswer)
        assert after.text == text_of(6)
        assert server.asked == {4: 1, 5: 8, 6: 1}


def test_waiting_in_line_can_be_cancelled() -> None:
    with serving(seconds=0.2) as server, teacher(server.url, concurrency=1) as asked:

        async def cut_short() -> None:
            async with asyncio.timeout(0.3):
                await ask_all(asked, [request(seed) for seed in range(10)], 10)

        for _ in range(2):
            with pytest.raises(TimeoutError):
                asyncio.run(cut_short())
            assert asked.stats.in_flight == 0
        assert one(asked, 50)[0].text == text_of(50)
