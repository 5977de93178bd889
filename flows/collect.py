"""Data without training: sample, verify, check, select, export. The first half of a STaR round.

Asking for more of the same run (more samples, longer completions, more problems) adds to what is
there: the selection is made anew over everything, and the newest one is the run's result.
Where the budget ends it, requests have no answer, or the teacher is gone (a quota is spent, a
server of ours died), what there is by then is selected and exported, before the error is said.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from filters.verify import GROUP_VERIFIERS
from flows.collected import export, report
from flows.context import Run
from flows.flow import run_flow
from flows.known import recover
from flows.problems import collecting
from flows.progress import Reporter
from flows.result import RunResult, load_result
from flows.sample import rationalize, sample
from flows.select import check, select
from flows.start import base_checkpoint
from flows.teachers import is_student
from flows.traces import read_traces
from flows.verify import verify_missing
from generators.problems import ById
from rsfactory.errors import ChildDied, EndpointRefused, FactoryError, NoAnswer, Stopped
from rsfactory.recipe import Recipe
from rsfactory.records import Checkpoint
from rsfactory.store import CANDIDATES


def run_collect(
    recipe: Recipe, *, seed: int, data: Path, name: str | None, reporter: Reporter, prefect: bool
) -> RunResult:
    """Runs or continues a recipe that trains nothing; see `flows.flow`."""
    return run_flow(
        collect, recipe, seed=seed, data=data, name=name, reporter=reporter, prefect=prefect
    )


def collect(run: Run) -> RunResult:
    """One pass over all problems."""
    problems = collecting(run)
    by_id = ById(problems)
    student = base_checkpoint(run) if is_student(run.recipe.sample.teacher) else None
    ended = None if read_traces(run, problems) else _ask(run, by_id, student)
    if ended is not None and not run.store.shards(CANDIDATES, 1):
        raise ended
    try:
        verify_missing(run, 1, by_id)
    except Stopped as error:  # in the middle of a judge's verdicts
        ended = ended or error
    check(run, 1, by_id)
    with _shown(run, "select"):
        chosen = select(run, 1)
    with _shown(run, "export"):
        report(run, problems, student, chosen, ended)
        export(run)
    result = load_result(run.store)
    if ended is not None:
        ended.result = result
        raise ended
    return result


def _ask(run: Run, by_id: ById, student: Checkpoint | None) -> FactoryError | None:
    """Asks for what is missing; what ended it before all was answered is returned.

    Raises:
        FactoryError: The same, where a majority decides: it takes no candidates later.
    """
    problems = by_id.problems
    verify = partial(verify_missing, run, 1, by_id)
    steps = (partial(asking, run, 1, problems, student) for asking in (sample, rationalize))
    ended: FactoryError | None = None
    for step in (step for asking in steps for step in (asking, verify)):
        try:
            step()
        except (Stopped, NoAnswer, EndpointRefused, ChildDied) as error:
            if any(problem.verifier in GROUP_VERIFIERS for problem in problems):
                raise
            recover(run, 1)
            ended = ended or error
            if not isinstance(error, NoAnswer):
                break
    return ended


MANY = 5000
"""Candidates from which on selecting and exporting take seconds, and are shown."""


def _shown(run: Run, stage: str) -> AbstractContextManager[None]:
    count = run.store.columns(CANDIDATES, 1, ["id"]).height
    return run.stage(1, stage, count, "candidates") if count >= MANY else nullcontext()
