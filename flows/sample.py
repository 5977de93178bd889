"""Sampling: a round's candidates, and the hinted second try at the problems that failed."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from filters.verify import GROUP_VERIFIERS
from flows.context import Run
from flows.tasks import log, shard_task
from generators.prompts import pick
from generators.sample import PlannedShard, plan, sample_planned
from rsfactory.contracts import Progress, Teacher
from rsfactory.records import Candidate, Checkpoint, Outcome, Problem, Verdict
from rsfactory.store import CANDIDATES, PROMPTS, Table


def sample(run: Run, round: int, problems: Sequence[Problem], checkpoint: Checkpoint) -> None:
    """Samples `sample.num_samples` candidates of every problem; finished shards are skipped."""
    _sample(run, round, problems, checkpoint, run.recipe.sample.num_samples, hinted=False)


def rationalize(
    run: Run,
    round: int,
    problems: Sequence[Problem],
    verdicts: Mapping[str, Verdict],
    checkpoint: Checkpoint,
) -> None:
    """Samples failed problems again with the answer hinted (STaR, Zelikman et al., 2022).

    A problem failed when it has a verdict and none of its candidates is correct; one whose verdicts
    are all our fault (UNVERIFIABLE) did not fail. One without an answer, or whose answer decides
    nothing (majority), is left out: there is no hint that could be given.
    """
    if not run.recipe.rationalize.num_samples:
        return
    outcomes: dict[str, set[Outcome]] = {}
    for candidate in run.store.read(CANDIDATES, round):
        if not candidate.hinted:
            outcomes.setdefault(candidate.problem_id, set()).add(verdicts[candidate.id].outcome)
    ours = {Outcome.UNVERIFIABLE}
    failed = [
        p for p in problems if Outcome.CORRECT not in outcomes[p.id] and outcomes[p.id] - ours
    ]
    hintable = [p for p in failed if p.answer and p.verifier not in GROUP_VERIFIERS]
    if left_out := len(failed) - len(hintable):
        run.reporter.note(
            f"round {round}: {left_out} problems without a correct candidate are not hinted: "
            "no answer of theirs is known"
        )
    _sample(run, round, hintable, checkpoint, run.recipe.rationalize.num_samples, hinted=True)


def _sample(
    run: Run,
    round: int,
    problems: Sequence[Problem],
    checkpoint: Checkpoint,
    num_samples: int,
    *,
    hinted: bool,
) -> None:
    section = run.recipe.sample
    teacher = run.teacher(checkpoint)
    settings = {"temperature": section.temperature, "top_p": section.top_p, "seed": run.seed}
    shards = plan(
        problems,
        prompt_for=lambda problem: pick(section.template, problem, hinted=hinted),
        teacher=teacher.identity,
        sampling=json.dumps(settings),
        num_samples=num_samples,
        shard_size=section.shard_size,
        round=round,
        hinted=hinted,
        first_index=_next_index(run, round, hinted=hinted),
    )
    stage = "rationalize" if hinted else "sample"
    run_shards(run, round, shards, teacher, CANDIDATES, stage, run.max_tokens())


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
    _record_prompts(run, round, missing)
    if not missing:
        return
    with run.stage(round, stage, sum(len(s.items) for s in missing), "completions"):
        before = (0, 0)
        for shard in missing:
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
    log(f"sampled {len(candidates)} completions: {place.name}")
    return len(candidates), sum(candidate.tokens for candidate in candidates)


def _next_index(run: Run, round: int, *, hinted: bool) -> dict[str, int]:
    """Problem -> first free index: it goes on over rounds (round 0 has only worked solutions)."""
    after: dict[str, int] = {}
    for earlier in (r for r in run.store.rounds(CANDIDATES) if 0 < r < round):
        for candidate in run.store.read(CANDIDATES, earlier):
            if candidate.hinted == hinted:
                key = candidate.problem_id
                after[key] = max(after.get(key, 0), candidate.index + 1)
    return after


def _record_prompts(run: Run, round: int, shards: Sequence[PlannedShard]) -> None:
    """Keeps the templates that the shards use, each once a run."""
    known = {prompt.id for prompt in run.store.read(PROMPTS)}
    for prompt in {item.prompt.id: item.prompt for s in shards for item in s.items}.values():
        if prompt.id not in known:
            run.store.write(PROMPTS, round, prompt.id, [prompt])
