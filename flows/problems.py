"""The problems of a run: held-out ones once, then those of each round. Written before sampling.

A round's problems are read back from the store once written, so that a continued run never draws
others. Held-out problems are kept apart by content; the cold start takes training problems.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from flows.context import Run
from generators.problems import Shelf
from generators.problems.finite import same_question
from rsfactory.errors import InputError
from rsfactory.ids import content_id
from rsfactory.records import Problem
from rsfactory.store import PROBLEMS, Store, read_shard


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
        seen = {p.id for p in run.store.read(PROBLEMS) if p.split == "cold_start"}
        if again := sum(problem.id in seen for problem in problems):
            run.reporter.note(
                f"round {round}: {again} of {len(problems)} problems were in the cold start too, "
                f"since {run.source.name} (with its limit) has too few for both"
            )
        return problems

    return _once(run, round, "train", draw)


def collecting(run: Run) -> Sequence[Problem]:
    """All problems of a source, or `problems.per_round` of an endless one; later ones are added.

    Raises:
        InputError: There is none.
    """
    return to_collect(run, None)


def to_collect(run: Run, first: int | None) -> Sequence[Problem]:
    """The same, but only so many are written down: a plan may ask for more than its run will.

    Raises:
        InputError: There is none.
    """
    size = getattr(run.source, "size", None)
    drawn = run.source.train(1, run.recipe.problems.per_round if size is None else size)
    if not drawn:
        raise InputError(f"{run.source.name} has no problems")
    there = set(run.store.columns(PROBLEMS, 1, ["id"])["id"])
    new = (problem for problem in drawn if problem.id not in there)
    kept = new if first is None else islice(new, max(0, first - len(there)))
    while block := list(islice(kept, BLOCK)):
        run.store.write(PROBLEMS, 1, content_id("h", [p.id for p in block]), block)
    before = there.difference(problem.id for problem in drawn) if there else there
    if not before:
        return drawn
    return Shelf(chain(drawn, (p for p in in_store(run.store, 1) if p.id in before)))


def in_store(store: Store, round: int) -> Iterator[Problem]:
    """The problems of a round as they were written down, a shard of them in memory at a time."""
    return (row for shard in store.shards(PROBLEMS, round) for row in read_shard(PROBLEMS, shard))


BLOCK = 1000
"""Problems in a shard of a source that is taken whole."""


def kinds(problems: Iterable[Problem]) -> list[Problem]:
    """One problem of each domain and verifier: templates and deciders tell no others apart."""
    return list({(problem.domain, problem.verifier): problem for problem in problems}.values())


def apart(problems: Iterable[Problem], held_out: Iterable[Problem]) -> list[Problem]:
    """Problems whose question is not held out (another source may hold the same ones)."""
    kept_out = {same_question(problem.prompt) for problem in held_out}
    return [problem for problem in problems if same_question(problem.prompt) not in kept_out]


def _apart(run: Run, problems: Sequence[Problem]) -> list[Problem]:
    return list(problems) if run.held_out_source is None else apart(problems, held_out(run))


def _once(run: Run, round: int, part: str, draw: Callable[[], list[Problem]]) -> list[Problem]:
    place = run.store.path(PROBLEMS, round, part)
    if not place.exists():
        run.store.write(PROBLEMS, round, part, draw())
    return read_shard(PROBLEMS, place)
