"""The selected rows of a run with their history, as one file.

Plain rows have prompt and completion as text, and the system prompt and the reasoning beside them.
Chat rows have both as lists of messages, which is what TRL's trainers put through a model's chat
template; the reasoning stands in the completion, in think tags.
"""

import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rsfactory.catalog import open_catalog
from rsfactory.chat import messages
from rsfactory.records import Prompt, trace_of
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
    l.training_set, l.trained_in, l.completion AS said
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
_MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
CHAT: dict[str, Any] = {
    "prompt": _MESSAGES,
    "completion": _MESSAGES,
    **{name: SCHEMA[name] for name in (
        "run", "id", "problem_id", "answer", "source", "licence", "provenance", "teacher",
        "pass_rate", "flags",
    )},
}  # fmt: skip
"""The same of chat rows."""
BLOCK = 1000
"""Rows in memory at a time."""


def selected_rows(store: Store) -> list[dict[str, Any]]:
    """The selected candidates of all rounds, with a prompt that never hints the answer.

    ``prompt`` and ``completion`` are what training saw. A selected row that was in no training set
    (`train.max_rows` left it out, or the run was stopped) gets the run's own template filled in.
    """
    return [row for block in blocks(store) for row in block]


def blocks(store: Store, *, chat: bool = False) -> Iterator[list[dict[str, Any]]]:
    """The same, or their chat rows, some at a time."""
    shape = _chat if chat else _plain
    prompts = {prompt.id: prompt for prompt in store.read(PROMPTS)}
    with open_catalog(store) as connection:
        found = connection.execute(QUERY)
        names = [column[0] for column in found.description or []]
        while rows := found.fetchmany(BLOCK):
            named = (dict(zip(names, row, strict=True)) for row in rows)
            yield [shape(_row(store, prompts, row)) for row in named]


def _row(store: Store, prompts: dict[str, Prompt], row: dict[str, Any]) -> dict[str, Any]:
    if row["prompt"] is None:
        template = prompts[row["prompt_id"]]
        row["system"] = template.system
        row["prompt"] = messages(template, row["problem"])[-1].content
    return {"run": store.folder.name, **row}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SCHEMA}


def _chat(row: dict[str, Any]) -> dict[str, Any]:
    system = [{"role": "system", "content": row["system"]}] if row["system"] else []
    said = trace_of(row["reasoning"], row["said"])
    return {
        **{name: row[name] for name in CHAT},
        "prompt": [*system, {"role": "user", "content": row["prompt"]}],
        "completion": [{"role": "assistant", "content": said}],
    }


def write_selected(store: Store, places: Sequence[Path], *, chat: bool = False) -> int:
    """Writes the selected rows to files, JSONL or Parquet by their names; returns how many.

    Args:
        store: The run's.
        places: The files.
        chat: Prompt and completion as messages, and fewer other columns.

    Raises:
        StoreError: The run cannot be read, or a file cannot be written.
    """
    lines = [place for place in places if place.suffix == ".jsonl"]
    tables = [place for place in places if place.suffix != ".jsonl"]
    shape = CHAT if chat else SCHEMA
    frames = [pl.DataFrame(schema=shape)]
    count = 0
    with tempfile.TemporaryFile() as aside:
        for block in blocks(store, chat=chat):
            count += len(block)
            if lines:
                aside.writelines(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in block)
            if tables:
                frames.append(pl.DataFrame(block, schema=shape))
        for place in lines:
            aside.seek(0)
            write_file(place, iter(lambda: aside.read(2**20), b""))
    for place in tables:
        buffer = io.BytesIO()
        pl.concat(frames).write_parquet(buffer, compression="zstd")
        write_file(place, buffer.getvalue())
    return count
