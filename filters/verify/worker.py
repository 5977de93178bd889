"""A worker: reads rows as JSON lines, answers each with a verdict. Run by `filters.verify.pool`.

    python -m filters.verify.worker PARENT_PID MEMORY_BYTES

Limits that hold without the parent's help: address space (RLIMIT_AS) from the start, and for each
row a real-time timer whose signal ends the process even inside a long computation in C, so that a
worker whose parent was killed ends too: at once when idle, within a second of Python code, or at
the latest a second after the row's own limit.
"""

import dataclasses
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from filters.verify import VERIFIERS
from rsfactory.contracts import Verifier, resolve
from rsfactory.records import Candidate, Problem

GRACE = 1.0
"""Seconds after a row's limit at which a worker that was not killed ends itself."""


def main(parent: int, memory: int) -> None:
    """Serves rows until the input ends or the parent is gone."""
    _limit_memory(memory)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    messages = os.fdopen(os.dup(1), "w")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # what a library prints must not mix with messages
    for line in sys.stdin:
        row = json.loads(line)
        answer = _decide(row, messages)
        messages.write(json.dumps(answer) + "\n")
        messages.flush()


def _decide(row: dict[str, Any], messages: Any) -> dict[str, Any]:
    """The verdict on a row, or the fault that prevented one.

    This is the boundary to code that may be anybody's (``module:name``, sympy on hostile text), so
    every exception is caught here and becomes a fault with its name; nothing is swallowed.
    """
    try:
        verifier = _verifier(row["verifier"])
    except Exception as error:  # no row is at fault: the installation or the verifier is broken
        return {"broken": f"{type(error).__name__}: {error}"[:300]}
    try:
        messages.write('{"ready": true}\n')
        messages.flush()
        signal.setitimer(signal.ITIMER_REAL, row["limit"] + GRACE)
        verdict = verifier.verify(Problem(**row["problem"]), Candidate(**row["candidate"]))
        return {"verdict": dataclasses.asdict(verdict)}
    except MemoryError:
        return {"fault": "memory limit"}
    except Exception as error:
        return {"fault": f"{type(error).__name__}: {error}"[:300]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@cache
def _verifier(name: str) -> Verifier:
    """The verifier, prepared: a method ``prepare``, where it has one, loads what it needs."""
    verifier: Verifier = resolve(name, VERIFIERS, "verifier")
    prepare: Callable[[], None] = getattr(verifier, "prepare", lambda: None)
    prepare()
    return verifier


def _limit_memory(memory: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
