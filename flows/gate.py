"""The end of a round: is the new checkpoint taken over, and what did the round do.

Rule: with c the mean paired change in held-out accuracy against the checkpoint the round started
from, `hold` when c < -max_drop, else `advance`; `stop` when accuracy reached `stop_at`, or when a
round selected nothing (the student cannot learn from nothing, and the next round would be alike).
A change below the paired interval is noise either way: its interval is in the report.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flows.context import Run
from flows.decided import decided, judged_attempts
from flows.decided import outcomes as outcomes_of
from flows.meter import cost_of, judged_of, spent_of
from flows.pass_rates import mean_of_round, newest_rates, pass_rates
from flows.problems import training
from flows.tasks import log
from rsfactory.ids import content_id
from rsfactory.recipe import GateSection
from rsfactory.records import (
    Checkpoint,
    Evaluation,
    Gate,
    Outcome,
    RoundReport,
    Selection,
)  # fmt: skip
from rsfactory.stats import Interval, paired_change
from rsfactory.store import ROUNDS, SELECTIONS, TRAINING_ROWS


def change_between(before: Evaluation, after: Evaluation) -> Interval:
    """Paired change in accuracy; both must be of the same held-out problems."""
    was = dict(zip(before.problem_ids, before.outcomes, strict=True))
    right = Outcome.CORRECT
    return paired_change(
        [was[p] == right for p in after.problem_ids], [o == right for o in after.outcomes]
    )


def decide(
    section: GateSection, change: Interval, accuracy: float, trained: bool
) -> tuple[Gate, str]:
    """The gate and its reason in words."""
    if not trained:
        return Gate.STOP, "nothing was selected, so nothing was trained"
    if change.mean < -section.max_drop:
        return Gate.HOLD, f"accuracy fell by {-change.mean:.3f}, more than {section.max_drop:g}"
    if accuracy >= section.stop_at:
        return Gate.STOP, f"accuracy reached {section.stop_at:g}"
    return Gate.ADVANCE, f"accuracy changed by {change.mean:+.3f}"


def gate(
    run: Run,
    round: int,
    sampler: Checkpoint,
    before: Evaluation,
    checkpoint: Checkpoint,
    after: Evaluation,
) -> RoundReport:
    """Writes the round's report, which ends the round, and returns it."""
    change = change_between(before, after)
    selections = run.store.read(SELECTIONS, round)
    pass_rates(run, round, training(run, round), sampler)
    trained = any(s.selected for s in selections)
    decision, reason = decide(run.recipe.gate, change, after.accuracy, trained)
    report = round_report(run, round, checkpoint, selections, gate=decision, gate_reason=reason)
    report = replace(
        report,
        sampler=sampler.id,
        pool=len(run.store.read(TRAINING_ROWS, round)),
        accuracy=after.accuracy,
        low=after.low,
        high=after.high,
        change=change.mean,
        change_low=change.low,
        change_high=change.high,
        grpo=json.dumps(
            json.loads(checkpoint.metrics) if checkpoint.stage == "grpo" and trained else {}
        ),
    )
    run.store.write(ROUNDS, round, "report", [report])
    log(f"round {round}: {decision} ({reason})")
    return report


def round_report(
    run: Run,
    round: int,
    checkpoint: Checkpoint | None,
    selections: Sequence[Selection],
    *,
    gate: Gate,
    gate_reason: str,
) -> RoundReport:
    """What a round sampled, verified and selected; accuracy and training are left open."""
    attempts = judged_attempts(run.store, round)
    rows = decided(run.store, round).drop_nulls("outcome")
    hinted = rows.filter(rows["hinted"])
    outcomes = Counter(outcome for _, outcome in outcomes_of(rows))
    hinted_outcomes = Counter(outcome for _, outcome in outcomes_of(hinted))
    rate = mean_of_round(newest_rates(run, round))
    spent, judged = spent_of(run.store, round), judged_of(run.store, round)
    return RoundReport(
        id=content_id("d", run.name, round, attempts),
        run=run.name,
        round=round,
        sampler=checkpoint.id if checkpoint else run.recipe.sample.teacher,
        checkpoint_id=checkpoint.id if checkpoint else "",
        problems=rows["problem_id"].n_unique(),
        sampled=len(rows),
        correct=outcomes[Outcome.CORRECT],
        wrong=outcomes[Outcome.WRONG],
        unparsed=outcomes[Outcome.UNPARSED],
        truncated=outcomes[Outcome.TRUNCATED],
        unverifiable=outcomes[Outcome.UNVERIFIABLE],
        hinted_sampled=len(hinted),
        hinted_correct=hinted_outcomes[Outcome.CORRECT],
        selected=sum(s.selected for s in selections),
        rejected_by=json.dumps(rejections(selections)),
        pool=0,
        tokens=spent.completion_tokens,
        accuracy=None,
        low=None,
        high=None,
        change=None,
        change_low=None,
        change_high=None,
        gate=gate,
        gate_reason=gate_reason,
        grpo="{}",
        seconds=json.dumps(run.store.seconds(round)),
        pass_rate=rate.mean if rate else None,
        pass_rate_low=rate.low if rate else None,
        pass_rate_high=rate.high if rate else None,
        requests=spent.requests,
        prompt_tokens=spent.prompt_tokens,
        cost=cost_of(spent, run.meter.prices, judged, run.meter.judge_prices),
        attempts=attempts,
        judge_requests=judged.requests,
        judge_tokens=judged.tokens,
    )


def rejections(selections: Sequence[Selection]) -> dict[str, int]:
    """Rule -> how many candidates it kept out, the most frequent first."""
    return dict(Counter(s.rejected_by for s in selections if s.rejected_by).most_common())
