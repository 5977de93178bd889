"""Limits per verdict, and that a bad row costs its neighbours nothing."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from filter_rows import candidate, problem
from hostile_verifiers import SLEEP

from filters.verify.pool import VerifierPool
from rsfactory.errors import FactoryError, InputError
from rsfactory.records import Candidate, Outcome, Problem, Verdict

ROOT = Path(__file__).parents[3]
Pair = tuple[Problem, Candidate]


def row(deed: str, completion: str, number: int = 0) -> Pair:
    asked = problem("5", verifier=f"hostile_verifiers:{deed}", id=f"p-{number}")
    return asked, candidate(completion, id=f"c-{number}")


@pytest.fixture(scope="module")
def tight() -> Iterator[VerifierPool]:
    with VerifierPool(workers=2, limit=1.0, memory=1 << 29) as pool:
        yield pool


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("HANG", "timeout after 1.0 s"),
        ("BIG", "timeout after 1.0 s"),
        ("SPAWN", "timeout after 1.0 s"),
        ("DIE", "worker died (signal 9)"),
        ("EXIT", "worker died (exit 3)"),
        ("MEMORY", "memory limit"),
        ("RAISE", "ZeroDivisionError"),
        ("RECURSE", "RecursionError"),
        ("LEAVE", "timeout after 1.0 s"),
        ("LEAVE_AND_DIE", "worker died (exit 4)"),
        ("LEAVE_AND_COUNT", "timeout after 1.0 s"),
        ("BOMB", "timeout after 1.0 s"),
        ("ORPHAN", "worker died (signal 9)"),
    ],
)
def test_a_bad_row_is_unverifiable_and_alone(tight: VerifierPool, deed: str, reason: str) -> None:
    texts = ["good", "bad", "good", "good"]
    verdicts = tight.verify([row(deed, text, n) for n, text in enumerate(texts)])
    outcomes = [verdict.outcome for verdict in verdicts]
    right, unknown = Outcome.CORRECT, Outcome.UNVERIFIABLE
    assert outcomes == [right, unknown, right, right]
    assert reason in verdicts[1].reason
    assert [verdict.candidate_id for verdict in verdicts] == ["c-0", "c-1", "c-2", "c-3"]
    assert {verdict.isolation for verdict in verdicts} == {"process"}
    assert not sleepers()


@pytest.mark.parametrize(
    ("said", "kept"), [("none", "process"), ("full", "full"), ("weak", "weak")]
)
def test_a_verifiers_own_isolation_is_kept(tight: VerifierPool, said: str, kept: str) -> None:
    [verdict] = tight.verify([row("ROOMY", said)])
    assert (verdict.isolation, verdict.outcome) == (kept, Outcome.WRONG)
    assert (verdict.results, verdict.share) == (["passed", "failed"], 0.5)


def test_a_verifiers_own_limits_count_for_its_rows_alone(tight: VerifierPool) -> None:
    """1.5 s and 1 GiB, where the pool has 1 s and half a GiB."""
    pairs = [row("ROOMY", "bad"), row("MEMORY", "bad", 1), row("ROOMY", "bad", 2)]
    verdicts = tight.verify(pairs)
    assert [v.reason for v in verdicts] == ["ran", "memory limit", "ran"]


def test_what_a_row_left_in_memory_decides_no_other(tight: VerifierPool) -> None:
    with VerifierPool(workers=1, memory=1 << 29) as pool:
        pairs = [row("HOARD", "bad", n) for n in range(4)]
        assert {v.outcome for v in pool.verify(pairs)} == {Outcome.CORRECT}


def test_what_a_verifier_prints_is_no_verdict(tight: VerifierPool) -> None:
    [verdict] = tight.verify([row("PRINT", "bad")])
    assert verdict.outcome is Outcome.CORRECT
    assert verdict.reason.startswith("pid ")


def test_killed_idle_workers_are_replaced(tight: VerifierPool) -> None:
    before = workers_of(os.getpid())
    for process in before:
        process.kill()
    psutil.wait_procs(before, timeout=5)
    verdicts = tight.verify([row("RAISE", "good", n) for n in range(6)])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.CORRECT}


def test_verdicts_are_reported_as_they_come(tight: VerifierPool) -> None:
    seen: list[Verdict] = []
    pairs = [(problem("5"), candidate(rf"\boxed{{{n % 9}}}", id=f"c-{n}")) for n in range(40)]
    verdicts = tight.verify(pairs, seen.append)
    assert sorted(v.candidate_id for v in seen) == sorted(v.candidate_id for v in verdicts)
    assert [v.candidate_id for v in verdicts] == [f"c-{n}" for n in range(40)]


def test_cheap_rows_start_no_process() -> None:
    before = len(workers_of(os.getpid()))
    with VerifierPool() as pool:
        verdicts = pool.verify([(problem("5"), candidate(r"\boxed{5}"))] * 100)
        assert len(workers_of(os.getpid())) == before
    assert {verdict.isolation for verdict in verdicts} == {"none"}


def test_unknown_verifier_is_the_users_mistake(tight: VerifierPool) -> None:
    with pytest.raises(InputError, match="no verifier is called 'maths'"):
        tight.verify([(problem("5", verifier="maths"), candidate("5"))])


def test_a_verifier_that_cannot_load_is_an_error_not_a_verdict(tight: VerifierPool) -> None:
    with pytest.raises(FactoryError, match="no module named nothing"):
        tight.verify([row("UNREADY", "good")])


def test_close_ends_the_workers_and_is_not_the_end() -> None:
    others = {process.pid for process in workers_of(os.getpid())}
    pool = VerifierPool(workers=1)
    pool.verify([row("RAISE", "good")])
    mine = [process for process in workers_of(os.getpid()) if process.pid not in others]
    assert len(mine) == 1
    pool.close()
    pool.close()
    assert not mine[0].is_running()
    assert pool.verify([row("RAISE", "good")])[0].outcome is Outcome.CORRECT
    pool.close()


def test_verifiers_are_closed_where_workers_end_normally(tmp_path: Path) -> None:
    place = tmp_path / "said"
    with VerifierPool(workers=1) as pool:
        pool.verify([row("CLOSING", str(place))])
        assert not place.exists()
    assert place.read_text() == "closed"


def test_a_hundred_hanging_rows_take_bounded_time() -> None:
    """Each its limit and the start of a new worker, and the rows between them have verdicts."""
    with VerifierPool(workers=2, limit=0.1) as pool:
        pairs = [row("HANG", "bad" if n % 6 else "good", n) for n in range(120)]
        began = time.monotonic()
        verdicts = pool.verify(pairs)
        took = time.monotonic() - began
        [cost] = pool.costs().values()
    assert [v.outcome is Outcome.CORRECT for v in verdicts] == [n % 6 == 0 for n in range(120)]
    assert (cost.rows, cost.timeouts, cost.faults) == (120, 100, 100)
    assert 0.1 <= cost.max < 2
    assert took < 100 * (0.1 + 1.0)


def test_a_caller_that_gives_up_is_not_kept_waiting() -> None:
    """Ctrl-C, or an error on the way: rows that hang are dropped, the pool stays usable."""
    with VerifierPool(workers=2, limit=60.0) as pool:

        def raise_it(_: Verdict) -> None:
            raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            pool.verify([row("HANG", "bad", 1), row("HANG", "good", 2)], raise_it)
        assert time.monotonic() - began < 20
        assert pool.verify([row("HANG", "good", 3)])[0].outcome is Outcome.CORRECT


def test_closing_ends_hanging_rows_and_leaves_nothing() -> None:
    others = {process.pid for process in psutil.Process().children(recursive=True)}
    pool = VerifierPool(workers=2, limit=60.0)
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            pool.verify([row("LEAVE", "bad", n) for n in range(5)])
        except FactoryError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while len(sleepers()) < 6:
        time.sleep(0.05)
    began = time.monotonic()
    pool.close()
    thread.join()
    assert time.monotonic() - began < 5
    assert "were closed while rows were with them" in str(raised)
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= others
    assert not sleepers()


def test_from_many_threads_at_once(tight: VerifierPool) -> None:
    found: list[Verdict] = []
    threads = [
        threading.Thread(target=lambda n=n: found.extend(tight.verify([row("RAISE", "good", n)])))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(v.candidate_id for v in found) == [f"c-{n}" for n in range(6)]


def test_inside_an_event_loop(tight: VerifierPool) -> None:
    async def ask() -> list[Verdict]:
        return tight.verify([row("RAISE", "good")])

    assert asyncio.run(ask())[0].outcome is Outcome.CORRECT


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_in_a_forked_child_with_the_parents_pool(tight: VerifierPool) -> None:
    [before] = tight.verify([row("RAISE", "good")])
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(tight,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    [after] = tight.verify([row("RAISE", "good")])
    assert (before.outcome, after.outcome) == (Outcome.CORRECT, Outcome.CORRECT)


def _in_child(pool: VerifierPool) -> None:
    [verdict] = pool.verify([row("RAISE", "good")])
    pool.close()
    os._exit(0 if verdict.outcome is Outcome.CORRECT else 1)


@pytest.mark.parametrize("deed", ["HANG", "BIG", "LEAVE", "LEAVE_AND_COUNT"])
def test_workers_end_when_the_parent_is_killed(deed: str) -> None:
    """Also a busy one, inside a computation in C, long before the row's own limit."""
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from filter_rows import candidate, problem
        from filters.verify.pool import VerifierPool
        asked = problem("5", verifier="hostile_verifiers:{deed}")
        VerifierPool(workers=1, limit=60.0).verify([(asked, candidate("bad"))])
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT)
    workers = _wait_for_workers(parent.pid)
    time.sleep(1.0)
    workers += [p for worker in workers for p in worker.children(recursive=True)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive
    assert not sleepers()


def _wait_for_workers(parent: int) -> list[psutil.Process]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if found := workers_of(parent):
            return found
        time.sleep(0.05)
    raise AssertionError("no worker was started")


def workers_of(parent: int) -> list[psutil.Process]:
    children = psutil.Process(parent).children()
    return [child for child in children if "filters.verify.worker" in " ".join(child.cmdline())]


def sleepers() -> list[psutil.Process]:
    """What `hostile_verifiers` left behind, wherever it went; a moment is given to vanish."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["cmdline"] == ["sleep", SLEEP]:
            found.append(process)
    return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
