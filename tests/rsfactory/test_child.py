"""A child process ends with its parent, and a dead one says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rsfactory.child import Child, _servers, fork_server, last_lines
from rsfactory.errors import ChildDied, InputError

ROOT = Path(__file__).parents[2]

MODULE = """
import os, signal, subprocess, sys, time
sys.path.insert(0, {root!r})
from rsfactory.child import Parent

parent = Parent()
print("a library prints this on standard output")
while True:
    message = parent.receive()
    kind = message["do"]
    if kind == "echo":
        parent.send(echo=message["text"], pid=os.getpid())
    elif kind == "count":
        for number in range(3):
            parent.send(step=number)
        parent.send(done=3)
    elif kind == "fail":
        parent.send(error="the work cannot be done")
    elif kind == "refuse":
        parent.send(error="the rows are wrong", input=True)
    elif kind == "raise":
        raise RuntimeError("out of luck")
    elif kind == "die":
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        parent.send(ready=True)
        while True:
            time.sleep(60)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "echo_child.py").write_text(MODULE.format(root=str(ROOT)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "echo_child"


Start = Callable[[str], Child]


@pytest.fixture(params=["spawned", "forked"])
def start(module: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts a child as usual, or by a fork server."""
    log, forked = tmp_path / "logs" / "child.log", request.param == "forked"
    preload = ["decimal", "no_such_library"] if forked else []
    with fork_server(preload, log=tmp_path / "logs" / "server.log"):
        yield lambda name: Child(name, log=log, name="training", forked=forked)


def gone(pid: int | None, within: float = 5.0) -> bool:
    """Whether the process ends in time; a zombie counts as ended."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_messages_go_both_ways_and_prints_go_to_the_log(
    start: Start, module: str, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "child.log"
    child = start(module)
    try:
        for text in ("plain", "two\nlines", "ä" * 100_000):
            child.send({"do": "echo", "text": text})
            assert child.receive() == {"echo": text, "pid": child.pid}
        child.send({"do": "count"})
        assert list(child.messages()) == [{"step": 0}, {"step": 1}, {"step": 2}, {"done": 3}]
    finally:
        child.close()
    assert log.read_text() == "a library prints this on standard output\n"
    assert gone(child.pid, 0.1)
    child.close()


def test_an_error_of_the_child_is_told(start: Start, module: str) -> None:
    child = start(module)
    child.send({"do": "fail"})
    with pytest.raises(ChildDied, match="training failed: the work cannot be done"):
        child.receive()
    child.send({"do": "refuse"})
    with pytest.raises(InputError, match="training failed: the rows are wrong"):
        child.receive()
    child.close()


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [("die", "was killed by signal 9", "last words"), ("raise", "exited 1", "out of luck")],
)
def test_a_dead_child_is_reported_with_its_last_lines(
    start: Start, module: str, kind: str, how: str, words: str
) -> None:
    child = start(module)
    child.send({"do": kind})
    with pytest.raises(ChildDied) as error:
        child.receive()
    assert f"training {how}" in str(error.value)
    assert words in str(error.value)
    assert "run the same command to continue" in str(error.value)
    with pytest.raises(ChildDied):
        child.send({"do": "echo", "text": "x"})
    child.close()


def test_a_module_that_is_not_there(start: Start) -> None:
    child = start("no_such_module_here")
    with pytest.raises(ChildDied, match="No module named no_such_module_here"):
        child.receive()
    child.close()


def test_kill_ends_a_child_that_hears_nothing(start: Start, module: str) -> None:
    child = start(module)
    child.send({"do": "deaf"})
    assert child.receive() == {"ready": True}
    child.kill()
    assert gone(child.pid)


def test_close_kills_in_the_end(start: Start, module: str) -> None:
    child = start(module)
    child.send({"do": "echo", "text": "here"})
    assert child.receive()["pid"] == child.pid
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)  # neither a closed input nor SIGTERM reaches it
    child.close(patience=0.1)
    assert gone(child.pid)


PARENT = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from rsfactory.child import Child, _servers, fork_server
with fork_server(sys.argv[2:], log=Path(sys.argv[1])):
    child = Child("echo_child", log=Path(sys.argv[1]), name="the child", forked=True)
    child.send({{"do": "echo", "text": "here"}})
    print(child.receive()["pid"], *(server.pid for server in _servers), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("preload", [[], ["decimal"]], ids=["spawned", "forked"])
def test_children_and_server_end_when_their_parent_is_killed(
    module: str, tmp_path: Path, preload: list[str]
) -> None:
    code = PARENT.format(root=str(ROOT))
    command = [sys.executable, "-c", code, str(tmp_path / "log"), *preload]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 1 + len(preload)
    parent.kill()
    parent.communicate()
    assert all(gone(pid) for pid in pids)


def test_a_child_that_is_killed_before_it_was_forked(module: str, tmp_path: Path) -> None:
    """Also while another thread waits for its first message, as a teacher's does."""
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(60)")
    with fork_server(["slow_library"], log=tmp_path / "log"):
        child = Child(module, log=tmp_path / "log", name="training", forked=True)
        assert child.pid is None
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(child.receive)
            time.sleep(0.2)
            began = time.monotonic()
            child.kill()
            with pytest.raises(ChildDied):
                waiting.result(5)
        assert time.monotonic() - began < 2
        child = Child(module, log=tmp_path / "log", name="training", forked=True)
        child.send({"do": "count"})  # started as usual, since the server is gone
        assert list(child.messages())[-1] == {"done": 3}
        child.close()


def test_a_child_whose_server_was_killed_is_still_ended(module: str, tmp_path: Path) -> None:
    with fork_server(["decimal"], log=tmp_path / "log"):
        child = Child(module, log=tmp_path / "log", name="training", forked=True)
        child.send({"do": "echo", "text": "here"})
        pid = child.receive()["pid"]
        os.kill(_servers[-1].pid, signal.SIGKILL)
        child.send({"do": "echo", "text": "still here"})
        assert child.receive()["echo"] == "still here"
        os.kill(pid, signal.SIGSTOP)  # so that it does not see its input closed
        child.close(patience=0.2)
        assert gone(pid)


def test_without_its_server_a_child_is_started_as_usual(module: str, tmp_path: Path) -> None:
    with fork_server(["decimal"], log=tmp_path / "log"):
        os.kill(_servers[-1].pid, signal.SIGKILL)
        assert gone(_servers[-1].pid)
        child = Child(module, log=tmp_path / "log", name="training", forked=True)
        child.send({"do": "count"})
        assert list(child.messages())[-1] == {"done": 3}
        child.close()
    assert not _servers


def test_a_server_that_is_killed_with_a_request(module: str, tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(60)")
    with fork_server(["slow_library"], log=tmp_path / "log"):
        child = Child(module, log=tmp_path / "log", name="training", forked=True)
        os.kill(_servers[-1].pid, signal.SIGKILL)
        with pytest.raises(ChildDied, match="training was killed by signal 9"):
            child.receive()
        child.close()


def test_a_large_request_and_many_at_once(module: str, tmp_path: Path) -> None:
    with fork_server(["decimal"], log=tmp_path / "log"):
        children = [
            Child(module, "x" * 100_000, log=tmp_path / "log", name="training", forked=True)
            for _ in range(8)
        ]
        pids = set()
        for child in children:
            child.send({"do": "echo", "text": ""})
            pids.add(child.receive()["pid"])
        assert len(pids) == 8
        for child in children:
            child.close()
        assert all(gone(pid, 0.5) for pid in pids)


def test_last_lines_are_short_and_without_progress_bars(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == []
    log.write_text("first\n" * 30 + "10%\r20%\r100%\n\n" + "end\n")
    assert last_lines(log, 2) == ["100%", "end"]
    assert len(last_lines(log)) == 15
