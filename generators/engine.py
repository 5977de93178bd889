"""The sampling engine for teachers behind an address: many requests under way, none waits for one.

Workers take candidates from the agenda, ask, and hand over what comes: first to the journal, in the
event loop, before the next request is made; then to the one who decides, in a thread of its own,
in the order of arrival. What was decided may open further waves. A local model is asked like this
where a policy looks at answers, and else shard by shard (`generators.sample.sample_planned`).

A request without an answer within its bounds costs that candidate only: the others go on, and the
end says how many are missing. Memory is bounded by the requests under way and `WAITING`. Not
covered: requests of several stages at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from generators.agenda import Agenda
from generators.sample import Planned, candidate_of, request_of
from rsfactory.contracts import Completion, Teacher
from rsfactory.errors import NoAnswer
from rsfactory.records import Candidate, Outcome, Problem

WAITING = 2048
"""Answered candidates that may wait to be decided; above that no further request is made."""

GATHER = 0.02
"""Seconds in which answers are gathered before they are decided together."""

HOPELESS = 50
"""Requests in a row without an answer after which the stage ends."""

Pairs = Sequence[tuple[Problem, Candidate]]
Decide = Callable[[Pairs], Sequence[Outcome | None]]


@runtime_checkable
class Remote(Teacher, Protocol):
    """A teacher that takes many requests at once, each on its own."""

    @property
    def per_request(self) -> int:
        """Completions that one request may ask for."""
        ...


@dataclass
class Sampling:
    """One stage's sampling under way."""

    teacher: Remote
    agenda: Agenda
    max_tokens: int
    keep: Callable[[Candidate], None]
    """Called in the loop for every candidate as it comes; when it returns, a kill loses nothing."""
    decide: Decide
    """Called in a thread with candidates and their problems; outcomes in their order, None where
    nobody decides."""
    enough: Callable[[int], bool] = lambda under_way: False
    """Asked before each request, with the candidates under way: whether the budget is used up."""
    stopped: bool = False
    """Whether `enough` ended it."""
    missing: list[NoAnswer] = field(default_factory=list)
    """One for each request that had no answer."""
    _under_way: int = 0
    _undecided: int = 0
    _in_a_row: int = 0
    _inbox: list[tuple[Problem, Candidate]] = field(default_factory=list)
    _idle: deque["asyncio.Future[None]"] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, workers: int) -> None:
        """Asks until the agenda is done, the budget is used up, or nothing is answered any more.

        Raises:
            NoAnswer: `HOPELESS` requests in a row had none; what came before is kept.
            EndpointRefused: Nobody who asks like this is answered.
            ChildDied: The process behind the teacher ended.
        """
        with ThreadPoolExecutor(1, "decide") as thread:
            decider = asyncio.ensure_future(self._deciding(thread))
            try:
                await _all_of([self._work() for _ in range(workers)], decider)
            finally:
                decider.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await decider

    async def _work(self) -> None:
        while True:
            if len(self._inbox) >= WAITING:
                self._drained.clear()
                await self._drained.wait()
            items = self._take()
            if items:
                await self._ask(items)
            elif self._over():
                self._wake(len(self._idle))
                return
            else:
                idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle

    def _take(self) -> list[Planned]:
        if self.stopped or self.enough(self._under_way):
            self.stopped = not self._under_way  # what is under way may cost less than foreseen
            return []
        return self.agenda.take(self.teacher.per_request)

    async def _ask(self, items: Sequence[Planned]) -> None:
        self._under_way += len(items)
        try:
            completions = await self.teacher.complete(request_of(items, self.max_tokens))
        except NoAnswer as error:
            self._no_answer(error)
            self._keep([(items[place], one) for place, one in error.answered.items()])
            return
        finally:
            self._under_way -= len(items)
        self._in_a_row = 0
        self._keep(zip(items, completions, strict=True))

    def _keep(self, answered: Iterable[tuple[Planned, Completion]]) -> None:
        for item, completion in answered:
            candidate = candidate_of(item, completion, self.max_tokens)
            self.keep(candidate)
            self._inbox.append((item.problem, candidate))
            self._undecided += 1
        self._arrived.set()

    def _no_answer(self, error: NoAnswer) -> None:
        self.missing.append(error)
        self._in_a_row += 1
        if self._in_a_row >= HOPELESS:
            raise NoAnswer(f"{self._in_a_row} requests in a row had no answer; the last: {error}")

    def _over(self) -> bool:
        """Whether nothing is under way that could open another wave."""
        return not self._under_way and not self._undecided

    async def _deciding(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GATHER)
            self._arrived.clear()
            batch, self._inbox = self._inbox, []
            self._drained.set()
            outcomes = await loop.run_in_executor(thread, self.decide, batch)
            for (problem, _), outcome in zip(batch, outcomes, strict=True):
                self.agenda.decide(problem.id, outcome)
            self._undecided -= len(batch)
            self._wake(len(batch))

    def _wake(self, count: int) -> None:
        """Lets idle workers look again; all of them once nothing can come any more."""
        for _ in range(len(self._idle) if self._over() else min(count, len(self._idle))):
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)


async def _all_of(
    work: Sequence[Coroutine[Any, Any, None]], beside: "asyncio.Future[None]"
) -> None:
    """Waits for all of the work; the first error of it, or of what runs beside, ends the rest."""
    tasks = [asyncio.ensure_future(one) for one in work]
    waiting: set[asyncio.Future[None]] = set(tasks)
    try:
        while waiting:
            done, waiting = await asyncio.wait(
                {*waiting, beside}, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.discard(beside)
            for one in done:
                one.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
