"""``factory audit``: how often a verifier is wrong, on rows that somebody labelled."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import (
    counting,
    json_option,
    map_option,
    mapping,
    plain_table,
    print_costs,
    print_json,
    print_table,
    workers_option,
)

if TYPE_CHECKING:
    from filters.audit import Labelled
    from rsfactory.records import Verdict

SHOWN = 5
"""Disagreements that are printed."""


@click.command("audit", epilog="Example: factory audit math labelled.jsonl --out verdicts.jsonl")
@click.argument("verifier")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--problems",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File of the problems that rows name by id, e.g. HumanEval's task_id; may be repeated.",
)
@map_option
@workers_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Every verdict, as JSON Lines."
)
@json_option
def command(
    verifier: str,
    file: Path,
    problems: tuple[Path, ...],
    columns: tuple[str, ...],
    workers: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Count a verifier's false accepts and false rejects on labelled completions.

    FILE (JSONL, JSON, CSV, Parquet) has the columns gold, completion and label (right or wrong),
    and perhaps problem, source, choices, metadata. Without gold a row's problem is the id of one in
    --problems. --map names other columns, e.g. --map completion=solution --map label=base_status.
    """
    from filters.audit import audit, labelled
    from filters.verify.named import find_verifier
    from filters.verify.pool import VerifierPool
    from generators.problems.files import read_rows
    from generators.problems.index import ProblemIndex
    from rsfactory.store import write_file

    find_verifier(verifier)
    named = dict(mapping(text) for text in columns)
    find = ProblemIndex(problems, verifier).find if problems else None
    rows = [
        labelled(number, row, named, verifier, file.name, find)
        for number, (_, row) in enumerate(read_rows(file))
    ]
    with VerifierPool(workers=workers) as pool, counting("verdicts", len(rows)) as count:
        found, verdicts = audit(rows, pool, lambda _: count())
    if out is not None:
        lines = "".join(json.dumps(_line(r, v)) + "\n" for r, v in zip(rows, verdicts, strict=True))
        write_file(out, lines.encode())
    if as_json:
        print_json(found)
        return
    _print(found)
    print_costs(pool.costs())
    _print_disagreements(rows, verdicts)
    if out is not None:
        click.echo(f"every verdict: {out}")


def _line(row: "Labelled", verdict: "Verdict") -> dict[str, Any]:
    from filters.audit import kind_of

    return {
        "row": row.row, "outcome": verdict.outcome.value, "extracted": verdict.extracted,
        "reason": verdict.reason, "seconds": verdict.seconds, "label": row.label,
        "disagrees": kind_of(row, verdict), "source": row.source, "share": verdict.share,
        "isolation": verdict.isolation,
    }  # fmt: skip


def _print(found: dict[str, Any]) -> None:
    """A table by source; the column of unverifiable rows where there are any."""
    ours = ("unverifiable",) if found["unverifiable"] else ()
    numbers = ("rows", "accepted", "false accepts", "false rejects", *ours)
    table = plain_table(("source", *numbers), right=numbers)
    for source, counts in (*found["by_source"].items(), ("all", found)):
        table.add_row(
            source, str(counts["rows"]), str(counts["accepted"]),
            _with_rate(counts["false_accepts"], counts["false_accept_rate"]),
            _with_rate(counts["false_rejects"], counts["false_reject_rate"]),
            *(str(counts[name]) for name in ours),
        )  # fmt: skip
    print_table(table)
    click.echo(f"{found['rows_per_second']} rows/s; in brackets 95% intervals of the rate (Wilson)")


def _with_rate(count: int, rate: dict[str, float] | None) -> str:
    if rate is None:
        return f"{count} (none)"
    return f"{count} ({100 * rate['low']:.1f}-{rate['high']:.1%})"


def _print_disagreements(rows: "list[Labelled]", verdicts: "list[Verdict]") -> None:
    from filters.audit import kind_of

    kinds = [(kind_of(r, v), r, v) for r, v in zip(rows, verdicts, strict=True)]
    wrong = [told for told in kinds if told[0]]
    for kind, row, verdict in wrong[:SHOWN]:
        click.echo(f"  row {row.row}: {kind}, {verdict.outcome}: {verdict.reason}")
    if len(wrong) > SHOWN:
        click.echo(f"  and {len(wrong) - SHOWN} more; --out FILE has them all")
