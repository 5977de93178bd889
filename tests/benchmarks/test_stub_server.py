"""The stub against the bytes that clients send, whole and in pieces."""

import asyncio
import json
from typing import Any

import pytest

from benchmarks.stub_server import Connection, Stats


class Wire:
    """What a transport is to the stub."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data


def request(body: Any, path: str = "/v1/chat/completions", name: str = "Content-Length") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}{name}: {len(data)}\r\n\r\n".encode() + data


def answers(pieces: list[bytes]) -> tuple[list[Any], Stats]:
    """Bodies of the responses to these pieces of a stream, and what was counted."""

    async def feed() -> tuple[bytes, Stats]:
        stats, wire = Stats(), Wire()
        connection = Connection(stats, 0.0, 0.0)
        connection.transport = wire
        for piece in pieces:
            connection.data_received(piece)
        return wire.sent, stats

    sent, stats = asyncio.run(feed())
    bodies = []
    while sent:
        head, _, rest = sent.partition(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        bodies.append(json.loads(rest[:length]))
        sent = rest[length:]
    return bodies, stats


@pytest.mark.parametrize(
    ("body", "seeds"),
    [
        ({"seed": 7, "messages": [1]}, [7]),
        (b'{"seed":18446744073709551615}', [2**64 - 1]),
        (b'{"n":3,"seed":5}', [5, 6, 7]),
        (b'{"messages":[{"content":"the \\"seed\\": 3"}],"seed":4}', [4]),
        (b'{"seed":null}', [0]),
        ({}, [0]),
    ],
)
def test_the_seed_is_in_the_text_and_counted(body: Any, seeds: list[int]) -> None:
    [answer], stats = answers([request(body)])
    texts = [choice["message"]["content"] for choice in answer["choices"]]
    assert [int(t.split("seed ")[1].split(":")[0]) for t in texts] == seeds
    assert dict(stats.seeds) == dict.fromkeys(seeds, 1)
    assert [choice["index"] for choice in answer["choices"]] == list(range(len(seeds)))
    assert answer["usage"]["completion_tokens"] == 80 * len(seeds)


def test_requests_in_one_piece_and_in_many() -> None:
    stream = b"".join(request({"seed": i}, name="content-length") for i in range(4))
    for size in (1, 7, 100, len(stream)):
        bodies, stats = answers([stream[i : i + size] for i in range(0, len(stream), size)])
        assert len({body["id"] for body in bodies}) == 4
        assert dict(stats.seeds) == dict.fromkeys(range(4), 1)
        assert stats.requests == 4


def test_what_is_not_asked_is_not_counted() -> None:
    looked = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
    bodies, stats = answers(
        [
            looked,
            request({}, "/v1/embeddings"),
            request({"messages": []}),
            b"GET /stats HTTP/1.1\r\n\r\n",
        ]
    )
    assert stats.requests == 0
    assert bodies[0]["data"][0]["id"] == "stub"
    assert "error" in bodies[1]
    assert "error" in bodies[2]
    assert bodies[3]["completions"] == 0
