"""Sampling: a round's candidates, and the hinted second try at the problems that failed.

What the store has is not asked for again: a rerun, more samples, a higher length limit and another
run's answers (`sample.reuse`) all ask for what is missing only. Teachers behind an address are
asked by `flows.stream`, and local ones too where the answers decide what is asked next; else local
ones are asked shard by shard here.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from filters.verify import GROUP_VERIFIERS
from flows import deciders, known, stream, stream_parts
from flows.asking import asking_of, policy_for, record_prompts
from flows.context import Run
from flows.decided import decided
from flows.decided import outcomes as outcomes_of
from flows.problems import kinds
from flows.tasks import log, shard_task
from flows.verify import verify, verify_missing
from generators.agenda import Agenda, Fixed, Policy
from generators.engine import Remote
from generators.problems import ById, Shelf
from generators.sample import PlannedShard, sample_planned, shard_of, shards_of
from generators.teachers import LocalTeacher
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

    One without an answer, or whose answer decides nothing (majority), is left out: there is no hint
    that could be given.
    """
    if not run.recipe.rationalize.num_samples:
        return
    unsolved = failed(run, round, problems)
    asked = hintable(unsolved)
    if left_out := len(unsolved) - len(asked):
        run.reporter.note(
            f"round {round}: {left_out} problems without a correct candidate are not hinted: "
            "no answer of theirs is known"
        )
    policy = Fixed(run.recipe.rationalize.num_samples)
    _sample(run, round, asked, checkpoint, policy, hinted=True)


def failed(run: Run, round: int, problems: Iterable[Problem]) -> Shelf:
    """Problems that have a verdict and no correct candidate, hinted ones left aside.

    One whose verdicts are all our fault (UNVERIFIABLE) did not fail.
    """
    outcomes: dict[str, set[Outcome]] = {}
    rows = decided(run.store, round)
    for problem_id, outcome in outcomes_of(rows.filter(~rows["hinted"])):
        outcomes.setdefault(problem_id, set()).add(outcome)
    ours = {Outcome.UNVERIFIABLE}
    return Shelf(
        p for p in problems
        if p.id in outcomes and Outcome.CORRECT not in outcomes[p.id] and outcomes[p.id] - ours
    )  # fmt: skip


def hintable(problems: Iterable[Problem]) -> Shelf:
    """Problems whose answer is known and decides."""
    return Shelf(p for p in problems if p.answer and p.verifier not in GROUP_VERIFIERS)


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
    by_id = ById(problems)
    known.recover(run, round)
    known.reuse(run, asking, problems, policy.num_samples)
    if not isinstance(policy, Fixed):
        verify_missing(run, round, by_id)
    agenda = Agenda(problems, asking, policy, known.known(run, asking, run.max_tokens()))
    some = kinds(problems)
    decides = deciders.at_once(some)
    known.refuse_growing_groups(run, round, agenda, some)
    record_prompts(run, round, some, hinted=hinted)
    stage = "rationalize" if hinted else "sample"
    if isinstance(teacher, Remote) and run.recipe.sample.processes > 1 and agenda.total:
        stream_parts.sample(run, round, stage, agenda, decides=decides, hinted=hinted)
    elif isinstance(teacher, Remote):
        stream.sample(run, round, stage, teacher, agenda, decides=decides)
    elif isinstance(teacher, LocalTeacher) and agenda.grows and agenda.total:
        with teacher.streaming() as answers:
            stream.sample(run, round, stage, answers, agenda, decides=decides)
    else:
        _in_waves(run, round, stage, teacher, agenda, by_id, decided=not isinstance(policy, Fixed))


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
