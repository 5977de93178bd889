"""Verification in worker processes that can be killed: a wall and a memory limit per verdict.

A worker is a fresh interpreter (`filters.verify.worker`), not a fork: it starts the same from the
main thread, another thread, an event loop's thread, a REPL or a child process, and copies neither
torch's threads nor its memory. Workers start with the first row that needs one; rows a verifier
decides by bounded work (``quick``) are decided here, so most runs start none. Of rows that must
come out the same (`filters.verify.cache`) one goes to a worker.

A row that hangs, crashes or wants too much memory is UNVERIFIABLE with the reason, and so are those
equal to it in the same call; its worker is killed with all it started and replaced, and no other
row is affected. A verifier may have limits of its own (``limit``, ``memory``) and isolation of its
own, which its verdicts then say. Not covered: a verifier's code can read and write what this user
can; candidate code belongs in the sandbox, which a verifier starts from its worker.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from filters.verify.cache import VerdictCache, copied, key_of
from filters.verify.costs import Cost
from filters.verify.crew import Crew
from filters.verify.named import find_verifier
from filters.verify.process import Stopped, Worker
from filters.verify.verdicts import verdict
from rsfactory.contracts import Verifier
from rsfactory.errors import FactoryError
from rsfactory.machine import cores
from rsfactory.records import Candidate, Outcome, Problem, Verdict

Pair = tuple[Problem, Candidate]
Costs = dict[str, Cost]


class VerifierPool:
    """Verifiers by name, each row under limits. Usable from several threads at once."""

    def __init__(
        self,
        *,
        limit: float = 5.0,
        memory: int = 2 << 30,
        workers: int | None = None,
        cache: bool = True,
    ) -> None:
        """Makes a pool; no process is started yet.

        Args:
            limit: Wall seconds for one verdict, counted from when its worker is ready; of a
                verifier that has no ``limit``.
            memory: Bytes of address space of a worker; for a verifier that has no ``memory``.
            workers: How many rows are verified at once; by default one a core, at most 8.
            cache: Whether equal rows are judged once. Without it every row is work (benchmarks).
        """
        self._limit = limit
        self._memory = memory
        self._count = workers or min(8, cores())
        self._cache = VerdictCache() if cache else None
        self._crews: dict[int, Crew] = {}
        """By process id; a forked child leaves its parent's alone."""
        self._costs: Costs = {}
        self._adding = threading.Lock()

    def __enter__(self) -> "VerifierPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(
        self, pairs: Sequence[Pair], on_verdict: Callable[[Verdict], None] | None = None
    ) -> list[Verdict]:
        """Verdicts in the order of the pairs; never raises for what a model wrote.

        Args:
            pairs: Problems with their candidates; ``problem.verifier`` names who decides.
            on_verdict: Called in this thread with each verdict as it comes, in no fixed order.

        Raises:
            InputError: A problem names a verifier that does not exist, or something that is none.
            FactoryError: A verifier cannot be prepared in a worker (a library is missing), or the
                pool was closed meanwhile.
        """
        names = {problem.verifier for problem, _ in pairs}
        verifiers = {name: find_verifier(name) for name in sorted(names)}
        costs = {name: Cost() for name in verifiers}
        done: dict[int, Verdict] = {}
        try:
            for index, found in self._verdicts(pairs, verifiers, costs):
                done[index] = found
                if on_verdict is not None:
                    on_verdict(found)
        finally:
            self._add(verifiers, costs)
        return [done[index] for index in range(len(pairs))]

    def costs(self) -> Costs:
        """What was spent so far in this process, by ``verifier@version``."""
        with self._adding:
            return dict(self._costs)

    def close(self) -> None:
        """Ends all workers, verifiers' `close` called in those that are idle.

        Safe to call twice and from any thread; a later `verify` starts new ones, one at work raises
        FactoryError.
        """
        crew = self._crews.pop(os.getpid(), None)
        if crew is not None:
            crew.close()

    def _verdicts(
        self, pairs: Sequence[Pair], verifiers: dict[str, Any], costs: Costs
    ) -> Iterator[tuple[int, Verdict]]:
        left = []
        for index, (problem, candidate) in enumerate(pairs):
            quick = getattr(verifiers[problem.verifier], "quick", None)
            began = time.perf_counter()
            found = quick(problem, candidate) if quick is not None else None
            if found is None:
                left.append(index)
            else:
                costs[problem.verifier].add(time.perf_counter() - began)
                yield index, found
        if left:
            yield from self._slow_verdicts(pairs, left, verifiers, costs)

    def _slow_verdicts(
        self, pairs: Sequence[Pair], left: list[int], verifiers: dict[str, Any], costs: Costs
    ) -> Iterator[tuple[int, Verdict]]:
        """Verdicts of rows that ``quick`` left: known ones, then one a key from the workers."""
        equal: dict[bytes, list[int]] = {}
        for index in left:
            problem, candidate = pairs[index]
            key = self._key(verifiers[problem.verifier], problem, candidate, index)
            known = self._cache.get(key) if self._cache else None
            if known is None:
                equal.setdefault(key, []).append(index)
            else:
                costs[problem.verifier].add_cached()
                yield index, copied(known, candidate)
        for key, found in self._from_workers(pairs, equal, verifiers, costs):
            if self._cache is not None:
                self._cache.put(key, found)
            first, *others = equal[key]
            yield first, found
            for index in others:
                costs[pairs[index][0].verifier].add_cached()
                yield index, copied(found, pairs[index][1])

    def _key(self, verifier: Verifier, problem: Problem, candidate: Candidate, index: int) -> bytes:
        if self._cache is None:
            return index.to_bytes(8)
        return key_of(verifier, problem, candidate)

    def _from_workers(
        self,
        pairs: Sequence[Pair],
        equal: dict[bytes, list[int]],
        verifiers: dict[str, Any],
        costs: Costs,
    ) -> Iterator[tuple[bytes, Verdict]]:
        if not equal:
            return
        crew = self._crews.setdefault(os.getpid(), Crew(self._count))
        busy: set[Worker] = set()
        with ThreadPoolExecutor(min(self._count, len(equal)), "verify") as threads:
            jobs = {}
            for key, (first, *_) in equal.items():
                problem, candidate = pairs[first]
                verifier = verifiers[problem.verifier]
                job = threads.submit(self._ask, crew, busy, verifier, problem, candidate)
                jobs[job] = (key, problem.verifier)
            try:
                for job in as_completed(jobs):
                    key, name = jobs[job]
                    answer, found = job.result()
                    costs[name].add(answer["seconds"], fault=answer.get("fault"))
                    yield key, found
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
                for worker in list(busy):  # the caller gave up: its rows are not waited for
                    worker.stop()

    def _ask(
        self,
        crew: Crew,
        busy: set[Worker],
        verifier: Verifier,
        problem: Problem,
        candidate: Candidate,
    ) -> tuple[dict[str, Any], Verdict]:
        """A worker's answer and the verdict that is made of it."""
        limit = getattr(verifier, "limit", self._limit)
        memory = getattr(verifier, "memory", self._memory)
        with crew.worker(busy) as worker:
            try:
                answer = worker.ask(problem, candidate, limit=limit, memory=memory)
            except Stopped:
                told = "the verifiers were closed while rows were with them"
                raise FactoryError(told) from None
        if "broken" in answer:
            raise FactoryError(
                f"verifier {problem.verifier} cannot start in a worker: {answer['broken']}; "
                "install the project's requirements, or raise the workers' memory limit"
            )
        if "verdict" in answer:
            return answer, _received(answer["verdict"])
        found = verdict(
            verifier, candidate, Outcome.UNVERIFIABLE, answer["fault"],
            began=time.monotonic() - answer["seconds"], isolation="process",
        )  # fmt: skip
        return answer, found

    def _add(self, verifiers: dict[str, Any], costs: Costs) -> None:
        with self._adding:
            for name, cost in costs.items():
                version = f"{name}@{verifiers[name].version}"
                self._costs.setdefault(version, Cost()).merge(cost)


def _received(fields: dict[str, Any]) -> Verdict:
    """A worker's verdict; the process is the isolation of a verifier that claims none itself."""
    isolation = "process" if fields["isolation"] == "none" else fields["isolation"]
    outcome = Outcome(fields["outcome"])
    return Verdict(**{**fields, "outcome": outcome, "isolation": isolation})
