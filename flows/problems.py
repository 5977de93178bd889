"""The problems of a run: held-out ones once, then those of each round. Written before sampling.

A round's problems are read back from the store once written, so that a continued run never draws
others. Held-out problems are kept apart by content; the cold start takes training problems.
"""

from collections.abc import Callable

from flows.context import Run
from rsfactory.errors import InputError
from rsfactory.records import Problem
from rsfactory.store import PROBLEMS, read_shard


def held_out(run: Run) -> list[Problem]:
    """The held-out problems, the same for every evaluation of the run."""
    source = run.held_out_source or run.source
    wanted = run.recipe.evaluate.problems

    return _once(run, 0, "held_out", lambda: source.held_out(wanted))


def cold_start(run: Run) -> list[Problem]:
    """Training problems with worked solutions for the cold start; empty where there are none."""
    count = run.recipe.cold_start.traces

    def draw() -> list[Problem]:
        return _apart(run, run.source.cold_start(count)) if count else []

    return _once(run, 0, "cold_start", draw)


def training(run: Run, round: int) -> list[Problem]:
    """The problems sampled in a round; raising `per_round` later changes no earlier round."""

    def draw() -> list[Problem]:
        problems = _apart(run, run.source.train(round, run.recipe.problems.per_round))
        if not problems:
            raise InputError(f"{run.source.name} has no training problems apart from the held-out")
        return problems

    return _once(run, round, "train", draw)


def _apart(run: Run, problems: list[Problem]) -> list[Problem]:
    """Without those whose question is held out (another source may hold the same ones)."""
    if run.held_out_source is None:
        return problems
    kept_out = {problem.prompt for problem in held_out(run)}
    return [problem for problem in problems if problem.prompt not in kept_out]


def _once(run: Run, round: int, part: str, draw: Callable[[], list[Problem]]) -> list[Problem]:
    place = run.store.path(PROBLEMS, round, part)
    if not place.exists():
        run.store.write(PROBLEMS, round, part, draw())
    return read_shard(PROBLEMS, place)
