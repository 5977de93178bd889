"""The teacher behind any OpenAI-compatible address.

One retry layer, this one: `work` says how often a candidate is asked and how long is waited in
between, `line` and `address` say who is asked and how much, `wire` carries it, `reply` and `faults`
say what came of it. Results that are no text (refusals, filters, prompts that are too long) are
completions with their reason, and never stop a run.

When a server rejects (400, 413, 422) before it has answered anything, it is not clear whose fault
that is. One plain question with the same settings decides: where it is rejected too, the settings
are at fault and `EndpointRefused` stops the run; else only the request is, and it is a completion
with the finish reason ``rejected``. 401, 402, 403, 404 and a spent quota end an address at once,
and the run with the last address.

State that is learned (concurrency, n, names of fields, breakers) is the object's and outlives event
loops; sockets and queues belong to one loop. One loop at a time. Not covered: streaming, several
threads.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from generators.teachers.api import faults, reply
from generators.teachers.api.address import Address, Cost, Outcome
from generators.teachers.api.faults import Fault, Refused, Rejected
from generators.teachers.api.form import Form
from generators.teachers.api.line import Line
from generators.teachers.api.pace import START
from generators.teachers.api.reply import Answer
from generators.teachers.api.spec import identity as named
from generators.teachers.api.stats import Stats
from generators.teachers.api.work import ESTIMATED, Work, prompt_tokens
from rsfactory.contracts import Completion, Message, Request
from rsfactory.errors import EndpointRefused, InputError, NoAnswer

if TYPE_CHECKING:
    from generators.teachers.api.wire import Wire
    from rsfactory.recipe import EndpointSection

TOKEN = 4096
"""Bytes of a body that a token may take: a word, and a list of alternatives to it if asked for."""
LARGEST = 2**25
"""Bytes of a body at most, since many may come at once; 32,000 tokens of text take a tenth."""
PLAIN = (Message("user", "What is 1 + 1?"),)
"""A question that no server rejects for what it says."""


class ApiTeacher:
    """A model behind one or more addresses."""

    def __init__(
        self,
        model: str,
        addresses: Sequence[str],
        *,
        key: str | None,
        settings: "EndpointSection",
        identity: str | None = None,
        start: float = START,
    ) -> None:
        """Makes no request yet.

        Args:
            model: As the server calls it.
            addresses: Base URLs; requests go to the one with the least under way.
            key: Sent to all of them; None where none is needed.
            settings: How it is asked.
            identity: The teacher's content, by default model and addresses.
            start: Requests that an address is asked with at first, before it has shown what it
                bears.

        Raises:
            InputError: An address is not valid, or a setting that is the factory's own.
        """
        from yarl import URL

        from generators.teachers.api.where import Mask, proxy_of, reach

        if not addresses:
            raise InputError("a teacher behind an API needs an address")
        self.settings = settings
        self._form = Form(model, settings)
        path = "chat/completions" if settings.api == "chat" else "completions"
        self._addresses: list[Address] = []
        self._ways: dict[str, tuple[URL, str | None]] = {}
        self._headers: dict[str, str] = {}
        for url in addresses:
            base, self._headers = reach(url, key)  # the same headers for all of them
            self._addresses.append(Address(base, settings, start))
            self._ways[base] = (URL(f"{base}/{path}"), proxy_of(base))
        self._mask = Mask(self._headers)
        self.identity = identity or named(model, [a.url for a in self._addresses])
        self.stats = Stats(self._addresses)
        self._metered = any(address.metered for address in self._addresses)
        self._mean_tokens = 0.0
        self._proven = False
        self._rejected: dict[tuple[float, ...], str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line: Line
        self._wire: Wire
        self._trial: asyncio.Lock
        self._session: AsyncGenerator[Any] | None = None

    @property
    def per_request(self) -> int:
        """Completions that one request may ask for."""
        return self._form.per_request

    @property
    def addresses(self) -> int:
        """At how many addresses it can be asked."""
        return len(self._addresses)

    async def complete(self, request: Request) -> list[Completion]:
        """One completion for every seed, in the order of the seeds; see the module.

        Raises:
            NoAnswer: The bounds were reached, or nobody is there; it has what came.
            EndpointRefused: Key, model, address or settings are refused.
        """
        if asyncio.get_running_loop() is not self._loop:
            await self._open()
        seeds, most = request.seeds, self._form.most(request)
        if len(seeds) <= most:
            return await self._answer(request, seeds)
        return await self._in_parts(request, most)

    async def _in_parts(self, request: Request, most: int) -> list[Completion]:
        """More seeds than a request may have; a part without an answer costs no other its own."""
        parts = range(0, len(request.seeds), most)
        answered: dict[int, Completion] = {}
        failed: list[NoAnswer] = []

        async def answer(start: int) -> None:
            try:
                made = await self._answer(request, request.seeds[start : start + most])
                came = dict(enumerate(made))
            except NoAnswer as error:
                failed.append(error)
                came = error.answered
            answered.update({start + place: completion for place, completion in came.items()})

        tasks = [asyncio.ensure_future(answer(start)) for start in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if failed:
            raise NoAnswer(str(failed[0]), answered)
        return [answered[place] for place in range(len(request.seeds))]

    def close(self) -> None:
        """Frees the sockets; those of a loop that has ended are closed already."""
        loop, session = self._loop, self._session
        self._loop = self._session = None
        if loop is None or session is None or loop.is_closed():
            return
        if loop.is_running():
            loop.call_soon_threadsafe(lambda: loop.create_task(_end(session)))
        else:
            loop.run_until_complete(session.aclose())

    async def _open(self) -> None:
        """Sockets and queue of the loop that runs now."""
        from generators.teachers.api.wire import Wire, sessions

        self._line = Line(self._addresses)
        self._trial = asyncio.Lock()
        settings = self.settings
        self._session = sessions(self._headers, settings.timeout, settings.connect_timeout)
        self._wire = Wire(await anext(self._session))
        self._loop = asyncio.get_running_loop()

    async def _answer(self, request: Request, seeds: Sequence[int]) -> list[Completion]:
        """Asks until every seed has its completion."""
        work = Work(request, seeds, self.settings.max_requests)
        try:
            while batch := work.batch(self._form.most(request)):
                await self._ask(work, batch)
        except NoAnswer as error:
            self.stats.no_answer += 1
            if work.completions:
                raise NoAnswer(str(error), work.completions) from error
            raise
        return [work.completions[i] for i in range(len(seeds))]

    async def _ask(self, work: Work, batch: list[int]) -> None:
        """One request for some of the seeds, and what follows from what came of it."""
        seeds = [work.seeds[i] for i in batch]
        body, seed = self._form.body(work.request, seeds), self._form.seed(seeds)
        work.sent(batch)
        outcome, address, seconds, probe = await self._exchange(work.request, body, len(batch))
        if isinstance(outcome, Answer):
            self._proven = True
            self._learn(self._form.saw(len(batch), len(outcome.choices)))
            self.stats.short += len(outcome.choices) < len(batch)
            self._count(work.answered(batch, outcome, seconds, seed))
        elif isinstance(outcome, Fault):
            await self._again(work, batch, outcome, probe=probe)
        elif isinstance(outcome, Refused):
            self._refuse(address, outcome)
        elif lesson := self._form.taught(outcome, body):
            self._learn(lesson)
        elif await self._takes_others(work.request, outcome):
            self._count(work.rejected(batch, outcome, seconds))

    async def _exchange(
        self, request: Request, body: bytes, wanted: int
    ) -> tuple[Outcome, Address, float, bool]:
        """One request to the least loaded address: outcome, address, seconds, whether a probe."""
        cost = self._cost(request, wanted) if self._metered else _FREE
        address, probe = self._line.take(cost) or await self._line.wait(cost)
        outcome: Outcome | None = None
        self.stats.requests += 1
        began = time.monotonic()
        try:
            url, proxy = self._ways[address.url]
            most = min(LARGEST, 2**20 + TOKEN * request.max_tokens * wanted)
            response = await self._wire.post(url, proxy, body, most)
            if isinstance(response, Fault | Refused):
                outcome = response
            elif response.status == 200:
                outcome = reply.read(response.body)
            else:
                outcome = faults.of_status(response.status, response.headers, response.body)
            if not isinstance(outcome, Answer):
                outcome = self._masked(outcome)
            return outcome, address, time.monotonic() - began, probe
        finally:
            address.give(began, cost, outcome, probe=probe)
            self._line.wake()

    async def _again(self, work: Work, batch: list[int], fault: Fault, *, probe: bool) -> None:
        """Waits before the next request."""
        if fault.limited:
            self.stats.rate_limited += 1
        else:
            self.stats.faults += 1
        wait = work.failed(batch, fault, counts=not probe)
        self.stats.retries[fault.cause] += 1
        await asyncio.sleep(wait)

    def _refuse(self, address: Address, refused: Refused) -> None:
        """Ends an address, and the run with the last one."""
        status = f"status {refused.status}: " if refused.status else ""
        address.refuse(
            f"{address.url} refuses: {status}{refused.message}{_ADVICE.get(refused.status, '')}"
        )
        reasons = [a.refused for a in self._addresses]
        if all(reason is not None for reason in reasons):
            raise EndpointRefused("; ".join(reason or "" for reason in reasons))

    async def _takes_others(self, request: Request, rejected: Rejected) -> bool:
        """Whether a rejection is about the one request; see the module.

        Raises:
            EndpointRefused: It is about the settings.
        """
        shape = (request.temperature, request.top_p, request.max_tokens)
        async with self._trial:
            if self._proven:
                return True
            if shape in self._rejected:
                raise EndpointRefused(self._rejected[shape])
            plain = replace(request, messages=PLAIN, seeds=(0,))
            work = Work(plain, plain.seeds, self.settings.max_requests)
            while True:
                body = self._form.body(plain, plain.seeds)
                work.sent([0])
                outcome, address, _, probe = await self._exchange(plain, body, 1)
                if isinstance(outcome, Answer):
                    self._proven = True
                    return True
                if isinstance(outcome, Fault):
                    await self._again(work, [0], outcome, probe=probe)
                elif isinstance(outcome, Refused):
                    self._refuse(address, outcome)
                elif lesson := self._form.taught(outcome, body):
                    self._learn(lesson)
                elif self._proven:  # by another request, meanwhile
                    return True
                else:
                    self._rejected[shape] = (
                        f"{address.url} rejects every request made like this, also a plain "
                        f"question: status {rejected.status}: {rejected.message}; change the "
                        f"setting it is about, with --set: {_SETTINGS}"
                    )
                    raise EndpointRefused(self._rejected[shape])

    def _cost(self, request: Request, wanted: int) -> Cost:
        """Tokens are estimated by the mean so far, at first by a quarter of the limit."""
        each = self._mean_tokens or request.max_tokens / 4
        return Cost(prompt_tokens(request), min(each, request.max_tokens) * wanted)

    def _count(self, made: list[Completion]) -> None:
        stats = self.stats
        for one in made:
            stats.completions += 1
            stats.tokens += one.tokens
            stats.prompt_tokens += one.prompt_tokens
            if one.finish_reason == "rejected":
                stats.rejected += 1
            else:
                self._mean_tokens += (one.tokens - self._mean_tokens) / min(stats.completions, 64)
            if one.note.endswith(ESTIMATED):
                stats.estimated += 1

    def _learn(self, lesson: str) -> None:
        if lesson and lesson not in self.stats.learned:
            self.stats.learned.append(lesson)

    def _masked(self, outcome: Fault | Rejected | Refused) -> Fault | Rejected | Refused:
        """No secret of ours in what a server says."""
        if isinstance(outcome, Fault):
            return replace(outcome, detail=self._mask(outcome.detail))
        return replace(outcome, message=self._mask(outcome.message))


_FREE = Cost()
_SETTINGS = "sample.temperature=1, sample.top_p, sample.max_tokens, endpoint.extra.NAME"
_ADVICE = {
    401: "; set OPENAI_API_KEY to a key that is valid there",
    402: "; the account has to be paid for",
    403: "; the key may not use this model",
    404: "; check the model's name, and that the address ends as the server wants it (mostly /v1)",
    429: "; the account's quota is spent",
}


async def _end(session: AsyncGenerator[Any]) -> None:
    await session.aclose()
