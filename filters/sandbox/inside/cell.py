"""The cell: namespaces, mounts and limits around programs, and what came of each of them.

Two processes: the keeper (process 1 of the cell) limits, watches, kills and reports; the guest is
the program. The keeper stays and is the fork server: one program runs in the cell at a time, and
before the next one everything it started is dead, its folders and its input are unmounted, and the
IPC namespace is a new one, so that nothing is left to find. The keeper never reads a program, its
input or its report: the guest inherits the keeper's memory.

The keeper cannot be reached by the guest: signals to process 1 are dropped by the kernel (all
without a handler, and it has none), it may not be traced or read, calls that would change another
process's limits or priority are refused (`seccomp`), and its descriptors are not the guest's. When
the keeper ends, the kernel ends all in the cell.

Limits that hold by rlimit: CPU and address space of each process, number of processes, size and
number of files. What a rlimit cannot see, the keeper looks at every `TICK`: memory, processes and
disk of all together, and wall time. Without isolation (``weak``) there are no namespaces and no
mounts: rlimits, the filter on system calls and a process group are all there is, and a program can
read what this user can read, write to its folders, reach the network and leave processes behind.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from filters.sandbox.inside import guest, kernel, seccomp, usage

TICK = 0.02
"""Seconds between two looks at a cell."""
_INNER = 1000
"""User and group inside a cell."""
_INPUT = 64 << 20
"""Bytes of standard input that can be opened as ``/dev/stdin``."""
_STDIN = "/proc/self/fd"
_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_FILTERS = [kernel.Filter(made) for made in (seccomp.server(), seccomp.guest()) if made]


NAMESPACES = kernel.NEW_USER | kernel.NEW_PID | kernel.NEW_NS | kernel.NEW_IPC
"""The cell's own. Network, host name and control groups are those of the wall around it, which has
no network; programs have no privileges over it, and what little they can have there (names of
abstract sockets) ends with their processes."""


def settle(user: int, group: int) -> int:
    """Makes this process, the first of its namespaces, the keeper of a cell.

    Args:
        user: Who this is outside.
        group: The same.

    Returns:
        The outer /proc, open, for the keeper alone.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INNER} {user} 1"),
        ("gid_map", f"{_INNER} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    kernel.prctl(kernel.SET_DUMPABLE, 0)
    kernel.mount("", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/proc", _FLAGS, "size=64k,mode=0755")
    os.makedirs("/proc/self/fd")  # all there is of it: what /dev/stdin leads to
    kernel.mount("", "/proc", _FLAGS | kernel.MS_REMOUNT | kernel.MS_RDONLY)
    for place in (*usage.FOLDERS, _STDIN):  # replaced for every program
        kernel.mount("tmpfs", place, _FLAGS, "size=64k")
    os.chdir("/")
    return processes


def keep(
    channel: socket.socket,
    files: dict[str, int],
    limits: dict[str, Any],
    folder: str | None,
    processes: int,
) -> dict[str, Any]:
    """Runs one guest to its end; what came of it.

    Args:
        channel: To the host, which shuts it down when it wants the guest to end.
        files: Descriptors ``job``, ``stdin``, ``stdout``, ``stderr`` and perhaps ``peer``.
        limits: As in `filters.sandbox.limits`.
        folder: Where the guest works, where it has no ``/tmp`` of its own.
        processes: The outer /proc, or negative without isolation.
    """
    weak = processes < 0
    others = set() if weak else set(os.listdir(processes))
    if not weak:
        _renew(limits["disk"], files["stdin"])
    report, written = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(report)
        _become_guest(files, limits, folder or "/tmp", written, weak=weak)
    os.close(written)
    for descriptor in files.values():
        os.close(descriptor)

    def look() -> str | None:
        return None if weak else usage.over(limits, processes, others)

    killed_by = _watch(channel, child, limits, look)
    if killed_by is None and _failed(child):
        killed_by = look()  # what it filled is still there, and so are its children
    _kill_all(child, weak=weak)
    _, status, spent = os.wait4(child, 0)
    seconds = time.monotonic() - began
    _reap(weak=weak)
    cpu = spent.ru_utime + spent.ru_stime
    noted = _noted(report)
    if killed_by in (None, "host"):  # the host may have seen its end before we did
        killed_by = _limit_hit(status, cpu, limits, memory=noted) or killed_by
    return {
        "exit": os.waitstatus_to_exitcode(status), "killed_by": killed_by, "seconds": seconds,
        "cpu": cpu,
    }  # fmt: skip


def _renew(size: int, stdin: int) -> None:
    """New folders to write to, in memory; standard input to be opened by name; new IPC names."""
    kernel.unshare(kernel.NEW_IPC)
    for place, most in (*((folder, size) for folder in usage.FOLDERS), (_STDIN, _INPUT)):
        kernel.unmount(place)
        options = f"size={most},nr_inodes=4096,mode=0700"
        kernel.mount("tmpfs", place, kernel.MS_NOSUID | kernel.MS_NODEV, options)
    length, done = min(os.fstat(stdin).st_size, _INPUT), 0
    with open(f"{_STDIN}/0", "wb") as copy:
        while done < length:
            done += os.sendfile(copy.fileno(), stdin, done, length - done) or length
    kernel.mount("", _STDIN, _FLAGS | kernel.MS_REMOUNT | kernel.MS_RDONLY)


def _become_guest(
    files: dict[str, int], limits: dict[str, Any], folder: str, report: int, *, weak: bool
) -> None:
    """The program's process: limits, no privileges, no other descriptors; never returns."""
    try:
        os.setsid()
        if weak:  # nothing else ends it with its keeper
            kernel.prctl(kernel.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            os.dup2(files[name], number)
        _close_others({0, 1, 2, report, files["job"], files.get("peer", 0)})
        os.chdir(folder)
        if not weak:
            kernel.drop_capabilities()
        kernel.prctl(kernel.SET_DUMPABLE, 1)
        limit(limits, weak=weak)
        filter_guest()
        with open(files["job"], "rb") as text:
            job = json.load(text)
        if job["role"] == "program":
            status = guest.run(job["source"], job["name"], report)
        else:
            peer = socket.socket(fileno=files["peer"])
            status = guest.serve(job["source"], job["name"], peer, report)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        status = 1
    os._exit(status)


def filter_server() -> None:
    """Takes most of the refused system calls away, where there is a filter for this processor.

    The limit of core files is among them, so it is set here: 1, as with 0 the machine's own handler
    of crashes would still be started.
    """
    bound = resource.getrlimit(resource.RLIMIT_CORE)[1]
    most = 1 if bound == resource.RLIM_INFINITY else min(1, bound)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
    for made in _FILTERS[:1]:
        made.apply()


def filter_guest() -> None:
    """Takes away the rest of them, after `filter_server`."""
    for made in _FILTERS[1:]:
        made.apply()


def limit(limits: dict[str, Any], *, weak: bool, grace: int = 1) -> None:
    """Rlimits of this process and all it starts; ``limits`` as in `filters.sandbox.limits`.

    ``grace`` is CPU seconds between the signal at the limit and the end.
    """
    cpu = max(1, int(limits["cpu"] + 0.999))
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + grace),
        (resource.RLIMIT_AS, limits["memory"], limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["disk"], limits["disk"]),
        (resource.RLIMIT_NOFILE, limits["files"], limits["files"]),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        _, bound = resource.getrlimit(kind)  # of whoever started this, and not to be raised
        most = hard if bound == resource.RLIM_INFINITY else min(hard, bound)
        resource.setrlimit(kind, (min(soft, most), most))
    if not weak:  # without a user of its own the limit would count the user's other processes
        most = 2 * limits["processes"]
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _watch(
    channel: socket.socket, child: int, limits: dict[str, Any], look: Callable[[], str | None]
) -> str | None:
    """Waits for the guest's end; the limit that it went over, or ``host`` when the host leaves."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(channel.fileno(), select.POLLIN | select.POLLHUP | select.POLLRDHUP)
    deadline = time.monotonic() + limits["wall"]
    try:
        while True:
            events = dict(poll.poll(TICK * 1000))
            if ended in events:
                return None
            if channel.fileno() in events:
                return "host"
            if time.monotonic() > deadline:
                return "wall"
            if over := look():
                return over
    finally:
        os.close(ended)


def _failed(child: int) -> bool:
    """Whether the guest, which has ended, did so with anything but 0."""
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    return ended is not None and ended.si_status != 0


def _limit_hit(status: int, cpu: float, limits: dict[str, Any], *, memory: bool) -> str | None:
    """The limit that ended the guest by itself."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu >= limits["cpu"]):
        return "cpu"
    if number == signal.SIGXFSZ:
        return "disk"
    return "memory" if memory else None


def _noted(report: int) -> bool:
    """Whether the guest left a note that it was out of memory; what else it wrote is not read."""
    note = bytearray(len(guest.MEMORY_NOTE))
    os.set_blocking(report, False)
    with contextlib.suppress(BlockingIOError):
        os.readv(report, [note])
    os.close(report)
    found = note == guest.MEMORY_NOTE
    note[:] = bytes(len(note))
    return found


def _kill_all(child: int, *, weak: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if weak:
            os.killpg(child, signal.SIGKILL)
        else:
            os.kill(-1, signal.SIGKILL)


def _reap(*, weak: bool) -> None:
    """Waits until nothing else is alive in here."""
    while True:
        if not weak:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _close_others(keep: set[int]) -> None:
    """Closes every descriptor but these."""
    last = -1
    for number in [*sorted(keep), 1 << 20]:
        if number > last + 1:  # an empty range would close everything (close_range to -1)
            os.closerange(last + 1, number)
        last = number


def receive_files(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message of the host with the descriptors that came along; EOFError at its end."""
    data, files, _, _ = socket.recv_fds(control, 4096, 8)
    if not data:
        raise EOFError
    (length,) = struct.unpack("!I", data[:4])
    message: dict[str, Any] = json.loads(data[4 : 4 + length])
    return message, list(files)
