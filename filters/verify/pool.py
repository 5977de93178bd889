"""Verification in worker processes that can be killed: a wall and a memory limit per verdict.

A worker is a fresh interpreter (`filters.verify.worker`), not a fork: it starts the same from the
main thread, another thread, an event loop's thread, a REPL or a child process, and copies neither
torch's threads nor its memory. Workers start with the first row that needs one; rows a verifier
decides by bounded work (``quick``) are decided here, so most runs start none.

A row that hangs, crashes or wants too much memory is UNVERIFIABLE with the reason; its worker is
killed with all it started and replaced, and no other row is affected. A verifier may have limits of
its own (``limit``, ``memory``) and isolation of its own, which its verdicts then say. Not covered:
a verifier's code can read and write what this user can; candidate code belongs in the sandbox,
which a verifier starts from its worker.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from filters.verify import VERIFIERS
from filters.verify.process import Stopped, Worker
from filters.verify.verdicts import verdict
from rsfactory.contracts import Verifier, resolve
from rsfactory.errors import FactoryError
from rsfactory.machine import cores
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class _Crew:
    """The workers of one process that uses the pool; a forked child has a crew of its own."""

    def __init__(self, count: int) -> None:
        self.workers = [Worker() for _ in range(count)]
        self.free: queue.LifoQueue[Worker] = queue.LifoQueue()
        for worker in self.workers:
            self.free.put(worker)


class VerifierPool:
    """Verifiers by name, each row under limits. Usable from several threads at once."""

    def __init__(
        self, *, limit: float = 5.0, memory: int = 2 << 30, workers: int | None = None
    ) -> None:
        """Makes a pool; no process is started yet.

        Args:
            limit: Wall seconds for one verdict, counted from when its worker is ready; of a
                verifier that has no ``limit``.
            memory: Bytes of address space of a worker; for a verifier that has no ``memory``.
            workers: How many rows are verified at once; by default one a core, at most 8.
        """
        self._limit = limit
        self._memory = memory
        self._count = workers or min(8, cores())
        self._crews: dict[int, _Crew] = {}
        """By process id; a forked child leaves its parent's alone."""

    def __enter__(self) -> "VerifierPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(
        self,
        pairs: Sequence[tuple[Problem, Candidate]],
        on_verdict: Callable[[Verdict], None] | None = None,
    ) -> list[Verdict]:
        """Verdicts in the order of the pairs; never raises for what a model wrote.

        Args:
            pairs: Problems with their candidates; ``problem.verifier`` names who decides.
            on_verdict: Called in this thread with each verdict as it comes, in no fixed order.

        Raises:
            InputError: A problem names a verifier that does not exist.
            FactoryError: A verifier cannot be prepared in a worker (a library is missing), or the
                pool was closed meanwhile.
        """
        done: dict[int, Verdict] = {}
        for index, found in self._verdicts(pairs):
            done[index] = found
            if on_verdict is not None:
                on_verdict(found)
        return [done[index] for index in range(len(pairs))]

    def close(self) -> None:
        """Ends all workers, verifiers' `close` called in those that are idle.

        Safe to call twice and from any thread; a later `verify` starts new ones, one at work raises
        FactoryError.
        """
        crew = self._crews.pop(os.getpid(), None)
        _stop(crew.workers if crew else [])

    def _verdicts(
        self, pairs: Sequence[tuple[Problem, Candidate]]
    ) -> Iterator[tuple[int, Verdict]]:
        left = []
        for index, (problem, candidate) in enumerate(pairs):
            verifier = resolve(problem.verifier, VERIFIERS, "verifier")
            found = verifier.quick(problem, candidate) if hasattr(verifier, "quick") else None
            if found is None:
                left.append((index, verifier))
            else:
                yield index, found
        if not left:
            return
        crew = self._crews.setdefault(os.getpid(), _Crew(self._count))
        with ThreadPoolExecutor(min(self._count, len(left)), "verify") as threads:
            jobs = {threads.submit(self._in_worker, crew, v, *pairs[i]): i for i, v in left}
            try:
                for job in as_completed(jobs):
                    yield jobs[job], job.result()
            finally:
                threads.shutdown(cancel_futures=True)

    def _in_worker(
        self, crew: _Crew, verifier: Verifier, problem: Problem, candidate: Candidate
    ) -> Verdict:
        limit = getattr(verifier, "limit", self._limit)
        memory = getattr(verifier, "memory", self._memory)
        worker = crew.free.get()
        began = time.monotonic()
        try:
            answer = worker.ask(problem, candidate, limit=limit, memory=memory)
        except Stopped:
            raise FactoryError("the verifiers were closed while rows were with them") from None
        finally:
            crew.free.put(worker)
        if "verdict" in answer:
            return _received(answer["verdict"])
        if "broken" in answer:
            raise FactoryError(
                f"verifier {problem.verifier} cannot start in a worker: {answer['broken']}; "
                "install the project's requirements, or raise the workers' memory limit"
            )
        return verdict(
            verifier, candidate, Outcome.UNVERIFIABLE, answer["fault"],
            began=began, isolation="process",
        )  # fmt: skip


def _received(fields: dict[str, Any]) -> Verdict:
    """A worker's verdict; the process is the isolation of a verifier that claims none itself."""
    isolation = "process" if fields["isolation"] == "none" else fields["isolation"]
    outcome = Outcome(fields["outcome"])
    return Verdict(**{**fields, "outcome": outcome, "isolation": isolation})


def _stop(workers: Sequence[Worker]) -> None:
    """Ends workers side by side, so that one that takes its time holds up no other."""
    threads = [threading.Thread(target=worker.stop) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
