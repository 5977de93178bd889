"""The rows file of GRPO: problems with the messages that ask them, as Parquet.

Columns: those of `rsfactory.records.Problem`, then ``system`` (text, or null for no system
message) and ``user`` (text). One row a problem, in the order they are trained.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rsfactory.contracts import Message
from rsfactory.errors import InputError
from rsfactory.records import Problem
from rsfactory.store import from_frame, to_frame, write_file


@dataclass(frozen=True, slots=True)
class GrpoRow:
    """A problem and how it is asked."""

    problem: Problem
    system: str | None
    user: str

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages, as `rsfactory.chat.render` takes them."""
        system = () if self.system is None else (Message("system", self.system),)
        return (*system, Message("user", self.user))


def write_rows(place: Path, rows: Sequence[GrpoRow]) -> None:
    """Writes the file, whole or not at all.

    Raises:
        StoreError: The folder cannot be written.
    """
    frame = to_frame(Problem, [row.problem for row in rows]).with_columns(
        pl.Series("system", [row.system for row in rows], dtype=pl.String),
        pl.Series("user", [row.user for row in rows], dtype=pl.String),
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    write_file(place, buffer.getvalue())


def read_rows(place: Path) -> list[GrpoRow]:
    """Rows of a file that `write_rows` wrote, in order.

    Raises:
        InputError: There is none.
    """
    with place.open("rb") as file:  # by its path polars would read "round=1" as a partition
        frame = pl.read_parquet(file)
    if frame.is_empty():
        raise InputError(f"there is no problem for GRPO in {place}; leave GRPO out of this round")
    asked = frame.select("system", "user").iter_rows()
    return [GrpoRow(p, *texts) for p, texts in zip(from_frame(Problem, frame), asked, strict=True)]
