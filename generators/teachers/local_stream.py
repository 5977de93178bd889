"""A local model that answers each request as soon as it can, while others are under way.

For sampling where an answer decides what is asked next (adaptive policies): the child decodes all
that is under way together and takes what comes into the batch (`local_engine.serve`), so that a
problem's next candidate waits for nobody else's. Which rows share a batch then depends on the
clock: a text is its seed's up to rounding, and a rerun may differ where two tokens are nearly as
likely. Where all requests are known beforehand, `LocalTeacher.complete` gives equal texts again.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import asdict
from typing import Any

from rsfactory.child import Child
from rsfactory.contracts import Completion, Request
from rsfactory.errors import ChildDied, FactoryError


class LocalStream:
    """A child's answers, one request each; made by `LocalTeacher.streaming`."""

    per_request = 1
    """Each completion is told by itself, and equal prompts are read once all the same."""

    def __init__(self, child: Child, identity: str) -> None:
        """Takes the child over until `close`."""
        self.identity = identity
        self.broken = False
        """Whether the child ended, or still decodes what nobody waits for."""
        self._child = child
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Completion]] = {}
        self._death: FactoryError | None = None
        self._closed = False
        child.send({"op": "serve"})
        self._listener = threading.Thread(target=self._listen, daemon=True, name="local-stream")
        self._listener.start()

    async def complete(self, request: Request) -> list[Completion]:
        """One completion for every seed of the request.

        Raises:
            ChildDied: The child ended, or could not load the model.
        """
        rows = [{"number": next(self._numbers), **row} for row in rows_of([request])]
        answers: list[Future[Completion]] = [Future() for _ in rows]
        with self._lock:
            if self._death is not None:
                raise type(self._death)(*self._death.args)
            self._waiting |= zip((row["number"] for row in rows), answers, strict=True)
        self._child.send({"rows": rows})
        return list(await asyncio.gather(*map(asyncio.wrap_future, answers)))

    def close(self) -> None:
        """Gives the child back. Safe to call twice."""
        with self._lock:
            self.broken = self.broken or bool(self._waiting) or self._death is not None
            closed, self._closed = self._closed, True
        if self.broken or closed:
            return
        with contextlib.suppress(FactoryError):
            self._child.send({"rows": []})
        self._listener.join()
        self.broken = self._death is not None

    def _listen(self) -> None:
        """Hands out what the child says until it is done; runs in a thread of its own."""
        try:
            while "done" not in (told := self._child.receive()):
                for number, row in told["ended"]:
                    with self._lock:
                        answer = self._waiting.pop(number)
                    with contextlib.suppress(InvalidStateError):  # nobody waits any more
                        answer.set_result(Completion(**row))
        except FactoryError as error:
            self._fail(error)
        except (OSError, ValueError) as error:  # the child's pipe was closed under us
            self._fail(ChildDied(f"the local teacher was closed before it answered: {error}"))

    def _fail(self, error: FactoryError) -> None:
        with self._lock:
            self._death = error
            waiting, self._waiting = list(self._waiting.values()), {}
        for answer in waiting:
            with contextlib.suppress(InvalidStateError):
                answer.set_exception(type(error)(*error.args))


def rows_of(requests: Sequence[Request]) -> list[dict[str, Any]]:
    """One row a completion, in order, as the child takes them."""
    return [
        {
            "messages": [asdict(message) for message in request.messages],
            "seed": seed,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
        }
        for request in requests
        for seed in request.seeds
    ]
