"""What this process may use of the machine."""

import os


def cores() -> int:
    """Logical cores that this process may run on; all of them where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1
