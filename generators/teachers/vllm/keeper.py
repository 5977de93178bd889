"""The process between us and a vLLM server: starts it, watches it, and leaves nothing behind.

Run as ``python -m generators.teachers.vllm.keeper`` by `generators.teachers.vllm`. One message in,
``{"command": [...], "name": ..., "env": {...}, "unset": [...], "patience": seconds}``; out come
``{"loading": seconds}`` every few seconds and, once the server is healthy, where and how it is
asked: ``{"address": ..., "key": ...}``. Afterwards it only waits: for the server
to end (then it says ``{"ended": how}`` and ends too), or for its own standard input to close, which
happens when the parent closes it or dies in any way.

The port is a free one outside the range that the system gives to outgoing connections; the key is
made here and handed to the server by its environment, so that no other user of the machine can ask
it. Orphans of the server are adopted (a subreaper, on Linux), and all of them end with it: vLLM's
engine processes go on when the server itself is killed. Its temporary files, sockets among them,
lie in a folder of their own that is removed. Where this process is killed by SIGKILL, the server is
ended by the kernel's signal, and the next keeper removes the folder: a lock on it says that nobody
is there any more.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from rsfactory.child import Parent

GRACE = 8.0
"""Seconds that the server has to end in order before it is killed."""
TOLD_EVERY = 5.0
"""Seconds between two messages while it loads."""
TRIES = 3
"""Ports tried, where another program takes the one that was free."""
PORTS = range(20000, 32768)
"""Below the range that Linux gives to outgoing connections by default."""

PREFIX, LOCK = "vllm-", ".keeper"
"""Of the temporary folder, and the file in it that a keeper and its server hold."""

SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
BOUND = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: when the keeper is killed
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the keeper is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Program that becomes the server, bound to the life of the process that starts it."""


class Server:
    """A server process with all its descendants and its temporary folder."""

    def __init__(self) -> None:
        """Starts nothing yet; descendants whose parent ends will be ours."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SUBREAPER, 1)
        self.ended = False
        sweep(Path(tempfile.gettempdir()))
        self._folder = tempfile.mkdtemp(prefix=PREFIX)
        self._held = _hold(Path(self._folder))
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts it; only the main thread may (the kernel's signal comes when that thread ends)."""
        bound = [sys.executable, "-c", BOUND, str(os.getpid()), *command]
        with self._lock:
            if not self.ended:
                self._process = subprocess.Popen(
                    bound, stdin=subprocess.DEVNULL, env={**env, "TMPDIR": self._folder},
                    pass_fds=(self._held.fileno(),),  # the lock is the server's, too
                )  # fmt: skip

    def code(self, patience: float | None = None) -> int | None:
        """Its exit code, once it ended; waits so long for it (None: for ever)."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(patience)
        return None

    def end(self) -> None:
        """Ends it with everything it started, and removes its files. Safe to call twice."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                self.code(GRACE)
            _end_rest()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._held.close()


def sweep(place: Path) -> None:
    """Removes the folders of keepers that were killed, and whose servers have ended."""
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open() as file:  # held, another user's, or gone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _hold(folder: Path) -> IO[str]:
    """A lock on a folder, which appears under its name when it is held."""
    aside = folder / f"{LOCK}-"
    file = aside.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    aside.rename(folder / LOCK)
    return file


def _end_rest() -> None:
    """Ends what is left of our descendants.

    Python's resource tracker goes last: it removes shared memory that the killed ones held.
    """
    for kill, patience in ((None, 1.0), (_not_tracker, 2.0), (lambda _: True, 5.0)):
        left = psutil.Process().children(recursive=True)
        for process in left:
            with contextlib.suppress(psutil.Error):
                if kill is not None and kill(process):
                    process.kill()
        psutil.wait_procs(left, patience)


def _not_tracker(process: psutil.Process) -> bool:
    return not any("resource_tracker" in word for word in process.cmdline())


def main() -> None:
    """Keeps one server until it ends, or until the parent is gone."""
    server = Server()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent = Parent(gone=server.end)
    try:
        _keep(server, parent, parent.receive())
    except TimeoutError as error:
        parent.send(ended=str(error))
    finally:
        server.end()


def _keep(server: Server, parent: Parent, order: dict[str, Any]) -> None:
    env = {k: v for k, v in os.environ.items() if k not in order["unset"]} | order["env"]
    key = secrets.token_urlsafe(32)
    began = time.monotonic()
    for _ in range(TRIES):
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        server.start([*order["command"], "--port", str(port)], {**env, "VLLM_API_KEY": key})
        if _wait(server, parent, address, key, order["name"], began, order["patience"]):
            parent.send(address=f"{address}/v1", key=key)
            server.code()
            break
        if not _listens(port):  # by another program, which took the port before the server did
            break
    _report(server, parent)


def _wait(
    server: Server,
    parent: Parent,
    address: str,
    key: str,
    name: str,
    began: float,
    patience: float,
) -> bool:
    """Whether it became healthy; False where it ended.

    Raises:
        TimeoutError: It did neither for so long.
    """
    told = time.monotonic()
    while server.code(0.2) is None:
        now = time.monotonic()
        if healthy(address, key, name):
            return True
        if now - told >= TOLD_EVERY:
            told = now
            parent.send(loading=round(now - began, 1))
        if now - began > patience:
            raise TimeoutError(f"is not healthy after {patience:.0f} s")
    return False


def _report(server: Server, parent: Parent) -> None:
    """Says how the server ended."""
    if server.ended:  # because we were asked to; whoever ends it ends us too
        threading.Event().wait()
    code = server.code(0)
    how = f"exited {code}" if code is None or code >= 0 else f"was killed by signal {-code}"
    parent.send(ended=how + (" (out of memory, perhaps)" if code == -signal.SIGKILL else ""))


def healthy(address: str, key: str, name: str) -> bool:
    """Whether a server answers that is healthy, takes the key, and has a model of that name."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(f"{address}/v1/models")
    asked.add_header("Authorization", f"Bearer {key}")
    try:
        with opener.open(f"{address}/health", timeout=5), opener.open(asked, timeout=5) as answer:
            return any(model["id"] == name for model in json.load(answer)["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in random.sample(PORTS, 64):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"none of 64 ports between {PORTS.start} and {PORTS.stop} is free")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


if __name__ == "__main__":
    main()
