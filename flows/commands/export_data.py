"""``factory export-data``: the selected rows of a run as one file."""

import io
import json
from pathlib import Path
from typing import Any

import click

from flows.commands.common import data_option, find_run, json_option, print_json, recipe_of
from rsfactory.errors import InputError

FORMATS = (".jsonl", ".parquet")

QUERY = """
WITH
told AS (SELECT DISTINCT ON (id) id, licence, provenance FROM problems),
trained AS (SELECT DISTINCT ON (candidate_id) * FROM training_rows ORDER BY candidate_id, round),
asked AS (
    SELECT problem_id, min(prompt_id) AS prompt_id FROM candidates WHERE NOT hinted GROUP BY 1)
SELECT
    l.candidate_id AS id, t.system, t.prompt, coalesce(t.completion, l.completion) AS completion,
    l.problem_id, l.problem, l.answer, l.source, l."row",
    coalesce(p.licence, 'unknown') AS licence, coalesce(p.provenance, 'unknown') AS provenance,
    l.domain, l.teacher, l.round, l.hinted,
    coalesce(t.prompt_id, a.prompt_id) AS prompt_id,
    l.template || '@' || l.template_version AS template,
    l.verifier || '@' || l.verifier_version AS verifier, l.extracted, l.flags, l.seed,
    l.training_set, l.trained_in
FROM lineage l
LEFT JOIN trained t ON t.candidate_id = l.candidate_id
LEFT JOIN told p ON p.id = l.problem_id
LEFT JOIN asked a ON a.problem_id = l.problem_id
WHERE l.selected ORDER BY l.round, l.problem_id, l.hinted, l."index"
"""


@click.command("export-data", epilog="Example: factory export-data RUN --out rows.jsonl")
@click.argument("run")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".jsonl or .parquet")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@data_option
@json_option
def command(run: str, out: Path, force: bool, data: Path, as_json: bool) -> None:
    """Write the selected rows to a file.

    Each has its prompt, its completion and where it came from.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"expected --out with one of {', '.join(FORMATS)}, got {out}")
    if out.is_dir():
        raise InputError(f"{out} is a folder; give a file's name")
    if out.exists() and not force:
        raise InputError(f"{out} exists; give another name, or --force to replace it")
    store = find_run(data, run)
    recipe_of(store)
    from rsfactory.store import write_file

    rows = selected_rows(store)
    write_file(out, to_bytes(rows, out.suffix))
    if as_json:
        print_json({"run": store.folder.name, "rows": len(rows), "out": str(out)})
    else:
        click.echo(f"{len(rows)} rows in {out}")


def selected_rows(store: Any) -> list[dict[str, Any]]:
    """The selected candidates of all rounds, with a prompt that never hints the answer.

    ``prompt`` and ``completion`` are what training saw. A selected row that was in no training set
    (`train.max_rows` left it out, or the run was stopped) gets the run's own template filled in.
    """
    from rsfactory.catalog import open_catalog
    from rsfactory.chat import messages
    from rsfactory.store import PROMPTS

    with open_catalog(store) as connection:
        found = connection.execute(QUERY)
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    prompts = {prompt.id: prompt for prompt in store.read(PROMPTS)}
    for row in rows:
        if row["prompt"] is None:
            template = prompts[row["prompt_id"]]
            row["system"] = template.system
            row["prompt"] = messages(template, row["problem"])[-1].content
    return [{"run": store.folder.name, **row} for row in rows]


def to_bytes(rows: list[dict[str, Any]], suffix: str) -> bytes:
    """The rows as a JSONL or Parquet file."""
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    import polars as pl

    buffer = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
