"""One cell: namespaces, mounts and limits around one program, and what came of it.

Two processes: the keeper (process 1 of the cell) limits, watches, kills and reports; the guest is
the program. The keeper cannot be reached by the guest: signals to process 1 are dropped by the
kernel (all without a handler, and it has none), it may not be traced or read, and its descriptors
are not the guest's. When the keeper ends, the kernel ends all in the cell; it reports only after
everything else in there is dead.

Limits that hold by rlimit: CPU and address space of each process, number of processes, size and
number of files. What a rlimit cannot see, the keeper looks at every `TICK`: memory, processes and
disk of the whole cell, and wall time. Without isolation (``weak``) there are no namespaces and no
mounts: rlimits, the filter on system calls and a process group are all there is, and a program can
read what this user can read, write to its folders, reach the network and leave processes behind.
"""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from filters.sandbox.inside import guest, kernel, seccomp, usage, wire

TICK = 0.02
"""Seconds between two looks at a cell."""
_INNER = 1000
"""User and group inside a cell."""
_REPORT = 1 << 10
"""Bytes of a guest's report that are read."""
_INPUT = 64 << 20
"""Bytes of standard input that can be opened as ``/dev/stdin``."""
_PROGRAM = seccomp.program()
_FILTER = None if _PROGRAM is None else kernel.Filter(_PROGRAM)


NAMESPACES = kernel.NEW_USER | kernel.NEW_PID | kernel.NEW_NS | kernel.NEW_IPC
"""A cell's own. Network, host name and control groups are those of the wall around it, which has
no network; cells run one after the other there, without privileges over it, and what little they
can have there (names of abstract sockets) ends with their processes."""


def make(
    control: socket.socket, channel: socket.socket, files: dict[str, int], *, weak: bool
) -> None:
    """Makes a cell and returns in the fork server; the cell itself never returns.

    Args:
        control: The fork server's own socket, which is none of the cell's business.
        channel: To the host: one job comes, one result goes.
        files: Descriptors ``stdin``, ``stdout``, ``stderr`` and perhaps ``peer``.
        weak: No namespaces.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        if os.fork() if weak else kernel.fork_into(NAMESPACES):
            return
    except OSError as error:  # still the fork server
        _say(channel, {"fault": f"{type(error).__name__}: {error}"[:300]})
        return
    try:
        control.close()
        processes = -1 if weak else _isolate(user, group, files)
        job = json.loads(wire.receive(channel))
        result = _keep(channel, files, job, processes)
    except BaseException as error:
        result = {"fault": f"{type(error).__name__}: {error}"[:300]}
    try:
        _say(channel, result)
    finally:
        os._exit(0)


def attempt() -> None:
    """Makes a cell for nothing, as the first look at whether this machine can; OSError if not."""
    user, group = os.geteuid(), os.getegid()
    told, said = os.pipe()
    child = kernel.fork_into(NAMESPACES)
    if child == 0:
        try:
            _isolate(user, group, {"stdin": os.open(os.devnull, os.O_RDONLY)})
            _mount_folders(1 << 20)
        except BaseException as error:
            os.write(said, f"no cell: {error}".encode()[:300])
        finally:
            os._exit(0)
    os.close(said)
    with open(told, encoding="utf-8") as file:
        problem = file.read()
    os.waitpid(child, 0)
    if problem:
        raise OSError(problem)


def _say(channel: socket.socket, result: dict[str, Any]) -> None:
    wire.send(channel, json.dumps(result).encode())


def _isolate(user: int, group: int, files: dict[str, int]) -> int:
    """Names the cell's user and hides the outside; the outer /proc, for the keeper alone."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INNER} {user} 1"),
        ("gid_map", f"{_INNER} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    processes = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    _furnish(files)
    return processes


def _furnish(files: dict[str, int]) -> None:
    """Hides /proc behind an empty folder, in which only standard input can be opened by name."""
    kernel.prctl(kernel.SET_DUMPABLE, 0)
    kernel.mount("", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("tmpfs", "/proc", flags, f"size={_INPUT},mode=0755")
    os.makedirs("/proc/self/fd")
    with open("/proc/self/fd/0", "wb") as copy:  # what /dev/stdin leads to
        if os.fstat(files["stdin"]).st_size:
            with open(os.dup(files["stdin"]), "rb") as text:
                shutil.copyfileobj(text, copy)
            os.lseek(files["stdin"], 0, os.SEEK_SET)
    kernel.mount("", "/proc", flags | kernel.MS_REMOUNT | kernel.MS_RDONLY)


def _keep(
    channel: socket.socket, files: dict[str, int], job: dict[str, Any], processes: int
) -> dict[str, Any]:
    """Runs the job's guest; ``processes`` is the outer /proc, or negative without isolation."""
    limits, weak = job["limits"], processes < 0
    others = set() if weak else set(os.listdir(processes))
    if not weak:
        _mount_folders(limits["disk"])
    os.chdir(job.get("folder") or "/tmp")
    report, written = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(report)
        _become_guest(files, job, written, weak=weak)
    os.close(written)
    for descriptor in files.values():
        os.close(descriptor)
    os.set_blocking(report, False)
    told = bytearray()

    def look() -> str | None:
        return None if weak else usage.over(limits, processes, others)

    killed_by = _watch(channel, child, report, told, limits, look)
    if killed_by is None and _failed(child):
        killed_by = look()  # what it filled is still there, and so are its children
    _kill_all(child, weak=weak)
    _, status, spent = os.wait4(child, 0)
    seconds = time.monotonic() - began
    _reap(weak=weak)
    _read(report, told)
    text = bytes(told)
    cpu = spent.ru_utime + spent.ru_stime
    hit = _limit_hit(status, cpu, text, limits)
    if killed_by is None or (killed_by == "host" and hit == "cpu"):
        killed_by = hit  # tests that lost their program may be reported before its end is seen
    return {
        "exit": os.waitstatus_to_exitcode(status), "killed_by": killed_by, "seconds": seconds,
        "cpu": cpu, "memory": spent.ru_maxrss * 1024, "report": text.decode("utf-8", "replace"),
    }  # fmt: skip


def _mount_folders(size: int) -> None:
    """A cell's own folders to write to, in memory."""
    options = f"size={size},nr_inodes=4096,mode=0700"
    for place in usage.FOLDERS:
        kernel.mount("tmpfs", place, kernel.MS_NOSUID | kernel.MS_NODEV, options)


def _become_guest(files: dict[str, int], job: dict[str, Any], report: int, *, weak: bool) -> None:
    """The program's process: limits, no privileges, no other descriptors; never returns."""
    try:
        os.setsid()
        if weak:  # nothing else ends it with its keeper
            kernel.prctl(kernel.SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            os.dup2(files[name], number)
        keep = {0, 1, 2, report, *([files["peer"]] if "peer" in files else [])}
        _close_others(keep)
        if not weak:
            kernel.drop_capabilities()
        kernel.prctl(kernel.SET_DUMPABLE, 1)
        limit(job["limits"], weak=weak)
        filter_calls()
        status = _work(files, job, report)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        status = 1
    os._exit(status)


def _work(files: dict[str, int], job: dict[str, Any], report: int) -> int:
    """What the guest does; its exit status."""
    peer = socket.socket(fileno=files["peer"]) if "peer" in files else None
    if job["role"] == "program":
        return guest.run(job["source"], job["name"], report)
    assert peer is not None
    return guest.serve(job["source"], job["name"], peer, report)


def filter_calls() -> None:
    """Takes the refused system calls away, where there is a filter for this processor."""
    kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
    if _FILTER is not None:
        _FILTER.apply()


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
        (resource.RLIMIT_CORE, 1, 1),  # with 0 the machine's crash handler would still be started
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    if not weak:  # without a user of its own the limit would count the user's other processes
        most = 2 * limits["processes"]
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _watch(
    channel: socket.socket,
    child: int,
    report: int,
    told: bytearray,
    limits: dict[str, Any],
    look: Callable[[], str | None],
) -> str | None:
    """Waits for the guest's end; the limit that it went over, or ``host`` when the host leaves."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(report, select.POLLIN)
    poll.register(channel.fileno(), select.POLLIN | select.POLLHUP | select.POLLRDHUP)
    deadline = time.monotonic() + limits["wall"]
    try:
        while True:
            events = dict(poll.poll(TICK * 1000))
            if ended in events:
                return None
            if channel.fileno() in events:
                return "host"
            if report in events and not _read(report, told):
                poll.unregister(report)  # closed, or more than anybody reads
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


def _limit_hit(status: int, cpu: float, report: bytes, limits: dict[str, Any]) -> str | None:
    """The limit that ended the guest by itself."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu >= limits["cpu"]):
        return "cpu"
    if number == signal.SIGXFSZ:
        return "disk"
    return "memory" if report.startswith(guest.MEMORY_NOTE) else None


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


def _read(descriptor: int, told: bytearray) -> bool:
    """Adds what a guest's report holds; False where no more is to come or wanted."""
    while len(told) < _REPORT:
        try:
            part = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        if not part:
            return False
        told += part
    return False


def receive_files(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message of the host with the descriptors that came along; EOFError at its end."""
    data, files, _, _ = socket.recv_fds(control, 4096, 8)
    if not data:
        raise EOFError
    (length,) = struct.unpack("!I", data[:4])
    message: dict[str, Any] = json.loads(data[4 : 4 + length])
    return message, list(files)
