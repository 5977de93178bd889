"""Verification in worker processes that can be killed: a wall and a memory limit per verdict.

A worker is a fresh interpreter (`filters.verify.worker`), not a fork: it starts the same from the
main thread, another thread, an event loop's thread, a REPL or a child process, and copies neither
torch's threads nor its memory. Workers start with the first row that needs one; rows a verifier
decides by bounded work (``quick``) are decided here, so most runs start none.

A row that hangs, crashes or wants too much memory is UNVERIFIABLE with the reason; its worker is
killed and replaced, and no other row is affected. Not covered: a verifier's code can read and write
what this user can; candidate code belongs in the sandbox, not here.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from filters.verify import VERIFIERS
from filters.verify.process import Worker
from filters.verify.verdicts import verdict
from rsfactory.contracts import Verifier, resolve
from rsfactory.errors import FactoryError
from rsfactory.machine import cores
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class VerifierPool:
    """Verifiers by name, each row under limits. Usable from several threads at once."""

    def __init__(
        self, *, limit: float = 5.0, memory: int = 2 << 30, workers: int | None = None
    ) -> None:
        """Makes a pool; no process is started yet.

        Args:
            limit: Wall seconds for one verdict, counted from when its worker is ready.
            memory: Bytes of address space of a worker.
            workers: How many rows are verified at once; by default one a core, at most 8.
        """
        self._limit = limit
        self._memory = memory
        self._count = workers or min(8, cores())
        self._owner = 0
        self._workers: list[Worker] = []
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._lock = threading.Lock()

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
            FactoryError: A verifier cannot be prepared in a worker (a library is missing).
        """
        done: dict[int, Verdict] = {}
        for index, found in self._verdicts(pairs):
            done[index] = found
            if on_verdict is not None:
                on_verdict(found)
        return [done[index] for index in range(len(pairs))]

    def close(self) -> None:
        """Ends all workers. Safe to call twice; a later `verify` starts new ones."""
        if self._owner == os.getpid():
            for worker in self._workers:
                worker.kill()

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
        if left:
            self._fill()
            with ThreadPoolExecutor(min(self._count, len(left)), "verify") as threads:
                jobs = {threads.submit(self._in_worker, v, *pairs[i]): i for i, v in left}
                try:
                    for job in as_completed(jobs):
                        yield jobs[job], job.result()
                finally:
                    threads.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        """Makes the workers of this process; in a forked child the parent's are left alone."""
        with self._lock:
            if self._owner != os.getpid():
                self._inherited = self._workers  # kept, or their end would be waited for here
                self._workers = [Worker(self._memory) for _ in range(self._count)]
                self._free = queue.LifoQueue()
                for worker in self._workers:
                    self._free.put(worker)
                self._owner = os.getpid()

    def _in_worker(self, verifier: Verifier, problem: Problem, candidate: Candidate) -> Verdict:
        free = self._free
        worker = free.get()
        began = time.monotonic()
        try:
            answer = worker.ask(problem, candidate, self._limit)
        finally:
            free.put(worker)
        if "verdict" in answer:
            fields = {**answer["verdict"], "isolation": "process"}
            return Verdict(**{**fields, "outcome": Outcome(fields["outcome"])})
        if "broken" in answer:
            raise FactoryError(
                f"verifier {problem.verifier} cannot start in a worker: {answer['broken']}; "
                "install the project's requirements, or raise the workers' memory limit"
            )
        return verdict(
            verifier, candidate, Outcome.UNVERIFIABLE, answer["fault"],
            began=began, isolation="process",
        )  # fmt: skip
