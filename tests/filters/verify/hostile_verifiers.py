"""Verifiers that behave as badly as they can, named as a user's own: ``hostile_verifiers:HANG``."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from filters.verify.verdicts import verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict


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


HANG = Hostile("hang", lambda: time.sleep(600))
BIG = Hostile("big", _big_integer)
DIE = Hostile("die", lambda: os.kill(os.getpid(), signal.SIGKILL))
EXIT = Hostile("exit", lambda: os._exit(3))
MEMORY = Hostile("memory", _memory)
RAISE = Hostile("raise", lambda: 1 // 0)
RECURSE = Hostile("recurse", _recurse)
PRINT = Hostile("print", _print)
SPAWN = Hostile("spawn", lambda: subprocess.run(["sleep", "600"], check=False))
UNREADY = Unready("unready", lambda: None)
