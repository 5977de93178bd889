"""Programs that candidates wrote, from within the pool's workers: nothing of them is left."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from filter_rows import candidate, problem
from verdict_rows import deterministic

from filters.verify.pool import VerifierPool
from rsfactory.errors import FactoryError
from rsfactory.records import Candidate, Outcome, Problem

ROOT = Path(__file__).parents[3]
HANGING = "```python\nimport time\nwhile True:\n    time.sleep(1)\n```"
RIGHT = "```python\ndef f(x):\n    return x + 1\n```"

pytestmark = pytest.mark.skipif(
    "code" not in deterministic(), reason="there is no sandbox on this machine"
)


def asked(text: str) -> tuple[Problem, Candidate]:
    tests = json.dumps({"asserts": ["assert f(1) == 2"]})
    return dataclasses.replace(problem("", verifier="code"), metadata=tests), candidate(text)


def tree(root: int, other_than: set[int] = frozenset()) -> list[psutil.Process]:
    found = psutil.Process(root).children(recursive=True)
    return [process for process in found if process.pid not in other_than]


def hung(root: int, other_than: set[int] = frozenset()) -> list[psutil.Process]:
    """All below a process, once a sandbox is among them and has had time to start the program."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if len(tree(root, other_than)) > 3:  # guard, worker, and what the sandbox is made of
            time.sleep(2)
            return tree(root, other_than)
        time.sleep(0.05)
    raise AssertionError("no sandbox was started")


def test_a_normal_end_leaves_nothing() -> None:
    with VerifierPool(workers=2) as pool:
        others = {process.pid for process in tree(os.getpid())}
        [verdict] = pool.verify([asked(RIGHT)])
        there = tree(os.getpid(), others)
    assert (verdict.outcome, verdict.isolation) == (Outcome.CORRECT, "full")
    assert (verdict.results, verdict.share) == (["passed"], 1.0)
    assert not psutil.wait_procs(there, timeout=5)[1]


def test_closing_while_a_program_hangs() -> None:
    others = {process.pid for process in tree(os.getpid())}
    pool = VerifierPool(workers=1)
    raised: list[FactoryError] = []

    def ask() -> None:
        try:
            pool.verify([asked(HANGING)])
        except FactoryError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    there = hung(os.getpid(), others)
    pool.close()
    thread.join()
    assert raised
    assert not psutil.wait_procs(there, timeout=5)[1]


def test_the_pools_process_is_killed() -> None:
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from test_pool_programs import HANGING, VerifierPool, asked
        VerifierPool(workers=1).verify([asked(HANGING)])
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT)
    there = hung(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert len(there) > 3
    assert not psutil.wait_procs(there, timeout=10)[1]
