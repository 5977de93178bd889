"""Problems of files by the id that their rows have: ``HumanEval/0``, ``Mbpp/19``, 19.

An id matches with or without its prefix, where that is one problem. Rows and problems are paired in
order, since a format makes one problem of every row. An id that is there twice is an error only for
who asks for it.
"""

from collections.abc import Sequence
from pathlib import Path

from generators.problems import formats
from generators.problems.cells import Row
from generators.problems.files import read_rows
from rsfactory.errors import InputError
from rsfactory.records import Problem

IDS = ("task_id", "problem_id", "id")
"""Columns that an id is looked for in, in this order."""
SHOWN = 3
"""Ids that a message names."""


class ProblemIndex:
    """Problems by the ids of their rows."""

    def __init__(self, files: Sequence[Path], verifier: str) -> None:
        """Reads the files; ``verifier`` decides all of them.

        Raises:
            InputError: A file is not understood, or has no column of ids.
        """
        self._files = [path.name for path in files]
        self._known: dict[str, Problem] = {}
        self._bare: dict[str, list[str]] = {}
        self._again: dict[str, str] = {}
        """Id -> where it is there again."""
        for path in files:
            rows = list(read_rows(path))
            found = formats.problems(iter(rows), path.name, {}, verifier)
            for (where, row), problem in zip(rows, found, strict=True):
                self._add(_id_of(row, path, where), problem, f"{path.name}, {where}")

    def find(self, asked: str) -> Problem:
        """The problem with this id.

        Raises:
            InputError: There is none, or more than one, with the prefix or without.
        """
        if asked in self._known:
            return self._only(asked)
        _, slash, bare = asked.rpartition("/")
        # With a prefix of its own only an id without one can be meant: Mbpp/19 is not HumanEval/19.
        found = [key for key in self._bare.get(bare, []) if not slash or key == bare]
        if len(found) == 1:
            return self._only(found[0])
        files = " and ".join(self._files)
        if found:
            raise InputError(f"problem {asked!r} may be {' or '.join(found)} of {files}; say which")
        some = ", ".join(list(self._known)[:SHOWN])
        raise InputError(
            f"problem {asked!r} is not in {files}, whose {len(self._known)} ids are like {some}; "
            "give the file that has it with --problems, or its column with --map problem=COLUMN"
        )

    def _only(self, key: str) -> Problem:
        if key in self._again:
            where = self._again[key]
            raise InputError(f"{where}: expected every problem once, the id {key!r} is there twice")
        return self._known[key]

    def _add(self, key: str, problem: Problem, where: str) -> None:
        if key in self._known:
            self._again.setdefault(key, where)
            return
        self._known[key] = problem
        self._bare.setdefault(key.rpartition("/")[2], []).append(key)


def _id_of(row: Row, path: Path, where: str) -> str:
    for name in IDS:
        if row.get(name) is not None:
            return str(row[name]).strip()
    raise InputError(
        f"{path.name}, {where}: expected an id in a column {' or '.join(IDS)}, found "
        f"{', '.join(row)}"
    )
