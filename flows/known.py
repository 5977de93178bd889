"""What the store knows of a stage's candidates already: of this run, of a killed one, of others.

A candidate's key leaves out how many samples were asked for and how long they may be. So a higher
`sample.num_samples` asks for the rest, a higher `sample.max_tokens` asks again only for those that
the old limit cut off (attempt 1, 2, ... of the same index), and the answers that another run has of
the same question, prompt, teacher, settings and seed are taken over (`sample.reuse`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from filters.verify import GROUP_VERIFIERS
from flows.context import Run
from flows.decided import newest_verdicts
from generators.agenda import Agenda, Known
from generators.problems import ById
from generators.sample import Asking
from rsfactory.errors import InputError
from rsfactory.ids import content_id
from rsfactory.journal import discard
from rsfactory.records import Candidate, Outcome, Problem
from rsfactory.store import CANDIDATES, VERDICTS, Store, read_shard

_COLUMNS = (
    "id", "problem_id", "teacher", "sampling", "hinted", "index", "attempt", "finish_reason",
    "max_tokens",
)  # fmt: skip


def part_of(candidates: Sequence[Candidate]) -> str:
    """A shard's id: the hash of its candidates' keys."""
    return content_id("h", [candidate.id for candidate in candidates])


def recover(run: Run, round: int) -> None:
    """Makes shards of the answers that a stopped process left in the journal."""
    there: set[str] | None = None
    for segment, rows in run.store.answers(round).left():
        if there is None:
            there = set(run.store.columns(CANDIDATES, round, ["id"])["id"])
        new = list({row.id: row for row in rows if row.id not in there}.values())
        if new:
            run.store.write(CANDIDATES, round, part_of(new), new)
            there |= {row.id for row in new}
        discard(segment)


def next_index(run: Run, round: int, *, hinted: bool) -> dict[str, int]:
    """Problem -> first free index: it goes on over rounds (round 0 has only worked solutions)."""
    after: dict[str, int] = {}
    for earlier in (r for r in run.store.rounds(CANDIDATES) if 0 < r < round):
        rows = run.store.columns(CANDIDATES, earlier, ["problem_id", "hinted", "index"])
        for problem, of_hinted, index in rows.select("problem_id", "hinted", "index").iter_rows():
            if of_hinted == hinted:
                after[problem] = max(after.get(problem, 0), index + 1)
    return after


def known(run: Run, asking: Asking, max_tokens: int) -> dict[str, dict[int, Known]]:
    """Problem -> place behind its first index -> what the store has, the newest attempt of it."""
    outcomes = dict(newest_verdicts(run.store, asking.round).iter_rows())
    found: dict[str, dict[int, Known]] = {}
    for row in _asked_so(run.store, asking.round, asking):
        place = row["index"] - asking.first_index.get(row["problem_id"], 0)
        places = found.setdefault(row["problem_id"], {})
        if place not in places or places[place].attempt <= row["attempt"]:
            redo = row["finish_reason"] == "length" and row["max_tokens"] < max_tokens
            places[place] = _there(row["attempt"], outcomes.get(row["id"]), redo)
    return found


@lru_cache(256)
def _there(attempt: int, outcome: str | None, redo: bool) -> Known:
    """Few of them differ, and there may be 100,000."""
    return Known(attempt, None if outcome is None else Outcome(outcome), redo)


def reuse(run: Run, asking: Asking, problems: Sequence[Problem], most: int) -> None:
    """Takes over what the runs of `sample.reuse` have of these problems' first ``most`` places.

    It is told where they have nothing: then something else than the number was asked differently.

    Raises:
        InputError: One of them is no run.
    """
    for name in run.recipe.sample.reuse:
        other = other_run(run.store.folder, name)
        mine = {row["id"] for row in _asked_so(run.store, asking.round, asking)}
        wanted, fits = ById(problems), 0
        for round in (r for r in other.rounds(CANDIDATES) if r > 0):
            ids = {
                row["id"]
                for row in _asked_so(other, round, asking)
                if row["id"] in mine
                or (
                    row["problem_id"] in wanted
                    and _fits(row, asking, wanted[row["problem_id"]], most)
                )
            }
            _take_over(run, other, round, asking.round, ids - mine)
            fits += len(ids)
            mine |= ids
        if not (fits or asking.hinted or asking.round > 1):
            run.reporter.note(
                f"nothing to take over from {name}: answers fit where problems, template, teacher, "
                "temperature, top_p and seed are the same"
            )


def refuse_growing_groups(
    run: Run, round: int, agenda: Agenda, problems: Iterable[Problem]
) -> None:
    """A majority that has decided cannot get more candidates.

    Raises:
        InputError: It would.
    """
    grouped = any(problem.verifier in GROUP_VERIFIERS for problem in problems)
    if grouped and agenda.total and run.store.shards(VERDICTS, round):
        raise InputError(
            "verifier majority has decided this round's groups, and more candidates would change "
            f"them; start another run with --run NAME --reuse {run.name}, which keeps the answers"
        )


def _asked_so(store: Store, round: int, asking: Asking) -> Iterator[dict[str, Any]]:
    """Columns of the candidates that were asked like this, a shard in memory at a time."""
    for rows in store.frames(CANDIDATES, round, _COLUMNS):
        yield from rows.filter(
            (pl.col("teacher") == asking.teacher)
            & (pl.col("sampling") == asking.sampling)
            & (pl.col("hinted") == asking.hinted)
        ).iter_rows(named=True)


def _fits(row: dict[str, Any], asking: Asking, problem: Problem, most: int) -> bool:
    """Whether another run's candidate is one of ours, by its key."""
    place = row["index"] - asking.first_index.get(problem.id, 0)
    planned = asking.planned(problem, place, row["attempt"])
    return 0 <= place < most and bool(planned.id == row["id"])


def _take_over(run: Run, other: Store, their_round: int, round: int, ids: set[str]) -> None:
    """Copies candidates, shard by shard, so that few are in memory at a time."""
    for shard in other.shards(CANDIDATES, their_round) if ids else ():
        found = (row for row in read_shard(CANDIDATES, shard) if row.id in ids)
        rows = [replace(row, round=round, requests=0, seconds=0.0) for row in found]
        if rows:
            run.store.write(CANDIDATES, round, part_of(rows), rows)
            run.reporter.note(f"took {len(rows)} answers over from {other.folder.name}")


def other_run(folder: Path, name: str) -> Store:
    """The store of another run than the one in ``folder``: by its name beside it, or by its folder.

    Raises:
        InputError: There is no such run.
    """
    for place in (folder.parent / name, Path(name)):
        if (place / "run.json").exists() and place.resolve() != folder.resolve():
            return Store(place)
    raise InputError(
        f"no run to reuse answers of is called {name!r} (neither in {folder.parent} nor "
        "as a folder with a run.json); factory status lists the runs"
    )
