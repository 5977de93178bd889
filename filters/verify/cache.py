"""Verdicts that are known already: the same answer to the same problem is judged once.

The key is the verifier with its version, all of the problem, and the text that decides: what the
verifier's ``decides_on`` says (the extracted answer, for math), or else all that it can read of a
candidate. A verifier's fault is not kept: a time-out or a crash may not come again.

Kept in memory, the least recently used go first. Nothing is written to disk, because a run's
verdict shards are that already: a continued run verifies missing shards only, `factory verify` only
what this version has not judged, and another version needs new verdicts. Not covered: a verifier
that is not a function of its inputs gives one answer here where it might give two.
"""

import contextlib
import hashlib
from collections import OrderedDict
from dataclasses import astuple, replace
from typing import Protocol, TypeGuard, runtime_checkable

from rsfactory.contracts import Verifier
from rsfactory.records import Candidate, Outcome, Problem, Verdict

SIZE = 20_000
"""Verdicts that are kept: some 20 MB."""


@runtime_checkable
class AnswerVerifier(Verifier, Protocol):
    """A verifier that decides on one part of a completion alone, and says which."""

    def decides_on(self, problem: Problem, candidate: Candidate) -> str | None:
        """The answer that alone decides; cheap and bounded. None where more than it counts."""
        ...


class VerdictCache:
    """The newest verdicts by key. Safe to use from several threads, and after a fork."""

    # Every step on the dict is atomic, so there is no lock that a fork could find taken.

    def __init__(self, size: int = SIZE) -> None:
        """An empty cache of at most so many verdicts."""
        self._size = size
        self._known: OrderedDict[bytes, Verdict] = OrderedDict()

    def get(self, key: bytes) -> Verdict | None:
        """A verdict with this key, about whichever candidate came first."""
        found = self._known.get(key)
        with contextlib.suppress(KeyError):
            self._known.move_to_end(key)
        return found

    def put(self, key: bytes, verdict: Verdict) -> None:
        """Keeps a verdict, unless it is a fault."""
        if verdict.outcome is Outcome.UNVERIFIABLE:
            return
        self._known[key] = verdict
        while len(self._known) > self._size:
            with contextlib.suppress(KeyError):
                self._known.popitem(last=False)


def key_of(verifier: Verifier, problem: Problem, candidate: Candidate) -> bytes:
    """What the verdict depends on, hashed. A problem counts with its content, not just its id."""
    answer = verifier.decides_on(problem, candidate) if _says(verifier) else None
    text = ("answer", answer) if answer is not None else ("text", *_readable(candidate))
    read = (verifier.name, verifier.version, astuple(problem), text)
    return hashlib.blake2b(repr(read).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def copied(verdict: Verdict, candidate: Candidate) -> Verdict:
    """A verdict as that of another candidate, which took no time."""
    key = Verdict.key(candidate.id, verdict.verifier, verdict.version)
    return replace(verdict, id=key, candidate_id=candidate.id, seconds=0.0)


def _says(verifier: Verifier) -> TypeGuard[AnswerVerifier]:
    return hasattr(verifier, "decides_on")


def _readable(candidate: Candidate) -> tuple[object, ...]:
    """What a verdict may depend on; who answered, when and how often may not decide."""
    return (
        candidate.completion, candidate.reasoning, candidate.finish_reason, candidate.tokens,
        candidate.hinted,
    )  # fmt: skip
