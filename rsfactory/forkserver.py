"""A fork server: one process that has imported what the children need, and forks each of them.

Importing torch, transformers and TRL takes five seconds of a processor, and a round starts three
children. Imported once and forked, a child is there within milliseconds, in a process of its own as
before: its memory goes back to the system when it ends, and its death is nobody else's.

A child has the environment and the working folder of the time when the server was started. Where
there is a GPU nothing is forked, because a driver that was touched before does not survive it: such
a child starts Python anew. Linux only; without a server children start as usual.
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
from typing import IO

GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""One of these is there where a GPU can be computed on (NVIDIA's, WSL's, AMD's driver)."""
LENGTH = 4
"""Bytes of a request's length, before its JSON."""
PID, CODE = b"p", b"e"
"""What a number that is told means: a process id, an exit code."""


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
        child = Forked(self, os.fdopen(our_stdin, "wb"), os.fdopen(our_stdout, "rb"), told)
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

    def __init__(self, server: ForkServer, stdin: IO[bytes], stdout: IO[bytes], told: int) -> None:
        """``told``: where the child tells its process id and the server its exit code."""
        self.stdin = stdin
        self.stdout = stdout
        self._server = server
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
        return self._number(PID)

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        code = self._number(CODE)
        if code is not None or self._open:
            return code
        # The server was killed, so nobody will tell; what became of the child is not known.
        return None if self.pid is not None and _alive(self.pid) else -signal.SIGKILL

    def wait(self, timeout: float) -> int:
        """The exit code; waits for it.

        Raises:
            subprocess.TimeoutExpired: It did not end in ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired("forked child", timeout)
            if not self._listen(left) and not self._open:
                time.sleep(min(left, 0.02))
        return code

    def give_up(self) -> None:
        """Ends the server where it has not come to this child yet, which then never starts."""
        if self.pid is None:
            self._server.close()

    def _number(self, kind: bytes) -> int | None:
        """What was told under a letter, as far as it was told."""
        while self._listen(0):
            pass
        lines = self._heard.split(b"\n")[:-1]
        return next((int(line[1:]) for line in lines if line[:1] == kind), None)

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


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def serve(requests: socket.socket) -> list[str] | None:
    """Forks a child for every request until the other side is gone.

    Returns:
        In a child: its module and arguments. In the server: None, at the end.
    """
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # it wakes the loop, which looks who ended
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    poll.register(woken, select.POLLIN)
    telling: dict[int, int] = {}
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 4096)
            _reap(telling)
        if requests.fileno() not in ready:
            continue
        length, fds, _, _ = socket.recv_fds(requests, LENGTH, 4)
        request = _exactly(requests, int.from_bytes(length)) if length else None
        if request is None:
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (requests.detach(), woken, wake, *telling.values()):
                os.close(other)
            _become(*fds)
            words = [str(word) for word in json.loads(request)]
            with contextlib.suppress(OSError):  # what ps and top show
                Path("/proc/self/comm").write_text(words[0].rpartition(".")[2])
            return words
        telling[pid] = fds[3]
        for fd in fds[:3]:
            os.close(fd)


def _reap(telling: dict[int, int]) -> None:
    """Tells the exit codes of children that ended; others than ours are none of our business."""
    with contextlib.suppress(ChildProcessError):  # raised when none is left
        while (end := os.waitpid(-1, os.WNOHANG))[0]:
            if end[0] in telling:
                _tell(telling.pop(end[0]), CODE, os.waitstatus_to_exitcode(end[1]))


def _become(stdin: int, stdout: int, stderr: int, telling: int) -> None:
    """Makes this process the child: a group of its own, its streams, and its id told."""
    os.setsid()
    for fd, standard in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    _tell(telling, PID, os.getpid())


def _tell(telling: int, kind: bytes, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(telling, b"%s%d\n" % (kind, number))
    os.close(telling)


def _exactly(requests: socket.socket, length: int) -> bytes | None:
    """So many bytes, or None where the other side ended before."""
    data = b""
    while len(data) < length:
        more = requests.recv(length - len(data))
        if not more:
            return None
        data += more
    return data


def _load(preload: Sequence[str]) -> None:
    """Imports the modules; one that cannot be is left to the children, whose error says more."""
    for module in preload:
        try:
            importlib.import_module(module)
        except Exception:
            traceback.print_exc()
    gc.collect()
    gc.freeze()  # the collector would copy every page that the children share


def main() -> None:
    """Runs the server; in a child, goes on as its module."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    forkable = not any(map(os.path.exists, GPU_FILES))
    if forkable:
        _load(sys.argv[2:])
    words = serve(requests)
    if words is None:
        return
    if not forkable:
        os.execv(sys.executable, [sys.executable, "-m", *words])
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
