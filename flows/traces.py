"""Traces that exist already become candidates: read instead of asked for, then treated like all.

A problem's traces are taken in the order of the file, `sample.num_samples` at most; shards are
named by what is in them, so that a rerun, or a higher number, adds what is missing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flows import teachers
from flows.asking import asking_of, record_prompts
from flows.context import Run
from flows.known import part_of
from generators.sample import Asking, candidate_of
from rsfactory.contracts import Completion
from rsfactory.errors import InputError
from rsfactory.records import Candidate, Problem
from rsfactory.store import CANDIDATES

if TYPE_CHECKING:
    from generators.teachers.dataset import DatasetTeacher


def read_traces(run: Run, problems: Sequence[Problem]) -> bool:
    """Candidates from the traces that the recipe's teacher names; False where it names none.

    Raises:
        InputError: No trace belongs to any of the problems.
    """
    if not teachers.is_archive(run.recipe.sample.teacher):
        return False
    with contextlib.closing(teachers.archive(run.recipe, run.reporter.note)) as archive:
        found = _read(run, problems, archive)
        if found < len(problems):
            run.reporter.note(f"{len(problems) - found} of {len(problems)} problems have no trace")
        if archive.ambiguous:
            run.reporter.note(
                f"{archive.ambiguous} traces are given to no problem: they fit more than one"
            )
    if not run.store.shards(CANDIDATES, 1):
        raise InputError(
            f"none of the {len(problems)} problems of {run.source.name} has a trace in "
            f"{run.recipe.sample.teacher}: their questions differ; give the problems the traces "
            "are of (--problems), or say which column is the question (--map problem=COLUMN)"
        )
    return True


def _read(run: Run, problems: Sequence[Problem], archive: "DatasetTeacher") -> int:
    """Writes what is not there yet; how many problems have a trace."""
    asking = asking_of(run, 1, archive.identity, hinted=False)
    record_prompts(run, 1, problems, hinted=False)
    there = set(run.store.columns(CANDIDATES, 1, ["id"])["id"])
    found, block = 0, list[Candidate]()
    with run.stage(1, "read", len(problems), "problems"):
        for done, problem in enumerate(problems, start=1):
            rows = list(_candidates(run, asking, problem, archive))
            found += bool(rows)
            block += [row for row in rows if row.id not in there]
            if len(block) >= run.recipe.sample.shard_size or (block and done == len(problems)):
                run.store.write(CANDIDATES, 1, part_of(block), block)
                block = []
            run.reporter.advance(done)
    return found


def _candidates(
    run: Run, asking: Asking, problem: Problem, archive: "DatasetTeacher"
) -> Iterator[Candidate]:
    traces: list[Completion] = archive.traces(problem)
    for place, trace in enumerate(traces[: run.recipe.sample.num_samples]):
        yield candidate_of(asking.planned(problem, place), trace, max_tokens=0)
