"""One worker process from the pool's side: started when needed, killed when late."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from filters.verify import guard
from rsfactory.records import Candidate, Problem

START_LIMIT = 60.0
"""Seconds a worker may take until it is ready for a row: starting Python, importing libraries."""
END_LIMIT = 2.0
"""Seconds an idle worker has to end by itself, its verifiers' `close` included."""


class Stopped(Exception):
    """The worker was stopped for good; the row that was with it has no verdict."""


class _Died(Exception):
    """The worker ended while a row was with it."""

    def __init__(self, reason: str, began: float | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ready = began is not None
        self.seconds = time.monotonic() - began if began is not None else 0.0


@dataclass
class _Process:
    """A running guard with its worker, and the socket that is the worker's input and output."""

    popen: subprocess.Popen[bytes]
    channel: socket.socket
    heard: bytearray
    rows: int = 0
    """Answered by it."""

    def send(self, message: bytes, until: float) -> None:
        """Raises TimeoutError, and OSError where the worker is gone."""
        self.channel.settimeout(max(0.001, until - time.monotonic()))
        self.channel.sendall(message)

    def receive(self, until: float) -> dict[str, Any]:
        """The next message; raises TimeoutError, and EOFError where the worker is gone."""
        while (end := self.heard.find(b"\n")) < 0:
            self.channel.settimeout(max(0.001, until - time.monotonic()))
            with contextlib.suppress(ConnectionResetError):
                if more := self.channel.recv(1 << 16):
                    self.heard += more
                    continue
            raise EOFError
        line = bytes(self.heard[:end])
        del self.heard[: end + 1]
        message: dict[str, Any] = json.loads(line)
        return message


class Worker:
    """One worker process, started when first asked and again after it ended."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._process: _Process | None = None
        self._turn = threading.Lock()
        self.stopped = False
        """For good."""

    def ask(
        self, problem: Problem, candidate: Candidate, *, limit: float, memory: int
    ) -> dict[str, Any]:
        """The worker's answer to one row.

        A row is asked about again, in a new process, where the first one ended before it got to the
        row, and where the memory limit was reached in a process that earlier rows had used: what
        those left behind must not decide.

        Args:
            problem: What was asked.
            candidate: What was answered.
            limit: Wall seconds, counted from when the worker is ready.
            memory: Bytes of address space.

        Returns:
            ``{"verdict": fields}``, ``{"fault": what went wrong with this row}``, or
            ``{"broken": why}`` where the verifier itself cannot be loaded; the first two with
            ``seconds``, counted from when the worker was ready.

        Raises:
            Stopped: `stop` was called.
        """
        row = {
            "verifier": problem.verifier,
            "problem": dataclasses.asdict(problem),
            "candidate": dataclasses.asdict(candidate),
            "memory": memory,
        }
        line = json.dumps(row).encode() + b"\n"
        with self._turn:
            answer, fresh = self._try(line, limit)
            if not fresh:
                answer, _ = self._try(line, limit)
            return answer

    def stop(self) -> None:
        """Ends the process for good: politely when idle, at once when a row is with it."""
        self.stopped = True
        idle = self._turn.acquire(blocking=False)
        if idle and self._process is not None:
            with contextlib.suppress(OSError):
                self._process.send(b"{}\n", time.monotonic() + END_LIMIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.popen.wait(END_LIMIT)
        while not idle:
            if (process := self._process) is not None:
                guard.end(process.popen.pid)  # whoever waits for its answer lets go
            idle = self._turn.acquire(timeout=0.05)
        self._clear()
        self._turn.release()

    def _try(self, line: bytes, limit: float) -> tuple[dict[str, Any], bool]:
        """The answer, and whether it counts: False where a new process may have another."""
        if self.stopped:
            raise Stopped
        if self._process is None:
            self._process = _start()
        used = self._process.rows > 0
        try:
            answer = _exchange(self._process, line, limit)
        except _Died as death:
            self._clear()
            if self.stopped:
                raise Stopped from death
            return {"fault": death.reason, "seconds": death.seconds}, death.ready
        if answer.get("fault") == "memory limit":
            self._clear()  # what it still holds would starve the next row
            return answer, not used
        return answer, True

    def _clear(self) -> None:
        """Ends the process at once, with all it started."""
        process, self._process = self._process, None
        if process is not None:
            guard.end(process.popen.pid)
            process.popen.wait()
            process.channel.close()


def _exchange(process: _Process, line: bytes, limit: float) -> dict[str, Any]:
    """Sends a row and waits for its answer; the limit begins when the worker says it is ready."""
    late = f"worker not ready within {START_LIMIT} s"
    until = time.monotonic() + START_LIMIT
    began = None
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # reading tells the end
            process.send(line, until)
        answer = process.receive(until)
        if "ready" in answer:
            late, began = f"timeout after {limit} s", time.monotonic()
            answer = process.receive(began + limit)
    except TimeoutError:
        raise _Died(late, began) from None
    except (EOFError, ValueError):
        raise _Died(_end_of(process.popen), began) from None
    process.rows += 1
    return answer


def _end_of(popen: subprocess.Popen[bytes]) -> str:
    """How it ended; the guard ends after its worker and as its worker ended."""
    try:
        code = popen.wait(guard.PATIENCE + END_LIMIT)
    except subprocess.TimeoutExpired:
        return "worker closed its channel"
    return f"worker died ({f'signal {-code}' if code < 0 else f'exit {code}'})"


def _start() -> _Process:
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    ours, theirs = socket.socketpair()
    with theirs:
        popen = subprocess.Popen(
            [sys.executable, "-m", "filters.verify.worker", str(os.getpid())],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the parent, which ends its workers
        )
    return _Process(popen, ours, bytearray())
