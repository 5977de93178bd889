"""What a run would cost: some of its own first answers, and what follows from them.

The pilot is the beginning of the run: the first problems of round 1 (their order is the seed's, so
they are a random part), asked by the recipe's teacher and policy into the run's own folder. The run
finds them there and asks for the rest. In `star` the pilot goes as far as sampling needs: a student
with a cold start is trained first; another teacher's pilot evaluates the base model instead, which
tells how fast the student answers.

Requests, tokens and money come from `generators.pilot`; of seconds, each part says whether it was
measured. What is not covered: answers taken over from other runs (`sample.reuse`) are planned as if
they were asked, a student changes with training, GRPO's completions and evaluations by another
model than the teacher are counted only as time, and what a run takes to open and to end is left
out.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filters.verify import GROUP_VERIFIERS, JUDGES
from flows import problems as drawn
from flows.advice import advice
from flows.asking import policy_for
from flows.context import Run
from flows.evaluate import evaluate
from flows.opening import open_run
from flows.plan_judge import judging, with_judge
from flows.plan_seconds import Part, added, evaluations, parts
from flows.progress import Reporter
from flows.sample import sample
from flows.start import base_checkpoint, cold_start
from flows.teachers import is_archive, is_student
from flows.verify import verify
from generators.adaptive import Policy, policy_of, trial
from generators.agenda import Fixed
from generators.engine import Remote
from generators.pilot import Asked, Pilot, Plan, Range, Tried, plan
from generators.problems import ById
from rsfactory.budget import Budget, Spent
from rsfactory.contracts import Teacher
from rsfactory.errors import InputError, NoAnswer, Stopped
from rsfactory.recipe import Recipe
from rsfactory.records import Candidate, Checkpoint, Outcome, Problem, newest
from rsfactory.store import CANDIDATES

PILOT = 32
"""Problems of a pilot, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run's costs before it is run, the pilot's included."""

    run: str
    recipe: Recipe
    folder: Path
    problems: int
    """In a round."""
    pilot: Pilot
    plan: Plan
    parts: list[Part]
    """What the seconds are made of."""
    spent: Spent
    """By the run so far: the pilot's share, and what else was asked already."""
    cost: float | None
    told: list[str]
    """What its answers so far suggest to change."""

    @property
    def seconds(self) -> Range:
        """Of all parts."""
        return added([part.seconds for part in self.parts])

    @property
    def candidates(self) -> int:
        """The pilot's."""
        return sum(map(len, self.pilot.problems))

    @property
    def correct(self) -> int:
        """The pilot's right candidates."""
        return sum(one.correct is True for problem in self.pilot.problems for one in problem)

    @property
    def budget(self) -> str:
        """Whether the budget is enough, in a few words; empty where there is none."""
        if self.recipe.budget is None:
            return ""
        budget = Budget.parse(self.recipe.budget)
        costs = {"usd": self.plan.money, "tokens": self.plan.tokens, "seconds": self.seconds}
        cost = costs[budget.kind]
        assert cost is not None, "a budget in USD has prices"
        if cost.high <= budget.amount:
            return f"the budget of {budget} is enough"
        if cost.low <= budget.amount:
            return f"the budget of {budget} may end the run early"
        return f"the budget of {budget} ends the run at about {budget.amount / cost.mid:.0%}"

    def to_json(self) -> dict[str, Any]:
        """The document that `factory plan --json` prints."""
        plan = self.plan
        return {
            "run": self.run,
            "recipe": self.recipe.name,
            "folder": str(self.folder),
            "requests": plan.requests._asdict(),
            "tokens": plan.tokens._asdict(),
            "prompt_tokens": plan.prompt_tokens._asdict(),
            "completion_tokens": plan.completion_tokens._asdict(),
            "money": plan.money._asdict() if plan.money else None,
            "seconds": self.seconds._asdict(),
            "solved": plan.solved._asdict(),
            "target": {"problems": self.problems, "rounds": self.recipe.rounds},
            "pilot": {
                "problems": len(self.pilot.problems),
                "candidates": self.candidates,
                "correct": self.correct,
                "seconds": self.pilot.seconds,
            },
            "parts": [part.to_json() for part in self.parts],
            "spent": {
                "requests": self.spent.requests,
                "tokens": self.spent.tokens,
                "money": self.cost,
                "seconds": self.spent.seconds,
            },
            "budget": self.budget or None,
        }


def run_plan(
    recipe: Recipe, *, seed: int, data: Path, name: str | None, reporter: Reporter, pilot: int
) -> Planned:
    """Opens the run that the recipe would make, asks the pilot and plans.

    Raises:
        InputError: The recipe is wrong, or its teacher has traces that exist already.
        FactoryError: See `rsfactory.errors`; whatever was asked is kept.
    """
    if is_archive(recipe.sample.teacher):
        raise InputError(
            f"teacher {recipe.sample.teacher} has traces that exist already: nobody is asked, and "
            "there is nothing to plan; use it with: factory run collect"
        )
    if pilot < 2:
        raise InputError(f"expected --pilot of at least 2 problems, got {pilot}")
    with open_run(recipe, seed=seed, data=data, name=name, reporter=reporter, planning=True) as run:
        return planned(run, pilot)


def planned(run: Run, size: int) -> Planned:
    """The pilot, and what follows from it."""
    sampler = _sampler(run)
    problems = drawn.training(run, 1) if run.recipe.flow == "star" else drawn.to_collect(run, size)
    chosen = problems[:size]
    teacher = run.teacher(sampler)
    identity = teacher.identity
    _ask(run, chosen, sampler)
    judged = _judged(run, problems)
    pilot = _pilot(run, chosen, judged, teacher, identity)
    asked = _asked(run, problems, teacher)
    made = plan(pilot, asked, run.meter.prices, seed=run.seed)
    remote = isinstance(teacher, Remote)
    times = parts(run, made, asked, pilot, remote=remote)
    if remote and any(problem.verifier in JUDGES for problem in problems):
        times.append(judging(run, made, pilot))
    return Planned(
        run=run.name,
        recipe=run.recipe,
        folder=run.store.folder,
        problems=len(problems),
        pilot=pilot,
        plan=with_judge(run, made, pilot),
        parts=times,
        spent=run.meter.spent,
        cost=run.meter.cost(),
        told=advice(Counter(judged.values()), run.max_tokens(), trains=run.recipe.flow == "star"),
    )


def _sampler(run: Run) -> Checkpoint | None:
    """Whose weights sample in round 1, made as the run would make them."""
    if run.recipe.flow == "collect":
        return base_checkpoint(run) if is_student(run.recipe.sample.teacher) else None
    base = base_checkpoint(run)
    if is_student(run.recipe.sample.teacher):
        return cold_start(run, base)
    evaluate(run, base, 0, "base")
    return base


def _ask(run: Run, chosen: Sequence[Problem], sampler: Checkpoint | None) -> None:
    """Asks what is missing, in one process: others would take their parts of the whole run.

    A pilot that ends early is planned from as it is.
    """
    section = run.recipe.sample.model_copy(update={"processes": 1})
    pilot = replace(run, recipe=run.recipe.model_copy(update={"sample": section}))
    before = run.meter.requests_here
    began = time.monotonic()
    try:
        sample(pilot, 1, chosen, sampler)
    except (Stopped, NoAnswer) as error:
        run.reporter.note(f"the pilot ended early: {error}")
    finally:
        if run.meter.requests_here > before:
            run.store.journal(pilot=len(chosen), seconds=round(time.monotonic() - began, 3))


def _judged(run: Run, problems: Sequence[Problem]) -> dict[str, Outcome]:
    """Outcome of every candidate; none where a majority decides, since its groups may still grow.

    They grow when the rest of the round is asked, and a majority that has decided stays.
    """
    if any(problem.verifier in GROUP_VERIFIERS for problem in problems):
        return {}
    verdicts = verify(run, 1, ById(problems))
    return {key: verdict.outcome for key, verdict in verdicts.items()}


def _pilot(
    run: Run,
    chosen: Sequence[Problem],
    outcomes: dict[str, Outcome],
    teacher: Teacher,
    identity: str,
) -> Pilot:
    """What was seen of the chosen problems.

    Raises:
        InputError: Fewer than two of them have a candidate.
    """
    rows: dict[str, list[Candidate]] = {problem.id: [] for problem in chosen}
    everything = [c for c in newest(run.store.read(CANDIDATES, 1)) if not c.hinted]
    for row in everything:
        if row.problem_id in rows and row.teacher == identity:
            rows[row.problem_id].append(row)
    groups = [sorted(group, key=lambda row: row.index) for group in rows.values() if group]
    if len(groups) < 2:
        raise InputError(
            f"the pilot has answers to {len(groups)} problems; a plan needs two: give more "
            "problems (--problems, --limit), a larger --budget, or a teacher that answers"
        )
    fixed = isinstance(policy_for(run.recipe), Fixed)
    remote = isinstance(teacher, Remote)
    each = None if remote else _seconds_of_a_token(run, everything)
    return Pilot(
        problems=[_tried(group, outcomes, each, fixed=fixed) for group in groups],
        seconds=sum(e["seconds"] for e in run.store.journal_entries() if "pilot" in e),
        concurrency=_places(run, teacher),
        per_request=_per_request(groups) if remote else 1,
    )


def _tried(
    group: Sequence[Candidate],
    outcomes: dict[str, Outcome],
    seconds_of_a_token: float | None,
    *,
    fixed: bool,
) -> list[Tried]:
    """A problem's candidates; the first of a request carries the tokens of its prompt.

    A local engine answers in batches, so a candidate's seconds are its share by tokens. Where every
    problem is asked equally often, an unverifiable candidate is not asked again and counts.
    """
    prompt = max(row.prompt_tokens for row in group)
    tried = []
    for row in group:
        outcome = outcomes.get(row.id, Outcome.WRONG)
        right = trial(outcome)
        each = seconds_of_a_token
        tried.append(
            Tried(
                prompt,
                row.tokens,
                row.seconds if each is None else each * row.tokens,
                bool(right) if fixed else right,
                max(1, row.requests),
            )
        )
    return tried


def _seconds_of_a_token(run: Run, candidates: Sequence[Candidate]) -> float:
    """Of sampling in round 1, over all starts; loading the model is in it."""
    tokens = sum(candidate.tokens for candidate in candidates)
    return run.store.seconds(1).get("sample", 0.0) / max(1, tokens)


def _per_request(groups: Sequence[Sequence[Candidate]]) -> float:
    """Candidates in a request, on average: only the first of each carries tokens of a prompt."""
    rows = [row for group in groups for row in group]
    return len(rows) / max(1, sum(row.prompt_tokens > 0 for row in rows))


def _places(run: Run, teacher: Teacher) -> int:
    """Requests under way at a time; a local engine is one place."""
    if not isinstance(teacher, Remote):
        return 1
    return run.recipe.endpoint.concurrency * int(getattr(teacher, "addresses", 1))


def _asked(run: Run, problems: Sequence[Problem], teacher: Teacher) -> Asked:
    """What the whole run asks of the teacher; its evaluations too where that is the student."""
    recipe = run.recipe
    hintable = any(p.answer and p.verifier not in GROUP_VERIFIERS for p in problems)
    star = recipe.flow == "star"
    own = star and is_student(recipe.sample.teacher)
    return Asked(
        problems=len(problems),
        rounds=recipe.rounds if star else 1,
        policy=_policy(recipe),
        concurrency=_places(run, teacher),
        hinted=recipe.rationalize.num_samples if hintable else 0,
        evaluations=evaluations(run) if own else 0,
        held_out=len(drawn.held_out(run)) if own else 0,
        per_request=teacher.per_request if isinstance(teacher, Remote) else 1,
    )


def _policy(recipe: Recipe) -> Policy:
    policy = policy_for(recipe)
    if isinstance(policy, Fixed):
        return Policy(name="fixed", num_samples=policy.num_samples)
    return policy_of(recipe.adaptive, recipe.sample.num_samples)
