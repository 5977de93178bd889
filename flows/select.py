"""Checks and selection: which candidates of a round go to training, and why the others do not."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from filters.checks import CHECKS, flags_of
from filters.select import select_candidates
from flows.context import Run, training_set
from flows.tasks import log, shard_task
from flows.verify import part_of
from rsfactory.ids import content_id
from rsfactory.recipe import treatment
from rsfactory.records import Candidate, Flag, Problem, Selection, newest
from rsfactory.store import CANDIDATES, FLAGS, SELECTIONS, VERDICTS, read_shard


def check(run: Run, round: int, problems: dict[str, Problem]) -> list[Flag]:
    """Flags of a round's candidates, one flag shard a candidate shard."""
    shards = run.store.shards(CANDIDATES, round)
    missing = [shard for shard in shards if not run.store.has(FLAGS, round, part_of(shard))]
    long = run.recipe.flow == "collect" and missing  # in a round of training it is over at once
    with run.stage(round, "check", len(missing), "shards") if long else nullcontext():
        for done, shard in enumerate(missing, start=1):
            _check_shard(run, round, problems, shard)
            if long:
                run.reporter.advance(done)
    return run.store.read(FLAGS, round)


def _check_shard(run: Run, round: int, problems: dict[str, Problem], shard: Path) -> None:
    wanted = {name for name in CHECKS if treatment(run.recipe, name) != "ignore"}
    rows = read_shard(CANDIDATES, shard)
    found = [flag for row in rows for flag in flags_of(problems[row.problem_id], row, wanted)]
    run.store.write(FLAGS, round, part_of(shard), found)


@shard_task("select")
def select(run: Run, round: int) -> list[Selection]:
    """One selection a candidate: selected, or the first rule that rejects it.

    Exact duplicates are looked for in this round and in all earlier selected ones. Where nothing is
    trained, candidates may be added later: every set of candidates has a selection of its own.
    """
    rows = run.store.read(CANDIDATES, round)
    candidates = newest(rows)
    part, target = "round", training_set(run, round)
    if run.recipe.flow == "collect":
        # Rows are only ever added: of two sets the later one is larger, and its name the greater.
        part = f"{len(rows):09d}-{content_id('set', sorted(row.id for row in rows))}"
        target = f"{target}/{part}"
    if not run.store.has(SELECTIONS, round, part):
        decided = _decide(run, round, candidates, target)
        run.store.write(SELECTIONS, round, part, decided)
        log(f"selected {sum(r.selected for r in decided)} of {len(decided)} candidates")
    return read_shard(SELECTIONS, run.store.path(SELECTIONS, round, part))


def _decide(run: Run, round: int, candidates: Sequence[Candidate], target: str) -> list[Selection]:
    decided = select_candidates(
        candidates,
        {v.candidate_id: v for v in run.store.read(VERDICTS, round)},
        run.store.read(FLAGS, round),
        earlier=_selected_before(run, round),
        max_per_problem=run.recipe.select.max_per_problem,
        reject_flags=[n for n in CHECKS if treatment(run.recipe, n) == "reject"],
        max_length=run.recipe.sft.max_length,
        finish_reasons=run.recipe.select.finish_reasons,
    )
    return [
        Selection(
            id=Selection.key(candidate.id, target),
            candidate_id=candidate.id,
            training_set=target,
            round=round,
            selected=rejection is None,
            rejected_by=rejection.rule if rejection else None,
            reason=rejection.reason if rejection else "correct, whole, distinct, within the bound",
        )
        for candidate, rejection in decided
    ]


def _selected_before(run: Run, round: int) -> list[Candidate]:
    rounds = [r for r in run.store.rounds(SELECTIONS) if r < round]
    chosen = {s.candidate_id for r in rounds for s in run.store.read(SELECTIONS, r) if s.selected}
    return [c for r in rounds for c in run.store.read(CANDIDATES, r) if c.id in chosen]
