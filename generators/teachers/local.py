"""A model of Hugging Face's format that answers in a child process, in batches.

Requests that arrive in one turn of the event loop become one message to the child, which decodes
them together (see `generators.teachers.local_engine`). The child starts with the first request and
ends with `close`, with the parent, or at once when a waiting request is cancelled: the next request
then starts another. While `streaming`, the child answers each request as soon as it can instead.
Not covered: a cancelled request takes the others of its batch with it.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from generators.teachers.local_stream import LocalStream, rows_of
from rsfactory.child import Child
from rsfactory.contracts import Completion, Message, Progress, Request
from rsfactory.errors import ChildDied

CHILD = "generators.teachers.local_child"
"""Module that the child process runs."""
PRELOAD = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",  # the embedded model's
)
"""What it imports, for a fork server."""

_Waiting = tuple[Request, asyncio.Future[list[Completion]]]


class LocalTeacher:
    """A model folder's answers. ``progress`` hears of completions and tokens inside a batch."""

    def __init__(
        self,
        folder: Path,
        identity: str,
        log: Path,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: Model and tokenizer.
            identity: The checkpoint's key.
            log: Where the child writes what its libraries print.
            threads: Of torch; by default all cores this process may use.
            progress: Called from another thread about twice a second while a batch is answered.
        """
        self.identity = identity
        self.progress = progress
        self._arguments = (str(folder), str(threads or 0))
        self._log = log
        self._child: Child | None = None
        self._closed = False
        self._waiting: list[_Waiting] = []
        self._worker = ThreadPoolExecutor(1, "local-teacher")  # batches go one after the other

    async def complete(self, request: Request) -> list[Completion]:
        """Answers a request, together with all others that are made in the same turn.

        Raises:
            ChildDied: The child ended, or could not load the model.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Completion]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((request, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self._waiting = [waiting for waiting in self._waiting if waiting[1] is not answer]
            self._kill()
            raise

    @contextlib.contextmanager
    def streaming(self) -> Iterator[LocalStream]:
        """The same model, for who decides by an answer what to ask next.

        Raises:
            ChildDied: The child ended, or could not load the model.
        """
        child = self._started()
        try:
            with contextlib.closing(LocalStream(child, self.identity)) as stream:
                yield stream
        except BaseException:
            self._kill()
            raise
        if stream.broken:
            self._kill()

    def close(self) -> None:
        """Ends the child. Safe to call twice."""
        self._closed = True
        self._kill()
        self._worker.shutdown()

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        batch = [(request, answer) for request, answer in batch if not answer.done()]
        if batch:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._worker, self._exchange, [r for r, _ in batch])
            work.add_done_callback(lambda done: _resolve(batch, done))

    def _exchange(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Sends a batch to the child and waits for its answer; runs in the worker thread."""
        child = self._started()
        try:
            if self._closed:  # while the child was being started
                raise ChildDied("the local teacher was closed before it answered")
            child.send({"op": "answer", "rows": rows_of(requests)})
            done: list[dict[str, Any]] = []
            for message in child.messages():
                if "progress" in message and self.progress is not None:
                    self.progress(*message["progress"])
                done = message.get("done", done)
        except BaseException:
            child.kill()
            self._child = None
            raise
        completions = iter([Completion(**row) for row in done])
        return [[next(completions) for _ in request.seeds] for request in requests]

    def _started(self) -> Child:
        if self._child is None:
            self._child = Child(
                CHILD, *self._arguments, log=self._log, name="local teacher", forked=True
            )
        return self._child

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def stream(
    folder: Path,
    messages: Sequence[Message],
    *,
    log: Path,
    max_tokens: int = 512,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """A model's answer to one prompt, piece by piece, from a child process of its own.

    Raises:
        ChildDied: The child ended, or could not load the model.
    """
    request = Request(
        messages=tuple(messages),
        seeds=(seed,),
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
    )
    child = Child(CHILD, str(folder), "0", log=log, name="local teacher")
    with contextlib.closing(child):
        child.send({"op": "stream", "rows": rows_of([request])})
        for message in child.messages():
            yield message.get("text", "")


def _resolve(batch: Sequence[_Waiting], done: asyncio.Future[list[list[Completion]]]) -> None:
    """Hands a finished batch, or its failure, to every request that waits for it."""
    failure = None if done.cancelled() else done.exception()
    answers = [] if done.cancelled() or failure else done.result()
    for number, (_, answer) in enumerate(batch):
        if answer.done():
            continue
        if failure is not None:
            answer.set_exception(failure)
        elif done.cancelled():
            answer.cancel()
        else:
            answer.set_result(answers[number])
