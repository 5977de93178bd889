"""The fork server inside the sandbox: a warm interpreter whose children become cells.

It never reads a job: it gets descriptors and forks, and the child reads the job from its own
channel. So nothing of one program (its text, its tests, its input) is in the memory of another.

A fork server serves programs or tests, not both. Tests come with the problem and call no code of a
model's: each gets a fork, rlimits and the filter on system calls, but not a cell of its own. What
they could still do is end this server; they cannot read or change it (it is not dumpable).
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys

from filters.sandbox.inside import cell, kernel, tests, wire

_PRELOADED = (
    "bisect", "cmath", "collections", "copy", "functools", "heapq", "itertools", "json", "math",
    "operator", "re", "string", "time", "typing", "traceback",
)  # fmt: skip
"""What programs import most, imported once; larger ones would make every fork dearer."""


def main(control: socket.socket, *, judges: bool, weak: bool, user: int | None) -> None:
    """Serves until the host leaves.

    Args:
        control: SEQPACKET socket; each message brings the descriptors of one cell.
        judges: Serves tests instead of programs.
        weak: Cells without isolation.
        user: User to become first, where this one is root.
    """
    _start(control, judges=judges, weak=weak, user=user)
    if judges:
        kernel.prctl(kernel.SET_DUMPABLE, 0)
    while True:
        ready, _, _ = select.select([control], [], [], 0.2)
        _reap()
        if not ready:
            continue
        if judges and not weak:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # what an earlier test may have left behind
        try:
            message, files = cell.receive_files(control)
        except (EOFError, OSError):
            return
        named = dict(zip(message["files"], files, strict=True))
        channel = socket.socket(fileno=named.pop("channel"))
        if not judges:
            cell.make(control, channel, named, weak=weak)
        elif os.fork() == 0:
            control.close()
            _judge(channel, named, weak=weak)
        channel.close()
        for descriptor in named.values():
            os.close(descriptor)


def _judge(channel: socket.socket, files: dict[str, int], *, weak: bool) -> None:
    """Runs one job's tests in this fresh child and answers; never returns."""
    try:
        job = json.loads(wire.receive(channel))
        cell.limit(job["limits"], weak=weak, grace=10)  # reading one message may take some
        cell.filter_calls()
        sys.setrecursionlimit(5000)
        signal.signal(signal.SIGXCPU, tests.out_of_time)
        peer = socket.socket(fileno=files["peer"])
        result = tests.run(job["source"], job["entry"], job["setup"], peer)
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)  # the answer is on its way
    except tests.OutOfTime:
        result = {"loaded": "out of time before the first test", "results": []}
    except BaseException as error:
        result = {"fault": f"{type(error).__name__}: {error}"[:300]}
    try:
        wire.send(channel, json.dumps(result).encode())
    finally:
        os._exit(0)


def _start(control: socket.socket, *, judges: bool, weak: bool, user: int | None) -> None:
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
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("800")  # where the machine runs out of memory, programs go first
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keeper with a handler could be ended
        if not weak and not judges:
            cell.attempt()
        for name in _PRELOADED:
            __import__(name)
        sys.dont_write_bytecode = True
        gc.collect()
        gc.freeze()
    except Exception as error:
        control.send(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        raise
    os.dup2(1, 2)  # what went wrong at the start was for the host; tests' output is for nobody
    control.send(json.dumps({"ready": os.getpid()}).encode())


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
