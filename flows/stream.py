"""Sampling from a teacher behind an address: answers are kept as they come, decided as they come.

An answer goes to the journal in the event loop; `shard_size` of them, in the order of arrival, are
one shard. Verdicts are made in a thread while sampling goes on, and written beside the candidates,
so that the verify stage finds nothing left to do. Where candidates are decided by groups or by a
judge, only the candidates are written here.
"""

import asyncio
import contextlib
import gc
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from flows import deciders
from flows.context import Run
from flows.ends import Ends
from flows.known import part_of
from flows.live import SHOWN_EVERY, Counts, loading_words, stream_words
from flows.tasks import log, shard_task
from generators.agenda import Agenda
from generators.engine import Pairs, Remote, Sampling
from rsfactory.errors import NoAnswer
from rsfactory.journal import discard
from rsfactory.machine import sockets
from rsfactory.records import Candidate, Outcome, Verdict
from rsfactory.store import CANDIDATES, VERDICTS
from rsfactory.words import counted


@shard_task("sample")
def sample(
    run: Run,
    round: int,
    stage: str,
    teacher: Remote,
    agenda: Agenda,
    *,
    decides: bool,
) -> None:
    """Asks for everything on the agenda; what was answered is kept, however this ends.

    Args:
        run: The run.
        round: The round the answers are of.
        stage: What is shown.
        teacher: Who is asked.
        agenda: What is asked.
        decides: Whether verdicts are made here, as answers come (`deciders.at_once`).

    Raises:
        Stopped: The budget is used up.
        NoAnswer: Some candidates had no answer; the same command asks for them again.
    """
    if not agenda.total:
        return
    with run.stage(round, stage, agenda.total, "completions"), _still_heap():
        books = Books(run, round, agenda, teacher, decides=decides)
        sampling = Sampling(
            teacher, agenda, run.max_tokens(), books.keep, books.decide, run.meter.enough
        )
        try:
            with asyncio.Runner(loop_factory=_loop()) as runner:
                workers = sockets(run.recipe.endpoint.concurrency * books.addresses(teacher))
                runner.run(books.shown(sampling.run(workers)))
        finally:
            books.close()
            log(f"sampled {books.done} completions, {books.tokens} tokens")
    left = sampling.sent_home or agenda.take(1)
    if sampling.stopped and left:  # with nothing left to ask it is not stopped, but done
        run.meter.check()
    if sampling.missing:
        raise NoAnswer(
            f"{counted(len(sampling.missing), 'requests')} had no answer within the bounds; the "
            f"last: {sampling.missing[-1]}; all others are kept, the same command asks again"
        )


class Books:
    """Where answers go: to the journal at once, to shards in bulk."""

    def __init__(
        self,
        run: Run,
        round: int,
        agenda: Agenda,
        teacher: Remote,
        *,
        decides: bool,
    ) -> None:
        self._run, self._round, self._agenda = run, round, agenda
        self._teacher = teacher
        self._began = time.monotonic()
        self._correct = 0
        self._journal = run.store.answers(round)
        self._size = run.recipe.sample.shard_size
        self._decides = decides
        self._segments: deque[Path | None] = deque()
        self._in_segment = 0
        self._rows: list[Candidate] = []
        self._verdicts: list[Verdict] = []
        self._ends = Ends(run.recipe.select.finish_reasons, run.name)
        self.done = self.tokens = 0

    @staticmethod
    def addresses(teacher: Remote) -> int:
        """At how many addresses the teacher can be asked."""
        return int(getattr(teacher, "addresses", 1))

    def keep(self, candidate: Candidate) -> None:
        """Called in the event loop: the answer is safe when this returns."""
        self._journal.add(candidate)
        self._in_segment += 1
        if self._in_segment == self._size:
            self._segments.append(self._journal.cut())
            self._in_segment = 0
        self._run.meter.add(candidate)
        self.done += 1
        self.tokens += candidate.tokens

    def decide(self, pairs: Pairs) -> Sequence[Outcome | None]:
        """Called in a thread, with every answer once, in the order they came."""
        self._rows += [candidate for _, candidate in pairs]
        self._say(self._ends.count(candidate.finish_reason for _, candidate in pairs))
        outcomes: Sequence[Outcome | None] = [None] * len(pairs)
        if self._decides:
            verdicts = deciders.decide(self._run, pairs, {})
            self._verdicts += verdicts
            outcomes = [verdict.outcome for verdict in verdicts]
            for verdict in verdicts:
                self._run.reporter.outcome(verdict.outcome)
                self._correct += verdict.outcome is Outcome.CORRECT
        while len(self._rows) >= self._size and len(self._verdicts) >= self._size * self._decides:
            self._write(self._size)
        return outcomes

    def close(self) -> None:
        """Writes what was decided; what was not stays in the journal and is made a shard later."""
        whole = not self._segments and self._in_segment == len(self._rows)
        decided = not self._decides or len(self._verdicts) == len(self._rows)
        if self._rows and whole and decided:
            self._segments.append(self._journal.cut())
            self._write(len(self._rows))
        self._journal.cut()
        self._say(self._ends.count((), last=True))
        self._show()

    def _say(self, text: str) -> None:
        if text:
            self._run.say(text)

    async def shown(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work; how far it is is shown all the time, also where nothing comes."""
        showing = asyncio.ensure_future(self._showing())
        try:
            with _terminated_as_interrupted():
                await work
        finally:
            showing.cancel()

    async def _showing(self) -> None:
        while True:
            await asyncio.sleep(SHOWN_EVERY)
            self._show()

    def _show(self) -> None:
        seconds = time.monotonic() - self._began
        correct = self._correct if self._decides else None
        counts: Counts | None = getattr(self._teacher, "stats", None)  # a vLLM's once it is there
        for line in getattr(counts, "said", ()):
            self._run.say(line)
        words = stream_words(correct, seconds, self._run.meter.cost(), counts)
        words = loading_words(self._run.loading) or words
        reporter = self._run.reporter
        reporter.detail(words, grows=self._agenda.grows)
        reporter.steps(self.done, self._agenda.total)
        reporter.advance(self.done, self.tokens)

    def _write(self, count: int) -> None:
        rows, self._rows = self._rows[:count], self._rows[count:]
        part = part_of(rows)
        self._run.store.write(CANDIDATES, self._round, part, rows)
        if self._decides:
            verdicts, self._verdicts = self._verdicts[:count], self._verdicts[count:]
            self._run.store.write(VERDICTS, self._round, part, verdicts)
        segment = self._segments.popleft()
        if segment is not None:
            discard(segment)


def _loop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """A faster event loop where there is one for this system."""
    try:
        import uvloop
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM cancels the loop's work, as its runner has SIGINT do; for an end like after Ctrl-C.

    As an exception wherever the loop is just then, it may be lost in a callback that nobody awaits.
    """
    interrupted = signal.getsignal(signal.SIGINT)
    # In the background of a script SIGINT is ignored; SIGTERM must not be.
    if threading.current_thread() is not threading.main_thread() or not callable(interrupted):
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _still_heap() -> Iterator[None]:
    """Problems and modules are there to stay: the garbage collector need not walk them again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
