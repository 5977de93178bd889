"""One worker process from the pool's side: started when needed, killed when late."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from rsfactory.records import Candidate, Problem

START_LIMIT = 60.0
"""Seconds a worker may take until it is ready for a row: starting Python, importing libraries."""


class _Died(Exception):
    """The worker ended while a row was with it."""

    def __init__(self, reason: str, *, ready: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ready = ready


class Worker:
    """One worker process, started when first asked and again after it ended."""

    def __init__(self, memory: int) -> None:
        """``memory``: bytes of address space; nothing is started yet."""
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._late = False

    def ask(self, problem: Problem, candidate: Candidate, limit: float) -> dict[str, Any]:
        """The worker's answer to one row.

        Returns:
            ``{"verdict": fields}``, ``{"fault": what went wrong with this row}``, or
            ``{"broken": why}`` where the verifier itself cannot be loaded.
        """
        row = {
            "verifier": problem.verifier,
            "problem": dataclasses.asdict(problem),
            "candidate": dataclasses.asdict(candidate),
            "limit": limit,
        }
        line = json.dumps(row).encode() + b"\n"
        for again in (True, False):
            try:
                return self._exchange(line, limit)
            except _Died as death:
                self.kill()
                if death.ready or not again:  # one that died before it got to the row starts anew
                    return {"fault": death.reason}
        raise AssertionError("unreachable")

    def kill(self) -> None:
        """Ends the process at once, with all it started."""
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _exchange(self, line: bytes, limit: float) -> dict[str, Any]:
        if self._process is None:
            self._process = self._start()
        process = self._process
        with self._deadline(process, START_LIMIT):
            ready = self._send(process, line)
            if "ready" not in ready:
                return ready
        with self._deadline(process, limit):
            answer = self._receive(process, f"timeout after {limit} s", ready=True)
        if answer.get("fault") == "memory limit":
            self.kill()  # what it still holds would starve the next row
        return answer

    def _send(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        assert process.stdin is not None
        late = f"worker not ready within {START_LIMIT} s"
        with contextlib.suppress(BrokenPipeError):  # reading tells how it ended
            process.stdin.write(line)
            process.stdin.flush()
        return self._receive(process, late, ready=False)

    def _receive(
        self, process: subprocess.Popen[bytes], late: str, *, ready: bool
    ) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line.endswith(b"\n"):
            message: dict[str, Any] = json.loads(line)
            return message
        code = process.wait()
        died = f"worker died ({f'signal {-code}' if code < 0 else f'exit {code}'})"
        raise _Died(late if self._late else died, ready=ready)

    @contextlib.contextmanager
    def _deadline(self, process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
        """Kills the process when the block takes longer."""

        def expire() -> None:
            self._late = True
            _kill(process)

        self._late = False
        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        return subprocess.Popen(
            [sys.executable, "-m", "filters.verify.worker", str(os.getpid()), str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the parent, which ends its workers
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
