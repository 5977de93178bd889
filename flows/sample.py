"""Sampling: a round's candidates, and the hinted second try at the problems that failed.

What the store has is not asked for again: a rerun, more samples, a higher length limit and another
run's answers (`sample.reuse`) all ask for what is missing only. Teachers behind an address are
asked by `flows.stream`, local ones shard by shard here.
"""

import asyncio
from collections.abc import Mapping, Sequence

from filters.verify import GROUP_VERIFIERS
from flows import known, stream, stream_parts
from flows.asking import asking_of, policy_for, record_prompts
from flows.context import Run
from flows.decided import decided
from flows.decided import outcomes as outcomes_of
from flows.tasks import log, shard_task
from flows.verify import verify, verify_missing
from generators.agenda import Agenda, Fixed, Policy
from generators.engine import Remote
from generators.sample import PlannedShard, sample_planned, shard_of, shards_of
from rsfactory.contracts import Progress, Teacher
from rsfactory.records import Candidate, Checkpoint, Outcome, Problem
from rsfactory.store import CANDIDATES, SELECTIONS, Table


def sample(
    run: Run, round: int, problems: Sequence[Problem], checkpoint: Checkpoint | None
) -> None:
    """Candidates of every problem, as many as the policy wants; what is there is not asked again.

    A round whose selection is written is closed where a student is trained on it.
    """
    if run.recipe.flow == "star" and run.store.has(SELECTIONS, round, "round"):
        return
    _sample(run, round, problems, checkpoint, policy_for(run.recipe), hinted=False)


def rationalize(
    run: Run,
    round: int,
    problems: Sequence[Problem],
    checkpoint: Checkpoint | None,
) -> None:
    """Samples failed problems again with the answer hinted (STaR, Zelikman et al., 2022).

    A problem failed when it has a verdict and none of its candidates is correct; one whose verdicts
    are all our fault (UNVERIFIABLE) did not fail. One without an answer, or whose answer decides
    nothing (majority), is left out: there is no hint that could be given.
    """
    if not run.recipe.rationalize.num_samples:
        return
    outcomes: dict[str, set[Outcome]] = {}
    rows = decided(run.store, round)
    for problem_id, outcome in outcomes_of(rows.filter(~rows["hinted"])):
        outcomes.setdefault(problem_id, set()).add(outcome)
    ours = {Outcome.UNVERIFIABLE}
    failed = [
        p for p in problems
        if p.id in outcomes and Outcome.CORRECT not in outcomes[p.id] and outcomes[p.id] - ours
    ]  # fmt: skip
    hintable = [p for p in failed if p.answer and p.verifier not in GROUP_VERIFIERS]
    if left_out := len(failed) - len(hintable):
        run.reporter.note(
            f"round {round}: {left_out} problems without a correct candidate are not hinted: "
            "no answer of theirs is known"
        )
    policy = Fixed(run.recipe.rationalize.num_samples)
    _sample(run, round, hintable, checkpoint, policy, hinted=True)


def _sample(
    run: Run,
    round: int,
    problems: Sequence[Problem],
    checkpoint: Checkpoint | None,
    policy: Policy,
    *,
    hinted: bool,
) -> None:
    teacher = run.teacher(checkpoint)
    asking = asking_of(run, round, teacher.identity, hinted=hinted)
    by_id = {problem.id: problem for problem in problems}
    known.recover(run, round)
    known.reuse(run, asking, problems, policy.num_samples)
    if not isinstance(policy, Fixed):
        verify_missing(run, round, by_id)
    agenda = Agenda(problems, asking, policy, known.known(run, asking, run.max_tokens()))
    known.refuse_growing_groups(run, round, agenda, problems)
    record_prompts(run, round, problems, hinted=hinted)
    stage = "rationalize" if hinted else "sample"
    several = run.recipe.sample.processes > 1 and agenda.total
    if not isinstance(teacher, Remote):
        _in_waves(run, round, stage, teacher, agenda, by_id, decided=not isinstance(policy, Fixed))
    elif not several or stream_parts.near_the_budget(run, teacher):
        stream.sample(run, round, stage, teacher, agenda, by_id)
    elif not stream_parts.sample(run, round, stage, agenda, list(by_id), hinted=hinted):
        _sample(run, round, problems, checkpoint, policy, hinted=hinted)


def _in_waves(
    run: Run,
    round: int,
    stage: str,
    teacher: Teacher,
    agenda: Agenda,
    problems: Mapping[str, Problem],
    *,
    decided: bool,
) -> None:
    """A local engine gets whole shards, always the same ones, so that a rerun gives equal texts."""
    while wave := agenda.wave():
        missing = {item.id for item in wave if not agenda.known(item)}
        shards = [
            shard if all(item.id in missing for item in shard.items) else shard_of(rest)
            for shard in shards_of(wave, run.recipe.sample.shard_size)
            if (rest := [item for item in shard.items if item.id in missing])
        ]
        run_shards(run, round, shards, teacher, CANDIDATES, stage, run.max_tokens())
        verdicts = verify(run, round, problems) if decided else {}
        for item in wave:
            if item.id in missing:
                verdict = verdicts.get(item.id)
                agenda.decide(item.problem.id, verdict.outcome if verdict else None)


def run_shards(
    run: Run,
    round: int,
    shards: Sequence[PlannedShard],
    teacher: Teacher,
    table: Table[Candidate],
    stage: str,
    max_tokens: int,
) -> None:
    """Samples the shards that the store does not have yet, one after the other."""
    missing = [s for s in shards if not run.store.has(table, round, s.id)]
    if not missing:
        return
    with run.stage(round, stage, sum(len(s.items) for s in missing), "completions"):
        before = (0, 0)
        for shard in missing:
            run.meter.check()
            done, tokens = before

            def progress(
                finished: int, sampled: int, done: int = done, tokens: int = tokens
            ) -> None:
                run.reporter.advance(done + finished, tokens + sampled)

            count, sampled = sample_shard(
                run, round, shard, teacher, table, max_tokens, progress, shard.id
            )
            before = (done + count, tokens + sampled)
            run.reporter.advance(*before)


@shard_task("sample")
def sample_shard(
    run: Run,
    round: int,
    shard: PlannedShard,
    teacher: Teacher,
    table: Table[Candidate],
    max_tokens: int,
    progress: Progress,
    part: str,
) -> tuple[int, int]:
    """One shard's completions, written as one file; returns how many, and their tokens."""
    candidates = asyncio.run(
        sample_planned(teacher, shard, max_tokens=max_tokens, progress=progress)
    )
    place = run.store.write(table, round, part, candidates)
    for candidate in candidates:
        run.meter.add(candidate, evaluation=table is not CANDIDATES)
    log(f"sampled {len(candidates)} completions: {place.name}")
    return len(candidates), sum(candidate.tokens for candidate in candidates)
