"""The fork server inside the sandbox: a warm interpreter whose children become cells.

It never reads a job: it gets descriptors and forks, and the child reads the job from its own
channel. So nothing of one program (its text, its tests, its input) is in the memory of another.
"""

import gc
import json
import os
import select
import socket
import sys

from filters.sandbox.inside import cell, kernel

_PRELOADED = (
    "bisect", "collections", "copy", "datetime", "functools", "heapq", "itertools", "json", "math",
    "operator", "random", "re", "statistics", "string", "time", "typing", "traceback", "fractions",
    "decimal", "cmath", "hashlib",
)  # fmt: skip
"""What programs import most, imported once."""


def main(control: socket.socket, *, weak: bool, user: int | None) -> None:
    """Serves until the host leaves.

    Args:
        control: SEQPACKET socket; each message brings the descriptors of one cell.
        weak: Cells without isolation.
        user: User to become first, where this one is root.
    """
    _start(control, weak=weak, user=user)
    while True:
        ready, _, _ = select.select([control], [], [], 0.2)
        _reap()
        if not ready:
            continue
        try:
            message, files = cell.receive_files(control)
        except (EOFError, OSError):
            return
        child = os.fork()
        if child == 0:
            control.close()
            named = dict(zip(message["files"], files, strict=True))
            cell.enter(socket.socket(fileno=named.pop("channel")), named, weak=weak)
        for descriptor in files:
            os.close(descriptor)


def _start(control: socket.socket, *, weak: bool, user: int | None) -> None:
    try:
        if user is not None:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        if not weak:
            kernel.drop_capabilities()
        kernel.prctl(kernel.SET_DUMPABLE, 1)  # or the maps of its children could not be written
        kernel.prctl(kernel.SET_SUBREAPER, 1)
        kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
        for name in _PRELOADED:
            __import__(name)
        sys.dont_write_bytecode = True
        gc.collect()
        gc.freeze()
    except Exception as error:
        control.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        raise
    control.send(json.dumps({"ready": os.getpid()}).encode())


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
