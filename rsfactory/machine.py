"""What this process may use of the machine and of its environment."""

import os

OPENAI_KEY = "OPENAI_API_KEY"
"""Where the key of a teacher behind an address is; keys come from the environment only."""


def cores() -> int:
    """Logical cores that this process may run on; all of them where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1
