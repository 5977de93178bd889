"""The system calls that a program in the sandbox may not make, as a filter the kernel runs.

A list of what is refused, not of what is allowed: namespaces and capabilities do the isolating, and
this takes away the parts of the kernel in which their holes have been found. Refused calls fail
with EPERM, a socket family other than local ones with EAFNOSUPPORT, ``clone3`` with ENOSYS (the C
library then uses ``clone``, whose flags can be looked at). Where the processor is neither x86-64
nor 64-bit ARM there is no filter.

Also refused is memory that no process's address space shows (memory files, System V's shared memory
and queues, larger socket buffers), so that `cell` can count what a program uses. Internet sockets
would be of no use without a network, and closed ones outlive the program that had them: a program
that talks to itself over 127.0.0.1 does not work here. The limit on core files cannot be changed:
it is what keeps a crash from starting the machine's own crash handler.
"""

import errno
import platform
import struct

_X86, _ARM = 0, 1
_AUDIT = {"x86_64": (_X86, 0xC000003E), "aarch64": (_ARM, 0xC00000B7)}

# name: (number on x86-64, number on 64-bit ARM)
_REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "bpf": (321, 280), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "syslog": (103, 116), "acct": (163, 89), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "personality": (135, 92), "fanotify_init": (300, 262), "kcmp": (312, 272),
    "process_madvise": (440, 440), "pidfd_getfd": (438, 438), "memfd_secret": (447, 447),
    "sethostname": (170, 161), "setdomainname": (171, 162), "vhangup": (153, 58),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "mbind": (237, 235),
    "set_mempolicy": (238, 237), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "memfd_create": (319, 279), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "msgget": (68, 186), "msgsnd": (69, 189), "semget": (64, 190), "semop": (65, 193),
    "setpriority": (141, 140), "ioprio_set": (251, 30),
}  # fmt: skip
KEEPERS = ("mount", "umount2", "unshare")
"""Calls that the keeper of a cell makes for every program."""
_REFUSED_X86 = (172, 173, 154, 134, 156)  # iopl, ioperm, modify_ldt, uselib, _sysctl
_CLONE, _CLONE3, _IOCTL = (56, 220), (435, 435), (16, 29)
_SOCKET, _SOCKETPAIR, _SOCKET_OPTION = (41, 198), (53, 199), (54, 208)
_LIMIT, _LIMIT_OF = (160, 164), (302, 261)
_ON_ITSELF = (_LIMIT_OF, (142, 118), (144, 119), (314, 274), (203, 122))
"""Calls that name a process, which must be 0: prlimit64 and the sched_set ones (param, scheduler,
attr, affinity). All processes in the sandbox are one user's."""
_NAMESPACES = 0x7E020080
_LOCAL = 1
_PUSH_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into somebody's terminal
_BUFFERS = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, and both by force
_CORE = 4

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32


def server(machine: str = "") -> bytes | None:
    """The filter of a fork server and all it starts; None where the processor is not known.

    It leaves the calls that make and furnish a cell (`KEEPERS`), which `guest` takes away. The
    kernel looks at every call there is when a filter is put on: the long one is put on once.

    Args:
        machine: By default this one.
    """
    known = _AUDIT.get(machine or platform.machine())
    if known is None:
        return None
    which, audit = known
    numbers = [pair[which] for name, pair in _REFUSED.items() if name not in KEEPERS]
    numbers += _REFUSED_X86 if which == _X86 else ()
    return b"".join([*_head(which, audit), *_arguments(which), *_search(sorted(numbers))])


def guest(machine: str = "") -> bytes | None:
    """The filter that a program gets on top of the `server`'s."""
    known = _AUDIT.get(machine or platform.machine())
    if known is None:
        return None
    which, audit = known
    numbers = sorted(_REFUSED[name][which] for name in KEEPERS)
    return b"".join([*_head(which, audit), *_search(numbers)])


def _head(which: int, audit: int) -> list[bytes]:
    """No other processor's calls; the call's number is at hand after it."""
    lines = [_step(_LOAD, _ARCH), _step(_EQUAL, audit, 1, 0), _step(_RETURN, _KILL)]
    lines.append(_step(_LOAD, _NUMBER))
    if which == _X86:  # the 32-bit-pointer calls would pass under other numbers
        lines += [_step(_AT_LEAST, 0x40000000, 0, 1), _refuse(errno.ENOSYS)]
    return lines


def _arguments(which: int) -> list[bytes]:
    """What is refused for its arguments, or as if it did not exist."""
    lines = [_step(_EQUAL, _CLONE3[which], 0, 1), _refuse(errno.ENOSYS)]
    lines += [
        _step(_EQUAL, _CLONE[which], 0, 3), _step(_LOAD, _FIRST),
        _step(_ANY_BIT, _NAMESPACES, 0, 1), _refuse(errno.EPERM), _step(_LOAD, _NUMBER),
    ]  # fmt: skip
    lines += _refuse_values(_IOCTL[which], _SECOND, _PUSH_INPUT)
    lines += _refuse_values(_SOCKET_OPTION[which], _THIRD, _BUFFERS)
    lines += _refuse_values(_LIMIT[which], _FIRST, (_CORE,))
    lines += _refuse_values(_LIMIT_OF[which], _SECOND, (_CORE,))
    for pair in _ON_ITSELF:
        lines += [
            _step(_EQUAL, pair[which], 0, 4), _step(_LOAD, _FIRST), _step(_EQUAL, 0, 1, 0),
            _refuse(errno.EPERM), _step(_LOAD, _NUMBER),
        ]  # fmt: skip
    for number in (_SOCKET[which], _SOCKETPAIR[which]):
        lines += [
            _step(_EQUAL, number, 0, 4), _step(_LOAD, _FIRST), _step(_EQUAL, _LOCAL, 1, 0),
            _refuse(errno.EAFNOSUPPORT), _step(_LOAD, _NUMBER),
        ]  # fmt: skip
    return lines


def _search(numbers: list[int]) -> list[bytes]:
    """Refuses these calls and allows all others, by halves.

    The kernel runs a new filter once for every call there is, so that the steps taken count.
    """
    if len(numbers) == 1:
        return [_step(_EQUAL, numbers[0], 0, 1), _refuse(errno.EPERM), _step(_RETURN, _ALLOW)]
    middle = len(numbers) // 2
    below = _search(numbers[:middle])
    return [_step(_AT_LEAST, numbers[middle], len(below), 0), *below, *_search(numbers[middle:])]


def _refuse_values(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Refuses a call where an argument (its lower half) is one of the values."""
    count = len(values)
    steps = [_step(_EQUAL, number, 0, count + 3), _step(_LOAD, argument)]
    steps += [_step(_EQUAL, v, count - i, 0) for i, v in enumerate(values[:-1], 1)]
    return [*steps, _step(_EQUAL, values[-1], 0, 1), _refuse(errno.EPERM), _step(_LOAD, _NUMBER)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)
