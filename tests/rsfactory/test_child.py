"""A child process ends with its parent, and a dead one says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rsfactory.child import Child, last_lines
from rsfactory.errors import ChildDied

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


def gone(pid: int, within: float = 5.0) -> bool:
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


def test_messages_go_both_ways_and_prints_go_to_the_log(module: str, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    child = Child(module, log=log, name="the child")
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


def test_an_error_of_the_child_is_told(module: str, tmp_path: Path) -> None:
    child = Child(module, log=tmp_path / "log", name="training")
    child.send({"do": "fail"})
    with pytest.raises(ChildDied, match="training failed: the work cannot be done"):
        child.receive()
    child.close()


@pytest.mark.parametrize(
    ("kind", "how", "words"),
    [("die", "was killed by signal 9", "last words"), ("raise", "exited 1", "out of luck")],
)
def test_a_dead_child_is_reported_with_its_last_lines(
    module: str, tmp_path: Path, kind: str, how: str, words: str
) -> None:
    child = Child(module, log=tmp_path / "log", name="training")
    child.send({"do": kind})
    with pytest.raises(ChildDied) as error:
        child.receive()
    assert f"training {how}" in str(error.value)
    assert words in str(error.value)
    assert "run the same command to continue" in str(error.value)
    with pytest.raises(ChildDied):
        child.send({"do": "echo", "text": "x"})
    child.close()


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    child = Child("no_such_module_here", log=tmp_path / "log", name="training")
    with pytest.raises(ChildDied, match="No module named no_such_module_here"):
        child.receive()
    child.close()


def test_kill_ends_a_child_that_hears_nothing(module: str, tmp_path: Path) -> None:
    child = Child(module, log=tmp_path / "log", name="the child")
    child.send({"do": "deaf"})
    assert child.receive() == {"ready": True}
    child.kill()
    assert gone(child.pid)


def test_close_kills_in_the_end(module: str, tmp_path: Path) -> None:
    child = Child(module, log=tmp_path / "log", name="the child")
    os.kill(child.pid, signal.SIGSTOP)  # neither a closed input nor SIGTERM reaches it
    child.close(patience=0.1)
    assert gone(child.pid)


PARENT = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from rsfactory.child import Child
child = Child("echo_child", log=Path(sys.argv[1]), name="the child")
child.send({{"do": "echo", "text": "here"}})
print(child.receive()["pid"], flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT.format(root=str(ROOT)), str(tmp_path / "log")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert gone(pid)


def test_last_lines_are_short_and_without_progress_bars(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == []
    log.write_text("first\n" * 30 + "10%\r20%\r100%\n\n" + "end\n")
    assert last_lines(log, 2) == ["100%", "end"]
    assert len(last_lines(log)) == 15
