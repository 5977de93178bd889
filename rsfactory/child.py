"""Child processes: training and local sampling each run in one of their own.

Memory (of an accelerator too) is given back by the operating system when the child ends, and a
crash is a result with the child's last lines, not the end of the run. Parent and child exchange
one JSON object a line over the child's standard input and output; everything a library prints goes
to a log file. A child ends by itself when its parent is gone, also after SIGKILL: its standard
input closes. Not covered: a child stuck in uninterruptible I/O outlives its parent until that ends.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rsfactory.errors import ChildDied, InputError
from rsfactory.forkserver import Forked, ForkServer

ALLOCATOR = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {
        "mmap_threshold": 2**33,
        "trim_threshold": 2**34,
        "top_pad": 2**28,
        "hugetlb": 1,
    }.items()
)
"""Lets glibc keep freed memory: torch frees and takes large tensors at every step, and touching
fresh pages costs more than the arithmetic (docs/experiments.md). Ignored by other C libraries."""

MACHINE = {
    "GLIBC_TUNABLES": ALLOCATOR,
    "THP_MEM_ALLOC_ENABLE": "1",
    # Threads that wait sleep: spinning ones fall to a tenth of their speed beside a busy core.
    "OMP_WAIT_POLICY": "passive",
}
"""Environment of a child where the user's own says nothing else."""

LAST_LINES = 15
"""How many lines of a dead child's log its error message quotes."""


_servers: list[ForkServer] = []
"""The fork servers in use, newest last."""


@contextlib.contextmanager
def fork_server(
    preload: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Children that may be forked are forked while the block runs (`rsfactory.forkserver`).

    Args:
        preload: Modules that they need; without any there is no server.
        log: Where the server writes what the libraries print.
        env: Settings that hold for all of them where the user's own environment says nothing else.
    """
    if not preload or not sys.platform.startswith("linux"):
        yield
        return
    server = ForkServer(preload, log=log, env={**MACHINE, **(env or {}), **os.environ})
    try:
        _servers.append(server)
        yield
    finally:
        if server in _servers:
            _servers.remove(server)
        server.close()


def _fork(module: str, arguments: Sequence[str], stderr: IO[bytes]) -> Forked | None:
    """The child of a fork server; None where there is no server, or it was killed."""
    with contextlib.suppress(OSError, IndexError):
        return _servers[-1].start(module, arguments, stderr)
    return None


def _spawn(module: str, arguments: Sequence[str], stderr: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**MACHINE, **os.environ},
        start_new_session=True,  # Ctrl-C reaches the parent, which ends the child
    )


class Child:
    """A Python module run as a child process, seen from the parent."""

    def __init__(
        self, module: str, *arguments: str, log: Path, name: str, forked: bool = False
    ) -> None:
        """Starts ``python -m module arguments``; its standard error is appended to ``log``.

        Args:
            module: What to run.
            arguments: Its command line.
            log: Where its standard error goes.
            name: What messages call it.
            forked: Whether a fork server may start it, where there is one.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stderr:
            started = _fork(module, arguments, stderr) if forked else None
            self._process = started or _spawn(module, arguments, stderr)

    @property
    def pid(self) -> int | None:
        """Process id; None while a fork server has not come to it."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        """Sends one message.

        Raises:
            ChildDied: The child no longer reads.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise self._death() from error

    def receive(self) -> dict[str, Any]:
        """The child's next message; waits for it.

        Raises:
            ChildDied: The child ended, or reported an error of its own (``{"error": ...}``).
            InputError: The error it reported is the user's (``{"error": ..., "input": true}``).
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            kind = InputError if message.get("input") else ChildDied
            raise kind(f"{self.name} failed: {message['error']}\nits log: {self.log}")
        return message

    def messages(self) -> Iterator[dict[str, Any]]:
        """Messages up to and with the one that has ``done`` in it."""
        while True:
            message = self.receive()
            yield message
            if "done" in message:
                return

    def close(self, patience: float = 5.0) -> None:
        """Ends the child: closes its input, then terminates, then kills. Safe to call twice."""
        if isinstance(self._process, Forked):
            self._process.give_up()  # a thread that waits for the child holds its streams
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        for end in (None, signal.SIGTERM, signal.SIGKILL):
            if end is not None:
                self._signal(end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """Ends the child at once, with all it started."""
        self._signal(signal.SIGKILL)
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        """Signals the child and all it started, unless it ended: its id may be another's by now."""
        pid = self.pid
        if pid is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _death(self) -> ChildDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.poll()
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited {code}"
        if code == -signal.SIGKILL:
            how += " (out of memory, perhaps)"
        tail = "\n".join(last_lines(self.log)) or "(it printed nothing)"
        return ChildDied(
            f"{self.name} {how} before its work was done; run the same command to continue.\n"
            f"last lines of {self.log}:\n{tail}"
        )


def last_lines(log: Path, count: int = LAST_LINES) -> list[str]:
    """The last lines of a log file, without carriage-return progress bars."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        text = file.read().decode(errors="replace")
        lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]
        return [line for line in lines if line][-count:]
    return []


class Parent:
    """The parent, seen from the child. Made first thing in the child's ``main``."""

    def __init__(self, gone: Callable[[], None] = lambda: None) -> None:
        """Takes standard output for messages; later prints go to standard error.

        Args:
            gone: Called in another thread once the parent is gone, before this process ends.
        """
        self._gone = gone
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        # A reader of our own: Python aborts at its end while a thread reads the standard one.
        self._in = os.fdopen(os.dup(0), "rb")
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._in:
            self._inbox.put(json.loads(line))
        try:
            self._gone()
        finally:
            os._exit(0)  # the parent closed our input or is gone

    def send(self, **message: Any) -> None:
        """Sends one message."""
        self._out.write(json.dumps(message).encode() + b"\n")
        self._out.flush()

    def receive(self) -> dict[str, Any]:
        """The next message; waits for it, and never returns once the parent is gone."""
        return self._inbox.get()

    def waiting(self) -> list[dict[str, Any]]:
        """The messages that are there already."""
        return [self._inbox.get() for _ in range(self._inbox.qsize())]
