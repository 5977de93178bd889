"""The seconds of a stage, booked while it runs: a kill costs the last few of them, not all.

What a stage took is in the run's journal, and a time budget counts it over all starts of the
command. Booked only at the end, a stage that is killed would have taken no time at all.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from rsfactory.errors import StoreError
from rsfactory.store import Store, round_to

EVERY = 10.0
"""Seconds between two entries, and what a kill leaves uncounted at most."""


@contextlib.contextmanager
def booked(store: Store, round: int, stage: str) -> Iterator[None]:
    """Adds the block's seconds to the journal, bit by bit, also when it is interrupted."""
    over = threading.Event()
    since = time.monotonic()

    def book() -> None:
        nonlocal since
        now = time.monotonic()
        with contextlib.suppress(StoreError):  # a full disk must not hide the first error
            store.journal(round=round, stage=stage, seconds=round_to(now - since))
            since = now

    def beat() -> None:
        while not over.wait(EVERY):
            book()

    beating = threading.Thread(target=beat, daemon=True, name="clock")
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        book()
