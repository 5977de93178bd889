"""The filter on system calls, run by an interpreter of its few instructions."""

import errno
import struct

import pytest

from filters.sandbox.inside import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
X86, ARM = ("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)
NAMESPACES = {
    "mount": 0x20000, "time": 0x80, "group": 0x2000000, "name": 0x4000000, "ipc": 0x8000000,
    "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000,
}  # fmt: skip


def verdict(machine: str, audit: int, number: int, *arguments: int) -> int:
    """What the kernel would do with both filters on: the stricter answer counts."""
    found = [_answer(program, audit, number, *arguments) for program in both(machine)]
    return min(found, key=lambda answer: -1 if answer == KILL else answer)


def both(machine: str) -> list[bytes]:
    server, guest = seccomp.server(machine), seccomp.guest(machine)
    assert server is not None
    assert guest is not None
    return [server, guest]


def _answer(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """One filter: the steps of classic BPF that it uses."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number - (number >> 31 << 32), audit, 0, *values)
    steps = list(struct.iter_unpack("HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            test = {
                0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value,
            }[code]  # fmt: skip
            at += if_true if test else if_false


def refusal(machine: tuple[str, int], number: int, *arguments: int) -> int:
    """The error number; 0 where the call is allowed."""
    found = verdict(*machine, number, *arguments)
    if found == ALLOW:
        return 0
    assert found & 0xFFFF0000 == 0x00050000
    return found & 0xFFFF


def which(machine: tuple[str, int]) -> int:
    return 0 if machine is X86 else 1


@pytest.mark.parametrize("machine", [X86, ARM], ids=["x86", "arm"])
@pytest.mark.parametrize("name", seccomp._REFUSED)
def test_refused_calls(machine: tuple[str, int], name: str) -> None:
    number = seccomp._REFUSED[name][which(machine)]
    assert refusal(machine, number) == errno.EPERM
    assert refusal(machine, number, *[2**64 - 1] * 6) == errno.EPERM


@pytest.mark.parametrize("machine", [X86, ARM], ids=["x86", "arm"])
def test_all_other_calls_pass(machine: tuple[str, int]) -> None:
    refused = {pair[which(machine)] for pair in seccomp._REFUSED.values()}
    refused |= set(seccomp._REFUSED_X86) if machine is X86 else set()
    asked = {x[which(machine)] for x in (seccomp._CLONE3, seccomp._SOCKET, seccomp._SOCKETPAIR)}
    for number in set(range(600)) - refused - asked:
        assert refusal(machine, number) == 0, number


ARGUMENTS = [
    (seccomp._CLONE, (17,), 0), (seccomp._CLONE, (0x3D0F00,), 0),
    (seccomp._CLONE3, (), errno.ENOSYS),
    *[(seccomp._CLONE, (flag | 17,), errno.EPERM) for flag in NAMESPACES.values()],
    *[(seccomp._CLONE, (flag | 17 | 1 << 40,), errno.EPERM) for flag in NAMESPACES.values()],
    (seccomp._SOCKET, (1, 1, 0), 0), (seccomp._SOCKET, (1 | 1 << 32, 1, 0), 0),
    *[(seccomp._SOCKET, (f, 1, 0), errno.EAFNOSUPPORT) for f in (0, *range(2, 64), 2**32 - 1)],
    (seccomp._SOCKET, (2 | 1 << 32, 1), errno.EAFNOSUPPORT),
    (seccomp._SOCKETPAIR, (1, 1), 0), (seccomp._SOCKETPAIR, (30, 1), errno.EAFNOSUPPORT),
    (seccomp._IOCTL, (0, 0x5413), 0), (seccomp._IOCTL, (0, 0x5412), errno.EPERM),
    (seccomp._IOCTL, (0, 0x541C), errno.EPERM),
    (seccomp._IOCTL, (0, 0x5412 | 1 << 32), errno.EPERM),
    (seccomp._SOCKET_OPTION, (3, 1, 2), 0),
    *[(seccomp._SOCKET_OPTION, (3, 1, name), errno.EPERM) for name in (7, 8, 32, 33)],
    (seccomp._LIMIT, (7,), 0), (seccomp._LIMIT, (4,), errno.EPERM),
    (seccomp._LIMIT_OF, (0, 7), 0), (seccomp._LIMIT_OF, (0, 4), errno.EPERM),
    (seccomp._LIMIT_OF, (1, 7), errno.EPERM), (seccomp._PRIORITY, (0, 0, 5), 0),
    (seccomp._PRIORITY, (0, 1, 5), errno.EPERM), (seccomp._PRIORITY, (2, 0, 5), errno.EPERM),
    *[(pair, (0,), 0) for pair in seccomp._SCHEDULE],
    *[(pair, (1,), errno.EPERM) for pair in seccomp._SCHEDULE],
    (seccomp._FILE_CONTROL, (3, 1030), 0), (seccomp._FILE_CONTROL, (3, 1024), errno.EPERM),
]  # fmt: skip


@pytest.mark.parametrize("machine", [X86, ARM], ids=["x86", "arm"])
@pytest.mark.parametrize(("call", "values", "error"), ARGUMENTS)
def test_calls_that_depend_on_their_values(
    machine: tuple[str, int], call: tuple[int, int], values: tuple[int, ...], error: int
) -> None:
    assert refusal(machine, call[which(machine)], *values) == error


def test_calls_of_another_kind_of_processor_kill() -> None:
    for machine, audit in ((X86[0], ARM[1]), (ARM[0], X86[1]), (X86[0], 0x40000003)):
        assert verdict(machine, audit, 1) == KILL
    assert refusal(X86, 0x40000000 | 101) == errno.ENOSYS
    assert refusal(X86, 0xFFFFFFFF) == errno.ENOSYS


def test_other_processors_have_no_filter() -> None:
    assert seccomp.server("riscv64") is None
    assert seccomp.guest("riscv64") is None


@pytest.mark.parametrize("machine", [X86, ARM], ids=["x86", "arm"])
def test_the_keeper_may_furnish_a_cell(machine: tuple[str, int]) -> None:
    server, guest = both(machine[0])
    for name in seccomp.KEEPERS:
        number = seccomp._REFUSED[name][which(machine)]
        assert _answer(server, machine[1], number) == ALLOW
        assert _answer(guest, machine[1], number) != ALLOW


def test_jumps_stay_inside() -> None:
    for machine, _ in (X86, ARM):
        for program in both(machine):
            steps = list(struct.iter_unpack("HBBI", program))
            assert len(steps) < 4096
            for at, (code, if_true, if_false, _) in enumerate(steps):
                assert code == 0x06 or at + 1 + max(if_true, if_false) < len(steps)
            assert steps[-1][0] == 0x06
