"""What the sandbox's tests share."""

import time
from collections.abc import Callable

import psutil

from filters.sandbox.limits import Limits

SMALL = Limits(
    cpu=1, wall=4, memory=256 << 20, processes=16, output=1 << 18, disk=16 << 20, files=64
)


def children() -> set[psutil.Process]:
    """All processes alive that this one started, and theirs."""
    found = psutil.Process().children(recursive=True)
    return {process for process in found if _status(process) != psutil.STATUS_ZOMBIE}


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def gone(left: Callable[[], set[psutil.Process]], seconds: float = 5.0) -> set[psutil.Process]:
    """What is left when there was time to end: the kernel takes some after a kill."""
    end = time.monotonic() + seconds
    while (found := left()) and time.monotonic() < end:
        time.sleep(0.02)
    return found
