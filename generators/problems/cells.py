"""Cells of a table's rows: nested columns, texts, and what messages say of them."""

import ast
import json
from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]


class BadRow(Exception):
    """A row that cannot be a problem; the message says why, the caller says where."""


def get(row: Row, column: str) -> Any:
    """A column's value, or a nested one's (``question.stem``); None where it is missing."""
    if column in row or "." not in column:
        return row.get(column)
    here: Any = row
    for part in column.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def has(row: Row, column: str) -> bool:
    """Whether a row has a column, or all of those that ``+`` joins."""
    return all(c in row or get(row, c) is not None for c in column.split("+"))


def text_of(row: Row, column: str) -> str:
    """A column's value as text; a number is written as it is.

    Raises:
        BadRow: It is missing or empty, or not a text or number.
    """
    value = get(row, column)
    if isinstance(value, list | Mapping):
        raise BadRow(f"expected a text or a number in {column}, got {shown(value)}")
    text = "" if value is None or value != value else str(value).strip()
    if not text:
        raise BadRow(f"{column} is empty; every row needs a question and a gold answer")
    return text


def unpacked(value: Any) -> Any:
    """A list or an object that a CSV file holds as text: JSON, or as Python writes it."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


_LIKELY = {
    "problem": ("question", "problem", "prompt", "query", "instruction", "input", "body"),
    "answer": ("answer", "gold", "target", "label", "solution", "result", "output"),
}
"""What columns are mostly called that mean a name of the mapping."""


def likely_mapping(row: Row) -> str:
    """Flags that would map a row's columns, as far as their names let it be guessed."""
    found = []
    for name, words in _LIKELY.items():
        fits = (c for word in words for c in row if word in c.lower() and "'" not in c)
        column = next(fits, "COLUMN")
        said = f"{name}={column}"
        found.append(f"--map {said}" if " " not in said else f"--map '{said}'")
    return " ".join(found)


def columns_of(row: Row) -> str:
    """The row's columns, nested ones with their parts."""
    names: list[str] = []
    for name, value in row.items():
        nested = isinstance(value, Mapping)
        names += [f"{name}.{part}" for part in value] if nested else [name]
    return ", ".join(names) or "(none)"


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
