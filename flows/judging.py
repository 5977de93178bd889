"""Asking a judge: every verdict is kept as it comes, counted, and held to the budget.

A verdict goes to a journal before the next one is asked for, so that a kill, Ctrl-C or the end of
the budget loses only what was under way; the journal becomes one verdict shard when all candidates
of a candidate shard are judged. A judge behind an address is asked about all candidates of a stage
(`ahead`), so that no shard waits for the slowest vote of another; a local one shard by shard, in
batches. A judge that fails at one candidate leaves it unverifiable; such verdicts are not in the
journal, so that they are asked for once more, and again if the shard is not finished. Not covered:
judging while sampling goes on; it begins when the stage's candidates are there.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filters.verify import JUDGES
from filters.verify.judge import FAILED
from flows.context import Run
from flows.live import SHOWN_EVERY, Counts, loading_words, stream_words
from generators.engine import HOPELESS, Pairs, Remote
from rsfactory.contracts import Judge
from rsfactory.errors import FactoryError, Stopped
from rsfactory.journal import Journal
from rsfactory.records import Candidate, Problem, Verdict
from rsfactory.store import Table, read_shard

REJECTED = "rejected"
"""Finish reason of a request that a server did not take (a prompt that is too long, a policy): the
problem was never asked, which says nothing about its answers."""


@dataclass
class _Part:
    """The verdicts of one candidate shard that are still to come."""

    kept: Journal[Verdict]
    left: int


def ahead(
    run: Run,
    round: int,
    problems: Mapping[str, Problem],
    shards: Sequence[Path],
    source: Table[Candidate],
    target: Table[Verdict],
) -> None:
    """Fills the journals of all these shards, where a judge behind an address decides.

    It ends early when the budget does, or when the judge answers nobody; who makes the shards out
    of it finds that out and says so.
    """
    if not any(problem.verifier in JUDGES for problem in problems.values()):
        return
    if not isinstance(run.judge(), Remote):
        return
    names = {shard: shard.stem.removeprefix("part-") for shard in shards}
    journals = {shard: run.store.judged(target, round, name) for shard, name in names.items()}
    judging = _Judging(run, len(run.store.columns(source, round, ["id"])))
    items = _items(journals, problems, source)
    try:
        asyncio.run(judging.ahead(items, run.recipe.endpoint.concurrency))
    finally:
        for kept in journals.values():
            kept.cut()


def _items(
    journals: Mapping[Path, Journal[Verdict]],
    problems: Mapping[str, Problem],
    source: Table[Candidate],
) -> Iterator[tuple[Problem, Candidate, _Part]]:
    """What is to be judged, shard by shard; few are in memory at a time."""
    for shard, kept in journals.items():
        known = {row.candidate_id for _, rows in kept.left() for row in rows}
        rows = [
            row for row in read_shard(source, shard)
            if row.id not in known and row.finish_reason != REJECTED
            and problems[row.problem_id].verifier in JUDGES
        ]  # fmt: skip
        part = _Part(kept, len(rows))
        for row in rows:
            yield problems[row.problem_id], row, part


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
        began, judging = time.monotonic(), _Judging(run, len(missing))
        try:
            found = [verdict for verdict in asyncio.run(judging.all(missing, kept)) if verdict]
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

    def __init__(self, run: Run, total: int) -> None:
        self._run, self._total = run, total
        self._teacher = run.judge()
        settings = run.recipe.judge.model_dump(
            exclude={"teacher", "price_prompt", "price_completion"}
        )
        self._judges: dict[str, Judge] = {name: kind(**settings) for name, kind in JUDGES.items()}
        self._turn = asyncio.Condition()
        self._under_way = self._done = self._failed = 0

    async def all(self, pairs: Pairs, kept: Journal[Verdict]) -> list[Verdict | None]:
        """A verdict each; None where the budget ended before it."""
        showing = asyncio.ensure_future(self._showing())
        try:
            return list(await asyncio.gather(*(self._one(p, c, kept) for p, c in pairs)))
        finally:
            showing.cancel()

    async def ahead(self, items: Iterator[tuple[Problem, Candidate, _Part]], workers: int) -> None:
        """Judges what there is, so many at a time; the verdicts are in their journals then."""
        showing = asyncio.ensure_future(self._showing())
        try:
            await asyncio.gather(*(self._work(items) for _ in range(workers)))
        finally:
            showing.cancel()

    async def _work(self, items: Iterator[tuple[Problem, Candidate, _Part]]) -> None:
        for problem, candidate, part in items:
            verdict = await self._one(problem, candidate, part.kept)
            failed = verdict is not None and verdict.reason.startswith(FAILED)
            self._failed = self._failed + 1 if failed else 0
            part.left -= 1
            if not part.left:
                part.kept.cut()  # so that few files are open
            if verdict is None or self._failed >= HOPELESS:
                return

    async def _one(
        self, problem: Problem, candidate: Candidate, kept: Journal[Verdict]
    ) -> Verdict | None:
        if not await self._may_begin():
            return None
        try:
            verdict = await self._judges[problem.verifier].judge(problem, candidate, self._teacher)
            if not verdict.reason.startswith(FAILED):
                part = round(verdict.seconds / self._under_way, 6)
                kept.add(replace(verdict, seconds=part))
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
