"""How often the sampler solved each problem of a round, unbiased under the stopping rule.

The agenda is replayed from what the store has, verdicts included, so that the counts are those the
policy stopped at, whatever order the answers came in and however often the run was stopped.
"""

from collections.abc import Sequence

from flows.asking import asking_of, policy_for
from flows.context import Run
from flows.known import known
from generators.adaptive import Policy as Adaptive
from generators.adaptive import policy_of
from generators.agenda import Fixed, Policy, State, replay
from generators.sample import Asking
from rsfactory.ids import content_id
from rsfactory.records import Checkpoint, PassRate, Problem
from rsfactory.stats import Interval
from rsfactory.store import PASS_RATES


def pass_rates(
    run: Run, round: int, problems: Sequence[Problem], checkpoint: Checkpoint | None
) -> list[PassRate]:
    """A rate for every problem that was asked; written once for each set of answers."""
    teacher, policy = run.teacher(checkpoint), policy_for(run.recipe)
    asking = asking_of(run, round, teacher.identity, hinted=False)
    there = {
        problem: {place: one for place, one in places.items() if one.outcome is not None}
        for problem, places in known(run, asking, run.max_tokens()).items()
    }  # what a judge has not come to says nothing
    rule = policy_of(run.recipe.adaptive, run.recipe.sample.num_samples)
    rows = [
        _rate(
            state,
            policy,
            rule,
            asking,
            sum(k.attempt + 1 for k in there[state.problem.id].values()),
        )
        for state in replay(problems, policy, there)
        if state.asked
    ]
    if rows:
        part = content_id("h", [row.id for row in rows])
        run.store.write(PASS_RATES, round, part, rows)
    return rows


def newest_rates(run: Run, round: int) -> list[PassRate]:
    """The newest rate of every problem of a round."""
    rows = sorted(run.store.read(PASS_RATES, round), key=lambda row: row.attempts)
    return list({(row.problem_id, row.teacher, row.sampling): row for row in rows}.values())


def mean_of_round(rows: Sequence[PassRate]) -> Interval | None:
    """Mean over problems with its interval; None where no problem has a rate."""
    from rsfactory.stats import mean_of

    known_ones = [row.mean for row in rows if row.mean is not None]
    return mean_of(known_ones) if known_ones else None


def _rate(state: State, policy: Policy, rule: Adaptive, asking: Asking, attempts: int) -> PassRate:
    asked = state.asked if isinstance(policy, Fixed) else state.trials
    rate = _interval(rule, state)
    key = state.problem.id, asking.teacher, asking.sampling, asking.round
    return PassRate(
        id=PassRate.key(*key, attempts),
        problem_id=state.problem.id,
        teacher=asking.teacher,
        sampling=asking.sampling,
        round=asking.round,
        asked=asked,
        correct=state.correct,
        mean=rate.mean if rate else None,
        low=rate.low if rate else None,
        high=rate.high if rate else None,
        stopped_by=state.reason or "budget",
        attempts=attempts,
    )


def _interval(rule: Adaptive, state: State) -> Interval | None:
    """The estimate under the rule; None where no candidate says anything, or no order leads here.

    That is so after the policy was changed in the middle, or with more candidates than it wants.
    """
    from generators import pass_rates as estimates
    from rsfactory.stats import wilson

    if not state.trials:
        return None
    if rule.name == "fixed" and rule.hopeless is None:
        return wilson(state.correct, state.trials)
    if not estimates.reachable(rule, state.trials, state.correct):
        return None
    _, low, high = estimates.interval(rule, state.trials, state.correct)
    return Interval(estimates.estimate(rule, state.trials, state.correct), low, high)
