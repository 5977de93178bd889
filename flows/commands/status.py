"""``factory status``: the runs of a data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import (
    data_option,
    data_words,
    json_option,
    plain_table,
    print_json,
    print_table,
    run_names,
    runs_folder,
    size_words,
)  # fmt: skip

if TYPE_CHECKING:
    from rsfactory.store import Store


@click.command("status", epilog="Example: factory status")
@data_option
@json_option
def command(data: Path, as_json: bool) -> None:
    """List runs: state, round, accuracy, selected candidates, size on disk."""
    from rsfactory.store import Store

    runs = [describe(Store(runs_folder(data) / name)) for name in run_names(data)]
    if as_json:
        print_json({"runs": runs})
        return
    if not runs:
        click.echo(f"no runs in {runs_folder(data)}; try: factory run star{data_words(data)}")
        return
    right = ("round", "accuracy", "selected", "size")
    table = plain_table(("run", "recipe", "state", *right), right=right)
    for run in runs:
        accuracy = "" if run["accuracy"] is None else f"{run['accuracy']:.3f}"
        done = f"{run['round']}/{run['rounds']}"
        size = size_words(run["bytes"])
        selected = str(run["selected"])
        table.add_row(run["run"], run["recipe"] or "", run["state"], done, accuracy, selected, size)
    print_table(table)


def describe(store: "Store") -> dict[str, Any]:
    """One run as ``--json`` shows it.

    ``state`` is ``running`` (a process holds it), ``done``, ``stopped`` (the same command
    continues it), ``planned`` (only its pilot was asked), ``empty`` (nothing was begun) or
    ``damaged`` (a file cannot be read). ``round`` is the last finished one, ``accuracy`` that of
    the newest evaluation, None before the first, and ``selected`` counts over all finished rounds.
    """
    from flows.result import newest_reports
    from rsfactory.errors import StoreError
    from rsfactory.store import EVALUATIONS

    known: dict[str, Any] = {"run": store.folder.name, "bytes": store.size()}
    nothing = {"recipe": None, "round": 0, "rounds": 0, "accuracy": None, "selected": 0}
    damaged = {**nothing, "state": "damaged"}
    running = store.locked()
    try:
        described = store.described()
    except StoreError:
        return {**known, **damaged}
    if described is None:
        state = "running" if running else "empty"
        return {**nothing, **known, "state": state}
    recipe = described["recipe"]
    known |= {"recipe": recipe["name"], "rounds": recipe["rounds"]}
    try:
        reports = newest_reports(store)
        evaluations = store.read(EVALUATIONS)
    except StoreError:
        return {**damaged, **known}
    order = {"base": -1, "start": 0}
    newest = max(evaluations, key=lambda e: order.get(e.stage, e.round), default=None)
    last = reports[-1] if reports else None
    ended = last is not None and (last.round >= recipe["rounds"] or last.gate.value == "stop")
    done = ended and not (last and last.stopped)
    left = "planned" if described.get("planned") else "stopped"
    state = "running" if running else "done" if done else left
    accuracy = last.accuracy if last else newest.accuracy if newest else None
    return {
        **known, "state": state, "round": last.round if last else 0, "accuracy": accuracy,
        "selected": sum(report.selected for report in reports),
    }  # fmt: skip
