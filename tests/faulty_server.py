"""A server that speaks enough of OpenAI's API to answer, and fails in every way it is told to.

Real sockets, in a thread of its own (`FaultyServer` as a context manager) or in a process of its
own (``python tests/faulty_server.py --share 0.1``, which prints its address). A plan decides by the
request (its seed, how often that seed was asked before) which fault it gets; None is an ordinary
answer. A fault is a name of `CHANGED`, a status (``status 429 after 2``: `_status`), or one of the
wire: refuse, silent, drip, cut, cut chunked, html, gzip, gzip bomb, huge, huge without length, half
header. It counts requests by seed, so that a test can say how often each was asked. What a
completion says comes from its seed alone, so that a lost or doubled one is seen.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in."""

    seed: int
    times: int
    """Requests with this seed before this one."""
    n: int
    body: Json
    headers: dict[str, str]
    at: float
    number: int
    """Of all requests for completions, from 0."""


Plan = Callable[[Asked], str | None]
Change = Callable[[Json], Any]


def text_of(seed: int, place: int = 0) -> str:
    """What is answered to a seed; the places of one request tell its completions apart."""
    return f"seed {seed} place {place}\n#### {(seed + place) % 97}"


def answer(asked: Asked) -> Json:
    """A whole answer."""
    chat = "messages" in asked.body
    choices = []
    for place in range(asked.n):
        text = text_of(asked.seed, place)
        said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choices.append({"index": place, "finish_reason": "stop", **said})
    usage = {"prompt_tokens": 10, "completion_tokens": 7 * asked.n, "total_tokens": 0}
    return {"id": "same", "object": "chat.completion", "choices": choices, "usage": usage}


def _choice(**changes: Any) -> Change:
    """An answer whose choices have other fields."""

    def change(said: Json) -> Json:
        for choice in said["choices"]:
            choice.update({k: v for k, v in changes.items() if k == "finish_reason"})
            fields = {k: v for k, v in changes.items() if k != "finish_reason"}
            choice.setdefault("message", {}).update(fields)
        return said

    return change


def _with(**changes: Any) -> Change:
    return lambda said: {**said, **changes}


def _choices(change: Callable[[list[Json]], Any]) -> Change:
    return lambda said: {**said, "choices": change(said["choices"])}


CHANGED: dict[str, Change] = {
    "choices null": _with(choices=None),
    "choices empty": _with(choices=[]),
    "choices missing": lambda said: {k: v for k, v in said.items() if k != "choices"},
    "choices malformed": _choices(lambda all: [None, 3, {}, {"message": "x"}]),
    "choices fewer": _choices(lambda all: all[: max(1, len(all) - 1)]),
    "choices one": _choices(lambda all: all[:1]),
    "choices more": _choices(lambda all: [*all, {**all[0], "index": len(all)}]),
    "choices unordered": _choices(lambda all: all[::-1]),
    "choices doubled": _choices(lambda all: [*all, all[0]]),
    "error object": lambda said: {"error": {"message": "overloaded", "code": 503}},
    "a list": lambda said: [said],
    "usage missing": lambda said: {k: v for k, v in said.items() if k != "usage"},
    "usage broken": _with(usage={"prompt_tokens": "many", "completion_tokens": -1}),
    "content null": _choice(content=None),
    "refusal": _choice(content=None, refusal="I cannot help with that."),
    "tool calls": _choice(content=None, finish_reason="tool_calls", tool_calls=[{"id": "1"}]),
    "length": _choice(finish_reason="length"),
    "content_filter": _choice(content="", finish_reason="content_filter"),
    "finish null": _choice(finish_reason=None),
    "finish unknown": _choice(finish_reason="eos_token"),
}
"""Answers with status 200 that are not as they should be."""

RETRIED = (
    "status 408", "status 409", "status 429", "status 429 after 0", "status 500", "status 502",
    "status 503", "status 504", "status 529", "choices null", "choices empty", "choices missing",
    "choices malformed", "error object", "a list", "refuse", "cut", "cut chunked", "html", "gzip",
    "half header",
)  # fmt: skip
"""Faults after which the same request is to be asked again (the slow ones left out)."""
HUGE = 100 * 2**20


@dataclass
class FaultyServer:
    """Serves on the loopback, from its own thread, until it is closed."""

    plan: Plan = lambda asked: None
    seconds: float = 0.0
    """An ordinary answer takes so long."""
    slow: float = 30.0
    """How long a silent socket stays silent and a drip lasts."""
    gives: int = 1_000_000
    """Completions in one answer at most."""
    port: int = 0
    asked: Counter[int] = field(default_factory=Counter)
    """Seed -> requests."""
    seen: list[Asked] = field(default_factory=list)
    most: int = 0
    """Requests under way at the same time."""

    def __post_init__(self) -> None:
        self._under_way = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "FaultyServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens; after a `stop` on the same port."""
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Dies: every connection is cut."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(ready))
        finally:
            self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._end = asyncio.Event()
        handlers: set[asyncio.Task[Any]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handlers.add(task)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await self._connection(reader, writer)
            except asyncio.CancelledError:
                pass
            finally:
                handlers.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(
            handle, "127.0.0.1", self.port, backlog=2048, reuse_address=True
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.sleep(0)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return
            first, *lines = head.split("\r\n")
            pairs = (line.partition(": ") for line in lines if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if first.startswith("GET"):
                self._get(first.split()[1], writer)
                continue
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            try:
                if not await self._post(json.loads(body), headers, writer):
                    return
            finally:
                self._under_way -= 1

    def _get(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path.endswith("/models"):
            model = {"id": "m", "object": "model", "created": 0, "owned_by": "x"}
            said: Json = {"object": "list", "data": [model]}
        else:
            said = {"asked": dict(self.asked), "most": self.most}
        send(writer, 200, json.dumps(said).encode())

    async def _post(
        self, body: Json, headers: dict[str, str], writer: asyncio.StreamWriter
    ) -> bool:
        """Answers one request; whether the connection goes on."""
        seed = body.get("seed", -1)
        n = min(body.get("n", 1), self.gives)
        asked = Asked(seed, self.asked[seed], n, body, headers, time.monotonic(), len(self.seen))
        self.asked[seed] += 1
        self.seen.append(asked)
        fault = self.plan(asked)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if fault is None or fault in CHANGED:
            said = answer(asked)
            send(writer, 200, json.dumps(CHANGED[fault](said) if fault else said).encode())
            return True
        if fault.startswith("status"):
            _status(writer, fault, headers)
            return True
        return await self._raw(writer, fault, json.dumps(answer(asked)).encode())

    async def _raw(self, writer: asyncio.StreamWriter, fault: str, body: bytes) -> bool:
        """What only shows on the wire."""
        if fault == "refuse":
            return False
        if fault == "silent":
            await asyncio.sleep(self.slow)
            return False
        if fault == "half header":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        elif fault == "html":
            send(writer, 200, b"<html><body>Sign in</body></html>", kind="text/html")
            return True
        elif fault == "gzip":
            send(writer, 200, gzip.compress(body)[:-20] + b"x" * 20, "Content-Encoding: gzip")
            return True
        elif fault == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body[: len(body) // 2])
        elif fault == "cut chunked":
            # The framing is whole; only the JSON inside is not.
            send(writer, 200, body[: len(body) // 2])
            return True
        elif fault == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            async for _ in _ticks(self.slow):
                writer.write(b" ")
                await writer.drain()
        elif fault == "gzip bomb":
            send(writer, 200, gzip.compress(b" " * HUGE), "Content-Encoding: gzip")
        elif fault.startswith("huge"):
            length = b"Content-Length: %d\r\n" % HUGE if fault == "huge" else b""
            writer.write(b"HTTP/1.1 200 OK\r\n%s\r\n" % length)
            for _ in range(HUGE // 2**20):
                writer.write(b" " * 2**20)
                await writer.drain()
        else:
            raise ValueError(f"no fault is called {fault!r}")
        await writer.drain()
        return False


async def _ticks(seconds: float) -> AsyncIterator[None]:
    for _ in range(int(seconds / 0.05)):
        await asyncio.sleep(0.05)
        yield


def send(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    *headers: str,
    kind: str = "application/json",
) -> None:
    """One whole response."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + body)


def _status(writer: asyncio.StreamWriter, fault: str, asked: dict[str, str]) -> None:
    """``status N``, ``status N after SECONDS``, ``status N until SECONDS`` (a date), ``... ms``."""
    _, number, *rest = fault.split(" ", 3)
    said = f"no: {asked.get('authorization', '')}"
    headers = []
    if rest and rest[0] == "after":
        headers = [f"Retry-After: {rest[1]}"]
    elif rest and rest[0] == "ms":
        headers = [f"retry-after-ms: {rest[1]}"]
    elif rest and rest[0] == "until":
        headers = [f"Retry-After: {formatdate(time.time() + float(rest[1]), usegmt=True)}"]
    elif rest:
        said = " ".join(rest)
    body = json.dumps({"error": {"message": said, "type": "x", "param": None, "code": None}})
    send(writer, int(number), body.encode(), *headers)


def mixed(share: float, faults: tuple[str, ...] = RETRIED, seed: int = 0) -> Plan:
    """That share of requests gets one of the faults, the same ones every time."""

    def plan(asked: Asked) -> str | None:
        dice = Random(f"{seed}/{asked.seed}/{asked.times}")
        return dice.choice(faults) if dice.random() < share else None

    return plan


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[FaultyServer]:
    """A server for the length of a test."""
    with FaultyServer(**settings) as server:
        yield server


def main() -> None:
    """Serves in this process until its standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    with FaultyServer(plan=mixed(given.share), seconds=given.seconds) as server:
        print(server.url, flush=True)
        with contextlib.suppress(EOFError):
            input()


if __name__ == "__main__":
    main()
