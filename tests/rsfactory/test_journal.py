import contextlib
import dataclasses
import errno
import json
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfactory.errors import StoreError
from rsfactory.journal import Journal, discard
from rsfactory.records import Candidate, Outcome, Verdict

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def candidate(number: int = 0, **changes: object) -> Candidate:
    made = Candidate(
        id=f"c-{number}", problem_id="p-1", prompt_id="t-1", teacher="openai:m@u", sampling="{}",
        index=number, attempt=0, round=1, hinted=False, seed=2**62 + number, max_tokens=8,
        completion="Answer: 4", reasoning=None, finish_reason="stop", prompt_tokens=3, tokens=4,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def kept(folder: Path) -> list[Candidate]:
    return [row for _, rows in Journal(folder, Candidate).left() for row in rows]


def test_what_was_added_is_there_for_another_process_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "answers", Candidate)
    assert kept(tmp_path / "answers") == []
    for number in range(3):
        journal.add(candidate(number))
        assert kept(tmp_path / "answers") == [candidate(n) for n in range(number + 1)]
    assert journal.cut() is not None


def test_a_segment_goes_with_its_shard_and_the_folder_with_the_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "answers", Candidate)
    journal.add(candidate(0))
    first = journal.cut()
    journal.add(candidate(1))
    second = journal.cut()
    assert journal.cut() is None
    assert first is not None
    assert second is not None
    discard(first)
    assert kept(tmp_path / "answers") == [candidate(1)]
    discard(second)
    discard(second)
    assert not (tmp_path / "answers").exists()


@given(
    rows=st.lists(st.tuples(TEXT, st.none() | TEXT, TEXT), min_size=1, max_size=5),
    cut=st.integers(0, 400),
)
def test_a_kill_in_the_middle_of_a_line_loses_that_line_only(
    rows: list[tuple[str, str | None, str]], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), Candidate)
        made = [
            candidate(number, completion=text, reasoning=reasoning, note=note)
            for number, (text, reasoning, note) in enumerate(rows)
        ]
        for row in made:
            journal.add(row)
        segment = journal.cut()
        assert segment is not None
        content = segment.read_bytes()
        ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
        cut = min(cut, len(content))
        segment.write_bytes(content[:cut])
        whole = sum(end <= cut for end in ends)
        assert kept(Path(folder)) == made[:whole]


def test_a_line_of_something_else_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "1-a.jsonl").write_bytes(b'{"id": 3}\n[1]\nnull\n\n\xff\n')
    assert kept(tmp_path) == []


def test_lines_of_a_version_before_or_after_are_read(tmp_path: Path) -> None:
    row = dataclasses.asdict(candidate(note="x"))
    older = {name: row[name] for name in row if name not in ("requests", "seconds", "note")}
    lines = [json.dumps(one) for one in (older, {**row, "later": 1})]
    (tmp_path / "1-a.jsonl").write_text("\n".join(lines) + "\n")
    assert kept(tmp_path) == [candidate(), candidate(note="x")]


def test_a_line_after_one_that_a_full_disk_cut_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, Candidate)
    journal.add(candidate(0))
    monkeypatch.setattr("rsfactory.journal._write", _half)
    with pytest.raises(StoreError, match="clear some space"):
        journal.add(candidate(1))
    monkeypatch.undo()
    journal.add(candidate(2))
    journal.cut()
    assert kept(tmp_path) == [candidate(0), candidate(2)]


def _half(file: BinaryIO, line: bytes) -> None:
    file.write(line[: len(line) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_that_comes_and_goes_stops_nobody(tmp_path: Path) -> None:
    """What is discarded in a thread, or by another process, takes the folder with it."""
    folder, done = tmp_path / "answers", threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                folder.mkdir()
            with contextlib.suppress(OSError):
                folder.rmdir()

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    journal = Journal(folder, Candidate)
    try:
        for number in range(300):
            journal.add(candidate(number))
            segment = journal.cut()
            assert segment is not None
            discard(segment)
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_a_disk_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("a file in its place")
    with pytest.raises(StoreError, match="cannot write"):
        Journal(tmp_path / "answers", Candidate).add(candidate())


def test_verdicts_are_rows_too(tmp_path: Path) -> None:
    made = Verdict(
        id="v-1", candidate_id="c-1", verifier="judge", version="1", outcome=Outcome.WRONG,
        extracted=None, reason="why", seconds=0.5, isolation="none", results=["wrong", "wrong"],
        share=1.0, requests=2, prompt_tokens=30, tokens=4,
    )  # fmt: skip
    journal = Journal(tmp_path, Verdict)
    journal.add(made)
    journal.cut()
    [(_, [row])] = Journal(tmp_path, Verdict).left()
    assert row == made
    assert row.outcome is Outcome.WRONG
