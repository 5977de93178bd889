"""Checks and selection: which candidates of a round go to training, and why the others do not."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from filters.checks import CHECKS, flags_of
from filters.dedup import key as same_trace
from filters.select import select_candidates
from flows.context import Run, training_set
from flows.decided import version_order
from flows.tasks import log, shard_task
from flows.verify import part_of
from rsfactory.ids import content_id
from rsfactory.recipe import treatment
from rsfactory.records import Candidate, Outcome, Problem, Selection, Verdict, newest
from rsfactory.store import CANDIDATES, FLAGS, SELECTIONS, VERDICTS, read_shard


def check(run: Run, round: int, problems: Mapping[str, Problem]) -> None:
    """Flags of a round's candidates, one flag shard a candidate shard."""
    shards = run.store.shards(CANDIDATES, round)
    missing = [shard for shard in shards if not run.store.has(FLAGS, round, part_of(shard))]
    long = run.recipe.flow == "collect" and missing  # in a round of training it is over at once
    with run.stage(round, "check", len(missing), "shards") if long else nullcontext():
        for done, shard in enumerate(missing, start=1):
            _check_shard(run, round, problems, shard)
            if long:
                run.reporter.advance(done)


def _check_shard(run: Run, round: int, problems: Mapping[str, Problem], shard: Path) -> None:
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
    outcomes = _verdicts(run, round)
    rows = list(_lean(run, round, outcomes))
    if run.recipe.flow == "collect":  # a budget may end in the middle of a judge's verdicts
        rows = [row for row in rows if row.id in outcomes]
    candidates = newest(rows)
    part, target = "round", training_set(run, round)
    if run.recipe.flow == "collect":
        # Rows are only ever added: of two sets the later one is larger, and its name the greater.
        part = f"{len(rows):09d}-{content_id('set', sorted(row.id for row in rows))}"
        target = f"{target}/{part}"
    if not run.store.has(SELECTIONS, round, part):
        decided = _decide(run, round, candidates, outcomes, target)
        run.store.write(SELECTIONS, round, part, decided)
        log(f"selected {sum(r.selected for r in decided)} of {len(decided)} candidates")
        return decided
    return read_shard(SELECTIONS, run.store.path(SELECTIONS, round, part))


def _decide(
    run: Run,
    round: int,
    candidates: Sequence[Candidate],
    verdicts: Mapping[str, Verdict],
    target: str,
) -> list[Selection]:
    rejecting = {name for name in CHECKS if treatment(run.recipe, name) == "reject"}
    shards = run.store.shards(FLAGS, round)
    decided = select_candidates(
        candidates,
        verdicts,
        [f for shard in shards for f in read_shard(FLAGS, shard) if f.check in rejecting],
        earlier=_selected_before(run, round),
        max_per_problem=run.recipe.select.max_per_problem,
        reject_flags=rejecting,
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
    shards = [shard for r in rounds for shard in run.store.shards(CANDIDATES, r)]
    return [_marked(c) for s in shards for c in read_shard(CANDIDATES, s) if c.id in chosen]


def _verdicts(run: Run, round: int) -> dict[str, Verdict]:
    """Verdicts by candidate, of the newest version, with what selection reads."""
    versions = set(run.store.columns(VERDICTS, round, ["version"])["version"])
    shards = run.store.shards(VERDICTS, round)
    found: dict[str, Verdict] = {}
    for version in sorted(versions, key=version_order):  # one, but after `factory verify`
        rows = (verdict for shard in shards for verdict in read_shard(VERDICTS, shard))
        found |= {sys.intern(r.candidate_id): _small(r) for r in rows if r.version == version}
    return found


def _small(verdict: Verdict) -> Verdict:
    return replace(verdict, id="", candidate_id="", extracted=None, results=NO_RESULTS,
                   verifier="", version="", reason=sys.intern(verdict.reason))  # fmt: skip


NO_RESULTS: list[str] = []


def _lean(run: Run, round: int, verdicts: Mapping[str, Verdict]) -> Iterator[Candidate]:
    """A round's candidates without their texts, so that 100,000 take tens of megabytes.

    In place of a correct one's text is a mark that is the same where the texts are.
    """
    for shard in run.store.shards(CANDIDATES, round):
        for row in read_shard(CANDIDATES, shard):
            verdict = verdicts.get(row.id)
            right = verdict is not None and verdict.outcome is Outcome.CORRECT
            lean = _marked(row) if right else replace(row, completion="", reasoning=None)
            yield _interned(lean)


def _marked(row: Candidate) -> Candidate:
    return replace(row, completion=same_trace(row).hex(), reasoning=None)


def _interned(row: Candidate) -> Candidate:
    """Words that many rows share are kept once."""
    return replace(
        row, note="", id=sys.intern(row.id), problem_id=sys.intern(row.problem_id),
        prompt_id=sys.intern(row.prompt_id), teacher=sys.intern(row.teacher),
        sampling=sys.intern(row.sampling), finish_reason=sys.intern(row.finish_reason),
    )  # fmt: skip
