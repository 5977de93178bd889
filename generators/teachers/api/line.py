"""Where requests wait for an address, in the order they came. It belongs to one event loop.

A request goes to the address with the least under way for what it bears. Where none is ready it
waits: for an answer that makes room, or for the time when a pause, a budget or a breaker ends.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from generators.teachers.api.address import OUTAGE, Address, Cost
from rsfactory.errors import EndpointRefused, FactoryError, NoAnswer

Place = tuple[Address, bool]
"""An address a request is booked at, and whether it is a probe."""


class Line:
    """A queue before some addresses."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        """Nobody waits."""
        self._addresses = addresses
        self._waiting: deque[tuple[asyncio.Future[Place], Cost]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, cost: Cost) -> Place | None:
        """A place at once, where there is one and nobody came before."""
        if self._waiting:
            return None
        address = self._pick(time.monotonic())
        return None if address is None else (address, address.take(cost))

    async def wait(self, cost: Cost) -> Place:
        """A place, when it is this request's turn.

        Raises:
            EndpointRefused: Every address refuses us, or nobody has ever been there.
            NoAnswer: Nobody has been there at any of them for `OUTAGE` seconds.
        """
        future: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, cost))
        self.wake()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                address, probe = future.result()
                address.give(time.monotonic(), cost, None, probe=probe)
            self.wake()
            raise

    def wake(self) -> None:
        """Gives places to who waits, as many as there are."""
        if not self._waiting:
            return
        now = time.monotonic()
        while self._waiting:
            future, cost = self._waiting[0]
            if not future.done():
                address = self._pick(now)
                if address is None:
                    break
                future.set_result((address, address.take(cost)))
            self._waiting.popleft()
        if self._waiting:
            self._hold(now)

    def send_home(self, error: FactoryError) -> None:
        """Ends the wait of all, with the error."""
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(type(error)(str(error)))

    def _pick(self, now: float) -> Address | None:
        best, least = None, float("inf")
        for address in self._addresses:
            if address.ready(now) and (load := address.load) < least:
                best, least = address, load
        return best

    def _hold(self, now: float) -> None:
        """Wakes again when time makes an address ready; sends all home where none will be."""
        error = self._hopeless(now)
        if error is not None:
            self.send_home(error)
            return
        waits = [wait for a in self._addresses if (wait := a.ready_in(now)) is not None]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waits:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.001, min(waits)), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.wake()

    def _hopeless(self, now: float) -> FactoryError | None:
        left = [address for address in self._addresses if address.refused is None]
        if not left:
            return EndpointRefused("; ".join(a.refused or "" for a in self._addresses))
        if all(address.given_up(now) for address in left):
            urls = ", ".join(f"{a.url} ({a.trouble})" if a.trouble else a.url for a in left)
            if not any(address.reached for address in left):
                return EndpointRefused(f"nobody answers at {urls}; check address and server")
            return NoAnswer(
                f"nobody answered at {urls} for {OUTAGE / 60:.0f} minutes, or it asks to wait for "
                "longer; see that the server runs, then run the same command again"
            )
        return None
