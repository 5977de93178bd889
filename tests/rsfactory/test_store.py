"""A shard that exists is complete: whatever was killed, full, read-only or damaged."""

import dataclasses
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import made_run
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsfactory.errors import RunLocked, StoreError
from rsfactory.store import (
    CANDIDATES,
    FLAGS,
    PROBLEMS,
    TABLES,
    Store,
    Table,
    from_frame,
    need_disk,
    read_shard,
    schema,
    to_frame,
    write_file,
    write_folder,
)

ROOT = Path(__file__).parents[2]
TEXT = st.text("aZ0 '\"\\\n\0é漢🙂,", max_size=30)
BASIC: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    list[str]: st.lists(TEXT, max_size=3),
}


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    if isinstance(hint, types.UnionType):
        return st.one_of(*(strategy(part) for part in typing.get_args(hint)))
    if hint is types.NoneType:
        return st.none()
    return BASIC[hint] if hint in BASIC else st.sampled_from(list(hint))


def records_of(table: Table[Any]) -> st.SearchStrategy[list[Any]]:
    hints = typing.get_type_hints(table.record)
    fields = {field.name: strategy(hints[field.name]) for field in dataclasses.fields(table.record)}
    return st.lists(st.builds(table.record, **fields), max_size=4)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_records_come_back_as_they_were(table: Table[Any], data: st.DataObject) -> None:
    rows = data.draw(records_of(table))
    frame = to_frame(table.record, rows)
    assert dict(frame.schema) == schema(table.record)
    assert from_frame(table.record, frame) == rows


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(CANDIDATES, 2, "b", made_run.CANDIDATES_MADE[2:])
    store.write(CANDIDATES, 2, "a", made_run.CANDIDATES_MADE[:2])
    store.write(CANDIDATES, 10, "0", [])
    assert store.read(CANDIDATES, 2) == made_run.CANDIDATES_MADE
    assert store.read(CANDIDATES) == made_run.CANDIDATES_MADE
    assert store.rounds(CANDIDATES) == [2, 10]
    assert store.read(PROBLEMS) == []
    assert pl.read_parquet_metadata(store.path(CANDIDATES, 2, "a"))["table"] == "candidates"


def test_a_written_shard_is_left_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(PROBLEMS, 0, "x", made_run.P)
    store.write(PROBLEMS, 0, "x", made_run.H)
    assert store.read(PROBLEMS) == made_run.P


def test_folders_named_like_patterns_work(tmp_path: Path) -> None:
    store = Store(tmp_path / "a[b]*c?'d")
    store.write(PROBLEMS, 0, "x", made_run.P)
    assert store.read(PROBLEMS) == made_run.P


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = store.write(PROBLEMS, 0, "x", made_run.P)
    place.write_bytes(place.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"part-x\.parquet cannot be read"):
        store.read(PROBLEMS)


def test_a_shard_of_another_schema_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["p"]}).write_parquet(tmp_path / "s.parquet")
    with pytest.raises(StoreError, match="cannot be read"):
        read_shard(PROBLEMS, tmp_path / "s.parquet")


def fail_with(code: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        ("fsync", errno.ENOSPC, "the disk is full"),
        ("fsync", errno.EDQUOT, "the disk is full"),
        ("fsync", errno.EROFS, "cannot be written"),
        ("fsync", errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, code: int, words: str
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(os, function, fail_with(code))
    with pytest.raises(StoreError, match=words):
        store.write(PROBLEMS, 0, "x", made_run.P)
    assert not store.has(PROBLEMS, 0, "x")
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == []
    monkeypatch.undo()
    store.write(PROBLEMS, 0, "x", made_run.P)
    assert store.read(PROBLEMS) == made_run.P


def test_a_check_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def check(path: Path) -> None:
        assert path.read_bytes() == b"content"
        raise StoreError("not so")

    with pytest.raises(StoreError, match="not so"):
        write_file(tmp_path / "f", b"content", check=check)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "runs" / "r")
    kept = store.write(PROBLEMS, 0, "x", made_run.P).read_bytes()
    big = os.urandom(200_000).hex()
    huge = [dataclasses.replace(made_run.P[0], prompt=big)]
    with pytest.raises(StoreError, match="the disk is full"):
        store.write(PROBLEMS, 0, "y", huge)
    assert store.shards(PROBLEMS) == [store.path(PROBLEMS, 0, "x")]
    assert store.path(PROBLEMS, 0, "x").read_bytes() == kept
    assert list(small_disk.rglob(".writing-*")) == []
    with pytest.raises(StoreError, match="no disk space: a checkpoint needs about"):
        need_disk(store.folder / "not" / "there", 10**9, "a checkpoint")
    need_disk(store.folder, 10, "a row")


def test_a_read_only_disk_is_said(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="make it writable or name another"):
        Store(small_disk / "r").write(PROBLEMS, 0, "x", made_run.P)
    with pytest.raises(StoreError, match="name another"), Store(small_disk / "r").lock():
        pass


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"

    def fail_half_way() -> None:
        with write_folder(place) as folder:
            (folder / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []
    with write_folder(place) as folder:
        (folder / "whole").write_text("whole")
        assert not place.exists()
    assert [f.name for f in place.iterdir()] == ["whole"]
    with write_folder(place) as folder:
        (folder / "other").write_text("other")
    assert [f.name for f in place.iterdir()] == ["other"]


WRITER = """
import sys
import threading
sys.path[:0] = ["tests"]
import made_run
from pathlib import Path
from rsfactory.store import PROBLEMS, Store, write_folder
store = Store(Path(sys.argv[1]))
with store.lock():
    print("holding", flush=True)
    for number in range(100_000):
        store.write(PROBLEMS, number % 3, str(number), made_run.P * 50)
        store.write_json("run.json", {"number": number, "filler": "x" * 5000})
        store.journal(round=1, stage="sample", seconds=1.0)
        with write_folder(store.folder / "checkpoint") as folder:
            (folder / "weights").write_text(str(number) * 1000)
"""


def start(code: str, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, str(folder)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "holding\n"
    return child


@pytest.mark.parametrize("moment", [0.02, 0.05, 0.11, 0.23])
def test_killed_in_the_middle_of_a_write(tmp_path: Path, moment: float) -> None:
    store = Store(tmp_path / "run")
    child = start(WRITER, store.folder)
    time.sleep(moment)
    child.kill()
    child.communicate()
    shards = store.shards(PROBLEMS)
    assert all(read_shard(PROBLEMS, shard) == made_run.P * 50 for shard in shards)
    assert "number" in (store.read_json("run.json") or {"number": None})
    assert all(entry["stage"] == "sample" for entry in store.journal_entries())
    assert not store.locked()
    with store.lock():
        assert list(store.folder.rglob(".writing-*")) == []
        store.write(PROBLEMS, 0, "after", made_run.P)


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    assert not store.locked()
    child = start(WRITER, store.folder)
    try:
        assert store.locked()
        with pytest.raises(RunLocked, match=f"process {child.pid} on .* since 20") as error:
            store.lock().__enter__()
        assert error.value.exit_code == 1
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    with store.lock():
        assert store.locked()
    assert not store.locked()


def test_the_journal_adds_up_and_forgives_a_torn_line(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert list(store.journal_entries()) == []
    store.journal(round=1, stage="sample", seconds=1.5)
    store.journal(round=1, stage="sample", seconds=2.0)
    store.journal(round=2, stage="sft", seconds=9.0)
    store.journal(round=1, note="no stage")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"round": 1, "stage": "sam')
    assert store.seconds(1) == {"sample": 3.5}
    assert store.seconds(2) == {"sft": 9.0}
    assert store.seconds(3) == {}


def test_json_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    assert store.read_json("run.json") is None
    store.write_json("run.json", {"name": "ä"})
    assert store.read_json("run.json") == {"name": "ä"}
    assert store.size() == len((store.folder / "run.json").read_bytes())
    (store.folder / "run.json").write_text("{")
    with pytest.raises(StoreError, match=r"run\.json cannot be read"):
        store.read_json("run.json")


def test_a_record_is_one_row(tmp_path: Path) -> None:
    for table in TABLES:
        assert set(schema(table.record)) == {f.name for f in dataclasses.fields(table.record)}
    assert json.dumps([table.name for table in TABLES]).count("evaluation") == 3
    assert FLAGS.name == "flags"


def test_somebody_who_only_looks_does_not_keep_the_lock_from_us(tmp_path: Path) -> None:
    store = Store(tmp_path / "r")
    store.folder.mkdir()
    looking = (store.folder / "lock").open("a+")
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.1, looking.close).start()
    with store.lock():
        assert store.locked()


def test_a_lock_on_a_run_that_was_removed_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is removed after its lock file was opened and before it is locked."""
    store = Store(tmp_path / "r")
    flock, calls = fcntl.flock, []

    def removed_before(file: object, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            shutil.rmtree(store.folder)
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with store.lock():
        assert (store.folder / "lock").exists()
    assert len(calls) == 2
