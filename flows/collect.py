"""Data without training: sample, verify, check, select, export. The first half of a STaR round.

Asking for more of the same run (more samples, longer completions, more problems) adds to what is
there: the selection is made anew over everything, and the newest one is the run's result.
Where the budget ends it, requests have no answer, or the teacher is gone (a quota is spent, a
server of ours died), what there is by then is selected and exported, before the error is said.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filters.verify import GROUP_VERIFIERS
from flows import known
from flows.collected import export, report
from flows.context import Run
from flows.flow import run_flow
from flows.problems import collecting
from flows.progress import Reporter
from flows.result import RunResult, load_result
from flows.sample import rationalize, sample
from flows.select import check, select
from flows.start import base_checkpoint
from flows.teachers import is_student
from flows.traces import read_traces
from flows.verify import verify_missing
from rsfactory.errors import ChildDied, EndpointRefused, FactoryError, NoAnswer, Stopped
from rsfactory.recipe import Recipe
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
    by_id = {problem.id: problem for problem in problems}
    student = base_checkpoint(run) if is_student(run.recipe.sample.teacher) else None
    ended: FactoryError | None = None
    try:
        if not read_traces(run, problems):
            sample(run, 1, problems, student)
            verify_missing(run, 1, by_id)
            rationalize(run, 1, problems, student)
    except (Stopped, NoAnswer, EndpointRefused, ChildDied) as error:
        known.recover(run, 1)
        if any(problem.verifier in GROUP_VERIFIERS for problem in problems):
            raise  # a majority that has decided takes no more candidates
        if not run.store.shards(CANDIDATES, 1):
            raise
        ended = error
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
    if ended is not None:
        raise ended
    return load_result(run.store)


MANY = 5000
"""Candidates from which on selecting and exporting take seconds, and are shown."""


def _shown(run: Run, stage: str) -> AbstractContextManager[None]:
    count = run.store.columns(CANDIDATES, 1, ["id"]).height
    return run.stage(1, stage, count, "candidates") if count >= MANY else nullcontext()
