"""The fork server inside the sandbox: a warm interpreter that forks a child for every job.

It never reads a job: it gets descriptors and limits and forks, and the child reads the job. So
nothing of one program (its text, its tests, its input) is in the memory of another.

A fork server serves programs or tests, not both. That of programs is the keeper of a cell
(`cell`). Tests come with the problem and call no code of a model's: each gets a fork, rlimits and
the filter on system calls behind the wall of bubblewrap, but no cell. What they could still do is
end this server; they cannot read or change it (it is not dumpable).
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from filters.sandbox.inside import cell, kernel, tests, wire

_PRELOADED = (
    "bisect", "cmath", "collections", "copy", "functools", "heapq", "itertools", "json", "math",
    "operator", "re", "string", "time", "typing", "traceback",
)  # fmt: skip
"""What programs import most, imported once; larger ones would make every fork dearer."""
WEAK, NO_CELL = -1, -2
"""In place of the outer /proc, where there is no cell."""


def main(control: socket.socket, *, for_tests: bool, weak: bool, user: int | None) -> None:
    """Serves until the host leaves.

    Args:
        control: SEQPACKET socket; each message brings the descriptors of one cell.
        for_tests: Serves tests instead of programs.
        weak: Cells without isolation.
        user: User to become first, where this one is root.
    """
    try:
        processes = _start(for_tests=for_tests, weak=weak, user=user)
    except Exception as error:
        control.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        raise
    os.dup2(1, 2)  # what went wrong at the start was for the host; tests' output is for nobody
    control.send(json.dumps({"ready": True}).encode())
    while True:
        ready, _, _ = select.select([control], [], [], 0.2)
        _reap()
        if not ready:
            continue
        if for_tests and not weak:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # what an earlier test may have left behind
        try:
            message, files = cell.receive_files(control)
        except (EOFError, OSError):
            return
        named = dict(zip(message["files"], files, strict=True))
        channel = socket.socket(fileno=named.pop("channel"))
        serve = _test if for_tests else _keep
        if not for_tests and not weak:  # a cell's keeper watches its guest itself
            serve(channel, named, message, processes)
        elif os.fork() == 0:
            try:
                control.close()
                serve(channel, named, message, processes)
            finally:
                os._exit(0)
        channel.close()
        for descriptor in named.values():
            with contextlib.suppress(OSError):  # the keeper closed it
                os.close(descriptor)


def _keep(
    channel: socket.socket, files: dict[str, int], message: dict[str, Any], processes: int
) -> None:
    """Runs one program and answers."""
    try:
        result = cell.keep(channel, files, message["limits"], message["folder"], processes)
    except Exception as error:
        result = {"fault": f"{type(error).__name__}: {error}"[:300]}
    with contextlib.suppress(OSError):  # the host has left
        wire.send(channel, json.dumps(result).encode())


def _test(
    channel: socket.socket, files: dict[str, int], message: dict[str, Any], processes: int
) -> None:
    """Runs one job's tests in this fresh child and answers."""
    try:
        cell.limit(message["limits"], weak=processes == WEAK, grace=10)  # reading may take some
        with open(files["job"], "rb") as text:
            job = json.load(text)
        sys.setrecursionlimit(5000)
        signal.signal(signal.SIGXCPU, tests.out_of_time)
        peer = socket.socket(fileno=files["peer"])
        result = tests.run(job["source"], job["entry"], job["setup"], peer)
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)  # the answer is on its way
    except tests.OutOfTime:
        result = {"loaded": "out of time before the first test", "results": []}
    except BaseException as error:
        result = {"fault": f"{type(error).__name__}: {error}"[:300]}
    wire.send(channel, json.dumps(result).encode())


def _start(*, for_tests: bool, weak: bool, user: int | None) -> int:
    """Makes this process what it serves as; for the keeper of a cell, the outer /proc.

    What the process was before waits for the keeper's end, and ends with it.
    """
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if not weak:
        kernel.drop_capabilities()
    kernel.prctl(kernel.SET_DUMPABLE, 1)  # or the cell's maps of users could not be written
    kernel.prctl(kernel.SET_SUBREAPER, 1)
    kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("800")  # where the machine runs out of memory, programs go first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keeper with a handler could be ended
    for name in _PRELOADED:
        __import__(name)
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()
    if for_tests:
        kernel.prctl(kernel.SET_DUMPABLE, 0)
    if for_tests or weak:
        cell.filter_server()
        if for_tests:
            cell.filter_guest()
        return WEAK if weak else NO_CELL
    identity = os.geteuid(), os.getegid()
    child = kernel.fork_into(cell.NAMESPACES)
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    processes = cell.settle(*identity)
    cell.filter_server()
    return processes


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
