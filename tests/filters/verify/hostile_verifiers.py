"""Verifiers that behave as badly as they can, named as a user's own: ``hostile_verifiers:HANG``."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from filters.verify.verdicts import verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

SLEEP = f"600.{zlib.crc32(__file__.encode())}"
"""Seconds that tell our sleepers from those of other copies of these tests."""


class Hostile:
    """Does what it was made for on the completion ``bad``, and says CORRECT to all others."""

    version = "1"

    def __init__(self, name: str, deed: Callable[[], object]) -> None:
        self.name = name
        self._deed = deed

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if candidate.completion == "bad":
            self._deed()
        return verdict(self, candidate, Outcome.CORRECT, f"pid {os.getpid()}")


class Unready(Hostile):
    def prepare(self) -> None:
        raise ImportError("no module named nothing")


def _big_integer() -> int:
    return 7 ** (7**9)  # one call in C that no signal handler of Python's interrupts


def _memory() -> list[bytes]:
    return [bytes(1 << 20) for _ in range(1 << 13)]


def _recurse() -> None:
    _recurse()


def _print() -> None:
    print('{"verdict": "forged"}', flush=True)
    sys.stdout.write("x" * 100_000)


def _leave(*names: str) -> None:
    """Starts sleepers: a child, one in a session of its own, and a daemon; tells their ids."""
    starts = {
        "child": ["sleep", SLEEP],
        "session": ["setsid", "sleep", SLEEP],
        "daemon": ["sh", "-c", f"setsid sleep {SLEEP} & exit 0"],
    }
    for name in names:
        subprocess.Popen(starts[name], stdout=subprocess.DEVNULL).poll()
    time.sleep(0.2)


def _bomb() -> None:
    """Every process forks again and again, up to a bound that spares the machine."""
    until = time.monotonic() + 600
    for _ in range(6):
        os.fork()
    while time.monotonic() < until:
        if os.fork() == 0:
            time.sleep(0.05)
            os._exit(0)
        os.wait()


HOARDED: list[bytes] = []


class Roomy(Hostile):
    """Wants more time and memory than others, and says what it ran in."""

    limit = 3.0
    memory = 1 << 31

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        super().verify(problem, candidate)
        return verdict(
            self, candidate, Outcome.WRONG, "ran", isolation=candidate.completion,
            results=["passed", "failed"], share=0.5,
        )  # fmt: skip


class Closing(Hostile):
    """Writes a file, named by the completion, when it is closed."""

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        self._place = Path(candidate.completion)
        return verdict(self, candidate, Outcome.CORRECT, "fine")

    def close(self) -> None:
        self._place.write_text("closed")


HANG = Hostile("hang", lambda: time.sleep(600))
BIG = Hostile("big", _big_integer)
DIE = Hostile("die", lambda: os.kill(os.getpid(), signal.SIGKILL))
EXIT = Hostile("exit", lambda: os._exit(3))
MEMORY = Hostile("memory", _memory)
RAISE = Hostile("raise", lambda: 1 // 0)
RECURSE = Hostile("recurse", _recurse)
PRINT = Hostile("print", _print)
SPAWN = Hostile("spawn", lambda: subprocess.run(["sleep", SLEEP], check=False))
LEAVE = Hostile("leave", lambda: (_leave("child", "session", "daemon"), time.sleep(600)))
LEAVE_AND_DIE = Hostile("leave_and_die", lambda: (_leave("session", "daemon"), os._exit(4)))
LEAVE_AND_COUNT = Hostile("leave_and_count", lambda: (_leave("session", "daemon"), _big_integer()))
BOMB = Hostile("bomb", _bomb)
ORPHAN = Hostile("orphan", lambda: (os.kill(os.getppid(), signal.SIGKILL), time.sleep(600)))
ROOMY = Roomy("roomy", lambda: (bytes(1 << 30), time.sleep(1.5)))
HOARD = Hostile("hoard", lambda: HOARDED.append(bytes(150 << 20)))
CLOSING = Closing("closing", lambda: None)
UNREADY = Unready("unready", lambda: None)
