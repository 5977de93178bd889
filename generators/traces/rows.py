"""Rows of a file or a data set, one at a time and at any place, without holding them all.

JSON Lines are read where they lie, by the place of every line. The other kinds of files cannot be
read in the middle: their rows are first written as lines into a temporary file, which is gone with
the process (it takes the size of the text). Data sets of the Hub lie in Arrow files, which are
mapped into memory. A line that is no JSON object is a bad row, told apart from the others.

Not covered: compressed JSON Lines; a JSON file is held whole once, while it is read.
"""

import codecs
import json
import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from generators.problems import files, hub
from generators.problems.cells import BadRow, Row
from rsfactory.errors import InputError


class Rows(Protocol):
    """Rows by number, from 0."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, number: int) -> Row:
        """One row.

        Raises:
            BadRow: It is no JSON object.
        """
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


def open_rows(spec: str) -> tuple[Rows, str]:
    """The rows of a file or of a folder or Hub id that ``datasets`` reads, and their licence.

    Raises:
        InputError: There is no such file or data set, or it cannot be read at all.
    """
    path = Path(spec)
    if path.suffix.lower() in files.READERS or path.is_file():
        return _of_file(path), "unknown"
    name, config, split = hub.parse(spec)
    table = hub.load(name, config, split)
    return Table(table), hub.licence_of(name, table)


class Lines:
    """Rows that are lines of JSON in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        """Finds the places of the lines that are not empty."""
        self._file = file
        self._starts = array("Q")
        place = 0
        file.seek(0)
        for line in file:
            if line.removeprefix(codecs.BOM_UTF8).strip():
                self._starts.append(place)
            place += len(line)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._starts)

    def read(self, number: int) -> Row:
        """One row.

        Raises:
            BadRow: It is no JSON object.
        """
        self._file.seek(self._starts[number])
        line = self._file.readline()
        try:
            found = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise BadRow("it is not UTF-8 text") from error
        except (ValueError, RecursionError) as error:
            raise BadRow("it is not valid JSON") from error
        if not isinstance(found, dict):
            raise BadRow("it is not an object")
        return found

    def close(self) -> None:
        """Closes the file; a temporary one is gone then."""
        self._file.close()


class Table:
    """Rows of a data set that ``datasets`` loaded."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __len__(self) -> int:
        """How many there are."""
        return len(self._table)

    def read(self, number: int) -> Row:
        """One row."""
        row: Row = self._table[number]
        return row

    def close(self) -> None:
        """Holds nothing but mapped files."""


def _of_file(path: Path) -> Lines:
    kind = path.suffix.lower()
    if kind not in files.READERS:
        raise InputError(
            f"traces {path} are of an unknown kind; expected {', '.join(files.READERS)}"
        )
    if kind != ".jsonl":
        rows = _parquet(path) if kind == ".parquet" else (row for _, row in files.read_rows(path))
        return Lines(_spooled(rows))
    try:
        lines = Lines(path.open("rb"))
    except FileNotFoundError as error:
        raise InputError(f"traces {path} do not exist; check the path") from error
    except OSError as error:
        raise InputError(f"traces {path} cannot be read: {error.strerror}") from error
    if not len(lines):
        lines.close()
        raise InputError(f"traces {path} are empty; expected one row a line")
    return lines


def _spooled(rows: Iterator[Row]) -> IO[bytes]:
    """A temporary file with a line for every row."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed by `Lines`)
    try:
        for row in rows:
            file.write(json.dumps(row, default=str).encode() + b"\n")
    except OSError as error:
        file.close()
        advice = f"free some space in {tempfile.gettempdir()}, or set TMPDIR"
        raise InputError(f"a copy of the rows cannot be written: {error}; {advice}") from error
    except BaseException:
        file.close()
        raise
    return file


def _parquet(path: Path) -> Iterator[Row]:
    """Rows of a Parquet file, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(os.fspath(path)) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise InputError(f"traces {path} do not exist; check the path") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"traces {path} are not valid Parquet: {error}") from error
