"""A worker: reads rows as JSON lines, answers each with a verdict. Run by `filters.verify.pool`.

    python -m filters.verify.worker PARENT_PID

It works in a fork of the process that was started, which guards it (`filters.verify.guard`). Its
address space is limited (RLIMIT_AS) as each row asks for; the limit is a soft one and counts per
process, so a verifier may start others (a sandbox sets its own, lower limits). Wall time is limited
from outside.
"""

import dataclasses
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from filters.verify import guard
from filters.verify.named import find_verifier
from rsfactory.contracts import Verifier
from rsfactory.records import Candidate, Problem

_USED: list[Verifier] = []


def main() -> None:
    """Serves rows until it is told to end, or the input ends; then closes what it used."""
    messages = os.fdopen(os.dup(1), "w")
    silence = os.open(os.devnull, os.O_RDWR)
    rows = os.fdopen(os.dup(0), "rb")
    for stream in (0, 1):  # neither a library that prints nor a child may touch the channel
        os.dup2(silence, stream)
    for line in rows:
        row = json.loads(line)
        if not row:
            break
        messages.write(json.dumps(_decide(row, messages)) + "\n")
        messages.flush()
    for verifier in _USED:
        getattr(verifier, "close", lambda: None)()
    os._exit(0)  # nothing is left to be done, and taking sympy down takes its time


def _decide(row: dict[str, Any], messages: Any) -> dict[str, Any]:
    """The verdict on a row, or the fault that prevented one.

    This is the boundary to code that may be anybody's (``module:name``, sympy on hostile text), so
    every exception is caught here and becomes a fault with its name; nothing is swallowed.
    """
    _limit_memory(row["memory"])
    try:
        verifier = _verifier(row["verifier"])
    except Exception as error:  # no row is at fault: the installation or the verifier is broken
        return {"broken": f"{type(error).__name__}: {error}"[:300]}
    messages.write('{"ready": true}\n')
    messages.flush()
    began = time.monotonic()
    try:
        verdict = verifier.verify(Problem(**row["problem"]), Candidate(**row["candidate"]))
        answer: dict[str, Any] = {"verdict": dataclasses.asdict(verdict)}
    except MemoryError:
        answer = {"fault": "memory limit"}
    except Exception as error:
        answer = {"fault": f"{type(error).__name__}: {error}"[:300]}
    return {**answer, "seconds": time.monotonic() - began}


@cache
def _verifier(name: str) -> Verifier:
    """The verifier, prepared: a method ``prepare``, where it has one, loads what it needs."""
    verifier = find_verifier(name)
    prepare: Callable[[], None] = getattr(verifier, "prepare", lambda: None)
    prepare()
    _USED.append(verifier)
    return verifier


def _limit_memory(memory: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guard.fork_worker(int(sys.argv[1]))
    main()
