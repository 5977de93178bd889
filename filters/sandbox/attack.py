"""Hostile programs for `factory doctor`: what a sandbox of this machine lets out, if anything.

The first tries to reach what it must not and prints what it reached, by name. The host plants
what can be found (a file, a secret in the environment, a listening socket) and looks afterwards at
what the program could have left behind. A failed attempt prints nothing, so that a program that did
not run at all would look like a perfect sandbox: it says at its end that it ran.
"""

import contextlib
import os
import socket
import tempfile
from pathlib import Path

from filters.sandbox.limits import Limits
from filters.sandbox.run import Sandbox, Tests
from rsfactory.errors import FactoryError

OUTSIDE = (
    "read a file outside", "write a file outside", "read the environment", "connect to a socket",
    "see other processes", "signal another process", "trace a process", "mount a file system",
    "become another user", "open a raw socket", "make a namespace",
)  # fmt: skip
INSIDE = ("find another program's files", "fork without end", "take all memory", "forge a verdict")
ATTACKS = OUTSIDE + INSIDE
LIMITS = Limits(cpu=2, wall=10, memory=256 << 20, processes=16)
_SECRET = "FACTORY_DOCTOR_SECRET"
_RAN = "ran to its end"
_PROGRAM = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, attempt):
    try:
        if attempt():
            print(name)
    except Exception:
        pass
tried("read a file outside", lambda: open({canary!r}).read())
tried("write a file outside", lambda: open({marker!r}, "w").write("out"))
tried("read the environment", lambda: {secret!r} in os.environ)
tried("connect to a socket", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
tried("see other processes", lambda: os.path.exists("/proc/{pid}/cmdline"))
tried("signal another process", lambda: os.kill({pid}, 0) is None)
tried("trace a process", lambda: libc.ptrace(16, 1, 0, 0) == 0)
tried("mount a file system", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)
tried("become another user", lambda: os.setuid(0) is None)
tried("open a raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
tried("make a namespace", lambda: libc.unshare(0x10000000) == 0)
print({ran!r})
"""


_LEAVES = "for p in ('/tmp/left', '/dev/shm/left'): open(p, 'w').write('here')"
_LOOKS = "import os\nprint(os.path.exists('/tmp/left') or os.path.exists('/dev/shm/left'))"
_FORKS = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
_FILLS = "kept = []\nwhile True: kept.append(bytearray(1 << 20))"
_FORGERS = (
    "import os\nos._exit(0)",
    "raise SystemExit(0)",
    "class Same:\n    def __eq__(self, other): return True\ndef f(x): return Same()",
    "import builtins\nbuiltins.AssertionError = None\ndef f(x): return 0",
)


def attack(*, weak: bool = False) -> list[str]:
    """The attacks that succeeded, of `ATTACKS`; an empty list where all were held.

    Args:
        weak: Attack the sandbox without isolation, with those of `OUTSIDE` only.

    Raises:
        SandboxMissing: This machine has no isolation; nothing was run.
        FactoryError: The hostile program did not get to its end, so that nothing is known.
    """
    with Sandbox(LIMITS, weak=weak) as sandbox:
        found = _outside(sandbox) | (set() if weak else _inside(sandbox))
    return [name for name in ATTACKS if name in found]


def _inside(sandbox: Sandbox) -> set[str]:
    """What one program can do to the next, to the machine's room, and to its own verdict."""
    sandbox.run(_LEAVES)
    tests = Tests(source="assert f(1) == 2")
    held = {
        "find another program's files": sandbox.run(_LOOKS).stdout == "False\n",
        "fork without end": sandbox.run(_FORKS).killed_by is not None,
        "take all memory": sandbox.run(_FILLS).killed_by is not None,
        "forge a verdict": not any(sandbox.test(text, tests).passed for text in _FORGERS),
    }
    return {name for name, well in held.items() if not well}


def _outside(sandbox: Sandbox) -> set[str]:
    """What a program reaches beyond the sandbox."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(name)
        folder.chmod(0o755)
        canary, marker = folder / "canary", folder / "marker"
        canary.write_text("a file outside")
        program = _PROGRAM.format(
            canary=str(canary), marker=str(marker), secret=_SECRET,
            port=server.getsockname()[1], pid=os.getpid(), ran=_RAN,
        )  # fmt: skip
        os.environ[_SECRET] = "a secret"
        try:
            ran = sandbox.run(program)
        finally:
            os.environ.pop(_SECRET, None)
        said = set(ran.stdout.splitlines())
        if _RAN not in said:
            why = ran.killed_by or ran.stderr.strip().rpartition("\n")[2] or f"exit {ran.exit}"
            raise FactoryError(f"the hostile program did not get to its end ({why})")
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            server.accept()[0].close()
            said.add("connect to a socket")
        return said | ({"write a file outside"} if marker.exists() else set())
