import os
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from generators.agenda import Agenda, Fixed
from generators.problems import ById, FiniteSet, Options, Shelf
from generators.prompts import pick
from generators.sample import Asking
from rsfactory.errors import StoreError
from rsfactory.records import Problem


def make(row: int, prompt: str = "How much?") -> Problem:
    return Problem(
        id=f"p-{row:016x}", source="t", split="train", domain="math", verifier="math",
        prompt=prompt, answer=str(row), choices=[], solution=None, row=row,
    )  # fmt: skip


ROWS = [make(i) for i in range(10)]
WHOLE = make(3, "Zwei und zwei?\nGrüße 漢字 \U0001f600 \x00 \u2028")


@pytest.mark.parametrize(
    "problem",
    [
        WHOLE,
        replace(WHOLE, prompt="", answer="", row=-1),
        replace(WHOLE, choices=["a", "b\n"], solution="so it is", metadata='{"kind": "x"}'),
        replace(WHOLE, id="Mbpp/19", split="held_out", domain="code", licence="MIT"),
        replace(WHOLE, prompt="x" * 1_000_000),
    ],
)
def test_a_problem_comes_back_as_it_was(problem: Problem) -> None:
    shelf = Shelf([ROWS[0], problem, ROWS[1]])
    assert shelf[1] == problem
    assert list(shelf) == [ROWS[0], problem, ROWS[1]]


PLACES = [
    (slice(None), list(range(10))),
    (slice(2, 5), [2, 3, 4]),
    (slice(None, None, -1), list(range(9, -1, -1))),
    (slice(1, None, 3), [1, 4, 7]),
    (slice(8, 50), [8, 9]),
    (slice(5, 5), []),
]


@pytest.mark.parametrize(("part", "rows"), PLACES)
def test_a_part_of_a_shelf_is_a_shelf(part: slice, rows: list[int]) -> None:
    shelf = Shelf(iter(ROWS))
    assert [p.row for p in shelf[part]] == rows
    assert len(shelf[part]) == len(rows)
    assert bool(shelf[part]) == bool(rows)


def test_an_order_of_an_order() -> None:
    turned = Shelf(ROWS).arranged([7, 7, 0, 3])
    assert [p.row for p in turned] == [7, 7, 0, 3]
    assert [p.row for p in turned[1:].arranged([2, 0])] == [3, 7]
    assert turned[-1] == ROWS[3]
    with pytest.raises(IndexError):
        turned[4]
    with pytest.raises(IndexError):
        Shelf([])[0]


def test_by_key() -> None:
    by_id = ById(Shelf(ROWS))
    assert (len(by_id), list(by_id)) == (10, [p.id for p in ROWS])
    assert by_id[ROWS[4].id] == ROWS[4]
    assert ROWS[4].id in by_id
    assert "p-none" not in by_id
    assert by_id.get("p-none") is None
    assert dict(by_id) == {p.id: p for p in ROWS} == dict(ById(ROWS))


def test_threads_may_look_at_the_same_time() -> None:
    shelf = Shelf(make(i, f"{i} " * (i % 50)) for i in range(500))
    wrong: list[int] = []

    def look(step: int) -> None:
        wrong.extend(i for i in range(0, 500, step) if shelf[i] != make(i, f"{i} " * (i % 50)))

    threads = [threading.Thread(target=look, args=(step,)) for step in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_the_file_goes_with_the_last_shelf(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_files()
    shelf = Shelf(ROWS)
    part = shelf[2:]
    del shelf
    assert (open_files(), part[0]) == (before + 1, ROWS[2])
    del part
    assert open_files() == before
    assert not list(tmp_path.iterdir())


def test_a_source_that_fails_leaves_nothing_open(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken() -> Iterator[Problem]:
        yield ROWS[0]
        raise OSError("the source's own fault")

    with pytest.raises(OSError, match="own fault"):
        Shelf(broken())
    assert not list(tmp_path.iterdir())


LIMITED = """
import resource, signal
from generators.problems import Shelf
from test_shelf import make
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
Shelf(make(i, "x" * 1000) for i in range(1000))
"""


def test_no_room_is_said() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.getcwd()])}
    command = [sys.executable, "-c", LIMITED]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "StoreError: problems cannot be laid aside in " in done.stderr
    assert "TMPDIR" in done.stderr


def test_no_folder_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StoreError, match=r"gone.*TMPDIR"):
        Shelf(ROWS)


def test_memory_does_not_grow_with_the_texts() -> None:
    """2,000 problems of 20 kB are 40 MB: opened, planned and asked in a thirtieth of that."""
    tracemalloc.start()
    try:
        many = (make(i, f"{i} " + "x" * 20_000) for i in range(2000))
        source = FiniteSet("t", many, Options(seed=1, purpose="train"))
        problems = source.train(1, 2000)
        asking = Asking(
            prompt_for=lambda p: pick(None, p, hinted=False), teacher="t", sampling="{}", round=1
        )
        agenda, asked = Agenda(problems, asking, Fixed(2)), 0
        while items := agenda.take(2):
            for item in items:
                agenda.decide(item.problem.id, None)
            asked += len(items)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert asked == agenda.total == 4000
    assert peak < 1_300_000
