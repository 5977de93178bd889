"""What this process may use of the machine and of its environment."""

import os
import resource

OPENAI_KEY = "OPENAI_API_KEY"
"""Where the key of a teacher behind an address is; keys come from the environment only."""


def cores() -> int:
    """Logical cores that this process may run on; all of them where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


SPARE = 128
"""Open files left for shards, journals, children and libraries."""


def sockets(wanted: int) -> int:
    """How many of ``wanted`` sockets may be open; the process's own limit is raised where it may.

    Without room for a file more, requests fail as if nobody answered and shards cannot be written.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + SPARE
    if resource.RLIM_INFINITY != soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - SPARE))
