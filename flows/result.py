"""What a run has come to: read from the store, for the table, for `--json` and for the report."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.context import Run
from flows.gate import change_between
from flows.report import write_report
from flows.tasks import publish_table
from rsfactory.errors import FactoryError
from rsfactory.records import Checkpoint, Evaluation, Gate, Outcome, RoundReport
from rsfactory.stats import Interval
from rsfactory.store import (
    CANDIDATES,
    CHECKPOINTS,
    EVALUATION_CANDIDATES,
    EVALUATIONS,
    ROUNDS,
    Store,
)


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run's figures. ``base``, ``start`` and ``change`` are None while they are not known."""

    run: str
    recipe: str
    folder: Path
    base: Evaluation | None
    start: Evaluation | None
    rounds: list[RoundReport]
    change: Interval | None
    """Last round against start, paired."""
    seconds: float
    """Of all stages, over all sessions; opening the run and what a kill cut off are not in it."""
    tokens: int
    """Completion tokens sampled, evaluation included, GRPO left out."""

    def to_json(self) -> dict[str, Any]:
        """The document that `factory run --json` prints (README, "For programs")."""
        problems = len(self.start.problem_ids) if self.start else 0
        return {
            "run": self.run,
            "recipe": self.recipe,
            "folder": str(self.folder),
            "base": _accuracy(self.base),
            "start": _accuracy(self.start),
            "rounds": [_round(report) for report in self.rounds],
            "change": {**self.change._asdict(), "problems": problems} if self.change else None,
            "seconds": self.seconds,
            "tokens": self.tokens,
        }


def load_result(store: Store) -> RunResult:
    """The result of a run on disk, finished or not.

    Raises:
        StoreError: A shard or run.json cannot be read.
    """
    described = store.read_json("run.json")
    evaluations = store.read(EVALUATIONS)
    stages = {e.stage: e for e in evaluations if e.stage in ("base", "start")}
    base = stages.get("base")
    start = stages.get("start") or (base if store.read(ROUNDS) else None)
    reports = sorted(store.read(ROUNDS), key=lambda report: report.round)
    last = _evaluation_of(evaluations, reports[-1].checkpoint_id) if reports else None
    rows = [*store.read(CANDIDATES), *store.read(EVALUATION_CANDIDATES)]
    return RunResult(
        run=described["run"],
        recipe=described["recipe"]["name"],
        folder=store.folder,
        base=base,
        start=start,
        rounds=reports,
        change=change_between(start, last) if start and last else None,
        seconds=round(sum(e["seconds"] for e in store.journal_entries() if "stage" in e), 1),
        tokens=sum(candidate.tokens for candidate in rows),
    )


def finished(run: Run, round: int) -> RoundReport | None:
    """The round's report, if the round is over."""
    reports = run.store.read(ROUNDS, round)
    return reports[0] if reports else None


def finish_round(
    run: Run, report: RoundReport, sampler: Checkpoint, standing: Evaluation
) -> tuple[Checkpoint, Evaluation]:
    """Shows the round, clears old checkpoints, and says who samples next (with its evaluation)."""
    run.reporter.round_done(report)
    rows = [_round(r) for r in sorted(run.store.read(ROUNDS), key=lambda r: r.round)]
    publish_table(f"rounds-{run.name}", [_flat(row) for row in rows], f"Rounds of {run.name}")
    write_report(run.store, run.store.folder / "report.html")
    if report.gate is not Gate.HOLD:
        records = {c.id: c for c in run.store.read(CHECKPOINTS)}
        sampler = records[report.checkpoint_id]
        standing = _evaluation_of(run.store.read(EVALUATIONS), sampler.id)
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


def _evaluation_of(evaluations: list[Evaluation], checkpoint_id: str) -> Evaluation:
    for evaluation in evaluations:
        if evaluation.checkpoint_id == checkpoint_id:
            return evaluation
    raise FactoryError(f"checkpoint {checkpoint_id} has no evaluation; run the same command again")


def _accuracy(evaluation: Evaluation | None) -> dict[str, float] | None:
    if evaluation is None:
        return None
    return {"accuracy": evaluation.accuracy, "low": evaluation.low, "high": evaluation.high}


def _round(report: RoundReport) -> dict[str, Any]:
    return {
        "round": report.round,
        "sampled": report.sampled,
        "outcomes": {str(outcome): getattr(report, outcome) for outcome in Outcome},
        "hinted": {"sampled": report.hinted_sampled, "correct": report.hinted_correct},
        "selected": report.selected,
        "rejected_by": json.loads(report.rejected_by),
        "pool": report.pool,
        "accuracy": report.accuracy,
        "low": report.low,
        "high": report.high,
        "change": {"mean": report.change, "low": report.change_low, "high": report.change_high},
        "gate": str(report.gate),
        "gate_reason": report.gate_reason,
        "checkpoint": report.checkpoint_id,
        "grpo": json.loads(report.grpo),
        "tokens": report.tokens,
        "seconds": json.loads(report.seconds),
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table artifact shows it: nested values as text."""
    return {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
