"""``factory report``: a run's report.html, written again."""

from pathlib import Path

import click

from flows.commands.common import data_option, find_run, json_option, print_json, recipe_of


@click.command("report", epilog="Example: factory report RUN --out report.html")
@click.argument("run")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default in the run's folder.",
)
@data_option
@json_option
def command(run: str, out: Path | None, data: Path, as_json: bool) -> None:
    """Write a run's report as one HTML page."""
    from flows.report import write_report

    store = find_run(data, run)
    recipe_of(store)
    place = out or store.folder / "report.html"
    write_report(store, place)
    if as_json:
        print_json({"run": store.folder.name, "report": str(place)})
    else:
        click.echo(str(place))
