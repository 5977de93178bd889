"""What a round's verdict and flag shards say, counted with SQL: no state of its own.

Counted are the round's candidates, redone ones and every verifier that judged them included; what
evaluation and GRPO verify is not. The words are those of `filters.verify.costs`; a verdict that was
known from an equal row took 0 s, and faults are told by their reasons, since shards keep no more.
Not covered: a verifier of the user's that gives no time (all its rows look cached), and exceptions
whose names do not end as exceptions' names do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from filters.verify.costs import FAULT
from rsfactory.catalog import open_catalog
from rsfactory.store import Store
from rsfactory.words import milliseconds

COSTS = ("rows", "seconds", "p50", "p99", "max", "cached", "timeouts", "faults", "isolation")
"""What is said of a verifier's rows in a round."""
SHOWN = ("rows", "cached", "time-outs", "faults", "seconds", "p50 ms", "p99 ms", "max ms")
"""Heads of the columns that `cells` fills."""
_VERIFIERS = """
SELECT round, verifier || '@' || version, count(*), round(sum(seconds), 3),
    round(quantile_cont(seconds, 0.5), 6), round(quantile_cont(seconds, 0.99), 6),
    round(max(seconds), 6), count(*) FILTER (seconds = 0),
    count(*) FILTER (outcome = 'unverifiable' AND seconds > 0
        AND starts_with(reason, 'timeout after')),
    count(*) FILTER (outcome = 'unverifiable' AND seconds > 0 AND regexp_matches(reason, $fault)),
    list_sort(list(DISTINCT isolation))
FROM all_verdicts WHERE round > 0 GROUP BY ALL ORDER BY 1, 2
"""
_FLAGS = """
SELECT round, "check", count(DISTINCT candidate_id), count(DISTINCT candidate_id) FILTER (
    candidate_id IN (SELECT candidate_id FROM lineage WHERE outcome = 'correct'))
FROM flags WHERE round > 0 GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Tally:
    """Of one round."""

    verifiers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """``math@1`` -> what `COSTS` names: seconds in all, p50, p99 and max those of a row; which
    levels of isolation its verdicts say."""
    flags: dict[str, int] = field(default_factory=dict)
    """Check -> candidates it flagged."""
    flagged_correct: dict[str, int] = field(default_factory=dict)
    """Check -> how many of those are correct."""


def cells(cost: Mapping[str, Any]) -> list[str]:
    """A verifier's costs as a table shows them, under `SHOWN`."""
    counts = [f"{cost[name]:,}" for name in ("rows", "cached", "timeouts", "faults")]
    times = [milliseconds(cost[name]) for name in ("p50", "p99", "max")]
    return [*counts, f"{cost['seconds']:,.2f}", *times]


def tallies(store: Store) -> dict[int, Tally]:
    """Round -> what it verified and what was flagged; rounds without either are left out.

    Raises:
        StoreError: The shards cannot be read.
    """
    try:
        return _count(store)
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def _count(store: Store) -> dict[int, Tally]:
    found: dict[int, Tally] = {}
    with open_catalog(store) as connection:
        for round, name, *values in connection.execute(_VERIFIERS, {"fault": FAULT}).fetchall():
            costs = dict(zip(COSTS, values, strict=True))
            found.setdefault(round, Tally()).verifiers[name] = costs
        for round, name, flagged, correct in connection.execute(_FLAGS).fetchall():
            tally = found.setdefault(round, Tally())
            tally.flags[name], tally.flagged_correct[name] = flagged, correct
    return found
