"""The clients that are measured in a process of their own: each asks N questions, 256 at a time.

    python -m benchmarks.sampling_clients NAME PORT REQUESTS IN_FLIGHT

All ask the same distinct questions with the same settings and a seed each, through as many workers
as there may be requests under way. What they do with an answer differs, and is what is measured:

- ``aiohttp`` reads the body and drops it: the limit of a Python client
- ``aiohttp-checked`` parses and checks it, and asks again after a fault (a hand-written loop)
- ``openai`` is AsyncOpenAI as it comes, ``openai-aiohttp`` with the transport of
  ``openai[aiohttp]``; both look at the text
- ``teacher`` is our `ApiTeacher` alone, without keys, store or verifier

``-uvloop`` after a name runs it under uvloop.
"""

import argparse
import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

SETTINGS: dict[str, Any] = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 512}
Ask = Callable[[int], Awaitable[None]]


def question(i: int) -> str:
    """The text of question ``i``; every one is different."""
    return (
        f"A farmer has {i} apples and picks {i % 97 + 3} more every day for {i % 11 + 2} days. "
        "How many apples does the farmer have then? Think step by step, and put the answer in "
        "\\boxed{}."
    )


def body(i: int) -> dict[str, Any]:
    """The request that every client makes of question ``i``."""
    messages = [{"role": "user", "content": question(i)}]
    return {"model": "stub", "messages": messages, "seed": i + 1, **SETTINGS}


async def crowd(ask: Ask, requests: int, in_flight: int) -> None:
    """Has ``in_flight`` workers ask questions 0, 1, ... until all are asked."""
    numbers: Iterator[int] = iter(range(requests))

    async def worker() -> None:
        for i in numbers:
            await ask(i)

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def aiohttp_bare(port: int, requests: int, in_flight: int) -> None:
    """Nothing checked, nothing kept."""
    import aiohttp

    url = _url(port) + "/chat/completions"
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers=_headers()) as session:

        async def ask(i: int) -> None:
            async with session.post(url, json=body(i)) as response:
                await response.read()

        await crowd(ask, requests, in_flight)


async def aiohttp_checked(port: int, requests: int, in_flight: int) -> None:
    """As one writes it by hand: status, JSON, choices and text checked, faults asked again."""
    import aiohttp

    url = _url(port) + "/chat/completions"
    connector = aiohttp.TCPConnector(limit=in_flight)
    timeout = aiohttp.ClientTimeout(total=60)

    async def once(session: aiohttp.ClientSession, i: int) -> str | None:
        async with session.post(url, json=body(i)) as response:
            if response.status != 200:
                return None
            return checked(json.loads(await response.read()))

    async with aiohttp.ClientSession(
        connector=connector, headers=_headers(), timeout=timeout
    ) as session:

        async def ask(i: int) -> None:
            for attempt in range(8):
                try:
                    if await once(session, i) is not None:
                        return
                except (aiohttp.ClientError, TimeoutError, ValueError):
                    pass
                await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
            raise SystemExit(f"no answer to question {i}")

        await crowd(ask, requests, in_flight)


def checked(answer: Any) -> str | None:
    """The text of a chat completion, or None where something of it is missing or cut."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or len(choices) != 1:
        return None
    text = (choices[0].get("message") or {}).get("content")
    usage = answer.get("usage") or {}
    whole = choices[0].get("finish_reason") == "stop" and "completion_tokens" in usage
    return text if isinstance(text, str) and text and whole else None


async def openai_default(port: int, requests: int, in_flight: int) -> None:
    """AsyncOpenAI with its own transport."""
    await _openai(port, requests, in_flight)


async def openai_aiohttp(port: int, requests: int, in_flight: int) -> None:
    """AsyncOpenAI with the transport of ``openai[aiohttp]``."""
    from openai import DefaultAioHttpClient

    await _openai(port, requests, in_flight, http_client=DefaultAioHttpClient())


async def _openai(port: int, requests: int, in_flight: int, **more: Any) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=_url(port), api_key="stub", **more) as client:

        async def ask(i: int) -> None:
            answer = await client.chat.completions.create(**body(i))
            if not answer.choices[0].message.content:
                raise SystemExit(f"no answer to question {i}")

        await crowd(ask, requests, in_flight)


async def teacher(port: int, requests: int, in_flight: int) -> None:
    """`ApiTeacher`: checked, bounded by limits that adapt, asked again where it must."""
    from generators.teachers.api import ApiTeacher
    from rsfactory.contracts import Message, Request
    from rsfactory.recipe import EndpointSection

    settings = EndpointSection(concurrency=in_flight, n=1)
    asked = ApiTeacher("stub", [_url(port)], key="stub", settings=settings)

    async def ask(i: int) -> None:
        messages = (Message(role="user", content=question(i)),)
        [completion] = await asked.complete(Request(messages=messages, seeds=(i + 1,), **SETTINGS))
        if not completion.text:
            raise SystemExit(f"no answer to question {i}")

    try:
        await crowd(ask, requests, in_flight)
    finally:
        asked.close()


CLIENTS: dict[str, Callable[[int, int, int], Awaitable[None]]] = {
    "aiohttp": aiohttp_bare,
    "aiohttp-checked": aiohttp_checked,
    "openai": openai_default,
    "openai-aiohttp": openai_aiohttp,
    "teacher": teacher,
}


def run(name: str, port: int, requests: int, in_flight: int) -> None:
    """Runs a client to its end, under uvloop where its name says so."""
    import uvloop

    client = CLIENTS[name.removesuffix("-uvloop")](port, requests, in_flight)
    runner = uvloop.run if name.endswith("-uvloop") else asyncio.run
    runner(client)  # type: ignore[arg-type]


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def _headers() -> dict[str, str]:
    return {"Authorization": "Bearer stub"}


def main() -> None:
    """The command line of one client's process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    for number in ("port", "requests", "in_flight"):
        parser.add_argument(number, type=int)
    given = parser.parse_args()
    run(given.name, given.port, given.requests, given.in_flight)


if __name__ == "__main__":
    main()
