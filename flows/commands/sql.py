"""``factory sql``: a question to a run's tables, read-only."""

from pathlib import Path
from typing import Any

import click

from flows.commands.common import (
    data_option,
    find_run,
    json_option,
    plain_table,
    print_json,
    print_table,
)  # fmt: skip
from rsfactory.errors import InputError

EPILOG = """Example: factory sql RUN "SELECT outcome, count(*) FROM lineage GROUP BY outcome"

\b
Views: problems prompts candidates verdicts flags selections training_rows
checkpoints evaluations rounds, and lineage with one row a candidate."""


def _looking(duckdb: Any) -> tuple[Any, ...]:
    """Kinds of statements that only read."""
    kinds = duckdb.StatementType
    return (kinds.SELECT, kinds.EXPLAIN, kinds.RELATION)


@click.command("sql", epilog=EPILOG)
@click.argument("run")
@click.argument("query")
@data_option
@json_option
def command(run: str, query: str, data: Path, as_json: bool) -> None:
    """Ask a run's tables in SQL (DuckDB)."""
    import duckdb

    from rsfactory.catalog import open_catalog

    with open_catalog(find_run(data, run)) as connection:
        try:
            asked = duckdb.extract_statements(query)
            if len(asked) != 1 or asked[0].type not in _looking(duckdb):
                raise InputError(
                    f"expected one query that reads (SELECT, FROM, DESCRIBE, EXPLAIN), got "
                    f"{len(asked) or 'none'}; to write a file use --json, or factory export-data"
                )
            found = connection.execute(query)
            columns = [column[0] for column in found.description or []]
            rows = found.fetchall()
        except duckdb.Error as error:
            raise InputError(f"the query does not run: {error}") from error
    if as_json:
        print_json({"columns": columns, "rows": rows})
        return
    table = plain_table(columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    print_table(table)
