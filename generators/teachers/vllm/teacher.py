"""A model folder's answers from a vLLM server of our own, started at the first request.

The server is a child of a child (`keeper`), so that it ends with us however we end; it is asked as
any OpenAI-compatible address is (`ApiTeacher`). Where it dies, every request under way and every
later one fails with `ChildDied` and the log's last lines: nothing is started again by itself, since
what killed it (memory, most often) kills it again; the same command continues. A prompt that leaves
no room for max_tokens is answered with the finish reason ``rejected`` (the local teacher cuts the
limit instead). Not covered: several machines; one server has the GPUs that ``RSFACTORY_VLLM_ARGS``
gives it.
"""

import asyncio
import contextlib
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import psutil

from generators.teachers.api import ApiTeacher, Stats
from generators.teachers.vllm import build, command, keeper
from rsfactory.child import Child, last_lines
from rsfactory.contracts import Completion, Request
from rsfactory.errors import ChildDied, FactoryError
from rsfactory.recipe import EndpointSection

KEEPER = "generators.teachers.vllm.keeper"
PATIENCE = 1800.0
"""Seconds until a server must be healthy: a large model is read from disk and compiled."""
CLOSING = keeper.GRACE + 10
"""Seconds that the keeper has to end everything."""

_RAISED = re.compile(r"(?:[\w.]+\.)?\w*(?:Error|Exception): \S.*")
_WRAPPER = re.compile(r"EngineDeadError|Engine core initialization failed|see (root cause|stack)")


class VllmTeacher:
    """Answers of a vLLM server. ``loading`` hears how long it loads already, at last None."""

    def __init__(
        self,
        folder: Path,
        identity: str,
        log: Path,
        *,
        settings: EndpointSection,
        adapter: Path | None = None,
        loading: Callable[[float | None], None] | None = None,
        patience: float = PATIENCE,
        program: Sequence[str] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: Model and tokenizer.
            identity: Its content, see `generators.teachers.vllm.command.identity`.
            log: Where the server writes.
            settings: How it is asked.
            adapter: Folder of a LoRA adapter over the model, served without merging.
            loading: Called from another thread while the server loads, with seconds; with None
                when it is healthy, or ended.
            patience: Seconds until it must be healthy.
            program: What to run instead of vLLM's server, with the same options.

        Raises:
            InputError: vLLM is not installed, or broken by something beside it.
        """
        self.identity = identity
        self.loading = loading
        self._log = log
        self._name = f"rsfactory-{secrets.token_hex(4)}"  # no other server has such a model
        found = build.needed() if program is None else _STANDS_IN
        words = command.server(found, folder, self._name, adapter)
        self._order = {
            "command": words if program is None else [*program, *words[len(command.SERVER) :]],
            "name": self._name,
            "env": command.environment(found, psutil.virtual_memory().available),
            "unset": command.unset(),
            "patience": patience,
        }
        api = "chat" if command.templated(folder) else "completions"
        # One completion a request: each text comes of its own seed, and its tokens are counted by
        # the server. The prompt is read once all the same (prefix cache).
        self.settings = settings.model_copy(update={"api": api, "n": 1})
        self._child: Child | None = None
        self._address: Future[tuple[str, str]] | None = None
        self._api: ApiTeacher | None = None
        self._death: FactoryError | None = None
        self._asked: set[asyncio.Task[list[Completion]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = threading.Lock()

    @property
    def stats(self) -> Stats | None:
        """Requests, retries and tokens so far; None before the first request."""
        return None if self._api is None else self._api.stats

    @property
    def per_request(self) -> int:
        """Completions that one request may ask for."""
        return 1

    async def complete(self, request: Request) -> list[Completion]:
        """One completion for every seed of the request.

        Raises:
            ChildDied: The server ended, or did not become healthy.
            NoAnswer: The bounds of `ApiTeacher` were reached.
        """
        api = await self._open()
        task = asyncio.ensure_future(api.complete(request))
        self._loop = asyncio.get_running_loop()
        self._asked.add(task)
        try:
            if self._death is not None:  # between the answer above and now
                task.cancel()
            return await task
        except asyncio.CancelledError:
            ours = asyncio.current_task()
            if self._death is not None and not (ours and ours.cancelling()):
                raise self._died() from self._death
            raise
        except FactoryError:
            if self._death is not None:
                raise self._died() from self._death
            raise
        finally:
            self._asked.discard(task)

    def close(self) -> None:
        """Ends the server and all it started. Safe to call twice."""
        with self._opening:
            self._death = self._death or ChildDied("the vLLM teacher was closed")
            child, self._child = self._child, None
        if self._api is not None:
            self._api.close()
        if child is not None:
            child.close(CLOSING)

    async def _open(self) -> ApiTeacher:
        """Who asks the server, once it is healthy."""
        with self._opening:
            if self._death is not None:
                raise self._died()
            if self._address is None:
                self._address = self._start()
        address, key = await asyncio.shield(asyncio.wrap_future(self._address))
        if self._api is None:
            self._api = ApiTeacher(
                self._name,
                [address],
                key=key,
                settings=self.settings,
                identity=self.identity,
                start=self.settings.concurrency,  # ours alone, and made for that many
            )
        return self._api

    def _start(self) -> "Future[tuple[str, str]]":
        """Starts the keeper and a thread that listens to it."""
        self._child = Child(KEEPER, log=self._log, name="vLLM server")
        address: Future[tuple[str, str]] = Future()
        since = self._log.stat().st_size
        listener = threading.Thread(
            target=self._listen, args=(self._child, address, since), daemon=True, name="vllm"
        )
        listener.start()
        return address

    def _listen(self, child: Child, address: "Future[tuple[str, str]]", since: int) -> None:
        """Hears of the server until it ends; runs in a thread of its own."""
        try:
            child.send(self._order)
            while "ended" not in (told := child.receive()):
                if "loading" in told:
                    self._tell(told["loading"])
                if "address" in told:
                    self._tell(None)
                    address.set_result((told["address"], told["key"]))
            death = f"the vLLM server {told['ended']}"
        except FactoryError:  # its keeper ended, or was closed
            death = "the keeper of the vLLM server ended"
        self._death = self._death or ChildDied(_words(death, self._log, since))
        if not address.done():
            self._tell(None)
            address.set_exception(self._died())
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits in it
                self._loop.call_soon_threadsafe(self._fail)

    def _tell(self, seconds: float | None) -> None:
        if self.loading is not None:
            self.loading(seconds)

    def _fail(self) -> None:
        """Ends the requests under way; runs in their loop."""
        for task in self._asked:
            task.cancel()

    def _died(self) -> FactoryError:
        """The death as a new error, so that no traceback grows with every request."""
        return type(self._death)(*self._death.args) if self._death else ChildDied("it ended")


_STANDS_IN = build.Build(name="stand-in", version="", cpu=True, broken_by=())
"""What a program in place of vLLM's is started as."""


def _words(death: str, log: Path, since: int) -> str:
    """What happened, why as far as the log says, and its last lines."""
    reason = cause(log, since)
    tail = "\n".join(last_lines(log)) or "(it printed nothing)"
    why = f": {reason}" if reason else ""
    return f"{death}{why}; run the same command to continue.\nlast lines of {log}:\n{tail}"


def cause(log: Path, since: int = 0) -> str:
    """The error that a server's log names first; vLLM says last only that an engine failed."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(since)
        for line in file.read(2**22).decode(errors="replace").splitlines():
            found = _RAISED.search(line)
            if found and not _WRAPPER.search(line):
                return found[0][:500]
    return ""


def open_teacher(
    model: str,
    log: Path,
    settings: EndpointSection,
) -> VllmTeacher:
    """The teacher of ``vllm:MODEL``.

    Args:
        model: ``embedded``, a Hub id, a model's folder or a LoRA adapter's.
        log: Where the server writes.
        settings: How it is asked.

    Raises:
        InputError: There is no such model, or vLLM is not installed.
    """
    folder, adapter = command.locate(model)
    named = command.identity(folder, adapter)
    return VllmTeacher(folder, named, log, settings=settings, adapter=adapter)
