"""What a run's time is made of: each part with its range, and how it is known.

Asking comes from the pilot; where an endpoint's limits per minute are the slower, from those.
Training is not piloted: its steps follow from the recipe, and what a step takes from the cold start
where the run has trained one, else from the shares in `flows.pace`, measured once with the shipped
recipe. `low` and `high` of what is assumed are half and double.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.context import Run
from flows.pace import WEIGHTS
from flows.problems import held_out
from flows.teachers import is_scripted, is_student
from generators.pilot import Asked, Pilot, Plan, Range
from generators.teachers.api.work import BASE
from rsfactory.store import CANDIDATES, CHECKPOINTS, EVALUATION_CANDIDATES

SFT_STEPS, GRPO_STEPS = 40, 2
"""Optimizer steps behind the shares in `flows.pace.WEIGHTS` (the shipped recipe's)."""
NOTHING = Range(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Part:
    """Seconds of one kind of work over the whole run."""

    name: str
    seconds: Range
    how: str
    """``measured`` or ``assumed``, and from what."""

    def to_json(self) -> dict[str, Any]:
        """As `factory plan --json` shows it."""
        return {"name": self.name, **self.seconds._asdict(), "how": self.how}


def added(ranges: Sequence[Range]) -> Range:
    """The sum, taking all that is low together."""
    return Range(*(sum(values) for values in zip(*ranges, strict=True)))


def scaled(seconds: Range, factor: float) -> Range:
    """All three times a factor."""
    return Range(*(value * factor for value in seconds))


def parts(run: Run, plan: Plan, asked: Asked, pilot: Pilot, *, remote: bool) -> list[Part]:
    """All parts, in the order of a round; those of no time are left out."""
    found = [_asking(run, plan, asked, pilot, remote=remote)]
    if not remote:  # with an address, verdicts are made while answers come
        found.append(_verifying(run, plan))
    if run.recipe.flow == "star":
        found += [_evaluating(run, asked), _training(run, plan, asked, pilot)]
    return [part for part in found if part.seconds.high > 0]


def _asking(run: Run, plan: Plan, asked: Asked, pilot: Pilot, *, remote: bool) -> Part:
    section = run.recipe.endpoint
    limits = (
        (section.requests_per_minute, plan.requests),
        (section.prompt_tokens_per_minute, plan.prompt_tokens),
        (section.completion_tokens_per_minute, plan.completion_tokens),
    )
    bounds = [
        scaled(amount, 60 * section.concurrency / (limit * asked.concurrency))
        for limit, amount in limits
        if limit and remote
    ]
    asking = added([plan.seconds, _waiting(plan, asked, pilot)]) if remote else plan.seconds
    paced = Range(*(max(values) for values in zip(asking, *bounds, strict=True)))
    how = "the pilot's requests" if remote else "the pilot's tokens/s"
    if paced != asking:
        how += "; the endpoint's limits per minute"
    return Part("asking", paced, f"measured: {how}")


def _waiting(plan: Plan, asked: Asked, pilot: Pilot) -> Range:
    """Between a request that failed and the next one, whose place is taken meanwhile.

    The first wait is half of `BASE` on average; later ones, and those that a server asks for, are
    longer, which is what the doubling of ``high`` is for.
    """
    tried = [one.requests for problem in pilot.problems for one in problem]
    failed = 1 - len(tried) / sum(tried)
    wait = failed * BASE / 2 / max(1, asked.concurrency)
    return Range(plan.requests.low * wait, plan.requests.mid * wait, 2 * plan.requests.high * wait)


def _verifying(run: Run, plan: Plan) -> Part:
    """Verdicts one by one after their shard, at the rate of round 1 so far."""
    seconds = run.store.seconds(1).get("verify", 0.0)
    judged = len(run.store.columns(CANDIDATES, 1, ["id"]))
    each = seconds / max(1, judged)
    return Part("verifying", scaled(plan.requests, each), "measured: the pilot's verdicts")


def evaluations(run: Run) -> int:
    """Of the base model, of the student after a cold start, and one a round."""
    if run.recipe.train.trainer == "dry-run" and not is_scripted(run.recipe.model.student):
        return 1  # the weights stay the same, and are not evaluated twice
    traced = any(c.stage == "cold_start" for c in run.store.read(CHECKPOINTS, 0))
    expected = bool(run.recipe.cold_start.traces) and not is_student(run.recipe.sample.teacher)
    return run.recipe.rounds + (2 if traced or expected else 1)


def _evaluating(run: Run, asked: Asked) -> Part:
    """Where another teacher is sampled from: as long as the base model's evaluation took."""
    if asked.evaluations:
        return Part("evaluating", NOTHING, "in asking")
    each = _evaluation(run)
    middle = evaluations(run) * each
    return Part("evaluating", Range(0.8 * middle, middle, 1.5 * middle),
                "measured: the base model's evaluation")  # fmt: skip


def _evaluation(run: Run) -> float:
    """Seconds of one evaluation, by those of round 0."""
    done = len(run.store.columns(EVALUATION_CANDIDATES, 0, ["id"]))
    each = run.store.seconds(0).get("evaluate", 0.0) / max(1, done)
    return each * len(held_out(run))


def _training(run: Run, plan: Plan, asked: Asked, pilot: Pilot) -> Part:
    """All rounds' fine-tuning and GRPO."""
    if run.recipe.train.trainer == "dry-run":
        return Part("training", NOTHING, "dry-run trains nothing")
    steps = _steps(run, plan, asked, pilot)
    began = [c for c in run.store.read(CHECKPOINTS, 0) if c.stage == "cold_start" and c.steps]
    if began:
        middle = steps * began[0].seconds / began[0].steps
        how = f"assumed: {steps:.0f} steps as long as the cold start's (measured)"
    else:
        whole = _round_of_the_shipped(run, plan, asked)
        middle = whole * steps * WEIGHTS["sft"] / SFT_STEPS
        how = f"assumed: {steps:.0f} steps, by the shipped recipe's shares of time"
    return Part("training", Range(middle / 2, middle, middle * 2), how)


def _steps(run: Run, plan: Plan, asked: Asked, pilot: Pilot) -> float:
    """Steps of fine-tuning in all rounds; one of GRPO counts as as many as it takes time of."""
    recipe = run.recipe
    solved = plan.solved.mid / max(1, asked.rounds)
    tried = [one.correct for problem in pilot.problems for one in problem]
    most = asked.problems * recipe.sample.num_samples * sum(map(bool, tried)) / len(tried)
    each = min(solved * recipe.select.max_per_problem, most)
    total = 0.0
    for round in range(1, asked.rounds + 1):
        pool = each * (round if recipe.train.pool == "all" else 1)
        rows = min(recipe.train.max_rows, pool)
        total += math.ceil(rows * recipe.sft.epochs / recipe.sft.batch_size)
    ratio = (WEIGHTS["grpo"] / GRPO_STEPS) / (WEIGHTS["sft"] / SFT_STEPS)
    return total + asked.rounds * recipe.grpo.steps * ratio


def _round_of_the_shipped(run: Run, plan: Plan, asked: Asked) -> float:
    """Seconds of one unit of `WEIGHTS`, by the evaluation where that was measured, or sampling."""
    if not asked.evaluations:
        return _evaluation(run) / WEIGHTS["evaluate"]
    unit = WEIGHTS["sample"] + WEIGHTS["rationalize"] + WEIGHTS["evaluate"]
    return plan.seconds.mid / max(1, asked.rounds) / unit
