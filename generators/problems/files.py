"""Problems from a file: JSON Lines, JSON, CSV or Parquet."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from generators.problems import formats
from generators.problems.cells import Row
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from rsfactory.errors import InputError


def open_set(spec: str, options: Options) -> FiniteSet:
    """The problems of a file; its name without folders is the source's name.

    Raises:
        InputError: It is missing, empty, broken, of another kind, or not understood.
    """
    path = Path(spec)
    found = formats.problems(
        read_rows(path),
        path.name,
        options.columns,
        options.verifier,
        lenient=options.purpose == "held_out",
        gold=options.gold,
        said=options.said,
    )
    return FiniteSet(path.name, found, options)


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """A file's rows, each with the words that say where it is.

    Raises:
        InputError: The file is missing, empty, broken or of another kind.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"problem file {path} is of an unknown kind; expected {', '.join(READERS)}"
        )
    try:
        count = 0
        for where, row in reader(path):
            count += 1
            yield where, row
    except FileNotFoundError as error:
        raise InputError(f"problem file {path} does not exist; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"problem file {path} is not UTF-8 text (byte {error.start}); "
            "save it as UTF-8, or name it .parquet if it is one"
        ) from error
    except OSError as error:
        raise InputError(f"problem file {path} cannot be read: {error.strerror}") from error
    if not count:
        raise InputError(f"problem file {path} is empty; expected one problem a row")


def _jsonl(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"line {number}", _object(_parse(line, path, number), path, f"line {number}")


def _json(path: Path) -> Iterator[tuple[str, Row]]:
    """A list of objects, perhaps as the only list inside one object."""
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        return
    found = _parse(text, path, 1)
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else None
    if not isinstance(found, list):
        raise InputError(f"problem file {path} is JSON but not a list of objects")
    for number, row in enumerate(found):
        yield f"row {number}", _object(row, path, f"row {number}")


def _csv(path: Path) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(2**31 - 1)  # its own is 128 kB a cell
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, strict=True, delimiter=_delimiter(header))
        try:
            for number, row in enumerate(reader):
                if None in row:
                    raise InputError(
                        f"problem file {path}, row {number} (line {reader.line_num}) has more "
                        f"cells than the header's {len(reader.fieldnames or ())}; quote its commas"
                    )
                yield f"row {number}", row
        except csv.Error as error:
            raise InputError(
                f"problem file {path}, line {reader.line_num} is not valid CSV: {error}"
            ) from error


def _delimiter(header: str) -> str:
    """The comma, or what some spreadsheets write instead where the header has no comma."""
    return next((mark for mark in ",;\t" if mark in header), ",")


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import polars as pl

    path.open("rb").close()  # a missing file or a folder is reported like any other kind's
    try:
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"problem file {path} is not valid Parquet: {error}") from error
    for number, row in enumerate(frame.iter_rows(named=True)):
        yield f"row {number}", row


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""Ending of a file's name -> how it is read: the words that say where a row is, and the row."""


def _parse(text: str, path: Path, first_line: int) -> object:
    try:
        parsed: object = json.loads(text)
        return parsed
    except json.JSONDecodeError as error:
        raise InputError(
            f"problem file {path}, line {first_line + error.lineno - 1} is not valid JSON: "
            f"{error.msg} at column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
        raise InputError(
            f"problem file {path}, line {first_line} cannot be read: {error}; "
            "give long numbers as text, and flat rows"
        ) from error


def _object(value: object, path: Path, where: str) -> Row:
    if not isinstance(value, dict):
        raise InputError(
            f"problem file {path}, {where}: expected an object, got {str(value)[:40]!r}"
        )
    return value
