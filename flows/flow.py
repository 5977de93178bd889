"""How every flow begins: the server is looked for, the run is opened, Prefect is told."""

from collections.abc import Callable
from pathlib import Path

from flows import tasks
from flows.context import Run
from flows.opening import open_run
from flows.progress import Reporter
from flows.result import RunResult
from rsfactory.recipe import Recipe


def run_flow(
    body: Callable[[Run], RunResult],
    recipe: Recipe,
    *,
    seed: int,
    data: Path,
    name: str | None,
    reporter: Reporter,
    prefect: bool,
) -> RunResult:
    """Runs or continues a recipe, as a Prefect flow where asked; returns what came out.

    Raises:
        FactoryError: See `rsfactory.errors`; whatever was finished is kept.
    """
    if prefect:
        tasks.check_server()
    with open_run(recipe, seed=seed, data=data, name=name, reporter=reporter) as run:
        if prefect:
            shown = {"recipe": recipe.model_dump(mode="json"), "seed": seed, "run": run.name}
            return tasks.as_flow(recipe.name, run.name, shown, lambda: body(run))
        return body(run)
