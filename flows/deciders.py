"""Who decides about candidates: verifiers of one row (the pool), of a group, or a judge.

A problem's verifier is a name; this is where it becomes one of the three. What a recipe must have
for a judge or a majority is checked by `check` when a run is opened.
"""

from collections.abc import Iterable, Mapping, Sequence

from filters.verify import GROUP_VERIFIERS, JUDGES
from filters.verify.judge_prompt import RUBRICS
from filters.verify.named import find_verifier
from filters.verify.verdicts import verdict
from flows import teachers
from flows.context import Run
from flows.judging import REJECTED, judge
from generators.engine import Pairs
from rsfactory import metadata
from rsfactory.contracts import GroupVerifier
from rsfactory.errors import InputError
from rsfactory.journal import Journal
from rsfactory.recipe import Recipe
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.store import Table


def needs_gold(verifier: str | None) -> bool:
    """Whether a verifier, by its name, compares with a gold answer."""
    return verifier not in JUDGES and verifier not in GROUP_VERIFIERS


def at_once(problems: Iterable[Problem]) -> bool:
    """Whether a candidate of any of these problems can be decided as it comes, on its own."""
    return all(needs_gold(problem.verifier) for problem in problems)


def decide(
    run: Run,
    pairs: Pairs,
    grouped: Mapping[str, Verdict],
    kept: Journal[Verdict] | None = None,
) -> list[Verdict]:
    """Verdicts in the order of the pairs.

    Args:
        run: The run.
        pairs: What to decide about.
        grouped: What `decide_groups` found.
        kept: Where a judge's verdicts go as they come; needed where one decides.

    Raises:
        Stopped: The budget ended while a judge was asked.
        FactoryError: See `flows.judging.judge`.
    """
    single = [pair for pair in pairs if pair[0].verifier not in GROUP_VERIFIERS]
    unasked = [pair for pair in single if pair[1].finish_reason == REJECTED]
    asked = [pair for pair in single if pair[1].finish_reason != REJECTED] if unasked else single
    judged = [pair for pair in asked if pair[0].verifier in JUDGES]
    found = list(run.verifiers.verify([p for p in asked if p[0].verifier not in JUDGES]))
    if judged:
        assert kept is not None, "a judge's verdicts need a journal"
        found += judge(run, judged, kept)
    found += [
        verdict(JUDGES.get(problem.verifier) or find_verifier(problem.verifier), candidate,
                Outcome.UNVERIFIABLE, f"the server did not take the request: {candidate.note}")
        for problem, candidate in unasked
    ]  # fmt: skip
    known = {**grouped, **{verdict.candidate_id: verdict for verdict in found}}
    return [known[candidate.id] for _, candidate in pairs]


def decide_groups(
    run: Run, round: int, problems: Mapping[str, Problem], source: Table[Candidate]
) -> dict[str, Verdict]:
    """Candidate -> verdict, for problems whose candidates are decided together.

    A group is all candidates of a problem in the round, over all shards. They are all there when
    the first is verified, so every shard, and every rerun, sees the same groups.
    """
    groups: dict[str, list[Candidate]] = {
        key: [] for key, problem in problems.items() if problem.verifier in GROUP_VERIFIERS
    }
    if not groups:
        return {}
    for candidate in run.store.read(source, round):
        if candidate.problem_id in groups:
            groups[candidate.problem_id].append(candidate)
    verifiers: dict[str, GroupVerifier] = {
        name: kind(**run.recipe.majority.model_dump()) for name, kind in GROUP_VERIFIERS.items()
    }
    verdicts = [
        verdict
        for key, group in groups.items()
        for verdict in verifiers[problems[key].verifier].verify_group(problems[key], group)
    ]
    right = {v.candidate_id for v in verdicts if v.outcome is Outcome.CORRECT}
    decided = sum(any(c.id in right for c in group) for group in groups.values())
    run.reporter.note(
        f"round {round}: {decided} of {len(groups)} problems have a majority (no gold is used)"
    )
    return {verdict.candidate_id: verdict for verdict in verdicts}


def check(recipe: Recipe, training: Sequence[Problem], held_out: Sequence[Problem]) -> None:
    """Finds what a judge, a majority or a user's verifier lacks, before anything is written.

    Raises:
        InputError: Everything that is missing, and what to set; or a name is no verifier's.
    """
    used = {problem.verifier for problem in (*training, *held_out)}
    for name in sorted(filter(needs_gold, used)):
        find_verifier(name)
    faults = _without_gold(held_out)
    if used & JUDGES.keys():
        faults += _judge_faults(recipe)
    if used & GROUP_VERIFIERS.keys() and recipe.sample.num_samples < recipe.majority.minimum:
        faults.append(
            f"a majority of at least {recipe.majority.minimum} needs as many samples, got "
            f"sample.num_samples = {recipe.sample.num_samples}; raise it"
        )
    ours = sorted(used - {name for name in used if needs_gold(name)})
    if ours and recipe.grpo.steps:
        faults.append(
            f"GRPO's rewards come from verifiers of one row, not from {' or '.join(ours)}; "
            "set grpo.steps = 0"
        )
    if faults:
        raise InputError("\n".join(faults))


def _without_gold(held_out: Sequence[Problem]) -> list[str]:
    """What is wrong with held-out problems that nothing can be measured on."""
    grouped = [p for p in held_out if p.verifier in GROUP_VERIFIERS]
    if grouped:
        return [
            f"held-out problems of {grouped[0].source} are decided by {grouped[0].verifier}, which "
            "measures agreement, not accuracy; give a held-out set with golds (--held-out FILE)"
        ]
    bare = [
        p for p in held_out
        if not p.answer
        and not (p.solution if p.verifier in JUDGES else metadata.decides(p.metadata, p.verifier))
    ]  # fmt: skip
    if bare:
        return [
            f"{len(bare)} of {len(held_out)} held-out problems of {bare[0].source} have no gold "
            f"answer (row {bare[0].row} is one), so accuracy cannot be measured; give a held-out "
            "set with answers (--held-out FILE)"
        ]
    return []


def _judge_faults(recipe: Recipe) -> list[str]:
    section = recipe.judge
    faults = []
    if section.teacher is None:
        faults.append(
            'verifier judge needs to know who judges; set judge.teacher = "local:MODEL", '
            '"student" or "scripted"'
        )
    else:
        teachers.check(teachers.of_judge(section.teacher, recipe.model.student), recipe)
    if section.temperature == 0 and section.votes > 1:
        faults.append(
            f"{section.votes} votes at judge.temperature = 0 are one vote; "
            "set judge.votes = 1, or a temperature"
        )
    if not section.rubric.strip() or (
        len(section.rubric.split()) == 1 and section.rubric not in RUBRICS
    ):
        there = ", ".join(RUBRICS)
        faults.append(
            f"no rubric is called {section.rubric!r}; there is: {there}; or write one out"
        )
    return faults
