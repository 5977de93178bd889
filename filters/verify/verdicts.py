"""Verdicts, made in one place so that all verifiers fill in the same fields the same way."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rsfactory.records import Candidate, Outcome, Verdict

SHOWN = 2000
"""Characters of an extracted answer that a verdict keeps."""


class Named(Protocol):
    """Who decides, as a verdict records it; every verifier is one."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def version(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Stamp:
    """A name and a version, where the version depends on more than the verifier."""

    name: str
    version: str


def verdict(
    verifier: Named,
    candidate: Candidate,
    outcome: Outcome,
    reason: str,
    *,
    extracted: str | None = None,
    began: float | None = None,
    isolation: str = "none",
    results: Sequence[str] = (),
    share: float | None = None,
) -> Verdict:
    """A verdict; ``began`` is the ``time.monotonic()`` at which the work on it started.

    Text is kept storable: half a surrogate pair becomes ``?``, and a long answer is cut.
    """
    return Verdict(
        id=Verdict.key(candidate.id, verifier.name, verifier.version),
        candidate_id=candidate.id,
        verifier=verifier.name,
        version=verifier.version,
        outcome=outcome,
        extracted=None if extracted is None else _storable(extracted),
        reason=_storable(reason),
        seconds=0.0 if began is None else round(time.monotonic() - began, 6),
        isolation=isolation,
        results=[_storable(result) for result in results],
        share=share,
    )


def unanswered(
    verifier: Named, candidate: Candidate, reason: str, *, began: float | None = None
) -> Verdict:
    """The verdict on a candidate without an answer: UNPARSED, or TRUNCATED where it was cut off."""
    if candidate.finish_reason == "length":
        reason = f"{reason}; cut off after {candidate.tokens} tokens"
        return verdict(verifier, candidate, Outcome.TRUNCATED, reason, began=began)
    return verdict(verifier, candidate, Outcome.UNPARSED, reason, began=began)


def shorten(text: str, limit: int = 60) -> str:
    """Text for a reason: one line, bounded."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[:limit]}..."


def _storable(text: str) -> str:
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return text.encode("utf-8", "replace").decode()
