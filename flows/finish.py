"""After a round's report: it is shown, old weights are cleared, the next sampler is chosen."""

import json
import shutil
from typing import Any

from flows.context import Run
from flows.report import write_report
from flows.result import evaluation_of, round_row
from flows.tasks import publish_table
from rsfactory.errors import StoreError
from rsfactory.records import Checkpoint, Evaluation, Gate, RoundReport
from rsfactory.store import (
    CANDIDATES,
    CHECKPOINTS,
    DAMAGED,
    EVALUATIONS,
    ROUNDS,
    SELECTIONS,
    Table,
)


def finished(run: Run, round: int) -> RoundReport | None:
    """The round's report, if the round is over.

    Raises:
        StoreError: Shards of the round are missing: there is less than its report counted.
    """
    reports = run.store.read(ROUNDS, round)
    if not reports:
        return None
    tables: tuple[Table[Any], ...] = (CANDIDATES, SELECTIONS)
    for table in tables:
        count, there = reports[0].sampled, len(run.store.read(table, round))
        if there < count:
            raise StoreError(
                f"round {round} ended with {count} {table.name}, there are {there}: shards are "
                f"missing in {run.store.folder}; {DAMAGED}"
            )
    return reports[0]


def finish_round(
    run: Run, report: RoundReport, sampler: Checkpoint, standing: Evaluation
) -> tuple[Checkpoint, Evaluation]:
    """Shows the round, clears old checkpoints, and says who samples next (with its evaluation)."""
    run.reporter.round_done(report)
    rows = [round_row(r) for r in sorted(run.store.read(ROUNDS), key=lambda r: r.round)]
    publish_table(f"rounds-{run.name}", [_flat(row) for row in rows], f"Rounds of {run.name}")
    write_report(run.store, run.store.folder / "report.html")
    if report.gate is not Gate.HOLD:
        records = {c.id: c for c in run.store.read(CHECKPOINTS)}
        sampler = records[report.checkpoint_id]
        standing = evaluation_of(run.store.read(EVALUATIONS), sampler.id)
    _clear_checkpoints(run, report.round, sampler)
    if report.gate is Gate.STOP and report.round < run.recipe.rounds:
        run.reporter.note(f"stopped by the gate of round {report.round}: {report.gate_reason}")
    return sampler, standing


def _clear_checkpoints(run: Run, ended: int, sampler: Checkpoint) -> None:
    """Removes weights nobody needs after a round: all but the sampler's, the best and the last.

    A continued run comes by its earlier rounds again: only the last one that ended clears, and a
    round that has begun after it keeps what it has.
    """
    reports = run.store.read(ROUNDS)
    last = max(reports, key=lambda r: r.round)
    if run.recipe.keep.checkpoints == "all" or ended < last.round:
        return
    best = max(reports, key=lambda r: (r.accuracy, r.round))
    wanted = {sampler.id, best.checkpoint_id, last.checkpoint_id}
    checkpoints = run.store.read(CHECKPOINTS)
    wanted |= {c.id for c in checkpoints if c.parent is None or c.round > ended}
    if run.recipe.train.restart == "base":
        wanted |= {c.id for c in checkpoints if c.stage == "cold_start"}
    for checkpoint in checkpoints:
        if checkpoint.id not in wanted:
            shutil.rmtree(run.folder_of(checkpoint), ignore_errors=True)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table artifact shows it: nested values as text."""
    return {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
