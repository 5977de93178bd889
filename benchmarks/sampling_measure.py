"""One client's process against a stub server of its own: rate, CPU seconds and memory, seen alike.

The rate is the server's: completions a second from the first request to the last answer, so that
imports and preparations of a client do not count, and its own clock is not asked. CPU seconds are
user and system of the process and its descendants, once over their whole life (``cpu``) and once
between the first request and the last answer (``cpu_asking``, interpolated between samples taken
every 50 ms; the kernel counts in hundredths of a second). Memory is the process's own peak of its
resident set (``rss``) and the largest sum over it and its descendants (``rss_all``; pages that they
share count once for each).
"""

import bisect
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EVERY = 0.05
"""Seconds between two samples."""
TICKS = os.sysconf("SC_CLK_TCK")
STOPPED = 3
"""Exit code of a run that was stopped and can be continued."""
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Sample:
    """A process with its descendants at one moment."""

    at: float
    """Seconds of the monotonic clock."""
    cpu: float
    rss: int
    """KiB of the process itself."""
    rss_all: int


@dataclass
class Watch:
    """Samples of a process while it lives."""

    pid: int
    samples: list[Sample] = field(default_factory=list)
    peak: int = 0
    """KiB: the kernel's own record of the process's largest resident set."""
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Samples until `stop`."""
        while not self._over.wait(EVERY):
            tree = [_status(pid) for pid in _tree(self.pid)]
            if tree and tree[0].peak:
                self.peak = max(self.peak, tree[0].peak)
                cpu, rss = sum(p.cpu for p in tree), sum(p.rss for p in tree)
                self.samples.append(Sample(time.monotonic(), cpu, tree[0].rss, rss))

    def stop(self) -> None:
        """Ends the sampling."""
        self._over.set()

    def cpu_between(self, first: float, last: float) -> float:
        """CPU seconds spent between two moments."""
        return cpu_at(self.samples, last) - cpu_at(self.samples, first)


def cpu_at(samples: Sequence[Sample], moment: float) -> float:
    """CPU seconds spent until a moment, on the line between the samples around it."""
    after = bisect.bisect_left(samples, moment, key=lambda sample: sample.at)
    if after in (0, len(samples)):
        return samples[min(after, len(samples) - 1)].cpu if samples else 0.0
    left, right = samples[after - 1], samples[after]
    share = (moment - left.at) / (right.at - left.at)
    return left.cpu + share * (right.cpu - left.cpu)


@dataclass(frozen=True)
class _Process:
    cpu: float = 0.0
    rss: int = 0
    peak: int = 0


def _status(pid: int) -> _Process:
    """Of one process: CPU seconds with those of children that it has waited for, memory in KiB."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        sizes = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
        cpu = sum(map(int, spent)) / TICKS
        return _Process(cpu, sizes.get("VmRSS:", 0), sizes.get("VmHWM:", 0))
    return _Process()


def _tree(pid: int) -> Iterator[int]:
    """A process and all its descendants, itself first."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


@contextlib.contextmanager
def stub(latency: float = 0.0, spread: float = 0.0) -> Iterator[int]:
    """A stub server in a process of its own; gives its port."""
    command = [sys.executable, "-m", "benchmarks.stub_server", "--latency", str(latency)]
    command += ["--spread", str(spread)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def stats(port: int) -> dict[str, Any]:
    """What the stub says that it was asked."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@dataclass(frozen=True)
class Ended:
    """A process that was watched to its end."""

    code: int
    stdout: str
    stderr: str
    wall: float
    cpu: float
    watch: Watch


def watched(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stop_after: float | None = None,
    limit: float = 900.0,
) -> Ended:
    """Runs a command from the repository's root to its end, or kills it and what it started.

    Args:
        command: The program and its arguments.
        environment: Variables besides this process's.
        stop_after: Seconds until it gets a SIGTERM.
        limit: Seconds until it is killed with all that it started.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=ROOT, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        watch = Watch(child.pid)
        thread = threading.Thread(target=watch.run)
        thread.start()
        timers = [threading.Timer(limit, os.killpg, (child.pid, signal.SIGKILL))]
        if stop_after is not None:
            timers.append(threading.Timer(stop_after, os.kill, (child.pid, signal.SIGTERM)))
        for timer in timers:
            timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            for timer in timers:
                timer.cancel()
            watch.stop()
            thread.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        ended, cpu = time.monotonic(), usage.ru_utime + usage.ru_stime
        watch.samples.append(Sample(ended, cpu, 0, 0))
        out.seek(0)
        err.seek(0)
        return Ended(child.returncode, out.read(), err.read(), ended - began, cpu, watch)


def measure(
    command: Sequence[str],
    port: int,
    requests: int,
    environment: Mapping[str, str],
    *,
    stop_after: float | None = None,
) -> dict[str, Any]:
    """The figures of one client that asks the stub at ``port`` for ``requests`` completions.

    Args:
        command: The client.
        port: Of a stub that nobody else asks.
        requests: Completions that the stub must have given in the end.
        environment: Variables besides this process's.
        stop_after: Seconds until the client is told to stop; fewer completions are then well.

    Raises:
        SystemExit: The client failed, or the stub was asked for another number.
    """
    ended = watched(command, environment, stop_after=stop_after)
    seen = stats(port)
    whole = ended.code == 0 and seen["completions"] == requests
    stopped = stop_after is not None and ended.code == STOPPED and seen["completions"]
    if not whole and not stopped:
        raise SystemExit(
            f"{' '.join(map(str, command))}\nended with {ended.code} after {seen['completions']} "
            f"completions, expected 0 after {requests}; the end of what it said:\n"
            f"{ended.stdout[-1500:]}\n{ended.stderr[-3000:]}"
        )
    return figures(ended, seen)


def figures(ended: Ended, seen: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured, in requests, seconds and MiB."""
    watch, asking = ended.watch, seen["last"] - seen["first"]
    return {
        "per_second": seen["completions"] / asking,
        "asking": asking,
        "wall": ended.wall,
        "cpu": ended.cpu,
        "cpu_asking": watch.cpu_between(seen["first"], seen["last"]),
        "rss": watch.peak / 1024,
        "rss_all": max((s.rss_all for s in watch.samples), default=0) / 1024,
        "rss_asking": _median_rss(watch.samples, seen["first"], seen["last"]) / 1024,
        "completions": seen["completions"],
        "seeds": seen["seeds"],
        "most_of_a_seed": seen["most_of_a_seed"],
        "most_under_way": seen["most_under_way"],
        "stub_busy": seen["cpu"] / asking,
        "stdout": ended.stdout,
    }


def _median_rss(samples: Sequence[Sample], first: float, last: float) -> float:
    """KiB of the process itself while it asked."""
    sizes = [s.rss for s in samples if first <= s.at <= last]
    return statistics.median(sizes) if sizes else 0.0
