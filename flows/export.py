"""The selected rows of a run with their history, as one file."""

import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rsfactory.catalog import open_catalog
from rsfactory.chat import messages
from rsfactory.records import Prompt
from rsfactory.store import PROMPTS, Store, write_file

QUERY = """
WITH
trained AS (SELECT DISTINCT ON (candidate_id) * FROM training_rows ORDER BY candidate_id, round),
asked AS (
    SELECT problem_id, min(prompt_id) AS prompt_id FROM candidates WHERE NOT hinted GROUP BY 1)
SELECT
    l.candidate_id AS id, t.system, t.prompt, coalesce(t.completion, l.completion) AS completion,
    l.reasoning, l.problem_id, l.problem, l.answer, l.source, l."row", l.domain,
    coalesce(l.licence, 'unknown') AS licence, coalesce(l.provenance, 'unknown') AS provenance,
    l.teacher, l.round, l.hinted, l.finish_reason, l.tokens, l.pass_rate,
    coalesce(t.prompt_id, a.prompt_id) AS prompt_id,
    l.template || '@' || l.template_version AS template,
    l.verifier || '@' || l.verifier_version AS verifier, l.extracted, l.flags, l.seed,
    l.training_set, l.trained_in
FROM lineage l
LEFT JOIN trained t ON t.candidate_id = l.candidate_id
LEFT JOIN asked a ON a.problem_id = l.problem_id
WHERE l.selected ORDER BY l.round, l.problem_id, l.hinted, l."index"
"""


SCHEMA: dict[str, Any] = {
    **dict.fromkeys(
        ("run", "id", "system", "prompt", "completion", "reasoning", "problem_id", "problem",
         "answer", "source"), pl.String,
    ),
    "row": pl.Int64,
    **dict.fromkeys(("domain", "licence", "provenance", "teacher"), pl.String),
    "round": pl.Int64,
    "hinted": pl.Boolean,
    "finish_reason": pl.String,
    "tokens": pl.Int64,
    "pass_rate": pl.Float64,
    **dict.fromkeys(("prompt_id", "template", "verifier", "extracted"), pl.String),
    "flags": pl.List(pl.String),
    "seed": pl.Int64,
    "training_set": pl.String,
    "trained_in": pl.List(pl.Int64),
}  # fmt: skip
"""Columns of the file, with their types also where nothing is in them."""
BLOCK = 1000
"""Rows in memory at a time."""


def selected_rows(store: Store) -> list[dict[str, Any]]:
    """The selected candidates of all rounds, with a prompt that never hints the answer.

    ``prompt`` and ``completion`` are what training saw. A selected row that was in no training set
    (`train.max_rows` left it out, or the run was stopped) gets the run's own template filled in.
    """
    return [row for block in blocks(store) for row in block]


def blocks(store: Store) -> Iterator[list[dict[str, Any]]]:
    """The same, some rows at a time."""
    prompts = {prompt.id: prompt for prompt in store.read(PROMPTS)}
    with open_catalog(store) as connection:
        found = connection.execute(QUERY)
        names = [column[0] for column in found.description or []]
        while rows := found.fetchmany(BLOCK):
            yield [_row(store, prompts, dict(zip(names, row, strict=True))) for row in rows]


def _row(store: Store, prompts: dict[str, Prompt], row: dict[str, Any]) -> dict[str, Any]:
    if row["prompt"] is None:
        template = prompts[row["prompt_id"]]
        row["system"] = template.system
        row["prompt"] = messages(template, row["problem"])[-1].content
    return {"run": store.folder.name, **row}


def write_selected(store: Store, places: Sequence[Path]) -> int:
    """Writes the selected rows to files, JSONL or Parquet by their names; returns how many.

    Raises:
        StoreError: The run cannot be read, or a file cannot be written.
    """
    lines = [place for place in places if place.suffix == ".jsonl"]
    tables = [place for place in places if place.suffix != ".jsonl"]
    frames = [pl.DataFrame(schema=SCHEMA)]
    count = 0
    with tempfile.TemporaryFile() as aside:
        for block in blocks(store):
            count += len(block)
            if lines:
                aside.writelines(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in block)
            if tables:
                frames.append(pl.DataFrame(block, schema=SCHEMA))
        for place in lines:
            aside.seek(0)
            write_file(place, iter(lambda: aside.read(2**20), b""))
    for place in tables:
        buffer = io.BytesIO()
        pl.concat(frames).write_parquet(buffer, compression="zstd")
        write_file(place, buffer.getvalue())
    return count
