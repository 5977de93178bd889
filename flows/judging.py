"""Asking a judge: every verdict is kept as it comes, counted, and held to the budget.

A verdict goes to a journal before the next one is asked for, so that a kill, Ctrl-C or the end of
the budget loses only what was under way; the journal becomes one verdict shard when all candidates
of a candidate shard are judged. A judge that fails at one candidate leaves it unverifiable; such
verdicts are not in the journal, so that they are asked for again if the shard is not finished.
Not covered: judging while sampling goes on; it begins when the stage's candidates are there.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from filters.verify import JUDGES
from filters.verify.judge import FAILED
from flows.context import Run
from flows.live import Counts, loading_words, stream_words
from rsfactory.contracts import Judge
from rsfactory.errors import FactoryError, Stopped
from rsfactory.journal import Journal
from rsfactory.records import Candidate, Problem, Verdict

Pairs = Sequence[tuple[Problem, Candidate]]

SHOWN_EVERY = 0.2
"""Seconds between two updates of what is shown."""


def judge(run: Run, pairs: Pairs, kept: Journal[Verdict]) -> list[Verdict]:
    """A judge's verdicts in the order of the pairs; those that ``kept`` has are not asked for.

    Candidates are asked about all at once, so that a local engine makes batches. What they waited
    together is shared among those that were asked, so that seconds add up.

    Raises:
        Stopped: The budget is used up; what was judged is kept.
        FactoryError: The judge answered nobody: that is no property of the candidates.
    """
    known = {row.candidate_id: row for _, rows in kept.left() for row in rows}
    missing = [pair for pair in pairs if pair[1].id not in known]
    if missing:
        began, judging = time.monotonic(), _Judging(run, kept, len(missing))
        try:
            found = [verdict for verdict in asyncio.run(judging.all(missing)) if verdict]
        finally:
            kept.cut()
        if len(found) < len(missing):
            run.meter.check()
            raise Stopped("the budget ended while a judge was asked; run the same command again")
        _refuse_silence(found)
        asked = sum(bool(verdict.results) for verdict in found)
        share = round((time.monotonic() - began) / max(1, asked), 6)
        for verdict in found:
            fresh = replace(verdict, seconds=share) if verdict.results else verdict
            known[fresh.candidate_id] = fresh
    return [known[candidate.id] for _, candidate in pairs]


def _refuse_silence(found: Sequence[Verdict]) -> None:
    failed = [verdict for verdict in found if verdict.reason.startswith(FAILED)]
    if failed and not any(verdict.results for verdict in found):
        raise FactoryError(
            f"{failed[0].reason} (and so for all {len(failed)} candidates of the shard); "
            "the same command continues once the judge works"
        )


class _Judging:
    """Verdicts under way, in one event loop."""

    def __init__(self, run: Run, kept: Journal[Verdict], total: int) -> None:
        self._run, self._kept, self._total = run, kept, total
        self._teacher = run.judge()
        settings = run.recipe.judge.model_dump(
            exclude={"teacher", "price_prompt", "price_completion"}
        )
        self._judges: dict[str, Judge] = {name: kind(**settings) for name, kind in JUDGES.items()}
        self._turn = asyncio.Condition()
        self._under_way = self._done = 0

    async def all(self, pairs: Pairs) -> list[Verdict | None]:
        """A verdict each; None where the budget ended before it."""
        showing = asyncio.ensure_future(self._showing())
        try:
            return list(await asyncio.gather(*(self._one(p, c) for p, c in pairs)))
        finally:
            showing.cancel()

    async def _one(self, problem: Problem, candidate: Candidate) -> Verdict | None:
        if not await self._may_begin():
            return None
        try:
            verdict = await self._judges[problem.verifier].judge(problem, candidate, self._teacher)
            if not verdict.reason.startswith(FAILED):
                part = round(verdict.seconds / self._under_way, 6)
                self._kept.add(replace(verdict, seconds=part))
            self._run.meter.judged(verdict)
            self._done += 1
            return verdict
        finally:
            async with self._turn:
                self._under_way -= 1
                self._turn.notify_all()

    async def _may_begin(self) -> bool:
        """Whether the budget bears one more; what is under way may cost less than foreseen."""
        async with self._turn:
            while self._run.meter.enough_to_judge(self._under_way):
                if not self._under_way:
                    return False
                await self._turn.wait()
            self._under_way += 1
            return True

    async def _showing(self) -> None:
        while True:
            await asyncio.sleep(SHOWN_EVERY)
            counts: Counts | None = getattr(self._teacher, "stats", None)
            words = [f"{self._done} of {self._total} judged"]
            words += filter(None, [stream_words(None, 0.0, self._run.meter.cost(), counts)])
            self._run.reporter.detail(loading_words(self._run.loading) or ", ".join(words))
