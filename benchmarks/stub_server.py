"""An OpenAI-compatible server that answers at once: what is measured against it is the client.

    python -m benchmarks.stub_server [--port 0] [--latency 0.05] [--spread 0.5]

Prints its port. ``POST .../chat/completions`` is answered with a body of about 600 bytes for each
of ``n`` choices, the seed in its text and a boxed 42 at its end; ``GET /v1/models`` lists one
model; ``GET /stats`` says what was asked. It reads of a request its length, ``n`` and ``seed``,
found as bytes: a third of its time would else go into JSON. Choices of one request have the seeds
``seed``, ``seed`` + 1, ... and are counted so.

Not covered: chunked requests, streaming, plain completions, faults. A client that sends a field
called ``seed`` or ``n`` inside its text is misread.
"""

import argparse
import asyncio
import json
import math
import random
import resource
import time
from collections import Counter
from typing import Any

import uvloop

CONTENT = (
    "Let us work it out step by step. The question gives two quantities and asks for one that "
    "follows from them, so we write down what is known, name the unknown, and solve for it. "
    "First we add the parts, then we check the sum against the bound in the question, and both "
    "agree. This is the answer to seed %020d: \\\\boxed{42}"
)
CHOICE = (
    '{"index":%d,"message":{"role":"assistant","content":"' + CONTENT + '","refusal":null},'
    '"logprobs":null,"finish_reason":"stop"}'
)
BODY = (
    '{"id":"chatcmpl-%016d","object":"chat.completion","created":1790000000,"model":"stub",'
    '"choices":[%s],"usage":{"prompt_tokens":40,"completion_tokens":%d,"total_tokens":%d}}'
)
HEAD = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
PROMPT_TOKENS, TOKENS = 40, 80

ONE = BODY % (0, CHOICE % (0, 0), TOKENS, PROMPT_TOKENS + TOKENS)
"""The body for one choice: its length is the same for every request and seed."""
_before, _, _after = (HEAD % ("200 OK", len(ONE)) + ONE).partition("0" * 16)
_middle, _, _end = _after.partition("0" * 20)
BEFORE, MIDDLE, END = _before.encode(), _middle.encode(), _end.encode()


class Stats:
    """What was asked of the server since it started."""

    def __init__(self) -> None:
        self.requests = 0
        self.seeds: Counter[int] = Counter()
        self.first = self.last = 0.0
        self.connections = self.open = 0
        self.under_way = self.most_under_way = 0
        self.cpu_before = _cpu()

    def as_json(self) -> dict[str, Any]:
        """Counts; times by the monotonic clock, which all processes of a machine share."""
        return {
            "requests": self.requests,
            "completions": sum(self.seeds.values()),
            "seeds": len(self.seeds),
            "most_of_a_seed": max(self.seeds.values(), default=0),
            "first": self.first,
            "last": self.last,
            "connections": self.connections,
            "most_under_way": self.most_under_way,
            "cpu": _cpu() - self.cpu_before,
        }


def _cpu() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Connection(asyncio.Protocol):
    """One client's connection, kept alive; requests are answered in their order."""

    def __init__(self, stats: Stats, latency: float, spread: float) -> None:
        self.stats, self.latency, self.spread = stats, latency, spread
        self.pending = b""
        self.transport: Any = None
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self.transport = transport
        self.stats.connections += 1

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole."""
        if self.pending:
            data = self.pending + data
        while data:
            head = data.find(b"\r\n\r\n") + 4
            if head < 4:
                break
            end = head + _length(data, head)
            if len(data) < end:
                break
            self._answer(data if len(data) == end else data[:end], head)
            data = data[end:]
        self.pending = data

    def _answer(self, data: bytes, head: int) -> None:
        if data.startswith(b"GET"):
            self.transport.write(self._looked_at(data))
            return
        if data.find(b"/chat/completions ", 0, head) < 0:
            self.transport.write(_response("404 Not Found", '{"error":{"message":"no such path"}}'))
            return
        if data.find(b'"messages": []', head) >= 0:  # curator looks for rate limits like this
            self.transport.write(
                _response("400 Bad Request", '{"error":{"message":"no messages"}}')
            )
            return
        stats = self.stats
        stats.requests += 1
        now = time.monotonic()
        if not stats.first:
            stats.first = now
        seed, n = _number(data, b'"seed":', head, 0), _number(data, b'"n":', head, 1)
        if n == 1:
            stats.seeds[seed] += 1
            answer = b"%s%016d%s%020d%s" % (BEFORE, stats.requests, MIDDLE, seed, END)
        else:
            answer = _several(stats, seed, n)
        if self.latency:
            stats.under_way += 1
            stats.most_under_way = max(stats.most_under_way, stats.under_way)
            seconds = self.latency
            if self.spread:
                seconds *= math.exp(random.gauss(0, self.spread))
            self.loop.call_later(seconds, self._late, answer)
        else:
            self.transport.write(answer)
            stats.last = now

    def _late(self, answer: bytes) -> None:
        self.stats.under_way -= 1
        self.stats.last = time.monotonic()
        if not self.transport.is_closing():
            self.transport.write(answer)

    def _looked_at(self, data: bytes) -> bytes:
        if data.startswith(b"GET /stats "):
            return _response("200 OK", json.dumps(self.stats.as_json()))
        return _response("200 OK", '{"object":"list","data":[{"id":"stub","object":"model"}]}')


def _length(data: bytes, head: int) -> int:
    """The body's length by the headers, which end before ``head``; 0 where they name none."""
    at = data.find(b"ontent-", 0, head)
    while at >= 0:
        if data[at + 7 : at + 14].lower() == b"length:":
            return int(data[at + 14 : data.find(b"\r", at)])
        at = data.find(b"ontent-", at + 7, head)
    return 0


def _number(data: bytes, name: bytes, head: int, otherwise: int) -> int:
    """The whole number after ``name`` in the body."""
    at = data.find(name, head)
    if at < 0:
        return otherwise
    at += len(name)
    digits = data[at : at + 24].lstrip()
    for size, byte in enumerate(digits):
        if not 48 <= byte <= 57:
            return int(digits[:size]) if size else otherwise
    return int(digits) if digits else otherwise


def _several(stats: Stats, seed: int, n: int) -> bytes:
    stats.seeds.update(range(seed, seed + n))
    choices = ",".join(CHOICE % (i, seed + i) for i in range(n))
    tokens = n * TOKENS
    body = BODY % (stats.requests, choices, tokens, PROMPT_TOKENS + tokens)
    return _response("200 OK", body)


def _response(status: str, body: str) -> bytes:
    return (HEAD % (status, len(body)) + body).encode()


async def serve(port: int, latency: float, spread: float) -> None:
    """Serves on the loopback address until the process is killed."""
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(stats, latency, spread), "127.0.0.1", port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until each answer")
    parser.add_argument(
        "--spread", type=float, default=0.0, help="standard deviation of its logarithm"
    )
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.latency, given.spread))


if __name__ == "__main__":
    main()
