"""``factory validate``: every gold answer of a source through its own verifier, without a model."""

import itertools
from typing import Any

import click

from flows.commands.common import (
    counting,
    json_option,
    map_option,
    mapping,
    print_costs,
    print_json,
    workers_option,
)

SHOWN = 10
"""Failures that are printed."""


@click.command("validate", epilog="Example: factory validate gym:basic_arithmetic --limit 200")
@click.argument("source")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True,
              help="Problems at most; a generated family has no end.")  # fmt: skip
@map_option
@click.option("--verifier", help="Instead of the one the source's format names.")
@click.option("--seed", type=int, default=0, show_default=True)
@workers_option
@json_option
def command(
    source: str,
    limit: int,
    columns: tuple[str, ...],
    verifier: str | None,
    seed: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Say which gold answers their own verifier does not accept.

    A problem whose gold does not verify can never be solved, however good the student. Exit code
    1 where there is one.
    """
    from filters.audit import gold_candidate
    from filters.verify.costs import as_json as json_costs
    from filters.verify.pool import VerifierPool
    from generators.problems import open_source
    from rsfactory.records import Outcome

    opened = open_source(
        source, seed=seed, columns=dict(mapping(text) for text in columns), verifier=verifier,
        purpose="train",
    )  # fmt: skip
    problems = list(itertools.islice(opened.problems(), limit))
    with VerifierPool(workers=workers) as pool, counting("golds", len(problems)) as count:
        verdicts = pool.verify([(p, gold_candidate(p)) for p in problems], lambda _: count())
    failed: list[dict[str, Any]] = [
        {"row": p.row, "id": p.id, "outcome": v.outcome.value, "reason": v.reason}
        for p, v in zip(problems, verdicts, strict=True)
        if v.outcome is not Outcome.CORRECT
    ]
    correct = len(problems) - len(failed)
    if as_json:
        costs = json_costs(pool.costs())
        rows = len(problems)
        print_json({"rows": rows, "correct": correct, "failed": failed, "costs": costs})
    else:
        click.echo(f"{opened.name}: {correct} of {len(problems)} golds are accepted")
        print_costs(pool.costs())
        for row in failed[:SHOWN]:
            click.echo(f"  row {row['row']} ({row['id']}): {row['outcome']}, {row['reason']}")
        if len(failed) > SHOWN:
            click.echo(f"  and {len(failed) - SHOWN} more; --json has them all")
    if failed:
        click.get_current_context().exit(1)
