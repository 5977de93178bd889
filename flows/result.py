"""What a run has come to: read from the store, for the table, for `--json` and for the report."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from flows.gate import change_between
from flows.tallies import Tally, tallies
from rsfactory.errors import FactoryError, StoreError
from rsfactory.records import Candidate, Evaluation, Outcome, RoundReport
from rsfactory.stats import Interval
from rsfactory.store import (
    CANDIDATES,
    EVALUATION_CANDIDATES,
    EVALUATIONS,
    ROUNDS,
    Store,
    Table,
)  # fmt: skip

FILES = ("collected.parquet", "collected.jsonl")
"""The selected rows of a run that trains nothing, in its folder."""


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
    """Of all stages, over all starts of the command; opening and what a kill cut are not in it."""
    tokens: int
    """Completion tokens sampled, evaluation included, GRPO left out."""
    tallies: dict[int, Tally] = field(default_factory=dict)
    """Round -> cost of each verifier, flags of each check."""

    def tally(self, round: int) -> Tally:
        """What was counted in a round; nothing where it has no shards."""
        return self.tallies.get(round, Tally())

    def to_json(self) -> dict[str, Any]:
        """The document that `factory run --json` prints (README, "For programs")."""
        problems = len(self.start.problem_ids) if self.start else 0
        return {
            "run": self.run,
            "recipe": self.recipe,
            "folder": str(self.folder),
            "base": _accuracy(self.base),
            "start": _accuracy(self.start),
            "rounds": [
                round_row(report) | asdict(self.tally(report.round)) for report in self.rounds
            ],
            "change": {**self.change._asdict(), "problems": problems} if self.change else None,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "files": [str(self.folder / name) for name in FILES if (self.folder / name).exists()],
        }


def load_result(store: Store) -> RunResult:
    """The result of a run on disk, finished or not.

    Raises:
        StoreError: A shard or run.json cannot be read.
    """
    described = store.described()
    if described is None:
        raise StoreError(f"{store.folder} has no run.json, so it is no run (or was never begun)")
    evaluations = store.read(EVALUATIONS)
    reports = newest_reports(store)
    stages = {e.stage: e for e in evaluations if e.stage in ("base", "start")}
    base = stages.get("base")
    start = stages.get("start") or (base if reports else None)
    trained = bool(reports) and reports[-1].accuracy is not None
    last = evaluation_of(evaluations, reports[-1].checkpoint_id) if trained else None
    rounds = {table: store.rounds(table) for table in (CANDIDATES, EVALUATION_CANDIDATES)}
    return RunResult(
        run=described["run"],
        recipe=described["recipe"]["name"],
        folder=store.folder,
        base=base,
        start=start,
        rounds=reports,
        change=change_between(start, last) if start and last else None,
        seconds=round(sum(e["seconds"] for e in store.journal_entries() if "stage" in e), 1),
        tokens=sum(
            tokens_of(store, table, round) for table, there in rounds.items() for round in there
        ),
        tallies=tallies(store),
    )


def tokens_of(store: Store, table: Table[Candidate], round: int) -> int:
    """Completion tokens that this run sampled in a round; answers of other runs are left out."""
    rows = store.columns(table, round, ["tokens", "requests"])
    return int(rows.filter(pl.col("requests").fill_null(1) > 0)["tokens"].sum())


def newest_reports(store: Store) -> list[RoundReport]:
    """The newest report of every round that ended."""
    rows = sorted(store.read(ROUNDS), key=lambda report: (report.round, report.attempts))
    return list({report.round: report for report in rows}.values())


def evaluation_of(evaluations: list[Evaluation], checkpoint_id: str) -> Evaluation:
    """A checkpoint's evaluation.

    Raises:
        FactoryError: There is none.
    """
    for evaluation in evaluations:
        if evaluation.checkpoint_id == checkpoint_id:
            return evaluation
    raise FactoryError(f"checkpoint {checkpoint_id} has no evaluation; run the same command again")


def _accuracy(evaluation: Evaluation | None) -> dict[str, float] | None:
    if evaluation is None:
        return None
    return {"accuracy": evaluation.accuracy, "low": evaluation.low, "high": evaluation.high}


def round_row(report: RoundReport) -> dict[str, Any]:
    """A round as `--json` shows it."""
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
        "pass_rate": _pass_rate(report),
        "requests": report.requests,
        "prompt_tokens": report.prompt_tokens,
        "cost": report.cost,
        "judge": _judge(report),
    }


def _judge(report: RoundReport) -> dict[str, int] | None:
    """What a judge took; None where none was asked."""
    if not report.judge_requests:
        return None
    return {"requests": report.judge_requests, "tokens": report.judge_tokens}


def _pass_rate(report: RoundReport) -> dict[str, float | None] | None:
    if report.pass_rate is None:
        return None
    low, high = report.pass_rate_low, report.pass_rate_high
    return {"mean": report.pass_rate, "low": low, "high": high}
