"""Ours against a bare aiohttp loop with retries, under the same mix of faults, in one run.

    python benchmarks/faults.py [--candidates 10000] [--share 0.1] [--pairs 2]

The server is a process of its own (`tests/faulty_server.py`), asked by each side in turn, each time
a fresh one that fails alike: the same requests, by seed and count, get the same faults. The bare
loop does what a careful person writes in half an hour: it checks status, JSON and text, retries
with the same backoff and honours Retry-After; it keeps texts in a list and nothing else. Lost: no
text; doubled or mixed up: a text that is another seed's.
"""

import argparse
import asyncio
import contextlib
import json
import random
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from generators.teachers.api import ApiTeacher
from rsfactory.contracts import Message, Request
from rsfactory.errors import NoAnswer
from rsfactory.recipe import EndpointSection
from tests.faulty_server import text_of

IN_FLIGHT = 256
Ask = Callable[[int], Awaitable[str | None]]


@contextlib.contextmanager
def server(share: float, seconds: float) -> Iterator[str]:
    """The address of a fresh one."""
    command = [
        sys.executable, str(Path(__file__).parents[1] / "tests" / "faulty_server.py"),
        "--share", str(share), "--seconds", str(seconds),
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdin
        yield child.stdout.readline().strip()
        child.stdin.close()


async def answers(ask: Ask, count: int) -> list[str | None]:
    """Text of every seed, so many at a time."""
    texts: list[str | None] = [None] * count
    left = iter(range(count))

    async def worker() -> None:
        for seed in left:
            texts[seed] = await ask(seed)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return texts


async def bare(url: str, count: int) -> list[str | None]:
    """A loop of one's own."""
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(seed: int) -> str | None:
            for tries in range(8):
                wait = random.uniform(0, min(30, 0.5 * 2**tries))
                try:
                    async with session.post(f"{url}/chat/completions", json=body(seed)) as response:
                        if response.status == 200:
                            said = json.loads(await response.read())
                            text = said["choices"][0]["message"]["content"]
                            if isinstance(text, str):
                                return text
                        wait = max(wait, float(response.headers.get("Retry-After", 0)))
                except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError):
                    pass
                await asyncio.sleep(wait)
            return None

        return await answers(ask, count)


def body(seed: int) -> dict[str, object]:
    """One request."""
    said = [{"role": "user", "content": f"What is {seed} + 1?"}]
    return {"model": "m", "messages": said, "seed": seed, "temperature": 0.7, "max_tokens": 100}


async def ours(teacher: ApiTeacher, count: int) -> list[str | None]:
    """The teacher."""

    async def ask(seed: int) -> str | None:
        asked = Message("user", f"What is {seed} + 1?")
        request = Request(
            messages=(asked,), seeds=(seed,), temperature=0.7, top_p=1.0, max_tokens=100
        )
        try:
            [completion] = await teacher.complete(request)
        except NoAnswer:
            return None
        return completion.text

    return await answers(ask, count)


def measured(name: str, count: int, share: float, seconds: float) -> float:
    """Prints one side's line; returns its wall seconds."""
    with server(share, seconds) as url:
        teacher = ApiTeacher("m", [url], key="none", settings=EndpointSection())
        before, began = cpu(), time.monotonic()
        texts = uvloop.run(bare(url, count) if name == "bare" else ours(teacher, count))
        wall, used = time.monotonic() - began, cpu() - before
        teacher.close()
        with urllib.request.urlopen(f"{url}/counts", timeout=10) as response:
            requests = sum(json.load(response)["asked"].values())
    lost = sum(text is None for text in texts)
    wrong = sum(text not in (None, text_of(seed)) for seed, text in enumerate(texts))
    print(
        f"{name}: {wall:.1f} s, {count / wall:.0f}/s, {used / count * 1e3:.2f} s of CPU per 1,000, "
        f"{requests} requests, lost {lost}, doubled or mixed up {wrong}",
        flush=True,
    )
    return wall


def cpu() -> float:
    """Seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prints one line a side and pair, and the ratio of wall times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=0.0, help="what an answer takes")
    parser.add_argument("--pairs", type=int, default=2)
    given = parser.parse_args()
    for _ in range(given.pairs):
        walls = [
            measured(name, given.candidates, given.share, given.seconds)
            for name in ("bare", "ours")
        ]
        print(f"ratio {walls[1] / walls[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
