"""Programs that want out: to files, sockets, processes, settings, and the next program.

One prints ``ESCAPED`` where it managed; what counts is what the machine looks like afterwards.
"""

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
from attack_programs import Attack, attacks, prelude
from sandbox_limits import SMALL, children, gone

from filters.sandbox.bubblewrap import interpreter
from filters.sandbox.run import Sandbox

SECRET = "the-secret-that-nobody-may-see"
BOUNDS = replace(SMALL, cpu=4, wall=8, processes=32, output=1 << 20)


@dataclass
class Machine:
    """What on this machine a program would like to reach."""

    folder: Path
    port: int
    abstract: str
    heard: list[str] = field(default_factory=list)

    def fill(self, source: str) -> str:
        """A program with its places named."""
        named = {
            "FILE": str(self.folder / "canary"), "UNIX": str(self.folder / "socket"),
            "ABSTRACT": self.abstract, "PORT": str(self.port), "PID": str(os.getpid()),
            "SECRET": SECRET[::-1], "NAME": "sandbox", "PYTHON": interpreter(),
            "HOST": socket.gethostname(),
        }  # fmt: skip
        for name, value in named.items():
            source = source.replace(f"@{name}@", value)
        return source


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A file that all may read, and sockets of three kinds that note who comes."""
    folder = tmp_path_factory.mktemp("canary")
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
    (folder / "canary").write_text(SECRET)
    (folder / "canary").chmod(0o644)
    tcp = socket.create_server(("127.0.0.1", 0))
    made = Machine(folder, tcp.getsockname()[1], f"abstract-{os.getpid()}")
    local = _listening(str(folder / "socket"))
    hidden = _listening("\0" + made.abstract)
    (folder / "socket").chmod(0o777)
    listeners = {"tcp": tcp, "unix": local, "abstract": hidden}
    threads = [
        threading.Thread(target=_note, args=(name, one, made.heard))
        for name, one in listeners.items()
    ]
    for thread in threads:
        thread.start()
    os.environ["HF_TOKEN"] = os.environ["A_SECRET"] = SECRET
    yield made
    del os.environ["HF_TOKEN"], os.environ["A_SECRET"]
    for listener in listeners.values():
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for listener in listeners.values():
        listener.close()


def _listening(address: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(address)
    made.listen()
    return made


def _note(name: str, listener: socket.socket, heard: list[str]) -> None:
    while True:
        try:
            one, _ = listener.accept()
        except OSError:
            return
        heard.append(name)
        with one:
            one.settimeout(1)
            one.recv(100)


def state(machine: Machine) -> dict[str, object]:
    """What must be as it was."""
    files = [Path(interpreter()), Path(os.__file__), Path("/usr/bin/env"), Path("/bin/sh")]
    places = ["/", "/dev", "/dev/shm", "/usr", "/usr/bin", "/etc", os.path.dirname(os.__file__)]
    return {
        "files": [sha256(p.read_bytes()).hexdigest() + oct(p.stat().st_mode) for p in files],
        "places": [sorted(os.listdir(place)) for place in places],
        "canary": [(p.name, p.stat().st_size) for p in sorted(machine.folder.iterdir())],
        "null": os.stat("/dev/null").st_mode,
        "queues": [
            Path(f"/proc/sysvipc/{n}").read_text().count("\n") for n in ("shm", "msg", "sem")
        ],
        "name": socket.gethostname(),
        "limits": [resource.getrlimit(n) for n in range(16)],
        "priority": (os.nice(0), os.sched_getscheduler(0), sorted(os.sched_getaffinity(0))),
        "groups": Path("/proc/self/cgroup").read_text(),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "core": Path("/proc/sys/kernel/core_pattern").read_text(),
        "user": (os.getresuid(), os.getresgid(), os.getgroups()),
    }


@pytest.mark.parametrize("attack", attacks("escapes"), ids=str)
def test_program_does_not_get_out(sandbox: Sandbox, machine: Machine, attack: Attack) -> None:
    before, processes, clock = state(machine), children(), time.time() - time.monotonic()
    source = prelude() + machine.fill(attack.source) + '\nprint("DONE")\n'
    ran = sandbox.run(source, "some input\n" * 3, BOUNDS)
    assert "ESCAPED" not in ran.stdout, ran.stdout[ran.stdout.index("ESCAPED") :]
    assert "DONE" in ran.stdout, ran  # or it proved nothing
    assert SECRET not in ran.stdout + ran.stderr
    assert machine.heard == []
    assert state(machine) == before
    assert abs(time.time() - time.monotonic() - clock) < 1
    assert (machine.folder / "canary").read_text() == SECRET
    assert gone(lambda: children() - processes) == set()
    assert sandbox.run("print(input())", "still here").stdout == "still here\n"


@pytest.mark.parametrize("attack", attacks("left"), ids=str)
def test_nothing_is_left_for_the_next_program(sandbox: Sandbox, attack: Attack) -> None:
    leave, look = attack.source.split("\n---\n")
    sandbox.run(leave, limits=BOUNDS)
    ran = sandbox.run(look + '\nprint("DONE")\n', limits=BOUNDS)
    assert "ESCAPED" not in ran.stdout, ran.stdout
    assert "DONE" in ran.stdout, ran


@pytest.mark.parametrize(
    "name",
    [
        "the canary file",
        "the canary's folder",
        "unix socket of the machine",
        "abstract socket of the machine",
    ],
)
def test_the_same_programs_get_out_where_nothing_isolates(machine: Machine, name: str) -> None:
    (attack,) = (a for a in attacks("escapes") if a.name == name)
    with Sandbox(BOUNDS, weak=True) as weak:
        ran = weak.run(prelude() + machine.fill(attack.source))
    assert "ESCAPED" in ran.stdout
    if "socket" in name:
        while not machine.heard:
            time.sleep(0.01)
    machine.heard.clear()
    (machine.folder / "canary").write_text(SECRET)
    (machine.folder / "new").unlink(missing_ok=True)


def test_output_never_holds_the_secret_of_the_environment(
    sandbox: Sandbox, machine: Machine
) -> None:
    ran = sandbox.run("import os; os.system('env; set; cat /proc/*/environ'); print(os.environ)")
    assert SECRET not in ran.stdout + ran.stderr
    assert "HF_TOKEN" not in ran.stdout


def test_killed_parent_leaves_no_process(isolated: None) -> None:
    text = (
        "import sys; from filters.sandbox.run import Sandbox\n"
        "s = Sandbox(); s.run('pass'); print('up', flush=True)\n"
        "s.run('import os, time\\nif os.fork() == 0:\\n  os.setsid()\\ntime.sleep(1000)')"
    )
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == "up\n"
    time.sleep(0.3)
    tree = set(psutil.Process(process.pid).children(recursive=True))
    assert len(tree) == 6  # bubblewrap twice, the fork server, a keeper, a guest and its child
    process.kill()
    process.wait()
    assert gone(lambda: {p for p in tree if p.is_running()}) == set()
