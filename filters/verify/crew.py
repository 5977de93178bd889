"""The workers that one process has of a pool, lent to one row at a time."""

import contextlib
import queue
import threading
from collections.abc import Iterator

from filters.verify.process import Worker


class Crew:
    """Workers; one that was stopped is replaced, so that there are always as many."""

    def __init__(self, count: int) -> None:
        """Makes workers that start no process yet."""
        self._workers = {Worker() for _ in range(count)}
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._closed = False
        for worker in self._workers:
            self._free.put(worker)

    @contextlib.contextmanager
    def worker(self, busy: set[Worker]) -> Iterator[Worker]:
        """A worker that nobody else has, once there is one; it is in ``busy`` meanwhile."""
        worker = self._free.get()
        busy.add(worker)
        try:
            yield worker
        finally:
            busy.discard(worker)
            if worker.stopped and not self._closed:
                self._workers.discard(worker)
                worker = Worker()
                self._workers.add(worker)
            self._free.put(worker)

    def close(self) -> None:
        """Stops all workers, side by side, so that one that takes its time holds up no other."""
        self._closed = True
        threads = [threading.Thread(target=worker.stop) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
