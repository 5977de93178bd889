"""What verification costs, counted for each verifier by the pool that asks it.

The same words stand for the same in a round's report, which counts shards instead
(`flows.tallies`, with p50 and p99 besides, which are not kept here): ``rows``, ``seconds`` (of all
rows), ``max`` (seconds of the row that took longest), ``cached``, ``timeouts``, ``faults``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rsfactory.words import counted

FAULT = r"^(timeout after |worker |memory limit)|^\w*(Error|Exception|Exit|Interrupt): "
"""How the reason of an UNVERIFIABLE verdict begins that its verifier did not give itself."""


@dataclass
class Cost:
    """Of one verifier, over all rows it was asked about."""

    rows: int = 0
    seconds: float = 0.0
    """Wall time spent on them, here and in workers; starting a worker is not in it."""
    max: float = 0.0
    """Seconds of the row that took longest."""
    cached: int = 0
    """Rows that an equal one had decided."""
    timeouts: int = 0
    """Faults that are time-outs."""
    faults: int = 0
    """Rows without a verdict of the verifier: time-outs, crashes, too much memory."""

    def add(self, seconds: float, *, fault: str | None = None) -> None:
        """Counts a row; ``fault`` is the reason for which its verifier did not finish it."""
        self.rows += 1
        self.seconds += seconds
        self.max = max(self.max, seconds)
        self.faults += fault is not None
        self.timeouts += fault is not None and fault.startswith("timeout")

    def add_cached(self) -> None:
        """Counts a row that an equal one decided."""
        self.rows += 1
        self.cached += 1

    def merge(self, other: "Cost") -> None:
        """Adds what another has counted."""
        self.rows += other.rows
        self.seconds += other.seconds
        self.max = max(self.max, other.max)
        self.cached += other.cached
        self.timeouts += other.timeouts
        self.faults += other.faults


def as_json(costs: Mapping[str, Cost]) -> dict[str, dict[str, Any]]:
    """Costs as `--json` shows them: times in seconds, to the millisecond and better."""
    rounded = {"seconds": 4, "max": 4}
    return {
        name: {key: round(value, rounded.get(key, 0)) for key, value in asdict(cost).items()}
        for name, cost in costs.items()
    }


def words(name: str, cost: Cost) -> str:
    """One line for people."""
    rows = counted(cost.rows, "rows")
    parts = [f"{name}: {rows} in {cost.seconds:.2f} s, max {1000 * cost.max:.3g} ms"]
    parts += [f"{cost.cached} known from an equal row"] if cost.cached else []
    parts += [counted(cost.timeouts, "time-outs")] if cost.timeouts else []
    other = cost.faults - cost.timeouts
    parts += [counted(other, "other faults")] if other else []
    return ", ".join(parts)
