"""What the tests of the API teacher share: a request, a teacher, an answer had."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from generators.teachers.api import ApiTeacher
from rsfactory.contracts import Completion, Message, Request
from rsfactory.recipe import EndpointSection

KEY = "sk-a-very-secret-key"


def request(*seeds: int, text: str = "What is 1 + 1?", **changes: Any) -> Request:
    settings = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 100, **changes}
    return Request(messages=(Message("user", text),), seeds=seeds, **settings)


@contextmanager
def teacher(*urls: str, key: str | None = KEY, **settings: Any) -> Iterator[ApiTeacher]:
    made = ApiTeacher("m", urls, key=key, settings=EndpointSection(**settings))
    try:
        yield made
    finally:
        made.close()
        made.close()


def ask(teacher: ApiTeacher, *requests: Request, at_once: int = 256) -> list[list[Completion]]:
    """All requests answered, so many at a time; what is raised is raised here."""
    return asyncio.run(ask_all(teacher, requests, at_once))


async def ask_all(
    teacher: ApiTeacher, requests: Sequence[Request], at_once: int
) -> list[list[Completion]]:
    answers: dict[int, list[Completion]] = {}
    left = iter(enumerate(requests))

    async def worker() -> None:
        for place, one in left:
            answers[place] = await teacher.complete(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(requests))):
            group.create_task(worker())
    return [answers[place] for place in range(len(requests))]


def one(teacher: ApiTeacher, *seeds: int, **changes: Any) -> list[Completion]:
    """The completions of one request, outside of any task group."""
    return asyncio.run(teacher.complete(request(*seeds or (1,), **changes)))
