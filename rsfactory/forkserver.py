"""A fork server: one process that has imported what the children need, and forks each of them.

Importing torch, transformers and TRL takes five seconds of a processor, and a round starts three
children. Imported once and forked, a child is there within milliseconds, in a process of its own as
before: its memory goes back to the system when it ends, and its death is nobody else's.

A child has the environment and the working folder of the time when the server was started. A torch
built for a GPU is not forked, because a driver that was touched before does not survive it: such a
child starts Python anew. Linux only; without a server children start as usual.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

LENGTH = 4
"""Bytes of a request's length, before its JSON."""


class ForkServer:
    """The server, seen from the process that wants children. Safe to use from several threads."""

    def __init__(self, preload: Sequence[str], *, log: Path, env: Mapping[str, str]) -> None:
        """Starts the server and does not wait for it.

        Args:
            preload: Modules to import before the first fork.
            log: Where it writes what the libraries print; appended to.
            env: The environment of the server and of its children.
        """
        self._requests, theirs = socket.socketpair()
        self._lock = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def start(self, module: str, arguments: Sequence[str], stderr: IO[bytes]) -> "Forked":
        """A child that runs ``python -m module arguments``; returns at once.

        Raises:
            OSError: The server is gone.
        """
        request = json.dumps([module, *arguments]).encode()
        stdin, our_stdin = os.pipe()
        our_stdout, stdout = os.pipe()
        told, telling = os.pipe()
        theirs = [stdin, stdout, stderr.fileno(), telling]
        child = Forked(os.fdopen(our_stdin, "wb"), os.fdopen(our_stdout, "rb"), told)
        try:
            with self._lock:
                socket.send_fds(self._requests, [len(request).to_bytes(LENGTH)], theirs)
                self._requests.sendall(request)
        except OSError:
            child.stdin.close()
            child.stdout.close()
            raise
        finally:
            for fd in (stdin, stdout, telling):
                os.close(fd)
        return child

    def close(self) -> None:
        """Ends the server; children that still run are not touched. Safe to call twice."""
        self._requests.close()
        self._process.terminate()
        self._process.wait()


class Forked:
    """A forked child, with as much of `subprocess.Popen` as `rsfactory.child` needs."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], told: int) -> None:
        """``told``: where the child tells its process id and the server its exit code."""
        self.stdin = stdin
        self.stdout = stdout
        self._told = told
        self._heard = b""
        self._open = True
        self._lock = threading.Lock()

    def __del__(self) -> None:
        """Closes what is left open."""
        self._hang_up()

    @property
    def pid(self) -> int | None:
        """Process id and process group; None while the server has not forked it yet."""
        while b"\n" not in self._heard and self._listen(0):
            pass
        return int(self._heard.partition(b"\n")[0]) if b"\n" in self._heard else None

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        while self._listen(0):
            pass
        lines = self._heard.splitlines()
        if len(lines) > 1:
            return int(lines[1])
        return None if self._open else -signal.SIGKILL  # the server was killed, and nobody knows

    def wait(self, timeout: float) -> int:
        """The exit code; waits for it.

        Raises:
            subprocess.TimeoutExpired: It did not end in ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if not self._listen(max(0.0, end - time.monotonic())) and self._open:
                raise subprocess.TimeoutExpired("forked child", timeout)
        return code

    def _listen(self, timeout: float) -> bool:
        """Takes in what was told; False when nothing came in time."""
        with self._lock:
            if not self._open:
                return False
            poll = select.poll()
            poll.register(self._told, select.POLLIN)
            if not poll.poll(timeout * 1000):
                return False
            told = os.read(self._told, 64)
            self._heard += told
            if not told:
                self._hang_up()
            return bool(told)

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            os.close(self._told)


def serve(requests: socket.socket) -> list[str] | None:
    """Forks a child for every request until the other side is gone.

    Returns:
        In a child: its module and arguments. In the server: None, at the end.
    """
    telling: dict[int, int] = {}

    def ended(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ChildProcessError):  # raised when none is left
            while (end := os.waitpid(-1, os.WNOHANG))[0]:
                _tell(telling.pop(end[0]), os.waitstatus_to_exitcode(end[1]))

    signal.signal(signal.SIGCHLD, ended)
    while True:
        length, fds, _, _ = socket.recv_fds(requests, LENGTH, 4)
        if not length:
            return None
        request = _exactly(requests, int.from_bytes(length))
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until its id is noted
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            for other in (requests.detach(), *telling.values()):
                os.close(other)
            _become(*fds)
            return [str(word) for word in json.loads(request)]
        telling[pid] = fds[3]
        for fd in fds[:3]:
            os.close(fd)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _become(stdin: int, stdout: int, stderr: int, telling: int) -> None:
    """Makes this process the child: a group of its own, its streams, and its id told."""
    os.setsid()
    for fd, standard in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    _tell(telling, os.getpid())


def _tell(telling: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(telling, f"{number}\n".encode())
    os.close(telling)


def _exactly(requests: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (more := requests.recv(length - len(data))):
        data += more
    return data


def _load(preload: Sequence[str]) -> bool:
    """Imports the modules; whether the process may be forked afterwards.

    One that cannot be imported is left to the children, whose own error says more.
    """
    for module in preload:
        try:
            importlib.import_module(module)
        except Exception:
            traceback.print_exc()
        torch = sys.modules.get("torch")
        if torch is not None and (torch.version.cuda or torch.version.hip):
            return False
    gc.collect()
    gc.freeze()  # the collector would copy every page that the children share
    return True


def main() -> None:
    """Runs the server; in a child, goes on as its module."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    forkable = _load(sys.argv[2:])
    words = serve(requests)
    if words is None:
        return
    if not forkable:
        os.execv(sys.executable, [sys.executable, "-m", *words])
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
