"""What a cell uses as a whole, as its keeper sees it: processes, memory and files of all together.

Memory is an upper bound at first (all that is mapped), and only where that is over the limit looked
at closely: what is private, what is shared without a file, what sockets and pipes may hold. Not
counted: the kernel's own small things (tables, timers, names of files), which other limits bound.
Kernels before 6.2 do not say how many descriptors a process has, so that there buffers of sockets
are not counted either.
"""

import contextlib
import os
from typing import Any

FOLDERS = ("/tmp", "/dev/shm")
"""What a program can write to."""
_BUFFER = 208 << 10
"""Bytes that the kernel may hold for one socket or pipe (``net.core.wmem_default``)."""
_STANDARD = 8
"""Descriptors of a process that are not taken for full buffers: its streams and a few files."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


def over(limits: dict[str, Any], processes: int, others: set[str]) -> str | None:
    """The limit that the cell as a whole is over.

    The outer /proc shows the keeper too: those in ``others`` were there before the guest.
    """
    names = [name for name in os.listdir(processes) if name.isdigit()]
    others.intersection_update(names)  # the number of one that ended may be given to a guest's
    mapped = held = tasks = 0
    inside = [name for name in names if name not in others]
    for name in inside:
        with contextlib.suppress(OSError, ValueError):  # it ended while it was looked at
            mapped += int(_read_all(processes, f"{name}/statm").split()[0]) * _PAGE
            held += max(0, os.stat(f"{name}/fd", dir_fd=processes).st_size - _STANDARD) * _BUFFER
            tasks += os.stat(f"{name}/task", dir_fd=processes).st_nlink - 2
    if tasks > limits["processes"]:
        return "processes"
    disk, full = _disk(limits["disk"])
    held += disk
    if mapped + held > limits["memory"]:  # much of it may be shared, or not in use
        mapped = _resident(processes, inside)
    if mapped + held > limits["memory"]:
        return "memory"
    return "disk" if full else None


def _resident(processes: int, names: list[str]) -> int:
    """Bytes of memory that processes have together, each page once.

    Memory shared without a file counts in full, also what no process has touched or has in its
    own page tables any more. A process that may not be looked into counts with all its addresses.
    """
    total = 0
    shared: dict[str, int] = {}
    for name in names:
        try:
            total += _private(_read_all(processes, f"{name}/smaps_rollup"))
            _add_shared(_read_all(processes, f"{name}/maps"), shared)
        except OSError:
            with contextlib.suppress(OSError, ValueError, IndexError):
                total += int(_read_all(processes, f"{name}/statm").split()[0]) * _PAGE
    return total + sum(shared.values())


def _private(rollup: str) -> int:
    """Bytes without a file: a process's share of those that it has in common with others."""
    rows = (line.split() for line in rollup.splitlines()[1:])
    return sum(int(row[1]) for row in rows if row[0] in ("Pss_Anon:", "SwapPss:")) * 1024


def _add_shared(maps: str, shared: dict[str, int]) -> None:
    """Notes the shared memory that has no file: number -> bytes as far as it is mapped."""
    for line in maps.splitlines() if "/dev/zero" in maps else ():
        addresses, modes, offset, _, number, *path = line.split()
        if modes[3] == "s" and path and path[0] == "/dev/zero":
            first, last = (int(address, 16) for address in addresses.split("-"))
            end = int(offset, 16) + last - first
            shared[number] = max(end, shared.get(number, 0))


def _read_all(folder: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY, dir_fd=folder), encoding="utf-8", errors="replace") as f:
        return f.read()


def _disk(limit: int) -> tuple[int, bool]:
    """Bytes of files in the cell's folders, and whether there is no room for more."""
    found = [os.statvfs(place) for place in FOLDERS]
    used = [(f.f_blocks - f.f_bfree) * f.f_frsize for f in found]
    full = any(u >= 0.99 * limit for u in used) or any(f.f_ffree == 0 for f in found)
    return sum(used), full
