"""A round's candidates with their outcomes, as columns: what is counted needs no texts."""

from collections.abc import Iterator
from functools import lru_cache

import polars as pl

from rsfactory.records import Outcome
from rsfactory.store import CANDIDATES, VERDICTS, Store

PLACE = ("problem_id", "prompt_id", "teacher", "sampling", "index")
"""What the attempts of one candidate have in common (`rsfactory.records.newest`)."""


def decided(store: Store, round: int) -> pl.DataFrame:
    """The newest attempt of every candidate: ``id``, ``problem_id``, ``hinted``, ``outcome``.

    ``outcome`` is null where there is no verdict.
    """
    names = ["id", *PLACE, "attempt", "hinted"]
    rows = store.columns(CANDIDATES, round, names).select(names)
    newest = rows.sort("attempt").unique(PLACE, keep="last", maintain_order=True)
    verdicts = newest_verdicts(store, round)
    joined = newest.join(verdicts, left_on="id", right_on="candidate_id", how="left")
    return joined.select("id", "problem_id", "hinted", "outcome")


def judged_attempts(store: Store, round: int) -> int:
    """Candidates of a round that have a verdict, superseded ones included."""
    rows = store.columns(CANDIDATES, round, ["id"])
    there = store.columns(VERDICTS, round, ["candidate_id"])
    return rows.join(there, left_on="id", right_on="candidate_id", how="semi").height


def newest_verdicts(store: Store, round: int) -> pl.DataFrame:
    """``candidate_id`` and ``outcome``, once a candidate: by the newest version of its verifier."""
    names = ["candidate_id", "version", "outcome"]
    rows = store.columns(VERDICTS, round, names).select(names)
    versions = sorted(rows["version"].unique(), key=version_order)
    if len(versions) > 1:  # judged again (`flows.reverify`)
        places = {version: place for place, version in enumerate(versions)}
        rows = rows.with_columns(place=pl.col("version").replace_strict(places)).sort("place")
    last = rows.unique("candidate_id", keep="last", maintain_order=True)
    return last.select("candidate_id", "outcome")


@lru_cache(256)
def version_order(version: str) -> tuple[list[int], str]:
    """Versions in order: ``10`` after ``9``, as the catalog's views have it."""
    return [int(part) if part.isdigit() else 0 for part in version.split(".")], version


def outcomes(rows: pl.DataFrame) -> Iterator[tuple[str, Outcome]]:
    """Problem and outcome of every row that has one."""
    there = rows.filter(pl.col("outcome").is_not_null()).select("problem_id", "outcome")
    for problem_id, outcome in there.iter_rows():
        yield problem_id, Outcome(outcome)
