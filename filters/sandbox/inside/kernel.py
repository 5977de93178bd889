"""The few system calls that Python 3.11 does not offer, through ctypes. Linux only.

Every function raises OSError where the kernel refuses.
"""

import ctypes
import os

NEW_TIME, NEW_NS, NEW_CGROUP, NEW_UTS = 0x80, 0x20000, 0x2000000, 0x4000000
NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x8000000, 0x10000000, 0x20000000, 0x40000000
EVERY_NAMESPACE = NEW_NS | NEW_CGROUP | NEW_UTS | NEW_IPC | NEW_USER | NEW_PID | NEW_NET

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18

SET_DEATH_SIGNAL, SET_DUMPABLE, SET_SECCOMP, DROP_BOUNDING = 1, 4, 22, 24
SET_SUBREAPER, SET_NO_NEW_PRIVILEGES, AMBIENT = 36, 38, 47
LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)
_number = ctypes.c_ulong


def _done(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Gives this process namespaces of its own."""
    _done(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(kind: str, place: str, flags: int, options: str = "") -> None:
    """Mounts a file system of a kind (``tmpfs``, ``proc``); an empty kind changes flags only."""
    name = kind.encode() or None
    done = _libc.mount(name, place.encode(), name, _number(flags), options.encode() or None)
    _done(done, f"mount {kind} {place}")


def prctl(option: int, *values: int) -> None:
    """One of the ``SET_`` and ``DROP_`` operations above."""
    numbers = [_number(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _done(_libc.prctl(ctypes.c_int(option), *numbers), f"prctl {option}")


def drop_capabilities() -> None:
    """Gives up every capability for good: bounding set, ambient set, and what is held."""
    for capability in range(LAST_CAPABILITY + 1):
        if _libc.prctl(DROP_BOUNDING, _number(capability), _number(0), _number(0), _number(0)):
            break  # the last one this kernel knows is behind us, or none may be dropped
    prctl(AMBIENT, 4)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _done(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def filter_calls(program: bytes) -> None:
    """Puts a seccomp filter on this process and all it starts; needs SET_NO_NEW_PRIVILEGES."""
    code = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    whole = Filter(len(program) // 8, ctypes.addressof(code))
    prctl(SET_SECCOMP, 2, ctypes.addressof(whole))
