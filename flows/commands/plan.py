"""``factory plan``: what a run would cost, from a small beginning of that very run."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import (
    data_option,
    json_option,
    plain_table,
    print_json,
    print_table,
)
from flows.commands.run import recipe_options, settings_of
from flows.pace import clock
from rsfactory.words import counted

if TYPE_CHECKING:
    from flows.plan import Planned
    from generators.pilot import Range

EPILOG = """Example: factory plan collect --teacher openai:MODEL --problems FILE

\b
factory plan star --rounds 3
factory plan collect --teacher openai:MODEL --problems FILE --pilot 64 --budget 200ktok
It takes the flags of factory run. The pilot is the beginning of that run, which asks for the rest.
Money needs prices: --set endpoint.price_prompt=0.15 --set endpoint.price_completion=0.6"""


@click.command("plan", epilog=EPILOG)
@recipe_options
@click.option("--pilot", type=click.IntRange(min=2), default=32, show_default=True,
              help="Problems of round 1 that are really asked.")  # fmt: skip
@data_option
@json_option
def command(
    recipe: str,
    columns: tuple[str, ...],
    seed: int,
    name: str | None,
    changes: tuple[str, ...],
    pilot: int,
    data: Path,
    as_json: bool,
    **flags: Any,
) -> None:
    """Say what a run would cost: requests, tokens, money and time, each with its range.

    A few problems are really asked, into the folder of the run that the same flags make.
    """
    from flows.progress import make_reporter
    from rsfactory.recipe import load

    resolved = load(recipe, settings_of(recipe, flags, columns, changes))
    reporter = make_reporter(json=as_json, terminal=sys.stderr.isatty(), trains=False)
    with contextlib.closing(reporter), contextlib.redirect_stdout(sys.stderr):
        asked = counted(pilot, "problems")
        reporter.note(f"factory plan {resolved.name}: pilot of up to {asked}, seed {seed}")
        from flows.plan import run_plan

        made = run_plan(resolved, seed=seed, data=data, name=name, reporter=reporter, pilot=pilot)
    if as_json:
        print_json(made.to_json())
    else:
        show(made)


def show(made: "Planned") -> None:
    """Prints a plan for people."""
    each = counted(made.problems, "problems")
    rounds = made.recipe.rounds if made.recipe.flow == "star" else 1
    whole = f"{each} in each of {counted(rounds, 'rounds')}" if rounds > 1 else each
    click.echo(f"plan of run {made.run}: {whole}, up to "
               f"{counted(made.recipe.sample.num_samples, 'samples')} of each")  # fmt: skip
    asked = counted(len(made.pilot.problems), "problems")
    answers = counted(made.candidates, "candidates")
    click.echo(f"pilot: {asked}, {answers}, {made.correct} correct; the run begins with them")
    _print_costs(made)
    _print_time(made)
    for sentence in made.told:
        click.echo(sentence)
    if made.plan.money is None:
        click.echo("money: not known; set endpoint.price_prompt and endpoint.price_completion "
                   "(USD for a million tokens)")  # fmt: skip
    if made.budget:
        click.echo(made.budget)
    click.echo("next: the same flags with factory run")


def _print_costs(made: "Planned") -> None:
    plan = made.plan
    table = plain_table(
        ("", "low", "mid", "high", "so far"), right=("low", "mid", "high", "so far")
    )
    spent = made.spent
    rows: list[tuple[str, Range, str]] = [
        ("requests", plan.requests, f"{spent.requests:,}"),
        ("tokens of prompts", plan.prompt_tokens, f"{spent.prompt_tokens:,}"),
        ("tokens of completions", plan.completion_tokens, f"{spent.completion_tokens:,}"),
        ("tokens in all", plan.tokens, f"{spent.tokens:,}"),
        ("problems solved", plan.solved, ""),
    ]
    for name, amount, there in rows:
        table.add_row(name, *(f"{value:,.0f}" for value in amount), there)
    if plan.money is not None:
        cost = "" if made.cost is None else f"{made.cost:,.2f}"
        table.add_row("money (USD)", *(f"{value:,.2f}" for value in plan.money), cost)
    table.add_row("time", *map(clock, made.seconds), clock(spent.seconds))
    print_table(table)


def _print_time(made: "Planned") -> None:
    """What the time is made of, without what takes no second."""
    for part in (part for part in made.parts if part.seconds.high >= 1):
        low, mid, high = map(clock, part.seconds)
        click.echo(f"time for {part.name}: {mid} ({low} to {high}), {part.how}")
