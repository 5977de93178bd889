"""`factory run collect` stopped in the middle: real processes, a real server, left-over files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import FaultyServer

from benchmarks import kill_sampling
from benchmarks.kill_sampling import Plan, answered, check, command, kept, problems, start
from flows import stream
from flows.collect import run_collect
from flows.commands.run import settings_of
from flows.meter import Meter
from flows.progress import SilentReporter
from rsfactory.errors import StoreError
from rsfactory.recipe import load
from rsfactory.store import CANDIDATES, VERDICTS, Store

SMALL = Plan(problems=60, samples=4, in_flight=8, seconds=0.05, shard_size=32)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(seconds=SMALL.seconds) as made:
        yield made


def wait_for(server: FaultyServer, requests: int) -> None:
    end = time.monotonic() + 60
    while len(server.seen) < requests:
        assert time.monotonic() < end, f"{len(server.seen)} requests"
        time.sleep(0.01)


def test_three_kills_lose_only_what_was_in_flight() -> None:
    seen = kill_sampling.kill(SMALL, 3, seed=3)
    assert seen.kills == 3
    assert not seen.faults, "\n".join(seen.faults)
    assert seen.repeated <= 3 * SMALL.in_flight


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_the_same_command_continues(
    server: FaultyServer, tmp_path: Path, sent: signal.Signals, processes: int
) -> None:
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    words = command(server.url, tmp_path, replace(SMALL, processes=processes))
    store = Store(tmp_path / "data/runs/killed")
    run = start(words, tmp_path)
    wait_for(server, 60)
    run.send_signal(sent)
    began = time.monotonic()
    code = run.wait(20)
    assert time.monotonic() - began < 5
    said = (tmp_path / "out.txt").read_text()
    if sent != signal.SIGKILL:
        assert code == 3, said
        assert "Traceback" not in said
        assert "continue" in said
    time.sleep(kill_sampling.SETTLED)
    asked = len(server.seen)
    time.sleep(kill_sampling.SETTLED)
    assert len(server.seen) == asked, "somebody still asks"
    assert len(answered(server).keys() - kept(store)) <= SMALL.in_flight
    assert start(words, tmp_path).wait(60) == 0, (tmp_path / "out.txt").read_text()
    assert not list(check(server, store, SMALL))
    assert sum(count - 1 for count in answered(server).values()) <= SMALL.in_flight


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("first", "second", "between"),
    [(signal.SIGTERM, signal.SIGTERM, 0.0), (signal.SIGINT, signal.SIGTERM, 0.3)],
)
def test_two_signals_are_one(
    server: FaultyServer, tmp_path: Path, first: signal.Signals, second: signal.Signals,
    between: float, processes: int,
) -> None:  # fmt: skip
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    run = start(command(server.url, tmp_path, replace(SMALL, processes=processes)), tmp_path)
    wait_for(server, 40)
    run.send_signal(first)
    time.sleep(between)
    run.send_signal(second)
    code = run.wait(20)
    said = (tmp_path / "out.txt").read_text()
    assert "Traceback" not in said
    assert "run the same command to continue" in said
    assert code in (3, -second)  # the other one: all was done, and the interpreter about to end


def test_in_the_background_of_a_script_it_can_be_ended(
    server: FaultyServer, tmp_path: Path
) -> None:
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it puts there
    try:
        run = start(command(server.url, tmp_path, SMALL), tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(server, 40)
    run.send_signal(signal.SIGTERM)
    assert run.wait(20) == 3
    assert len(server.seen) < SMALL.candidates


def test_two_at_once_take_turns(server: FaultyServer, tmp_path: Path) -> None:
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    words = command(server.url, tmp_path, SMALL)
    first = start(words, tmp_path)
    wait_for(server, 20)
    server.seconds = 1.0
    second = subprocess.run(words, capture_output=True, text=True, cwd=kill_sampling.ROOT,
                            env={**os.environ, "OPENAI_API_KEY": "none"}, check=False)  # fmt: skip
    server.seconds = 0.01
    assert first.wait(60) == 0
    assert second.returncode == 1
    assert "another process holds this run" in second.stderr
    assert not list(check(server, Store(tmp_path / "data/runs/killed"), SMALL))
    assert set(server.asked.values()) == {1}


def collect(server: FaultyServer, folder: Path) -> Store:
    """The command's run in this process."""
    problems(folder / "problems.jsonl", SMALL.problems)
    words = command(server.url, folder, SMALL)
    changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    flags = dict.fromkeys(("rounds", "model", "held_out", "limit", "budget"))
    named = {"teacher": f"openai:m@{server.url}", "problems": str(folder / "problems.jsonl")}
    recipe = load("collect", settings_of("collect", {**flags, **named, "reuse": ()}, (), changes))
    result = run_collect(recipe, seed=0, data=folder / "data", name="killed",
                         reporter=SilentReporter(), prefect=False)  # fmt: skip
    return Store(result.folder)


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("table", [CANDIDATES, VERDICTS])
def test_a_stop_between_the_shards_of_a_batch(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: object, nth: int
) -> None:
    """Candidates without verdicts, or both with their journal: neither asked nor counted twice."""
    write, seen = Store.write, []

    def broken(self, into, round, part, rows):  # type: ignore[no-untyped-def]
        place = write(self, into, round, part, rows)
        if into is table:
            seen.append(part)
            if len(seen) == nth:
                raise StoreError("as if killed here")
        return place

    monkeypatch.setattr(Store, "write", broken)
    with pytest.raises(StoreError, match="as if killed"):
        collect(server, tmp_path)
    monkeypatch.setattr(Store, "write", write)
    store = collect(server, tmp_path)
    assert not list(check(server, store, SMALL))
    assert sum(count - 1 for count in answered(server).values()) <= SMALL.in_flight


def test_a_stop_between_a_shard_and_the_end_of_its_journal(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarded: list[Path] = []
    monkeypatch.setattr(stream, "discard", discarded.append)
    store = collect(server, tmp_path)
    recipe = load("collect", {"problems.source": "x.jsonl"})
    assert Meter(recipe, store).spent.completion_tokens == 7 * SMALL.candidates
    assert len(discarded) > 3
    assert len(list(store.folder.glob("answers/**/*.jsonl"))) == len(discarded)
    monkeypatch.undo()
    assert not list(check(server, collect(server, tmp_path), SMALL))
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("bytes_left", [0, 1, 100, -1])
def test_a_torn_line_costs_one_request(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_left: int
) -> None:
    """The journal as a kill leaves it: one segment, its last line cut."""
    monkeypatch.setattr(stream.Books, "decide", _broken)
    with pytest.raises(StoreError, match="as if killed"):
        collect(server, tmp_path)
    monkeypatch.undo()
    store = Store(tmp_path / "data/runs/killed")
    place = sorted(store.folder.glob("answers/**/*.jsonl"))[0]
    *whole, last = place.read_bytes().splitlines(keepends=True)
    place.write_bytes(b"".join(whole) + last[:bytes_left])
    assert not list(check(server, collect(server, tmp_path), SMALL))
    repeated = sum(count - 1 for count in answered(server).values())
    assert 1 <= repeated <= 1 + SMALL.in_flight


def _broken(*_: object) -> list[None]:
    raise StoreError("as if killed here")


def test_a_full_disk_loses_nothing(server: FaultyServer, tmp_path: Path) -> None:
    """No file may be longer than some kilobytes: a journal's line is cut in the middle."""
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    words = command(server.url, tmp_path, SMALL)
    for limit in (9_000, 12_345):
        run = subprocess.run(
            [sys.executable, "-c", LIMITED, str(limit), *words[3:]], capture_output=True, text=True,
            cwd=kill_sampling.ROOT, env={**os.environ, "OPENAI_API_KEY": "none"}, check=False,
        )  # fmt: skip
        assert run.returncode == 1, run.stderr
        assert "cannot write" in run.stderr
        assert "Traceback" not in run.stderr
    store = collect(server, tmp_path)
    assert not list(check(server, store, SMALL))
    assert sum(count - 1 for count in answered(server).values()) <= 2 * SMALL.in_flight


def test_few_open_files_slow_a_run_down_and_end_none(server: FaultyServer, tmp_path: Path) -> None:
    problems(tmp_path / "problems.jsonl", SMALL.problems)
    words = command(server.url, tmp_path, replace(SMALL, in_flight=240))
    server.seconds = 0.3
    run = subprocess.run(
        [sys.executable, "-c", FEW_FILES, *words[3:]], capture_output=True, text=True,
        cwd=kill_sampling.ROOT, env={**os.environ, "OPENAI_API_KEY": "none"}, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert not list(check(server, Store(tmp_path / "data/runs/killed"), SMALL))
    assert set(server.asked.values()) == {1}
    assert server.most < 160


FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
from flows.commands import main
main(sys.argv[1:])
"""


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from flows.commands import main
main(sys.argv[2:])
"""
