"""The process between us and a vLLM server: starts it, watches it, and leaves nothing behind.

Run as ``python -m generators.teachers.vllm.keeper`` by `generators.teachers.vllm`. One message in,
``{"command": [...], "name": ..., "env": {...}, "unset": [...], "patience": seconds}``; out come
``{"loading": seconds}`` every few seconds and, once the server is healthy, where and how it is
asked: ``{"address": ..., "key": ..., "context": tokens}``. Afterwards it only waits: for the server
to end (then it says ``{"ended": how}`` and ends too), or for its own standard input to close, which
happens when the parent closes it or dies in any way.

The port is a free one outside the range that the system gives to outgoing connections; the key is
made here and handed to the server by its environment, so that no other user of the machine can ask
it. Orphans of the server are adopted (a subreaper, on Linux), and all of them end with it: vLLM's
engine processes go on when the server itself is killed. Its temporary files, sockets among them,
lie in a folder of their own that is removed. Not covered: where this process is killed by SIGKILL,
the server is ended by the kernel's signal, but the temporary folder stays.
"""

import contextlib
import ctypes
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
from typing import Any

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
        self._folder = tempfile.mkdtemp(prefix="vllm-")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts it; only the main thread may (the kernel's signal comes when that thread ends)."""
        bound = [sys.executable, "-c", BOUND, str(os.getpid()), *command]
        with self._lock:
            if not self.ended:
                self._process = subprocess.Popen(
                    bound, stdin=subprocess.DEVNULL, env={**env, "TMPDIR": self._folder}
                )

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
        context = _wait(server, parent, address, key, order["name"], began, order["patience"])
        if context is not None:
            parent.send(address=f"{address}/v1", key=key, context=context)
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
) -> int | None:
    """Its context, once it is healthy; None where it ended.

    Raises:
        TimeoutError: It did neither for so long.
    """
    told = time.monotonic()
    while server.code(0.2) is None:
        now = time.monotonic()
        if context := healthy(address, key, name):
            return context
        if now - told >= TOLD_EVERY:
            told = now
            parent.send(loading=round(now - began, 1))
        if now - began > patience:
            raise TimeoutError(f"is not healthy after {patience:.0f} s")
    return None


def _report(server: Server, parent: Parent) -> None:
    """Says how the server ended."""
    if server.ended:  # because we were asked to; whoever ends it ends us too
        threading.Event().wait()
    code = server.code(0)
    how = f"exited {code}" if code is None or code >= 0 else f"was killed by signal {-code}"
    parent.send(ended=how + (" (out of memory, perhaps)" if code == -signal.SIGKILL else ""))


def healthy(address: str, key: str, name: str) -> int | None:
    """Tokens of the context of the model of that name, where a healthy server has it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(f"{address}/v1/models")
    asked.add_header("Authorization", f"Bearer {key}")
    try:
        with opener.open(f"{address}/health", timeout=5), opener.open(asked, timeout=5) as answer:
            models = {model["id"]: model for model in json.load(answer)["data"]}
            return int(models[name]["max_model_len"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
