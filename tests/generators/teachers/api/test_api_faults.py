"""Every fault of a server, on real sockets: what is asked again, what is kept, what stops."""

import socket
import time

import pytest

from generators.teachers.api import work
from rsfactory.errors import EndpointRefused, NoAnswer
from tests.faulty_server import RETRIED, mixed, serving, text_of
from tests.generators.teachers.api.asking import KEY, ask, one, request, teacher


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BASE", 0.01)


def first(fault: str):
    """A plan: the first request of each seed gets the fault."""
    return lambda asked: fault if asked.times == 0 else None


@pytest.mark.parametrize("fault", [*RETRIED, "huge", "huge without length", "gzip bomb"])
def test_a_fault_is_asked_again(fault: str) -> None:
    with serving(plan=first(fault)) as server, teacher(server.url) as asked:
        [got] = one(asked, 5)
        assert (got.text, got.finish_reason, got.requests) == (text_of(5), "stop", 2)
        assert (got.tokens, got.prompt_tokens, got.note) == (7, 10, "")
        assert server.asked == {5: 2}
        assert asked.stats.requests == 2
        assert asked.stats.retries.total() == 1
        assert asked.stats.in_flight == 0


@pytest.mark.parametrize("fault", ["silent", "drip"])
def test_a_request_ends_in_time_however_it_drips(fault: str) -> None:
    with serving(plan=first(fault)) as server, teacher(server.url, timeout=0.5) as asked:
        began = time.monotonic()
        [got] = one(asked, 5)
        assert got.requests == 2
        assert got.seconds < 0.4
        assert 0.4 < time.monotonic() - began < 5
        assert asked.stats.retries == {"timeout": 1}


def test_a_connection_that_never_stands() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        queue = [socket.socket() for _ in range(3)]
        for one_more in queue:
            one_more.setblocking(False)
            one_more.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        with teacher(url, connect_timeout=0.2, max_requests=2) as asked:
            began = time.monotonic()
            with pytest.raises(NoAnswer, match="connect"):
                one(asked)
            assert time.monotonic() - began < 3
        for one_more in queue:
            one_more.close()


def test_no_server_is_no_answer_within_the_bound() -> None:
    with serving() as server:
        gone = server.url
    with teacher(gone, max_requests=3) as asked:
        with pytest.raises(NoAnswer, match="3 requests"):
            one(asked)
        assert asked.stats.retries == {"connect": 2}
        assert asked.stats.no_answer == 1


@pytest.mark.parametrize("bound", [1, 4])
def test_requests_for_a_candidate_are_bounded(bound: int) -> None:
    with serving(plan=lambda asked: "html") as server:
        with (
            teacher(server.url, max_requests=bound) as asked,
            pytest.raises(NoAnswer, match="body"),
        ):
            one(asked, 5)
        assert server.asked == {5: bound}


@pytest.mark.parametrize(
    ("fault", "finish_reason", "text", "note"),
    [
        ("content null", "stop", "", "no content"),
        ("refusal", "stop", "", "refusal: I cannot help with that."),
        ("tool calls", "tool_calls", "", 'tool calls instead of a text: [{"id": "1"}]'),
        ("length", "length", text_of(5), ""),
        ("content_filter", "content_filter", "", ""),
        ("finish null", "null", text_of(5), ""),
        ("finish unknown", "eos_token", text_of(5), ""),
        ("choices more", "stop", text_of(5), ""),
        ("choices doubled", "stop", text_of(5), ""),
        ("usage missing", "stop", text_of(5), work.ESTIMATED),
        ("usage broken", "stop", text_of(5), work.ESTIMATED),
    ],
)
def test_what_is_kept_as_the_server_said(
    fault: str, finish_reason: str, text: str, note: str
) -> None:
    with serving(plan=lambda asked: fault) as server, teacher(server.url) as asked:
        [got] = one(asked, 5)
        assert (got.finish_reason, got.text, got.note) == (finish_reason, text, note)
        assert got.requests == 1
        assert asked.stats.estimated == (note == work.ESTIMATED)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_rejected_request_is_a_result(status: int) -> None:
    """The first of all is: a plain question is answered, so the settings are not at fault."""
    long = "x" * 1000
    plan = lambda a: f"status {status} too long" if len(str(a.body)) > 1000 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:
        [got] = one(asked, 5, text=long)
        assert (got.finish_reason, got.text, got.requests) == ("rejected", "", 1)
        assert got.note == f"status {status}: too long"
        assert server.asked == {5: 1, 0: 1}
        assert one(asked, 6, text=long)[0].finish_reason == "rejected"
        assert server.asked == {5: 1, 0: 1, 6: 1}
        assert asked.stats.rejected == 2


def test_settings_that_every_request_is_rejected_for_stop() -> None:
    plan = lambda asked: "status 400 unknown field: top_q"  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url, extra={"top_q": 1}) as asked:
        with pytest.raises(EndpointRefused, match=r"top_q.*--set"):
            one(asked)
        with pytest.raises(ExceptionGroup) as stopped:
            ask(asked, *(request(seed) for seed in range(50)))
        assert stopped.group_contains(EndpointRefused)
        assert server.asked[0] == 1 + 1  # one plain question, besides the request with seed 0


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refusal_stops_at_once_and_hides_the_key(status: int) -> None:
    with serving(plan=lambda asked: f"status {status}") as server:
        with teacher(server.url) as asked:
            with pytest.raises(EndpointRefused, match=f"status {status}") as stopped:
                one(asked)
            assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
            assert KEY not in str(stopped.value)
            assert "[key]" in str(stopped.value)
            with pytest.raises(EndpointRefused):
                one(asked)
        assert len(server.seen) == 1


def test_a_moderated_prompt_is_no_refusal() -> None:
    plan = lambda a: "status 403 your input was flagged" if a.seed == 5 else None  # noqa: E731
    with serving(plan=plan) as server, teacher(server.url) as asked:
        assert [one(asked, seed)[0].finish_reason for seed in (4, 5)] == ["stop", "rejected"]


def test_a_mix_of_faults_loses_and_doubles_nothing() -> None:
    faults = (*RETRIED, "silent", "drip", "choices one", "choices unordered", "choices more")
    with serving(plan=mixed(0.1, faults)) as server, teacher(server.url, n=2, timeout=1) as asked:
        seeds = range(10, 2010)
        pairs = [request(seed, seed + 100_000) for seed in seeds]
        got = ask(asked, *pairs)
        for seed, (left, right) in zip(seeds, got, strict=True):
            assert left.text == text_of(seed)
            # Asked for together, or where that answer was short, alone.
            assert right.text in (text_of(seed, 1), text_of(seed + 100_000))
            assert left.requests == server.asked[seed]
            assert left.requests <= 8
        assert asked.stats.requests == len(server.seen) == server.asked.total()
        assert asked.stats.completions == 2 * len(seeds)
        # What was left out of a short answer was paid for, too.
        assert asked.stats.tokens == 14 * len(seeds) + 7 * asked.stats.short
        assert asked.stats.in_flight == 0
        assert asked.per_request == 2
