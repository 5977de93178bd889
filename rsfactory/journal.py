"""Answers as they come, before there are enough for a shard: no answered request is asked again.

A journal is a folder of segments, one line of JSON a row (a candidate, a judge's verdict). A
segment becomes one shard: when it is full its rows are written as Parquet, and then it is removed.
A line is handed to the operating system before the next request is made, so that SIGKILL at any
moment loses nothing that was answered. Several processes may keep journals in one folder: a
segment's name says whose it is.

Not covered: a power cut may lose the lines of the open segment, which are not synced one by one.
"""

import contextlib
import dataclasses
import os
import typing
import uuid
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import orjson

from rsfactory.errors import StoreError

T = TypeVar("T")


class Journal(Generic[T]):
    """The open segment of one process, and what earlier processes left."""

    def __init__(self, folder: Path, record: type[T]) -> None:
        """Opens no file yet.

        Args:
            folder: Holds the segments; made with the first row.
            record: The class of its rows.
        """
        self._folder = folder
        self._record = record
        self._fields = tuple(field.name for field in dataclasses.fields(record))  # type: ignore[arg-type]
        self._file: BinaryIO | None = None
        self._place: Path | None = None

    def add(self, row: T) -> None:
        """Appends a row; once this returns, a kill does not lose it.

        Raises:
            StoreError: The disk is full or the folder cannot be written.
        """
        line = orjson.dumps({name: getattr(row, name) for name in self._fields})
        try:
            _add(self._file or self._open(), line + b"\n")
        except OSError as error:
            raise StoreError(
                f"cannot write {self._folder}: {error.strerror}; clear some space and run the "
                "same command to continue"
            ) from error

    def cut(self) -> Path | None:
        """Ends the segment, so that its rows can become a shard; None if there is none."""
        place, self._place = self._place, None
        if self._file is not None:
            self._file.close()
            self._file = None
        return place

    def left(self) -> Iterator[tuple[Path, list[T]]]:
        """Segments on disk with their rows: what was answered and is in no shard, perhaps.

        A line that a kill cut short is left out; its request counts as in flight.
        """
        for place in sorted(self._folder.glob("*.jsonl")):
            yield place, list(_read(place, self._record))

    def _open(self) -> BinaryIO:
        place = self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.jsonl"
        while self._file is None:
            # Another thread or process may remove the folder, empty as it is, at any moment.
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = place.open("ab", buffering=0)
            except FileNotFoundError:
                continue
            except FileExistsError:  # as `mkdir` says it where the folder is gone again
                if self._folder.is_file():
                    raise
        self._place = place
        return self._file


def _add(file: BinaryIO, line: bytes) -> None:
    """The whole line or nothing of it, so that a later one does not go on in its middle."""
    end = file.seek(0, os.SEEK_END)
    try:
        _write(file, line)
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(end)
        raise


def _write(file: BinaryIO, line: bytes) -> None:
    """The whole line, or an error: an almost full disk takes a part of it and says so only once."""
    while written := file.write(line):
        if written == len(line):
            return
        line = line[written:]


def discard(segment: Path) -> None:
    """Removes a segment whose rows are in a shard, and its folder with the last one."""
    segment.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        segment.parent.rmdir()


def _read(place: Path, record: type[T]) -> Iterator[T]:
    kinds = typing.get_type_hints(record)
    enums = {n: k for n, k in kinds.items() if isinstance(k, type) and issubclass(k, Enum)}
    with place.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            with contextlib.suppress(ValueError, TypeError):
                row = orjson.loads(line)
                if isinstance(row, dict):  # without a field that is needed it is a TypeError
                    known: dict[str, Any] = {n: row[n] for n in kinds if n in row}
                    yield record(**{n: enums.get(n, _same)(v) for n, v in known.items()})


def _same(value: Any) -> Any:
    return value
