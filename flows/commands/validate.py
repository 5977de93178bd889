"""``factory validate``: every gold answer of a source through its own verifier, without a model.

A problem without a gold (its metadata decides) fails only where its verifier cannot be used.
"""

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
    from filters.verify.alone import refuse_unless_alone
    from filters.verify.costs import as_json as json_costs
    from filters.verify.pool import VerifierPool
    from generators.problems import open_source
    from rsfactory.records import Outcome

    if verifier is not None:
        refuse_unless_alone(verifier)
    opened = open_source(
        source, seed=seed, columns=dict(mapping(text) for text in columns), verifier=verifier,
        purpose="train",
    )  # fmt: skip
    problems = list(itertools.islice(opened.problems(), limit + 1))
    more = len(problems) > limit
    problems = problems[:limit]
    with VerifierPool(workers=workers) as pool, counting("golds", len(problems)) as count:
        verdicts = pool.verify([(p, gold_candidate(p)) for p in problems], lambda _: count())
    judged = list(zip(problems, verdicts, strict=True))
    bare = {
        p.id for p, v in judged
        if not (p.answer or p.solution) and v.outcome is not Outcome.UNVERIFIABLE
    }  # fmt: skip
    failed: list[dict[str, Any]] = [
        {"row": p.row, "id": p.id, "outcome": v.outcome.value, "reason": v.reason}
        for p, v in judged
        if v.outcome is not Outcome.CORRECT and p.id not in bare
    ]
    golds = len(problems) - len(bare)
    correct = golds - len(failed)
    if as_json:
        print_json({
            "rows": len(problems), "correct": correct, "failed": failed,
            "without_gold": len(bare), "limit": limit, "limit_reached": more,
            "costs": json_costs(pool.costs()),
        })  # fmt: skip
    else:
        first = f"the first {len(problems)} problems, " if more else ""
        click.echo(f"{opened.name}: {first}{correct} of {golds} golds are accepted")
        if more:
            click.echo(f"  there are more problems; look at them too with --limit {10 * limit}")
        if bare:
            click.echo(f"  {len(bare)} more have no gold; their metadata decides")
        print_costs(pool.costs())
        for row in failed[:SHOWN]:
            click.echo(f"  row {row['row']} ({row['id']}): {row['outcome']}, {row['reason']}")
        if len(failed) > SHOWN:
            click.echo(f"  and {len(failed) - SHOWN} more; --json has them all")
    if failed:
        click.get_current_context().exit(1)
