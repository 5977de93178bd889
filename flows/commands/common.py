"""What commands share: their common options, how a run is found, and how they print."""

import contextlib
import difflib
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rsfactory.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from filters.verify.costs import Cost
    from rsfactory.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """``--json``, handed over as ``as_json``."""
    text = "Print one JSON document on standard output, and nothing else there."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def data_option(command: F) -> F:
    """``--data DIR``, handed over as a Path."""
    return click.option(
        "--data",
        default="data",
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder that holds runs/.",
    )(command)


def map_option(command: F) -> F:
    """``--map NAME=COLUMN``, handed over as ``columns``; read each with `mapping`."""
    text = "Which column of the file is meant by a name, e.g. --map answer=gold."
    return click.option("--map", "columns", multiple=True, metavar="NAME=COLUMN", help=text)(
        command
    )


def workers_option(command: F) -> F:
    """``--workers N``, handed over as ``workers``; None is one a core."""
    return click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Verifiers at work at once.  [default: one a core, at most 8]",
    )(command)


def mapping(text: str) -> tuple[str, str]:
    """Name and column of ``name=column``.

    Raises:
        InputError: One of the two is missing.
    """
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise InputError(f"expected --map name=column, e.g. --map problem=question, got {text!r}")
    return name, column


@contextlib.contextmanager
def counting(unit: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time left on standard error, where that is a terminal; call it for each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    shown = Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with shown:
        task = shown.add_task(unit, total=total)
        yield lambda: shown.advance(task)


def runs_folder(data: Path) -> Path:
    """Where the runs of a data folder are."""
    return data / "runs"


def run_names(data: Path) -> list[str]:
    """Names of the runs in a data folder, in order of their last change."""
    folder = runs_folder(data)
    if not folder.is_dir():
        return []
    runs = [f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")]
    return [f.name for f in sorted(runs, key=lambda f: (f.stat().st_mtime, f.name))]


def find_run(data: Path, name: str) -> "Store":
    """The store of a run, by its name, or by the only name that begins so.

    Raises:
        InputError: There is no such run; the message says what there is.
    """
    from rsfactory.store import Store

    names = run_names(data)
    found = [name] if name in names else [n for n in names if name and n.startswith(name)]
    if len(found) == 1:
        return Store(runs_folder(data) / found[0])
    if len(found) > 1:
        raise InputError(f"{name!r} begins the names of {len(found)} runs: {', '.join(found)}")
    close = difflib.get_close_matches(name, names, 1)
    guess = f" (did you mean {close[0]!r}?)" if close else ""
    there = (
        f"there is: {', '.join(names)}" if names else "there are none yet; try: factory run star"
    )
    raise InputError(f"no run is called {name!r} in {runs_folder(data)}{guess}; {there}")


def recipe_of(store: "Store") -> dict[str, Any]:
    """The resolved recipe of a run, as plain values.

    Raises:
        InputError: The folder has no run.json (it was never begun, or is no run).
    """
    described = store.described()
    if described is None:
        raise InputError(f"{store.folder} has no run.json, so it is no run (or was never begun)")
    recipe: dict[str, Any] = described["recipe"]
    return recipe


def print_json(document: Any) -> None:
    """One JSON document on standard output; what JSON cannot say (NaN) becomes null."""
    click.echo(json.dumps(_plain(document), ensure_ascii=False, indent=2, default=str))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


PIPED = 100
"""Columns of a table where standard output is no terminal and COLUMNS says nothing."""


def _console() -> "Console":
    """Standard output: as wide as the terminal, or as COLUMNS says."""
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if known else PIPED, highlight=False)


def print_table(table: "Table") -> None:
    """A rich table on standard output, without colours where that is no terminal."""
    _console().print(table)


def plain_table(headers: Iterable[str], *, right: Iterable[str] = ()) -> "Table":
    """An empty table as all commands show them; ``right`` names the right-aligned columns.

    Those are numbers and never broken; where the room is short, the words in the others are.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    numbers = set(right)
    for header in headers:
        if header in numbers:
            table.add_column(header, justify="right", no_wrap=True)
        else:
            table.add_column(header, overflow="fold")
    return table


def print_numbers(headers: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> None:
    """A table of numbers, in as many tables one below the other as the width asks for.

    Args:
        headers: Of all columns.
        rows: Cells, as many as there are headers.
        words: How many of the first columns say what a row is; each table has them again.
    """
    widths = [max(map(len, column)) + GAP for column in zip(headers, *rows, strict=True)]
    room = _console().width - sum(widths[:words])  # a gap is lost at the edges
    for group in _groups(widths[words:], room):
        shown = [*range(words), *(words + place for place in group)]
        table = plain_table([headers[i] for i in shown], right=headers[words:])
        for row in rows:
            table.add_row(*(row[i] for i in shown))
        print_table(table)


GAP = 2
"""Columns between two columns of a table."""


def _groups(widths: Sequence[int], room: int) -> list[list[int]]:
    """Places of columns, in order, in groups that fit; one that never fits is alone."""
    groups: list[list[int]] = []
    left = 0
    for place, width in enumerate(widths):
        if not groups or width > left:
            groups.append([])
            left = room
        groups[-1].append(place)
        left -= width
    return groups


def print_costs(costs: "Mapping[str, Cost]") -> None:
    """What verifiers cost, a line each."""
    from filters.verify.costs import words

    for name, cost in costs.items():
        click.echo(words(name, cost))


def size_words(size: int) -> str:
    """Bytes as people read them."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def data_words(data: Path) -> str:
    """`` --data DIR`` for commands to type next, empty for the default."""
    return "" if data == Path("data") else f" --data {shlex.quote(str(data))}"
