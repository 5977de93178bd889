"""Verification: every candidate shard gets a verdict shard of the same name."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from flows.context import Run
from flows.deciders import decide, decide_groups
from flows.judging import ahead
from flows.tasks import log, shard_task
from rsfactory.journal import discard
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.store import CANDIDATES, VERDICTS, Table, read_shard


def verify(run: Run, round: int, problems: Mapping[str, Problem]) -> dict[str, Verdict]:
    """Verdicts of a round's candidates by candidate key; only missing shards are verified."""
    return verify_table(run, round, problems, CANDIDATES, VERDICTS, "verify")


def verify_missing(run: Run, round: int, problems: Mapping[str, Problem]) -> None:
    """The same, for those who need no verdicts in memory."""
    _verify_table(run, round, problems, CANDIDATES, VERDICTS, "verify")


def verify_table(
    run: Run,
    round: int,
    problems: Mapping[str, Problem],
    source: Table[Candidate],
    target: Table[Verdict],
    stage: str | None,
) -> dict[str, Verdict]:
    """The same for any pair of tables; without a stage's name it shows none (evaluation)."""
    _verify_table(run, round, problems, source, target, stage)
    return {verdict.candidate_id: verdict for verdict in run.store.read(target, round)}


def _verify_table(
    run: Run,
    round: int,
    problems: Mapping[str, Problem],
    source: Table[Candidate],
    target: Table[Verdict],
    stage: str | None,
) -> None:
    shards = run.store.shards(source, round)
    missing = [s for s in shards if not run.store.has(target, round, part_of(s))]
    if missing:
        shown = run.stage(round, stage, len(missing), "shards") if stage else nullcontext()
        with shown:
            grouped = decide_groups(run, round, problems, source)
            ahead(run, round, problems, missing, source, target)
            for done, shard in enumerate(missing, start=1):
                verify_shard(run, round, problems, grouped, shard, source, target, part_of(shard))
                if stage:
                    run.reporter.advance(done)


@shard_task("verify")
def verify_shard(
    run: Run,
    round: int,
    problems: Mapping[str, Problem],
    grouped: Mapping[str, Verdict],
    shard: Path,
    source: Table[Candidate],
    target: Table[Verdict],
    part: str,
) -> tuple[Path, int]:
    """Verdicts of one shard. A verifier's fault is a verdict too (UNVERIFIABLE), never an error.

    ``grouped`` has the verdicts that depend on candidates of other shards.
    """
    candidates = read_shard(source, shard)
    kept = run.store.judged(target, round, part)
    verdicts = decide(run, [(problems[c.problem_id], c) for c in candidates], grouped, kept)
    if source is CANDIDATES:
        for verdict in verdicts:
            run.reporter.outcome(verdict.outcome)
    place = run.store.write(target, round, part, verdicts)
    for segment, _ in kept.left():
        discard(segment)
    right = sum(v.outcome is Outcome.CORRECT for v in verdicts)
    log(f"verified {len(verdicts)} candidates, {right} correct: {place.name}")
    return place, len(verdicts)


def part_of(shard: Path) -> str:
    """A shard's id, from its file's name."""
    return shard.stem.removeprefix("part-")
