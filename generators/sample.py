"""Candidates are planned with their keys first, then a teacher answers them.

A plan is laid out sample index by sample index, each in blocks of `shard_size` problems: asking for
more samples later adds shards and changes none. A shard's id is the hash of its candidates' keys,
so that a rerun finds what is done by name. The seed of a candidate comes from its key, without the
attempt: what is redone with more tokens goes on with the same text where the teacher honours seeds.
The run's seed is part of the sampling settings, so that two runs sample different texts.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
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
    seed: int
    """Of the completion, the same for every attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """Candidates that are answered and written together."""

    id: str
    items: tuple[Planned, ...]


@runtime_checkable
class Watched(Protocol):
    """A teacher that answers in batches and can tell how far it is in the middle of one."""

    progress: Progress | None


@runtime_checkable
class Loads(Protocol):
    """A teacher that may take minutes until it is there, and says so meanwhile."""

    loading: Callable[[float | None], None] | None
    """Called from another thread: with the seconds so far, and with None when it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How problems are asked: all that a candidate's key needs besides problem and index."""

    prompt_for: Callable[[Problem], Prompt]
    """The prompt of a problem."""
    teacher: str
    """Identity of the teacher."""
    sampling: str
    """JSON of the settings, as kept in the candidates (``temperature``, ``top_p``, ``seed``)."""
    round: int
    """The round they are sampled in."""
    hinted: bool = False
    """Whether the prompts show the answer."""
    first_index: Mapping[str, int] = field(default_factory=dict)
    """Problem's key -> first free index, where earlier rounds sampled it."""

    def planned(self, problem: Problem, sample: int, attempt: int = 0) -> Planned:
        """The candidate of a problem that comes ``sample`` places behind the first index."""
        prompt, index = self.prompt_for(problem), self.first_index.get(problem.id, 0) + sample
        parts = (problem.id, prompt.id, self.teacher, self.sampling, index)
        first = Candidate.key(*parts)
        return Planned(
            id=Candidate.key(*parts, attempt) if attempt else first,
            problem=problem,
            prompt=prompt,
            teacher=self.teacher,
            sampling=self.sampling,
            index=index,
            attempt=attempt,
            round=self.round,
            hinted=self.hinted,
            seed=seed_of(first),
        )


def canonical(sampling: Mapping[str, object]) -> str:
    """Sampling settings as candidates keep them."""
    return json.dumps(sampling, sort_keys=True)


def plan(
    problems: Sequence[Problem], asking: Asking, *, num_samples: int, shard_size: int
) -> list[PlannedShard]:
    """Shards with ``num_samples`` candidates of every problem.

    Args:
        problems: Each once.
        asking: How they are asked.
        num_samples: Completions per problem.
        shard_size: Candidates in a shard at most.
    """
    rows = [asking.planned(p, sample) for sample in range(num_samples) for p in problems]
    return shards_of(rows, shard_size)


def shards_of(items: Sequence[Planned], shard_size: int) -> list[PlannedShard]:
    """Planned candidates in shards, index by index; those of an index in the order given."""
    by_index: dict[int, list[Planned]] = {}
    places: Counter[str] = Counter()
    for item in items:
        by_index.setdefault(places[item.problem.id], []).append(item)
        places[item.problem.id] += 1
    return [
        shard_of(row[start : start + shard_size])
        for row in by_index.values()
        for start in range(0, len(row), shard_size)
    ]


def shard_of(items: Sequence[Planned]) -> PlannedShard:
    """A shard of these candidates, named by their keys."""
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
            [completion] = await teacher.complete(request_of([item], max_tokens))
        done.append(completion.tokens)
        if progress is not None and watched is None:
            progress(len(done), sum(done))
        return candidate_of(item, completion, max_tokens)

    tasks = [asyncio.ensure_future(answer(item)) for item in shard.items]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        if watched is not None:
            watched.progress = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def request_of(items: Sequence[Planned], max_tokens: int) -> Request:
    """One request for some candidates of one problem."""
    item = items[0]
    settings = _settings(item.sampling)
    answer = item.problem.answer if item.hinted else None
    return Request(
        messages=messages(item.prompt, item.problem.prompt, answer),
        seeds=tuple(item.seed for item in items),
        temperature=settings.get("temperature", 1.0),
        top_p=settings.get("top_p", 1.0),
        max_tokens=max_tokens,
    )


@lru_cache(64)
def _settings(sampling: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(sampling)
    return found


def candidate_of(item: Planned, completion: Completion, max_tokens: int) -> Candidate:
    """A planned candidate with what was answered."""
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
        seed=item.seed if completion.seed is None else completion.seed,
        max_tokens=max_tokens,
        completion=completion.text,
        reasoning=completion.reasoning,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        tokens=completion.tokens,
        requests=completion.requests,
        seconds=round(completion.seconds, 3),
        note=completion.note,
    )
