"""Hostile answers and golds through the real pool: a verdict each in under two seconds."""

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from filter_rows import candidate, problem

from benchmarks.hostile_math import ANSWERS, COMPLETIONS
from filters.verify.pool import VerifierPool
from rsfactory.records import Outcome

LATE = 2.0
"""Seconds within which every verdict must come."""


@pytest.fixture(scope="module")
def warm() -> Iterator[VerifierPool]:
    """A pool with its own limits and a worker that has loaded its libraries."""
    with VerifierPool(workers=1) as made:
        [first] = made.verify([(problem(r"\sum_{k=1}^{3} k"), candidate(r"\boxed{6}"))])
        assert (first.outcome, first.isolation) == (Outcome.CORRECT, "process")
        yield made


def outcome(pool: VerifierPool, gold: str, completion: str) -> Outcome:
    began = time.monotonic()
    [verdict] = pool.verify([(problem(gold), candidate(completion))])
    spent = time.monotonic() - began
    assert spent < LATE, f"{spent:.2f} s: {verdict.reason}"
    return verdict.outcome


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(warm: VerifierPool, name: str) -> None:
    boxed = rf"\boxed{{{ANSWERS[name]}}}"
    assert outcome(warm, "5", boxed) is not Outcome.CORRECT or name == "moderately nested brackets"
    assert outcome(warm, r"x^2+\sqrt{2}", boxed) is not Outcome.CORRECT
    assert outcome(warm, ANSWERS[name], r"\boxed{6}") is not Outcome.CORRECT
    outcome(warm, ANSWERS[name], boxed)


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completions(warm: VerifierPool, name: str) -> None:
    assert outcome(warm, "5", COMPLETIONS[name]) is not Outcome.CORRECT
    outcome(warm, COMPLETIONS[name], r"\boxed{5}")


def test_memory_is_bounded() -> None:
    """All of it in a fresh process, by the path that decides in the calling process."""
    program = """
import resource
from filters.verify.math import MathVerifier
from benchmarks.verification_math import OURS, _pair
from benchmarks.hostile_math import ANSWERS, COMPLETIONS
texts = [*(f"\\\\boxed{{{text}}}" for text in ANSWERS.values()), *COMPLETIONS.values()]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in texts:
    for gold in ("5", "x^2"):
        MathVerifier().quick(*_pair(gold, text, OURS))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(ended.stdout) < 200 << 10, "KiB more than before"


def test_no_process_is_left() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with VerifierPool(workers=1) as pool:
        pool.verify([(problem(r"\sum_k k"), candidate(r"\boxed{\int_0^1 x^x dx}"))])
        during = {child.pid for child in psutil.Process().children(recursive=True)}
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert during - before
    assert after <= before


def test_equal_long_integers_are_equal(warm: VerifierPool) -> None:
    number = "123456789" * 2_500
    assert outcome(warm, number, rf"\boxed{{{number}}}") is Outcome.CORRECT
    assert outcome(warm, number, rf"\boxed{{{number[:-1]}8}}") is Outcome.WRONG
