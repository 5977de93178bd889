"""Programs that want more than they may have: each ends, by the right limit, and only it."""

import threading
import time
from dataclasses import replace

import psutil
import pytest
from attack_programs import Attack, attacks
from attacks.sources import SOURCES
from sandbox_limits import SMALL, children, gone

from filters.sandbox.limits import Limits
from filters.sandbox.run import Sandbox

BOMBS = attacks("bombs")
SLACK = 5.0
"""Seconds beyond the wall limit, on a machine with other work."""


def limits(attack: Attack) -> Limits:
    """Little wall time for those that wait, much for those that must use up their CPU time."""
    if "wall" in attack.ends:
        return replace(SMALL, wall=0.4)
    return replace(SMALL, wall=12) if "cpu" in attack.ends else SMALL


@pytest.mark.parametrize("attack", BOMBS, ids=str)
def test_bomb_is_ended_by_its_limit(sandbox: Sandbox, attack: Attack) -> None:
    bounds = limits(attack)
    before = children()
    began = time.monotonic()
    with Peak() as peak:
        ran = sandbox.run(attack.source, limits=bounds)
    assert time.monotonic() - began < bounds.wall + SLACK
    if attack.ends != ("any",):
        assert ran.killed_by in attack.ends, ran
    assert max(len(ran.stdout), len(ran.stderr)) <= bounds.output
    assert peak.bytes < 3 * bounds.memory  # resident memory, what is shared counted many times
    after = sandbox.run("print(int(input()) * 7)", stdin="6")
    assert (after.stdout, after.exit) == ("42\n", 0)
    assert gone(lambda: children() - before) == set()


class Peak:
    """The most resident memory of all processes below this one together, as far as one sees."""

    def __enter__(self) -> "Peak":
        self.bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            total = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, total)


def test_buffers_of_sockets_count_as_memory(sandbox: Sandbox) -> None:
    (attack,) = (bomb for bomb in BOMBS if bomb.name.startswith("buffers of sockets"))
    bounds = replace(SMALL, files=200, memory=128 << 20)
    assert sandbox.run(attack.source, limits=bounds).killed_by == "memory"


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_attacks_the_compiler(sandbox: Sandbox, name: str) -> None:
    bounds = replace(SMALL, wall=12)
    ran = sandbox.run(SOURCES[name], limits=bounds)
    assert ran.seconds < bounds.wall + SLACK
    assert max(len(ran.stdout), len(ran.stderr)) <= bounds.output
    assert sandbox.run("print(6 * 7)").stdout == "42\n"


@pytest.mark.parametrize(
    ("name", "stdout"),
    [("no text at all", ""), ("byte order mark", "1\n"), ("right-to-left marks", "\u202e\u2066\n")],
)
def test_odd_source_that_is_a_program(sandbox: Sandbox, name: str, stdout: str) -> None:
    ran = sandbox.run(SOURCES[name])
    assert (ran.exit, ran.stdout) == (0, stdout), ran


def test_many_programs_leave_nothing_open(sandbox: Sandbox) -> None:
    host = psutil.Process()
    before = host.num_fds()
    for _ in range(100):
        sandbox.run("pass")
    assert host.num_fds() == before
