"""The few system calls that Python 3.11 does not offer, through ctypes. Linux only.

Every function raises OSError where the kernel refuses.
"""

import ctypes
import os
import platform
import signal

NEW_NS, NEW_IPC, NEW_USER, NEW_PID = 0x20000, 0x8000000, 0x10000000, 0x20000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18

SET_PARENT_DEATH_SIGNAL = 1
SET_DUMPABLE, SET_SECCOMP, SET_SUBREAPER, SET_NO_NEW_PRIVILEGES = 4, 22, 36, 38

_libc = ctypes.CDLL(None, use_errno=True)
_held = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock during the call
_CLONE = {"x86_64": 56, "aarch64": 220}
_number = ctypes.c_ulong


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def fork_into(flags: int) -> int:
    """A fork whose child has namespaces of its own: one process less than fork and unshare.

    Only for a process with one thread; the C library's own idea of the child's thread number stays
    the parent's, so the child should do little but fork again.
    """
    number = _CLONE.get(platform.machine())
    if number is None:
        raise OSError(f"no namespaces on a {platform.machine()} processor")
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    child = int(_held.syscall(_number(number), _number(flags | signal.SIGCHLD), *[_number(0)] * 4))
    if child == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if child < 0:
        _done(child, "clone")
    return child


def unshare(flags: int) -> None:
    """Gives this process new namespaces in place of those it has."""
    _done(_libc.unshare(ctypes.c_int(flags)), "unshare")


def unmount(place: str) -> None:
    """Takes a mount away, now or when its last user ends."""
    _done(_libc.umount2(place.encode(), 2), f"unmount {place}")


def mount(kind: str, place: str, flags: int, options: str = "") -> None:
    """Mounts a file system of a kind (``tmpfs``, ``proc``); an empty kind changes flags only."""
    name = kind.encode() or None
    done = _libc.mount(name, place.encode(), name, _number(flags), options.encode() or None)
    _done(done, f"mount {kind} {place}")


def prctl(option: int, *values: int) -> None:
    """One of the ``SET_`` operations above."""
    numbers = [_number(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _done(_libc.prctl(ctypes.c_int(option), *numbers), f"prctl {option}")


def drop_capabilities() -> None:
    """Gives up every capability held; with SET_NO_NEW_PRIVILEGES there is no way back to one."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _done(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class Filter:
    """A seccomp filter, kept ready for use."""

    def __init__(self, program: bytes) -> None:
        """``program``: instructions of 8 bytes each."""
        self._code = ctypes.create_string_buffer(program, len(program))
        self._whole = _Filter(len(program) // 8, ctypes.addressof(self._code))

    def apply(self) -> None:
        """Puts it on this process and all it starts; needs SET_NO_NEW_PRIVILEGES first."""
        prctl(SET_SECCOMP, 2, ctypes.addressof(self._whole))
