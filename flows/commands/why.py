"""``factory why``: the fate of a problem or a candidate, step by step."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import data_option, find_run, json_option, print_json
from rsfactory.errors import InputError
from rsfactory.records import trace_of

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happened."""

    stage: str
    what: str
    rule: str | None = None
    """The rule that decided, where one did: a verifier, a check, a selection rule, a gate."""
    evidence: str | None = None
    """What it rests on: the text, the extracted answer, the reason."""


@click.command("why", epilog="Example: factory why RUN c-1f00aa52")
@click.argument("run")
@click.argument("id")
@data_option
@json_option
def command(run: str, id: str, data: Path, as_json: bool) -> None:
    """Explain the fate of a problem or a candidate.

    ID is a candidate's or problem's key, with or without its prefix (its first 6 digits are
    enough), or the row number of a problem, from 0; the rows of generated problems begin again in
    every round, so a number may name several, which are then listed.
    """
    from rsfactory.catalog import open_catalog

    store = find_run(data, run)
    with open_catalog(store) as connection:
        kind, key = find(connection, id, store.folder.name)
        steps = list(
            problem_steps(connection, key)
            if kind == "problem"
            else candidate_steps(connection, key)
        )
    if as_json:
        print_json({"id": key, "kind": kind, "steps": [asdict(step) for step in steps]})
        return
    click.echo(f"{kind} {key}")
    for step in steps:
        rule = f"  [{step.rule}]" if step.rule else ""
        click.echo(f"\n{step.stage:<10} {step.what}{rule}")
        if step.evidence:
            click.echo("\n".join(f"           | {line}" for line in step.evidence.splitlines()))


def find(connection: "duckdb.DuckDBPyConnection", asked: str, run: str) -> tuple[str, str]:
    """Kind and key of what the user's word names.

    Raises:
        InputError: It names nothing, or more than one thing; the message lists them.
    """
    from rsfactory.ids import matches

    tables = (("problem", "problems"), ("candidate", "all_candidates"),
              ("candidate", "evaluation_candidates"))  # fmt: skip
    found: list[tuple[str, str]] = []
    for kind, table in tables:
        keys = connection.execute(f"SELECT DISTINCT id FROM {table} ORDER BY id").fetchall()
        found += [(kind, key) for (key,) in keys if matches(key, asked)]
    if not found and asked.isdigit():
        query = 'SELECT DISTINCT id FROM problems WHERE "row" = ? ORDER BY id'
        found = [("problem", key) for (key,) in connection.execute(query, [int(asked)]).fetchall()]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "\n".join(f"  {_told_apart(connection, *thing)}" for thing in found[:12])
        raise InputError(
            f"{asked!r} names {len(found)} things in run {run}; give one key of these:\n{listed}"
        )
    raise InputError(
        f"run {run} has no problem or candidate {asked!r}; give a key, its first 6 digits, or a "
        f'row number; a list: factory sql {run} "SELECT candidate_id, outcome FROM lineage"'
    )


def _told_apart(connection: "duckdb.DuckDBPyConnection", kind: str, key: str) -> str:
    """A key with what tells it from others of its kind."""
    if kind == "candidate":
        return f"{key} (candidate)"
    row = _rows(connection, "SELECT split, prompt FROM problems WHERE id = ? LIMIT 1", key)[0]
    return f"{key} ({row['split']}: {' '.join(row['prompt'].split())[:50]!r})"


def problem_steps(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    """A problem: where it is from, then its candidates (training) or evaluations (held out)."""
    problem = _rows(connection, "SELECT * FROM problems WHERE id = ? LIMIT 1", key)[0]
    yield Step(
        stage="problem",
        what=f"{problem['split']}, row {problem['row']} of {problem['source']}",
        rule=f"decided by {problem['verifier']}",
        evidence=f"{problem['prompt']}\nanswer: {problem['answer']}",
    )
    yield from _evaluations(connection, key)
    yield from _ended(connection, key)
    query = 'SELECT id FROM candidates WHERE problem_id = ? ORDER BY round, hinted, "index"'
    candidates = _rows(connection, query, key)
    for candidate in candidates:
        yield from candidate_steps(connection, candidate["id"])
    if not candidates and problem["split"] != "held_out":
        yield Step(stage="sample", what="not sampled yet")


def _ended(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    """How often a problem was solved, and why it was asked no further."""
    rows = _rows(connection, "SELECT * FROM pass_rates WHERE problem_id = ? ORDER BY round", key)
    for row in rows:
        rate = None
        if row["mean"] is not None:
            share = f"{row['low']:.2f} to {row['high']:.2f}"
            rate = f"pass rate {row['mean']:.2f} (95% interval {share})"
        yield Step(
            stage="sample",
            what=f"round {row['round']}: asked {row['asked']} times, {row['correct']} right",
            rule=f"ended by {row['stopped_by']}",
            evidence=rate,
        )


def candidate_steps(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    """A candidate: sampled, verified, checked, selected or rejected, trained on."""
    sampled = _rows(connection, "SELECT * FROM all_candidates WHERE id = ?", key)
    if not sampled:
        yield from _evaluation_candidate(connection, key)
        return
    yield _sampled(sampled[0])
    verdicts = _rows(connection, "SELECT * FROM verdicts WHERE candidate_id = ?", key)
    yield from map(_verified, verdicts)
    if not verdicts:
        yield Step(stage="verify", what="not verified yet")
    for flag in _rows(connection, "SELECT * FROM flags WHERE candidate_id = ?", key):
        yield Step(stage="check", what="flagged", rule=flag["check"], evidence=flag["evidence"])
    yield from _selected(connection, key)
    yield from _trained(connection, key)


def _sampled(row: Row) -> Step:
    how = "with the answer hinted" if row["hinted"] else "plainly"
    again = f", attempt {row['attempt']}" if row["attempt"] else ""
    return Step(
        stage="sample",
        what=f"{row['id']}: round {row['round']}, asked {how}{again}, by {row['teacher']}, "
        f"{row['tokens']} tokens, finished by {row['finish_reason']}{_effort(row)}",
        rule=f"sampling {row['sampling']}",
        evidence=trace_of(row["reasoning"], row["completion"]),
    )


def _effort(row: Row) -> str:
    """What was out of the ordinary about a request."""
    tries = f", after {row['requests']} requests" if (row["requests"] or 0) > 1 else ""
    return tries + (f"; the server said: {row['note']}" if row["note"] else "")


def _verified(row: Row) -> Step:
    extracted = "" if row["extracted"] is None else f"extracted: {row['extracted']}\n"
    sandboxed = row["isolation"] in ("full", "weak")
    isolation = f"\nisolation: {row['isolation']}" if sandboxed else ""
    return Step(
        stage="verify",
        what=row["outcome"],
        rule=f"{row['verifier']}@{row['version']}",
        evidence=f"{extracted}{row['reason']}{isolation}",
    )


def _selected(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    query = "SELECT * FROM selections WHERE candidate_id = ? ORDER BY round"
    for row in _rows(connection, query, key):
        what = "selected" if row["selected"] else "rejected"
        yield Step(
            stage="select",
            what=f"{what} for {row['training_set']}",
            rule=row["rejected_by"],
            evidence=row["reason"],
        )


def _trained(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    query = """
        SELECT c.round, c.stage, c.id, r.accuracy, r.low, r.high, r.gate, r.gate_reason
        FROM (SELECT DISTINCT round FROM training_rows WHERE candidate_id = ?) t
        JOIN checkpoints c ON c.round = t.round AND c.stage IN ('cold_start', 'sft')
        LEFT JOIN rounds r ON r.round = c.round
        ORDER BY c.round"""
    for row in _rows(connection, query, key):
        after = None
        if row["accuracy"] is not None:
            after = (
                f"held-out accuracy after round {row['round']}: {row['accuracy']:.3f} "
                f"({row['low']:.3f} to {row['high']:.3f}), gate: {row['gate']}, "
                f"{row['gate_reason']}"
            )
        what = f"{row['stage']} of round {row['round']} made checkpoint {row['id']} with it"
        yield Step(stage="train", what=what, evidence=after)


def _evaluations(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    query = """
        SELECT round, stage, checkpoint_id, outcomes[list_position(problem_ids, ?)] AS outcome
        FROM evaluations WHERE list_contains(problem_ids, ?)
        ORDER BY round, CASE stage WHEN 'base' THEN 0 WHEN 'start' THEN 1 ELSE 2 END"""
    for row in _rows(connection, query, key, key):
        name = f"round {row['round']}" if row["stage"] == "round" else row["stage"]
        yield Step(
            stage="evaluate",
            what=f"{name}: {row['outcome']}",
            rule="held out, greedy",
            evidence=_answer(connection, key, row["checkpoint_id"]),
        )


def _answer(connection: "duckdb.DuckDBPyConnection", problem: str, checkpoint: str) -> str | None:
    """What a checkpoint answered to a held-out problem, where that is kept."""
    query = "SELECT completion FROM evaluation_candidates WHERE problem_id = ? AND teacher = ?"
    rows = _rows(connection, query, problem, checkpoint)
    return rows[-1]["completion"] if rows else None


def _evaluation_candidate(connection: "duckdb.DuckDBPyConnection", key: str) -> Iterator[Step]:
    row = _rows(connection, "SELECT * FROM evaluation_candidates WHERE id = ?", key)[0]
    yield Step(stage="problem", what=f"answers held-out problem {row['problem_id']}")
    yield _sampled(row)
    query = "SELECT * FROM evaluation_verdicts WHERE candidate_id = ?"
    yield from map(_verified, _rows(connection, query, key))


def _rows(connection: "duckdb.DuckDBPyConnection", query: str, *values: str) -> list[Row]:
    found = connection.execute(query, list(values))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
