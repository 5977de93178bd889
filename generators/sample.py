"""The sampling engine: candidates are planned with their keys first, then a teacher answers them.

A plan is laid out sample index by sample index, each in blocks of `shard_size` problems: asking for
more samples later adds shards and changes none. A shard's id is the hash of its candidates' keys,
so that a rerun finds what is done by name. The seed of a candidate comes from its key; the run's
seed is part of the sampling settings, so that two runs sample different texts.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rsfactory.chat import messages
from rsfactory.contracts import Completion, Progress, Request, Teacher
from rsfactory.ids import content_id, seed_of
from rsfactory.records import Candidate, Problem, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A candidate before it is answered."""

    id: str
    """The key that the candidate will have."""
    problem: Problem
    prompt: Prompt
    teacher: str
    sampling: str
    """JSON: temperature, top_p and the run's seed."""
    index: int
    attempt: int
    round: int
    hinted: bool

    @property
    def seed(self) -> int:
        """Seed of the completion."""
        return seed_of(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """Candidates that are answered and written together."""

    id: str
    items: tuple[Planned, ...]


@runtime_checkable
class Watched(Protocol):
    """A teacher that answers in batches and can tell how far it is in the middle of one."""

    progress: Progress | None


def plan(
    problems: Sequence[Problem],
    *,
    prompt_for: Callable[[Problem], Prompt],
    teacher: str,
    sampling: str,
    num_samples: int,
    shard_size: int,
    round: int,
    hinted: bool = False,
    first_index: Mapping[str, int] | None = None,
) -> list[PlannedShard]:
    """Shards with ``num_samples`` candidates of every problem.

    Args:
        problems: Each once.
        prompt_for: The prompt of a problem.
        teacher: Identity of the teacher.
        sampling: JSON of the settings, as kept in the candidates (``temperature``, ``top_p``).
        num_samples: Completions per problem.
        shard_size: Candidates in a shard at most.
        round: The round they are sampled in.
        hinted: Whether the prompts show the answer.
        first_index: Problem's key -> first free index, where earlier rounds sampled it.
    """
    canonical = json.dumps(json.loads(sampling), sort_keys=True)
    first = first_index or {}

    def planned(problem: Problem, sample: int) -> Planned:
        prompt, index = prompt_for(problem), first.get(problem.id, 0) + sample
        return Planned(
            id=Candidate.key(problem.id, prompt.id, teacher, canonical, index),
            problem=problem,
            prompt=prompt,
            teacher=teacher,
            sampling=canonical,
            index=index,
            attempt=0,
            round=round,
            hinted=hinted,
        )

    return [
        _shard([planned(problem, sample) for problem in problems[start : start + shard_size]])
        for sample in range(num_samples)
        for start in range(0, len(problems), shard_size)
    ]


def _shard(items: Sequence[Planned]) -> PlannedShard:
    return PlannedShard(id=content_id("h", [item.id for item in items]), items=tuple(items))


async def sample_planned(
    teacher: Teacher,
    shard: PlannedShard,
    *,
    max_tokens: int,
    progress: Progress | None = None,
    concurrency: int | None = None,
) -> list[Candidate]:
    """A shard's candidates, answered, in its order.

    Args:
        teacher: Who answers; its identity is the one the shard was planned for.
        shard: What to answer.
        max_tokens: Length limit of one completion.
        progress: Called as completions come in, and inside a batch by a `Watched` teacher.
        concurrency: Requests under way at a time; by default all, which lets a local engine batch.

    Raises:
        ChildDied: The process behind the teacher ended; nothing of the shard is kept.
    """
    watched = teacher if concurrency is None and isinstance(teacher, Watched) else None
    if watched is not None:
        watched.progress = progress
    gate = asyncio.Semaphore(concurrency or max(1, len(shard.items)))
    done: list[int] = []

    async def answer(item: Planned) -> Candidate:
        async with gate:
            [completion] = await teacher.complete(_request(item, max_tokens))
        done.append(completion.tokens)
        if progress is not None and watched is None:
            progress(len(done), sum(done))
        return _candidate(item, completion, max_tokens)

    tasks = [asyncio.ensure_future(answer(item)) for item in shard.items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        if watched is not None:
            watched.progress = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _request(item: Planned, max_tokens: int) -> Request:
    settings = json.loads(item.sampling)
    answer = item.problem.answer if item.hinted else None
    return Request(
        messages=messages(item.prompt, item.problem.prompt, answer),
        seeds=(item.seed,),
        temperature=settings.get("temperature", 1.0),
        top_p=settings.get("top_p", 1.0),
        max_tokens=max_tokens,
    )


def _candidate(item: Planned, completion: Completion, max_tokens: int) -> Candidate:
    return Candidate(
        id=item.id,
        problem_id=item.problem.id,
        prompt_id=item.prompt.id,
        teacher=item.teacher,
        sampling=item.sampling,
        index=item.index,
        attempt=item.attempt,
        round=item.round,
        hinted=item.hinted,
        seed=item.seed,
        max_tokens=max_tokens,
        completion=completion.text,
        reasoning=completion.reasoning,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        tokens=completion.tokens,
    )
