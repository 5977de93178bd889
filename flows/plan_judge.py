"""What a judge would take in a run: the pilot's votes, for as many candidates as are planned.

A judge is asked for each candidate, and a candidate's share in the run is told by its tokens: so
everything a judge took in the pilot is taken times the planned tokens of completions by the
pilot's. Not covered: that the range of what a judge says for one candidate is wider than that.
"""

from dataclasses import replace

from flows.context import Run
from flows.meter import judged_of
from flows.plan_seconds import Part, added, scaled
from generators.pilot import Pilot, Plan, Range


def with_judge(run: Run, plan: Plan, pilot: Pilot) -> Plan:
    """The plan with what a judge takes; the same where none was asked."""
    judged, each = judged_of(run.store, 1), _by_token(plan, pilot)
    if not judged.requests or each is None:
        return plan
    prompt, completion = scaled(each, judged.prompt_tokens), scaled(each, judged.completion_tokens)
    cost, money = judged.cost(run.meter.judge_prices), None
    if plan.money is not None and cost is not None:
        money = added([plan.money, scaled(each, cost)])
    return replace(
        plan,
        requests=added([plan.requests, scaled(each, judged.requests)]),
        prompt_tokens=added([plan.prompt_tokens, prompt]),
        completion_tokens=added([plan.completion_tokens, completion]),
        tokens=added([plan.tokens, prompt, completion]),
        money=money,
    )


def judging(run: Run, plan: Plan, pilot: Pilot) -> Part:
    """The seconds of a judge, which is asked when a stage's candidates are there."""
    each = _by_token(plan, pilot) or Range(0.0, 0.0, 0.0)
    seconds = run.store.seconds(1).get("verify", 0.0)
    return Part("judging", scaled(each, seconds), "measured: the pilot's verdicts")


def _by_token(plan: Plan, pilot: Pilot) -> Range | None:
    """Planned candidates by those of the pilot; None where nothing was counted."""
    tokens = sum(one.tokens for problem in pilot.problems for one in problem)
    return scaled(plan.completion_tokens, 1 / tokens) if tokens else None
