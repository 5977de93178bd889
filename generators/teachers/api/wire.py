"""The sockets of one event loop: a body goes out, a response comes back whole, or a `Fault`.

`aiohttp` carries the requests, without redirects and without retries of its own (docs/decisions/
006). Bodies are read up to `BODY` bytes after decompression, so that neither 100 MB nor a gzip
bomb takes the memory; the time limit covers all of a request, however it drips.

The sockets are closed when the loop ends: they live in an asynchronous generator, which
``asyncio.run`` (and uvloop's) closes with the loop. A loop that is closed without
``shutdown_asyncgens`` leaves them to the garbage collector.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from generators.teachers.api.faults import Fault, Refused, short

BODY = 32 * 2**20
"""Bytes of a body at most."""
ERROR_BODY = 64 * 2**10
"""Bytes read of a body that comes with another status than 200."""


@dataclass(slots=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def sessions(
    headers: Mapping[str, str], timeout: float, connect_timeout: float
) -> AsyncGenerator[aiohttp.ClientSession]:
    """One session, closed with the generator."""
    session = aiohttp.ClientSession(
        headers=headers,
        connector=aiohttp.TCPConnector(limit=0),  # the addresses' own limits count
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=connect_timeout),
    )
    try:
        yield session
    finally:
        await session.close()
        await asyncio.sleep(0)  # transports say goodbye in the loop's next turn


class Wire:
    """Posts to addresses; made and used in one event loop."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Takes an open session."""
        self._session = session

    async def post(self, url: URL, proxy: str | None, body: bytes) -> Response | Fault | Refused:
        """One request; never raises for what happens on the network."""
        try:
            async with self._session.post(
                url, data=body, proxy=proxy, allow_redirects=False
            ) as response:
                if response.status == 200:
                    return Response(200, response.headers, await _read(response, BODY))
                said = await _read(response, ERROR_BODY, cut=True)
                return Response(response.status, response.headers, said)
        except aiohttp.ClientConnectorCertificateError as error:
            return Refused(0, f"its certificate is not valid: {short(str(error))}")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Fault("connect", short(str(error)))
        except TimeoutError as error:
            return Fault("timeout", short(str(error)) or "no answer in time")
        except _TooLarge:
            return Fault("body", f"more than {BODY >> 20} MB")
        except (aiohttp.ClientPayloadError, aiohttp.ContentTypeError) as error:
            return Fault("body", short(str(error)))
        except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
            return Fault("disconnect", short(f"{type(error).__name__}: {error}"))


class _TooLarge(Exception):
    """A body above its bound."""


async def _read(response: aiohttp.ClientResponse, most: int, *, cut: bool = False) -> bytes:
    """The body; above ``most`` bytes its beginning, or else an error. Either way it is closed."""
    if not cut and (response.content_length or 0) > most:
        response.close()
        raise _TooLarge
    blocks: list[bytes] = []
    size = 0
    while block := await response.content.readany():
        blocks.append(block)
        size += len(block)
        if size > most:
            response.close()
            if cut:
                break
            raise _TooLarge
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
