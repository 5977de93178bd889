"""Problems laid aside on disk: there may be 100,000 of them, and a run looks at a few at a time.

They lie in a file without a name in the folder for temporary files (``TMPDIR``), one line of JSON
each, and are read when they are looked at; in memory a problem takes some 12 bytes. A slice, or the
same problems in another order, is a shelf over the same file. The file goes with its last shelf,
also when the process is killed. Looking is safe from several threads.

Not covered: a problem that is looked at twice is two equal objects.
"""

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from typing import overload

import orjson

from rsfactory.errors import StoreError
from rsfactory.records import Problem

_FIELDS = tuple(field.name for field in fields(Problem))
_values = attrgetter(*_FIELDS)


class Shelf(Sequence[Problem]):
    """Problems that are on disk, in an order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Lays the problems aside, one after the other.

        Raises:
            StoreError: There is no room for them.
        """
        self._file = _Lines(orjson.dumps(_values(problem)) for problem in problems)
        self._places: Sequence[int] = range(len(self._file))

    def arranged(self, places: Iterable[int]) -> "Shelf":
        """The problems at these places, in this order."""
        return self._of(array("L", (self._places[place] for place in places)))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Problem: ...

    @overload
    def __getitem__(self, place: slice) -> "Shelf": ...

    def __getitem__(self, place: int | slice) -> "Problem | Shelf":
        """A problem, which is read now, or a shelf with some of them."""
        if isinstance(place, slice):
            return self._of(self._places[place])
        return _problem(self._file[self._places[place]])

    def __iter__(self) -> Iterator[Problem]:
        """Reads one after the other."""
        return (_problem(self._file[place]) for place in self._places)

    def _of(self, places: Sequence[int]) -> "Shelf":
        other = Shelf.__new__(Shelf)
        other._file, other._places = self._file, places
        return other


class ById(Mapping[str, Problem]):
    """Problems by their keys, which are gathered at the first look; the problems are not."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Takes a shelf, or any other sequence."""
        self.problems = problems

    @cached_property
    def _places(self) -> dict[str, int]:
        return {problem.id: place for place, problem in enumerate(self.problems)}

    def __getitem__(self, key: str) -> Problem:
        """The problem with this key."""
        return self.problems[self._places[key]]

    def __contains__(self, key: object) -> bool:
        """Whether there is one."""
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        """The keys in the problems' order."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many different ones there are."""
        return len(self._places)


class _Lines:
    """Lines of a file without a name, by number."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with us)
        except OSError as error:
            raise _no_room(error) from error
        weakref.finalize(self, self._file.close)
        self._ends = array("Q", [0])
        for line in lines:
            self._add(line)

    def _add(self, line: bytes) -> None:
        self._ends.append(self._ends[-1] + len(line))
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise _no_room(error) from error

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> bytes:
        start = self._ends[number]
        return os.pread(self._file.fileno(), self._ends[number + 1] - start, start)


def _problem(line: bytes) -> Problem:
    return Problem(**dict(zip(_FIELDS, orjson.loads(line), strict=True)))


def _no_room(error: OSError) -> StoreError:
    folder = tempfile.tempdir or "the folder for temporary files"
    return StoreError(
        f"problems cannot be laid aside in {folder}: {error.strerror}; clear some space there, or "
        "name another folder with TMPDIR"
    )
