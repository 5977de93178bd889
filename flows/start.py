"""What is there before round 1: the base model, and the student after its cold start."""

import json
from pathlib import Path

from flows.context import Run
from flows.problems import cold_start as cold_start_problems
from flows.select import check, select
from flows.teachers import SCRIPTED, is_scripted
from flows.train import fit, training_rows, weights_id
from flows.verify import verify
from generators.models import resolve
from generators.prompts import pick
from rsfactory.errors import InputError
from rsfactory.ids import seed_of
from rsfactory.records import Candidate, Checkpoint, Problem
from rsfactory.store import CANDIDATES, CHECKPOINTS, write_folder


def base_checkpoint(run: Run) -> Checkpoint:
    """The untouched model; fetched and converted first where that is needed.

    Raises:
        InputError: There is no such model, or it is another one than when the run was made.
    """
    folder = _base_folder(run)
    checkpoint = Checkpoint(
        id=weights_id(folder), parent=None, run=run.name, round=0, stage="base",
        training_set=None, path=run.path_of(folder), trainer="none", rows=0, steps=0, seconds=0.0,
        metrics="{}",
    )  # fmt: skip
    for before in run.store.read(CHECKPOINTS, 0):
        if before.stage == "base" and before.id != checkpoint.id:
            raise InputError(
                f"run {run.name} was made with model {before.id}, {run.recipe.model.student} is "
                f"now {checkpoint.id}; give the old one, or start another run with --run NAME"
            )
    run.store.write(CHECKPOINTS, 0, "base", [checkpoint])
    return checkpoint


def _base_folder(run: Run) -> Path:
    student = run.recipe.model.student
    if not is_scripted(student):
        return resolve(student)
    place = run.store.folder / "checkpoints" / SCRIPTED
    if not place.exists():
        with write_folder(place) as folder:
            (folder / "scripted.json").write_text(json.dumps({"student": student}))
    return place


def cold_start(run: Run, base: Checkpoint) -> Checkpoint:
    """The student before round 1: trained on the source's worked solutions, where it has some.

    Worked solutions go the way of all candidates: they are verified, checked and selected, as
    round 0, with the source as their teacher.
    """
    problems = cold_start_problems(run)
    if problems and not run.store.has(CANDIDATES, 0, "solutions"):
        rows = [_solution(run, problem) for problem in problems]
        run.store.write(CANDIDATES, 0, "solutions", rows)
    by_id = {problem.id: problem for problem in problems}
    verify(run, 0, by_id)
    check(run, 0, by_id)
    select(run, 0)
    if not training_rows(run, 0):
        run.reporter.note(f"no cold start: {_why_none(run, problems)}")
        return base
    settings = {**run.recipe.sft.model_dump(), **run.recipe.cold_start.model_dump()}
    return fit(run, 0, "cold_start", base, settings)


def _why_none(run: Run, problems: list[Problem]) -> str:
    if problems:
        return f"none of the {len(problems)} worked solutions was selected (factory why says why)"
    if not run.recipe.cold_start.traces:
        return "cold_start.traces is 0"
    return f"{run.source.name} has no worked solutions"


def _solution(run: Run, problem: Problem) -> Candidate:
    prompt = pick(run.recipe.sample.template, problem, hinted=False)
    teacher = f"source:{problem.source}"
    assert problem.solution is not None
    return Candidate(
        id=Candidate.key(problem.id, prompt.id, teacher, "{}", 0),
        problem_id=problem.id, prompt_id=prompt.id, teacher=teacher, sampling="{}",
        index=0, attempt=0, round=0, hinted=False, seed=seed_of(problem.id), max_tokens=0,
        completion=problem.solution, reasoning=None, finish_reason="stop",
        prompt_tokens=0, tokens=0, requests=0,
    )  # fmt: skip
