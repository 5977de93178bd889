"""A run's folder: immutable Parquet shards, a lock, a journal. The only code that touches paths.

A shard is ``<run>/<table>/round=<r>/part-<id>.parquet``. It is written beside its place, checked,
synced and renamed: a shard that exists is complete, and nothing is ever edited. What is covered:
a kill at any moment, a full disk, two writers of the same shard (the same content wins twice).
What is not: a file system that reorders a rename before the data it was synced with.
"""

import contextlib
import dataclasses
import errno
import fcntl
import io
import json
import os
import shutil
import socket
import time
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import polars as pl

from rsfactory import records
from rsfactory.errors import RunLocked, StoreError
from rsfactory.journal import Journal

SCHEMA_VERSION = "3"
"""Written into every shard; raised when a record's fields change. Fields that were added later have
defaults, which rows of older shards get."""

LOCK_PATIENCE = 0.3
"""Seconds to wait for a lock: another process may only be looking whether there is one."""

DAMAGED = (
    "put a good copy in its place; in a round that has not ended, move it away and run the same "
    "command to make it again; a round that has ended cannot be made again, so else remove the run "
    "(factory rm RUN) and start anew"
)
"""What to do about a shard that cannot be read."""

T = TypeVar("T")


@dataclass(frozen=True)
class Table(Generic[T]):
    """A kind of record and the folder its shards are in."""

    name: str
    record: type[T]


PROBLEMS = Table("problems", records.Problem)
PROMPTS = Table("prompts", records.Prompt)
CANDIDATES = Table("candidates", records.Candidate)
PASS_RATES = Table("pass_rates", records.PassRate)
VERDICTS = Table("verdicts", records.Verdict)
FLAGS = Table("flags", records.Flag)
SELECTIONS = Table("selections", records.Selection)
TRAINING_ROWS = Table("training_rows", records.TrainingRow)
CHECKPOINTS = Table("checkpoints", records.Checkpoint)
EVALUATIONS = Table("evaluations", records.Evaluation)
EVALUATION_CANDIDATES = Table("evaluation_candidates", records.Candidate)
EVALUATION_VERDICTS = Table("evaluation_verdicts", records.Verdict)
ROUNDS = Table("rounds", records.RoundReport)

TABLES: tuple[Table[Any], ...] = (
    PROBLEMS, PROMPTS, CANDIDATES, PASS_RATES, VERDICTS, FLAGS, SELECTIONS, TRAINING_ROWS,
    CHECKPOINTS, EVALUATIONS, EVALUATION_CANDIDATES, EVALUATION_VERDICTS, ROUNDS,
)  # fmt: skip

_DTYPES: dict[Any, Any] = {
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    list[str]: pl.List(pl.String),
}  # fmt: skip


def schema(record: type[Any]) -> dict[str, Any]:
    """Column name -> polars type of a record's shard, from the record's own annotations."""
    columns = {}
    for name, hint in typing.get_type_hints(record).items():
        inner = hint
        if isinstance(hint, types.UnionType):
            inner = next(a for a in typing.get_args(hint) if a is not type(None))
        if isinstance(inner, type) and issubclass(inner, StrEnum):
            inner = str
        columns[name] = _DTYPES[inner]
    return columns


def _enums(record: type[Any]) -> dict[str, type[StrEnum]]:
    hints = typing.get_type_hints(record)
    return {n: h for n, h in hints.items() if isinstance(h, type) and issubclass(h, StrEnum)}


def to_frame(record: type[Any], rows: Sequence[Any]) -> pl.DataFrame:
    """Records as a data frame with the record's pinned schema."""
    columns = schema(record)
    data = {name: [getattr(row, name) for row in rows] for name in columns}
    for name in _enums(record):
        data[name] = [str(value) for value in data[name]]
    return pl.DataFrame(data, schema=columns)


def from_frame(record: type[T], frame: pl.DataFrame) -> list[T]:
    """Rows of a data frame as records."""
    enums = _enums(record)
    later = later_columns(record)
    there = [name for name in schema(record) if name in frame.columns or name not in later]
    rows = frame.select(there).iter_rows(named=True)
    if not enums:
        return [record(**row) for row in rows]
    return [record(**{**row, **{n: e(row[n]) for n, e in enums.items()}}) for row in rows]


def later_columns(record: type[Any]) -> set[str]:
    """Columns that shards of an older schema may lack: the fields with defaults."""
    missing = dataclasses.MISSING
    return {
        field.name
        for field in dataclasses.fields(record)
        if field.default is not missing or field.default_factory is not missing
    }


class Store:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        """Opens a run's folder, which need not exist yet."""
        self.folder = folder

    def path(self, table: Table[Any], round: int, part: str) -> Path:
        """Where a shard is or would be."""
        return self.folder / table.name / f"round={round}" / f"part-{part}.parquet"

    def has(self, table: Table[Any], round: int, part: str) -> bool:
        """Whether the shard exists, which means it is complete."""
        return self.path(table, round, part).exists()

    def write(self, table: Table[T], round: int, part: str, rows: Sequence[T]) -> Path:
        """Writes a shard, whole or not at all; an existing one is left as it is.

        Raises:
            StoreError: The disk is full, the folder is read-only, or the file cannot be read back.
        """
        place = self.path(table, round, part)
        if place.exists():
            return place
        buffer = io.BytesIO()
        to_frame(table.record, rows).write_parquet(
            buffer, compression="zstd", metadata={"rsfactory": SCHEMA_VERSION, "table": table.name}
        )
        write_file(place, buffer.getvalue(), check=_check_footer)
        return place

    def rounds(self, table: Table[Any]) -> list[int]:
        """Rounds for which the table has a folder, in order."""
        folders = (self.folder / table.name).glob("round=*")
        return sorted(int(f.name.partition("=")[2]) for f in folders)

    def shards(self, table: Table[Any], round: int | None = None) -> list[Path]:
        """Paths of the table's shards, of one round or of all, in a fixed order."""
        rounds = self.rounds(table) if round is None else [round]
        folders = (self.folder / table.name / f"round={r}" for r in rounds)
        return [p for f in folders for p in sorted(f.glob("part-*.parquet"))]

    def read(self, table: Table[T], round: int | None = None) -> list[T]:
        """Records of one round or of all, in the order of the shards' names.

        Raises:
            StoreError: A shard is damaged (by something else than a kill) or has another schema.
        """
        return [row for path in self.shards(table, round) for row in read_shard(table, path)]

    def columns(self, table: Table[Any], round: int, names: Sequence[str]) -> pl.DataFrame:
        """Some columns of a round's rows, in the order of the shards' names, without the texts.

        Raises:
            StoreError: A shard is damaged or has another schema.
        """
        pinned = {name: kind for name, kind in schema(table.record).items() if name in names}
        empty = pl.DataFrame(schema=pinned)
        return pl.concat([empty, *self.frames(table, round, names)], how="diagonal")

    def frames(self, table: Table[Any], round: int, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The same, a shard at a time; columns that came later may be missing in older ones.

        Raises:
            StoreError: A shard is damaged or has another schema.
        """
        wanted, later = [n for n in schema(table.record) if n in names], later_columns(table.record)
        for path in self.shards(table, round):
            with _reading(path):
                there = pl.read_parquet_schema(path)
                asked = [name for name in wanted if name in there or name not in later]
                frame = pl.read_parquet(path, columns=asked, glob=False, hive_partitioning=False)
            yield frame

    def answers(self, round: int) -> Journal[records.Candidate]:
        """The journal of a round's answers that are in no shard yet."""
        return Journal(self.folder / "answers" / f"round={round}", records.Candidate)

    def judged(self, table: Table[Any], round: int, part: str) -> Journal[records.Verdict]:
        """The journal of a judge's verdicts that will be one shard of ``table``."""
        folder = self.folder / "judged" / table.name / f"round={round}" / part
        return Journal(folder, records.Verdict)

    def judged_apart(self, table: Table[Any]) -> Iterator[records.Verdict]:
        """A judge's verdicts that are in no shard of ``table`` yet."""
        for place in sorted((self.folder / "judged" / table.name).glob("round=*/*")):
            round = int(place.parent.name.partition("=")[2])
            if not self.has(table, round, place.name):
                for _, rows in self.judged(table, round, place.name).left():
                    yield from rows

    def journal(self, **entry: Any) -> None:
        """Appends one line to the journal: what took how long. Losing a line loses no work."""
        line = json.dumps({"at": round(time.time(), 3), **entry}) + "\n"
        with _storing(self.folder), (self.folder / "journal.jsonl").open("a") as file:
            file.write(line)

    def journal_entries(self) -> Iterator[dict[str, Any]]:
        """The journal's lines; one that a kill cut short, or that is damaged, is left out."""
        place = self.folder / "journal.jsonl"
        with contextlib.suppress(FileNotFoundError), place.open(errors="replace") as file:
            for line in file:
                entry = None
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                if isinstance(entry, dict) and isinstance(entry.get("seconds", 0.0), int | float):
                    yield entry

    def seconds(self, round: int) -> dict[str, float]:
        """Stage -> seconds of a round, over all starts of the command that worked on it."""
        total: dict[str, float] = {}
        for entry in self.journal_entries():
            if entry.get("round") == round and "stage" in entry:
                total[entry["stage"]] = total.get(entry["stage"], 0.0) + entry["seconds"]
        return {stage: round_to(seconds) for stage, seconds in total.items()}

    def write_json(self, name: str, value: Any) -> None:
        """Writes a small JSON file of the run, whole or not at all."""
        content = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        write_file(self.folder / name, content.encode())

    def read_json(self, name: str) -> Any:
        """A JSON file of the run, or None where it is missing."""
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.folder / name} cannot be read: {error}") from error

    def described(self) -> dict[str, Any] | None:
        """The run's ``run.json``: recipe, seed, versions; None where it is missing.

        Raises:
            StoreError: It cannot be read, or is not that of a run.
        """
        found = self.read_json("run.json")
        if found is None:
            return None
        wanted = {"run": str, "recipe": dict, "seed": int, "created": str}
        if not isinstance(found, dict) or not all(
            isinstance(found.get(key), kind) for key, kind in wanted.items()
        ):
            raise StoreError(
                f"{self.folder / 'run.json'} is not that of a run (expected {', '.join(wanted)}); "
                "put a good copy in its place, or remove the run (factory rm RUN)"
            )
        return found

    def size(self) -> int:
        """Bytes the run takes on disk."""
        return sum(f.stat().st_size for f in self.folder.rglob("*") if f.is_file())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; the operating system frees it however we end.

        Raises:
            RunLocked: Another process holds the run; the message says which and since when.
            StoreError: The folder cannot be written.
        """
        with self._lock_file() as file:
            with _storing(self.folder):
                file.seek(0)
                file.truncate()
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
                file.flush()
                sweep(self.folder)
            yield

    def _lock_file(self) -> typing.IO[str]:
        """The lock's file, locked."""
        end = time.monotonic() + LOCK_PATIENCE
        while True:
            with _storing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                file = (self.folder / "lock").open("a+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                with file:
                    if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                        raise StoreError(f"{self.folder} cannot be locked: {error}") from error
                    if time.monotonic() >= end:
                        raise RunLocked(_holder(self.folder, file)) from error
                time.sleep(0.02)  # perhaps somebody only looked (`locked`)
                continue
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.folder / "lock")):
                    return file
            file.close()  # the run was removed between the two: begin again

    def locked(self) -> bool:
        """Whether some process holds the run now."""
        try:
            with (self.folder / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False


def sweep(folder: Path) -> None:
    """Removes what a killed process left half written. Called only by a lock's holder."""
    for left in folder.rglob(".writing-*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def read_shard(table: Table[T], path: Path) -> list[T]:
    """Records of one shard.

    Raises:
        StoreError: The shard is damaged or was written with another schema.
    """
    with _reading(path):
        frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
        return from_frame(table.record, frame)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"shard {path} cannot be read ({type(error).__name__}: {error}); {DAMAGED}"
        ) from error


def write_file(place: Path, content: bytes | Iterator[bytes], check: Any = None) -> None:
    """Writes a file, whole or in pieces, beside its place, syncs, checks and renames it.

    Raises:
        StoreError: The disk is full, the folder is read-only, or the check fails.
    """
    aside = place.with_name(f".writing-{os.getpid()}-{place.name}")
    with _storing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                file.writelines([content] if isinstance(content, bytes) else content)
                file.flush()
                os.fsync(file.fileno())
            if check is not None:
                check(aside)
            aside.rename(place)
        finally:
            aside.unlink(missing_ok=True)
        _sync(place.parent)


@contextlib.contextmanager
def write_folder(place: Path) -> Iterator[Path]:
    """A folder to fill beside its place; it gets its name when the block ends without an error.

    Raises:
        StoreError: The disk is full or the folder is read-only.
    """
    aside = place.with_name(f".writing-{os.getpid()}-{place.name}")
    with _storing(place):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    try:
        yield aside
        with _storing(place):
            for inside in (*aside.rglob("*"), aside):
                _sync(inside)
            if place.exists():  # a leftover: whoever calls decides by the record, not the folder
                shutil.rmtree(place)
            aside.rename(place)
            _sync(place.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def need_disk(folder: Path, needed: int, what: str) -> None:
    """Checks that the disk has room before work starts.

    Raises:
        StoreError: It has not; the message says how much is missing.
    """
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed:
        raise StoreError(
            f"no disk space: {what} needs about {needed / 1e9:.1f} GB in {folder}, "
            f"{free / 1e9:.1f} GB are free; clear some, or name another folder"
        )


def round_to(seconds: float) -> float:
    """Seconds as they are shown and kept: two decimals."""
    return round(seconds, 2)


@contextlib.contextmanager
def _storing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full; clear some space and run the same command to continue"
        elif error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            advice = "the folder cannot be written; make it writable or name another"
        else:
            advice = str(error)
        raise StoreError(f"cannot write {place}: {advice}") from error


def _check_footer(path: Path) -> None:
    try:
        with path.open("rb") as file:  # by its path polars would take it as a pattern
            pl.read_parquet_schema(file)
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"{path} was written but cannot be read back: {error}") from error


def _sync(place: Path) -> None:
    """Waits until a file or a folder's entries are on the disk."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _holder(folder: Path, file: typing.IO[str]) -> str:
    file.seek(0)
    held: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        held = json.loads(file.read() or "{}")
    who = f"process {held.get('pid', '?')} on {held.get('host', '?')}"
    return (
        f"another process holds this run: {who} since {held.get('since', '?')} ({folder}); "
        "wait for it, stop it, or start another run with --run NAME"
    )
