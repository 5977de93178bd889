"""``factory run``: runs a recipe, or continues the run it already has."""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import F, data_option, json_option, map_option, mapping, print_json
from rsfactory.errors import FactoryError, InputError
from rsfactory.words import counted

if TYPE_CHECKING:
    from flows.result import RunResult

EPILOG = """Example: factory run star --rounds 3

\b
factory run star --problems train.jsonl --rounds 1 --limit 32
factory run star --problems FILE.csv --map problem=question --map answer=gold
factory run star --set sample.num_samples=4 --seed 1
factory run collect --teacher openai:MODEL --problems FILE --budget 2Mtok
factory run collect --teacher openai:MODEL@http://localhost:8000/v1 --problems FILE
The key of openai: is read from OPENAI_API_KEY, the address from OPENAI_BASE_URL or after @.
All settings of --set are in docs/recipes.md; data step by step is docs/collect.md.
Without a Hub: give files, and --model FOLDER (or the embedded model)."""


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--rounds", type=int, help="Rounds of the run in all; more adds rounds."),
    click.option("--model", help="The student: embedded, a folder, or a Hub id."),
    click.option("--teacher", help="Who answers: student, openai:MODEL[@URL], vllm:MODEL, "
                 "local:MODEL, dataset:FILE, scripted."),
    click.option("--problems", metavar="SRC", help="gym:FAMILY (generated), a file (JSONL, CSV, "
                 "Parquet), or a Hub id."),
    map_option,
    click.option("--held-out", metavar="SRC",
                 help="Held-out problems; by default from --problems."),
    click.option("--limit", type=int, help="At most so many training problems in the whole run."),
    click.option("--budget", metavar="B", help="What the run may cost: 20USD, 5Mtok, 2h."),
    click.option("--reuse", multiple=True, metavar="RUN", help="Take over another run's answers."),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option("--run", "name", metavar="NAME", help="Name of the run's folder."),
    click.option("--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE",
                 help="Change one value of the recipe."),
)  # fmt: skip
"""The flags that decide what a run asks, shared by all commands that make one."""


def recipe_options(command: F) -> F:
    """``RECIPE`` and `OPTIONS`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return click.argument("recipe")(command)


@click.command("run", epilog=EPILOG)
@recipe_options
@click.option("--prefect", is_flag=True, help="Run as a Prefect flow (as with PREFECT_API_URL).")
@data_option
@json_option
def command(
    recipe: str,
    columns: tuple[str, ...],
    seed: int,
    name: str | None,
    changes: tuple[str, ...],
    prefect: bool,
    data: Path,
    as_json: bool,
    **flags: Any,
) -> None:
    """Run a recipe, or continue its run.

    RECIPE is star (trains a student round by round), collect (data only) or your own TOML file.
    What is done is kept: the same command again continues where it stopped.
    """
    from flows.progress import make_reporter
    from rsfactory.recipe import load

    began = time.monotonic()
    settings = settings_of(recipe, flags, columns, changes)
    resolved = load(recipe, settings)
    terminal = sys.stderr.isatty()
    trains = resolved.flow == "star"
    rounds = f"{counted(resolved.rounds, 'rounds')}, " if trains else ""
    reporter = make_reporter(json=as_json, terminal=terminal, rounds=resolved.rounds, trains=trains)
    with contextlib.closing(reporter), contextlib.redirect_stdout(sys.stderr):
        reporter.note(f"factory run {resolved.name}: {rounds}seed {seed}")
        from flows import tasks  # after the first line, since the parts take a moment to load

        ended: FactoryError | None = None
        try:
            result = _flow(resolved.flow)(
                resolved, seed=seed, data=data, name=name, reporter=reporter,
                prefect=prefect or tasks.wanted(),
            )  # fmt: skip
        except FactoryError as error:
            if error.result is None:
                raise
            result, ended = error.result, error
    if not as_json:
        from flows.commands.summary import print_summary

        print_summary(result, data, time.monotonic() - began)
    elif ended is None:
        print_json(result.to_json())
    if ended is not None:  # its words come last, its result goes into the document of `main`
        raise ended


def _flow(name: str) -> "Callable[..., RunResult]":
    """The flow that a recipe names."""
    if name == "collect":
        from flows.collect import run_collect

        return run_collect
    from flows.star import run_star

    return run_star


def settings_of(
    recipe: str, flags: dict[str, Any], columns: Sequence[str], changes: Sequence[str]
) -> dict[str, Any]:
    """Recipe settings that the flags stand for; ``--set`` comes last and wins.

    Raises:
        InputError: A ``--map`` or ``--set`` has no ``=``.
    """
    from rsfactory.recipe import parse_setting

    given = {
        "rounds": flags["rounds"],
        "model.student": flags["model"],
        "sample.teacher": flags["teacher"],
        "problems.source": flags["problems"],
        "problems.held_out": flags["held_out"],
        "problems.limit": flags["limit"],
        "budget": flags["budget"],
        "sample.reuse": list(flags["reuse"]) or None,
    }
    settings = {key: value for key, value in given.items() if value is not None}
    teacher = flags["teacher"] or ""
    if teacher.startswith("dataset:") and flags["problems"] is None:
        settings["problems.source"] = teacher  # the golds that the traces carry
        flags = {**flags, "problems": teacher}
    changed = dict(parse_setting(text) for text in changes)
    if flags["problems"] is not None and flags["problems"] != _own_source(recipe, changed):
        settings["problems.params"] = {}  # those of a generated family fit no other source
    if columns:
        settings["problems.columns"] = dict(mapping(text) for text in columns)
    return {**settings, **changed}


def _own_source(recipe: str, changed: dict[str, Any]) -> str | None:
    """The recipe's own source, None where it has none."""
    from rsfactory.recipe import load

    with contextlib.suppress(InputError):
        return load(recipe, changed).problems.source
    return None
