"""The selected rows of a run with their history, as one file."""

import io
import json
from typing import Any

from rsfactory.catalog import open_catalog
from rsfactory.chat import messages
from rsfactory.store import PROMPTS, Store

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


def selected_rows(store: Store) -> list[dict[str, Any]]:
    """The selected candidates of all rounds, with a prompt that never hints the answer.

    ``prompt`` and ``completion`` are what training saw. A selected row that was in no training set
    (`train.max_rows` left it out, or the run was stopped) gets the run's own template filled in.
    """
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
