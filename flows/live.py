"""What a live view says of sampling from an address: its cost, its yield, and how the server does.

Rates are those of the stage so far; cost is that of the whole run. Requests under way and what came
of them are the teacher's own counts (`generators.teachers.api.stats`), where it keeps any.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rsfactory.words import counted

SHOWN_EVERY = 0.2
"""Seconds between two updates of what is shown."""


class Counts(Protocol):
    """The counts of a teacher behind an address that are shown."""

    rate_limited: int
    faults: int

    @property
    def retries(self) -> Mapping[str, int]:
        """Cause -> requests made again."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        ...

    @property
    def limits(self) -> dict[str, int]:
        """Address -> requests that may be under way there; 0 where it is left alone."""
        ...


@dataclass(slots=True, kw_only=True)
class Seen:
    """Counts at one moment, of one process or of several together."""

    in_flight: int = 0
    rate_limited: int = 0
    faults: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(counts: Counts) -> "Seen":
        """What the counts are now."""
        return Seen(
            in_flight=counts.in_flight,
            rate_limited=counts.rate_limited,
            faults=counts.faults,
            retries=dict(counts.retries),
            limits=counts.limits,
        )

    @staticmethod
    def together(parts: Iterable["Seen"]) -> "Seen":
        """Sums; each process has an own limit at every address."""
        causes: Counter[str] = Counter()
        total = Seen(retries=causes)
        for part in parts:
            total.in_flight += part.in_flight
            total.rate_limited += part.rate_limited
            total.faults += part.faults
            causes.update(part.retries)
            for url, limit in part.limits.items():
                total.limits[url] = total.limits.get(url, 0) + limit
        return total


def stream_words(
    correct: int | None, seconds: float, cost: float | None, counts: Counts | None
) -> str:
    """One line for people, e.g. ``12.1 correct/s, 0.42 USD so far, 64 under way of at most 256``.

    Args:
        correct: Right candidates of the stage; None where nobody decides while sampling goes on.
        seconds: Since the stage began.
        cost: USD of the run; None where a price is missing.
        counts: The teacher's.
    """
    words = []
    if correct is not None and seconds > 0.5:
        words.append(f"{correct / seconds:.{_digits(correct / seconds)}f} correct/s")
    if cost is not None:
        words.append(f"{cost:.{4 if cost < 0.1 else 2}f} USD so far")
    return ", ".join(words + ([] if counts is None else _server_words(counts)))


def loading_words(seconds: float | None) -> str:
    """What is said while a teacher gets ready; nothing once it is."""
    return "" if seconds is None else f"the model is being loaded, {seconds:.0f} s so far"


def _server_words(counts: Counts) -> list[str]:
    """How the server does; troubles only where there are any."""
    words, limits = [], counts.limits
    if counts.in_flight:
        words.append(f"{counts.in_flight} under way of at most {sum(limits.values())}")
    if counts.rate_limited:
        words.append(f"rate limited {counted(counts.rate_limited, 'times')}")
    if counts.faults:
        words.append(f"{counted(counts.faults, 'requests')} failed and made again{_cause(counts)}")
    if alone := sum(limit == 0 for limit in limits.values()):
        words.append(f"no answers from {alone} of {len(limits)} addresses")
    return words


def _cause(counts: Counts) -> str:
    """Why most requests failed; rate limits are told apart."""
    causes = Counter({cause: n for cause, n in counts.retries.items() if cause != "status 429"})
    mostly = "mostly " if len(causes) > 1 else ""
    return f" ({mostly}{causes.most_common(1)[0][0]})" if causes else ""


def _digits(rate: float) -> int:
    return 0 if rate >= 10 or not rate else 1 if rate >= 1 else 2
