"""What a round's verdict and flag shards say, counted with SQL: no state of its own.

Counted are the round's candidates, redone ones and every verifier that judged them included; what
evaluation and GRPO verify is not. A verdict that was known from an equal row took 0 s.
"""

from dataclasses import dataclass, field
from typing import Any

from rsfactory.catalog import open_catalog
from rsfactory.store import Store

TIMES = ("seconds", "p50", "p99", "max")
"""Of a verifier's rows: in all, and of one."""
_VERIFIERS = """
SELECT round, verifier || '@' || version, count(*), round(sum(seconds), 3),
    round(quantile_cont(seconds, 0.5), 6), round(quantile_cont(seconds, 0.99), 6),
    round(max(seconds), 6),
    count(*) FILTER (outcome = 'unverifiable' AND starts_with(reason, 'timeout after'))
FROM all_verdicts WHERE round > 0 GROUP BY ALL ORDER BY ALL
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
    """``math@1`` -> rows, seconds (in all), p50, p99 and max (seconds of a row), timeouts."""
    flags: dict[str, int] = field(default_factory=dict)
    """Check -> candidates it flagged."""
    flagged_correct: dict[str, int] = field(default_factory=dict)
    """Check -> how many of those are correct."""


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
        for round, name, *values in connection.execute(_VERIFIERS).fetchall():
            costs = dict(zip(("rows", *TIMES, "timeouts"), values, strict=True))
            found.setdefault(round, Tally()).verifiers[name] = costs
        for round, name, flagged, correct in connection.execute(_FLAGS).fetchall():
            tally = found.setdefault(round, Tally())
            tally.flags[name], tally.flagged_correct[name] = flagged, correct
    return found
