"""Where problems come from: generated families, files, the Hub, or the user's own code.

Every kind gives a `ProblemSet`: problems held out for evaluation, and apart from them by content
problems to train on, drawn round by round. `open_source` makes one from the user's words.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from generators.problems import files, gym, hub
from generators.problems.finite import FiniteSet
from generators.problems.options import Options, Purpose
from generators.problems.origin import UNKNOWN, Origin
from generators.problems.shelf import ById, Shelf
from rsfactory.contracts import ProblemSource, resolve
from rsfactory.errors import InputError
from rsfactory.records import Problem

__all__ = [
    "SOURCES", "ById", "FiniteSet", "Options", "ProblemSet", "Purpose", "Shelf", "open_source",
]  # fmt: skip


class ProblemSet(Protocol):
    """Problems, with those for evaluation kept apart by content from those for training."""

    name: str
    licence: str
    """Of its problems; several where they differ, ``unknown`` where nobody says."""
    provenance: str
    """How their golds were obtained; every problem has its own beside its licence."""
    domain: str
    """Domain of most of its problems."""

    @property
    def size(self) -> int | None:
        """Problems to train on in all; None where they have no end."""
        ...

    def problems(self) -> Iterator[Problem]:
        """All problems in the source's own order; endless where they are generated."""
        ...

    def held_out(self, count: int) -> list[Problem]:
        """Up to ``count`` problems that no round and no cold start ever gives; 256 at most."""
        ...

    def cold_start(self, count: int) -> list[Problem]:
        """Up to ``count`` training problems with a worked solution; empty where there are none."""
        ...

    def train(self, round: int, count: int) -> Sequence[Problem]:
        """Up to ``count`` distinct problems for a round (from 1); the same at every call."""
        ...

    def fingerprint(self) -> str:
        """Key of the contents before any limit; another key means that the source changed."""
        ...


SOURCES = {"gym": gym.open_set, "file": files.open_set, "hub": hub.open_set}
"""Kinds of sources: each opens ``(name, options)`` as a `ProblemSet`."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?(@[\w.+\[\]:%-]+)?")
_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def open_source(
    spec: str,
    *,
    seed: int,
    params: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    verifier: str | None = None,
    limit: int | None = None,
    purpose: Purpose = "both",
    gold: bool = True,
    licence: str | None = None,
    provenance: str | None = None,
    log: Callable[[str], None] | None = None,
) -> ProblemSet:
    """The problems that the user's words name.

    Args:
        spec: ``gym:FAMILY[@LEVEL]`` or a mix ``gym:FAMILY=2,FAMILY=1``, a JSONL, JSON, CSV or
            Parquet file, a folder or Hub id that ``datasets`` reads
            (``owner/name[:config][@split]``), ``dataset:`` and one of those for a set of traces
            that has golds, or ``module:name`` of the user's own `ProblemSource`.
        seed: The run's seed: which problems are generated, and the order of a file's.
        params: Parameters of a generated family; of a mix a table for each family.
        columns: For tables: ``problem``, ``answer``, ``choices``, ``solution``, ``metadata``,
            ``licence``, ``provenance`` -> the column.
        verifier: Verifier that decides instead of the one the format names.
        limit: Bound on the training problems of the whole run.
        purpose: ``both`` holds problems out and trains on the rest; ``train`` holds none out,
            ``held_out`` may hold all of them out (for a held-out set from a source of its own).
        gold: Whether a table's row without an answer is an error (else its answer is empty), where
            its metadata does not say all that the verifier needs.
        licence: The source's licence, for rows that do not say it themselves.
        provenance: How the source's golds were obtained, likewise.
        log: Is told what a set of traces left out (rows without a gold, or not understood).

    Raises:
        InputError: There is no such source, or it cannot be understood.
    """
    if limit is not None and limit < 1:
        raise InputError(f"expected a limit of 1 or more problems, got {limit}")
    options = Options(
        seed=seed,
        params=dict(params or {}),
        columns=dict(columns or {}),
        verifier=verifier,
        limit=limit,
        purpose=purpose,
        gold=gold,
        licence=licence,
        provenance=provenance,
        log=log,
    )
    if spec.startswith("gym:"):
        return gym.open_set(spec.removeprefix("gym:"), options)
    if spec.startswith("dataset:"):
        return _of_traces(spec, options)
    if Path(spec).suffix.lower() in files.READERS or Path(spec).is_file():
        return files.open_set(spec, options)
    if (spec and Path(spec).is_dir()) or _HUB_ID.fullmatch(spec):
        return hub.open_set(spec, options)
    if _CODE.fullmatch(spec):
        made = resolve(spec, SOURCES, "problem source")
        source: ProblemSource = made() if isinstance(made, type) else made
        return FiniteSet(source.name, _told(source, options), options)
    raise InputError(
        f"no problem source is called {spec!r}; give gym:FAMILY[@LEVEL], a file "
        f"({', '.join(files.READERS)}), a Hub id owner/name[:config][@split] or module:name"
    )


def _of_traces(spec: str, options: Options) -> FiniteSet:
    """The problems that a set of traces has golds for."""
    from generators.traces import TraceSet

    with contextlib.closing(TraceSet(spec, columns=options.columns, log=options.log)) as traces:
        found = traces.problems(options.verifier, gold=options.gold, said=options.said)
        return FiniteSet(traces.name, found, options)


def _told(source: ProblemSource, options: Options) -> Iterator[Problem]:
    """The problems of the user's own source; what they do not say of themselves is filled in."""
    own = Origin(source.licence, getattr(source, "provenance", UNKNOWN))
    for problem in source.problems():
        came = Origin(problem.licence, problem.provenance).over(options.said.over(own))
        yield replace(problem, licence=came.licence, provenance=came.provenance)
