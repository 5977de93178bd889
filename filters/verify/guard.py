"""The guard: a small process between the pool and a worker, so that nothing is left behind.

A worker may be inside a long computation in C, or its verifier may have started processes that
left its group (a sandbox with a session of its own, a daemon): the worker itself can end neither.
So the process that the pool starts forks the worker and only watches. It ends the worker when the
pool's process is gone (seen within half a second), and all that the worker started, daemons
included (it is their reaper), when the worker ended. The kernel ends the worker when the guard is
killed.

Linux only; elsewhere what left the worker's process group stays. Not covered: a verifier that kills
the guard first, or forks in sessions of its own faster than they can be killed.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

WATCH = 0.5
"""Seconds between looks at whether the pool's process is there."""
PATIENCE = 2.0
"""Seconds for which processes that go on multiplying are killed one by one."""
_PDEATHSIG, _SUBREAPER = 1, 36
"""Of prctl(2)."""


def fork_worker(parent: int) -> None:
    """Returns in a forked worker; this process guards it, and ends as it ended.

    Args:
        parent: Process id of the pool's process.
    """
    _prctl(_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    guard = os.getpid()
    worker = os.fork()
    if worker == 0:
        _prctl(_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        if os.getppid() != guard:  # it was killed before the kernel was asked to tell
            os._exit(1)
        return
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the worker's end closes them
        os.dup2(silence, stream)
    code = _watch(worker, parent)
    left = kill_descendants(os.getpid())
    if left:
        os.killpg(0, signal.SIGKILL)
    _end_as(code)


def end(group: int) -> None:
    """Ends a guard's process group at once, with all that its worker started.

    The group is stopped first: what cannot run cannot start more.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGSTOP)
        kill_descendants(group, spare=group)
        os.killpg(group, signal.SIGKILL)


def kill_descendants(root: int, *, spare: int | None = None) -> bool:
    """Kills what a process started, and what that started; not members of the group ``spare``.

    Returns:
        Whether some are still there, after `PATIENCE` seconds.
    """
    until = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 2:  # one look may miss the children of a process that ends meanwhile
        found = [pid for pid in descendants(root) if _runs(pid, spare)]
        quiet = 0 if found else quiet + 1
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return bool(found)
        time.sleep(0.001)
    return False


def descendants(root: int) -> list[int]:
    """Process ids of what a process started, children before grandchildren."""
    found = [root]
    for pid in found:  # which grows meanwhile
        found += _children(pid)
    return found[1:]


def _children(pid: int) -> list[int]:
    """Of all threads of a process; those of one that ends meanwhile may be missing."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            told = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            children += [int(child) for child in told.split()]
    return children


def _runs(pid: int, spare: int | None) -> bool:
    """Whether a process is more than an entry that waits to be collected."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:3]
    except OSError:
        return False
    return state not in "ZX" and int(group) != spare


def _watch(worker: int, parent: int) -> int:
    """The worker's wait status; ends it when the pool's process is gone."""
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, WATCH)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == worker:
                    return ended[1]
        if os.getppid() != parent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def _end_as(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
