"""What a teacher behind an address has done so far, for a live view."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from generators.teachers.api.address import Address


@dataclass(slots=True)
class Stats:
    """Counters; read at any time, from the teacher's own thread or another."""

    addresses: Sequence[Address]
    requests: int = 0
    """Requests made, whatever came of them."""
    completions: int = 0
    """Completions had, rejected ones included."""
    rejected: int = 0
    """Completions with the finish reason ``rejected``."""
    rate_limited: int = 0
    """Responses with status 429."""
    faults: int = 0
    """Requests without a usable answer, 429 not among them."""
    short: int = 0
    """Answers with fewer choices than asked for."""
    no_answer: int = 0
    """Requests of the factory that were given up."""
    estimated: int = 0
    """Completions whose tokens the server did not say."""
    prompt_tokens: int = 0
    tokens: int = 0
    """Of completions."""
    retries: Counter[str] = field(default_factory=Counter)
    """Requests made again, by the cause."""
    learned: list[str] = field(default_factory=list)
    """What the server taught about how it wants to be asked."""

    @property
    def said(self) -> list[str]:
        """Lines for the user: which address of several refuses us and why, and what was learned."""
        refused = [address.refused for address in self.addresses if address.refused is not None]
        others = refused if len(refused) < len(self.addresses) else []  # else it is the error
        return [*others, *(f"about the server: {one}" for one in self.learned)]

    @property
    def in_flight(self) -> int:
        """Requests under way now."""
        return sum(address.in_flight for address in self.addresses)

    @property
    def limits(self) -> dict[str, int]:
        """Address -> requests that may be under way there; 0 where it is left alone."""
        return {
            a.url: 0 if a.open or a.refused is not None else int(a.limit.now)
            for a in self.addresses
        }
