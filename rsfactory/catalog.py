"""SQL over a run: DuckDB views on its Parquet shards, in ``<run>/catalog.duckdb``.

The shards are the truth and the catalog is disposable: it is built aside and renamed, and built
again when it is missing, broken, or stale (the run's folder moved, a table got its first shard, or
this module's views changed). New shards of a known table need nothing: a view globs them anew at
every query. Any number of processes read at once; nobody writes.

Besides one view per table there are `all_candidates`, `all_verdicts`, `all_pass_rates` and
`all_rounds` (every attempt, every verifier version; the plain names show the newest), and
`lineage`, one row a candidate. Where the folder cannot be written, the same views are made in
memory.
"""

import contextlib
import glob
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsfactory.errors import StoreError
from rsfactory.store import DAMAGED, TABLES, Store, Table, later_columns, schema

if TYPE_CHECKING:
    import duckdb

VIEWS_VERSION = "5"
"""Raised when the views below change, so that older catalogs are built again."""

_TYPES = {"String": "VARCHAR", "Int64": "BIGINT", "Float64": "DOUBLE", "Boolean": "BOOLEAN",
          "List(String)": "VARCHAR[]"}  # fmt: skip

_RAW = {
    "candidates": "all_candidates", "verdicts": "all_verdicts", "pass_rates": "all_pass_rates",
    "rounds": "all_rounds",
}  # fmt: skip
"""Tables whose own name is taken by a view of the newest rows."""

_NEWEST = """
CREATE VIEW candidates AS
SELECT * FROM all_candidates
QUALIFY row_number() OVER (
    PARTITION BY problem_id, prompt_id, teacher, sampling, "index" ORDER BY attempt DESC) = 1;

CREATE VIEW verdicts AS
SELECT * FROM all_verdicts
QUALIFY row_number() OVER (
    PARTITION BY candidate_id, verifier
    ORDER BY list_transform(
        string_split(version, '.'), lambda part: coalesce(try_cast(part AS BIGINT), 0)) DESC,
        version DESC) = 1;

CREATE VIEW pass_rates AS
SELECT * FROM all_pass_rates
QUALIFY row_number() OVER (
    PARTITION BY problem_id, teacher, sampling, round ORDER BY attempts DESC, asked DESC) = 1;

CREATE VIEW rounds AS
SELECT * FROM all_rounds
QUALIFY row_number() OVER (PARTITION BY round ORDER BY attempts DESC, sampled DESC) = 1;
"""

_LINEAGE = """
CREATE VIEW lineage AS
WITH
problem AS (SELECT DISTINCT ON (id) * FROM problems),
prompt AS (SELECT DISTINCT ON (id) * FROM prompts),
decided AS (
    SELECT v.* FROM verdicts v
    JOIN candidates c ON c.id = v.candidate_id
    JOIN problem p ON p.id = c.problem_id AND p.verifier = v.verifier),
flagged AS (
    SELECT candidate_id, list(DISTINCT "check" ORDER BY "check") AS flags
    FROM flags GROUP BY candidate_id),
chosen AS (
    SELECT DISTINCT ON (candidate_id) * FROM selections
    ORDER BY candidate_id, round, training_set DESC),
trained AS (
    SELECT candidate_id, list(DISTINCT round ORDER BY round) AS trained_in, min(round) AS first_in
    FROM training_rows GROUP BY candidate_id),
made AS (
    SELECT DISTINCT ON (round) round, id, stage FROM checkpoints WHERE training_set IS NOT NULL
    ORDER BY round, CASE stage WHEN 'grpo' THEN 0 WHEN 'sft' THEN 1 ELSE 2 END),
measured AS (
    SELECT DISTINCT ON (checkpoint_id) checkpoint_id, accuracy, low, high
    FROM evaluations ORDER BY checkpoint_id, round DESC)
SELECT
    c.id AS candidate_id, c.problem_id, c.prompt_id, c.round, c.teacher, c.sampling, c."index",
    c.attempt, c.hinted, c.seed, c.prompt_tokens, c.tokens, c.requests, c.seconds,
    c.finish_reason, c.note, c.reasoning, c.completion,
    p.source, p."row", p.split, p.domain, p.licence, p.provenance, p.prompt AS problem, p.answer,
    q.mean AS pass_rate,
    t.template, t.version AS template_version,
    v.id AS verdict_id, v.verifier, v.version AS verifier_version, v.outcome, v.extracted,
    v.reason, v.isolation,
    coalesce(f.flags, []) AS flags,
    s.id AS selection_id, s.training_set, s.selected, s.rejected_by,
    s.reason AS selection_reason,
    coalesce(n.trained_in, []) AS trained_in,
    m.id AS checkpoint_id, m.stage AS checkpoint_stage, r.gate,
    e.accuracy, e.low, e.high
FROM candidates c
LEFT JOIN problem p ON p.id = c.problem_id
LEFT JOIN prompt t ON t.id = c.prompt_id
LEFT JOIN pass_rates q ON q.problem_id = c.problem_id AND q.teacher = c.teacher
    AND q.sampling = c.sampling AND q.round = c.round
LEFT JOIN decided v ON v.candidate_id = c.id
LEFT JOIN flagged f ON f.candidate_id = c.id
LEFT JOIN chosen s ON s.candidate_id = c.id
LEFT JOIN trained n ON n.candidate_id = c.id
LEFT JOIN made m ON m.round = n.first_in
LEFT JOIN (SELECT DISTINCT ON (round) round, gate FROM rounds) r ON r.round = n.first_in
LEFT JOIN measured e ON e.checkpoint_id = m.id;
"""


def open_catalog(store: Store) -> "duckdb.DuckDBPyConnection":
    """A connection to the run's views, for reading; close it when done.

    Raises:
        StoreError: The shards cannot be read (damaged, or written with another schema).
    """
    import duckdb

    path = store.folder / "catalog.duckdb"
    state = _state(store)
    for build_first in (False, True):
        if build_first and not _build(store, path, state):
            break
        connection = _open(path, state)
        if connection is not None:
            return connection
    # The folder is read-only, or this process still reads an older catalog under the same path
    # (DuckDB shares one instance per path and process).
    connection = duckdb.connect(":memory:")
    _create(connection, store, state)
    return connection


def _state(store: Store) -> str:
    """What the views depend on, in one string: version, folder, and which tables have shards."""
    there = [t.name for t in TABLES if next(_glob_folder(store, t).glob(_SHARDS), None)]
    return "\n".join([VIEWS_VERSION, str(store.folder.resolve()), *there])


_SHARDS = "round=*/part-*.parquet"


def _glob_folder(store: Store, table: Table[Any]) -> Path:
    return store.folder.resolve() / table.name


def _open(path: Path, state: str) -> "duckdb.DuckDBPyConnection | None":
    """The catalog, or None when it is missing, broken or stale."""
    import duckdb

    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error:
        return None
    try:
        row = connection.execute("SELECT state FROM catalog_state").fetchone()
    except duckdb.Error:
        row = None
    if row is not None and row[0] == state:
        return connection
    connection.close()
    return None


def _build(store: Store, path: Path, state: str) -> bool:
    """Builds the catalog aside and renames it; False where the folder cannot be written.

    DuckDB takes a ``?`` in a path for the start of parameters, so such a folder counts as one.
    """
    import duckdb

    if "?" in str(path):
        return False
    aside = path.with_name(f".writing-{os.getpid()}-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        connection = duckdb.connect(str(aside))
    except duckdb.Error:
        return False
    try:
        with connection:
            _create(connection, store, state)
        aside.rename(path)
    except OSError:
        return False
    finally:
        for left in (aside, aside.with_name(aside.name + ".wal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
    return True


def _create(connection: "duckdb.DuckDBPyConnection", store: Store, state: str) -> None:
    """Makes the views in an empty database."""
    import duckdb

    filled = set(state.split("\n")[2:])
    try:
        for table in TABLES:
            connection.execute(_view(connection, store, table, table.name in filled))
        connection.execute(_NEWEST)
        connection.execute(_LINEAGE)
    except duckdb.Error as error:
        raise StoreError(
            f"the shards of {store.folder} cannot be read: {error}; {DAMAGED}"
        ) from error
    connection.execute("CREATE TABLE catalog_state AS SELECT ? AS state", [state])


def _view(
    connection: "duckdb.DuckDBPyConnection", store: Store, table: Table[Any], filled: bool
) -> str:
    """SQL of one table's view, with every column's type pinned; empty but typed without shards.

    Shards from before a column was added give NULL there.
    """
    columns = {name: _TYPES[str(dtype)] for name, dtype in schema(table.record).items()}
    name = _RAW.get(table.name, table.name)
    folder = glob.escape(str(_glob_folder(store, table)))
    pattern = f"{folder}/{_SHARDS}".replace("'", "''")
    shards = (
        f"read_parquet(['{pattern}'], hive_partitioning=false, union_by_name=true, filename=true)"
    )
    missing: set[str] = set()
    if filled:
        found = connection.execute(f"DESCRIBE SELECT * FROM {shards}").fetchall()
        missing = later_columns(table.record) - {row[0] for row in found}
    selected = [
        f'NULL::{kind} AS "{column}"' if column in missing else f'"{column}"::{kind} AS "{column}"'
        for column, kind in columns.items()
    ]
    if "round" not in columns:  # problems, prompts, training rows: the folder says the round
        selected.append(r"regexp_extract(filename, 'round=(-?\d+)/[^/]*$', 1)::BIGINT AS round")
    if not filled:
        empty = [f'NULL::{kind} AS "{column}"' for column, kind in columns.items()]
        empty += [] if "round" in columns else ["NULL::BIGINT AS round"]
        return f'CREATE VIEW "{name}" AS SELECT {", ".join(empty)} WHERE false'
    return f'CREATE VIEW "{name}" AS SELECT {", ".join(selected)} FROM {shards}'
