"""``factory rm``: removes runs."""

import shutil
import sys
from pathlib import Path

import click

from flows.commands.common import data_option, find_run, json_option, print_json, size_words
from rsfactory.errors import InputError, StoreError


@click.command("rm", epilog="Example: factory rm RUN --yes")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def command(runs: tuple[str, ...], yes: bool, data: Path, as_json: bool) -> None:
    """Remove runs, rows and checkpoints.

    A run that a process holds is refused.
    """
    from rsfactory.store import Store

    folders = list(dict.fromkeys(_exact(data, run) for run in runs))
    sizes = {folder: Store(folder).size() for folder in folders}
    if not yes and not _confirmed(sizes):
        folders = []
    for folder in folders:
        _remove(folder)
    freed = sum(sizes[folder] for folder in folders)
    names = [folder.name for folder in folders]
    if as_json:
        print_json({"removed": names, "bytes": freed})
    elif names:
        click.echo(f"removed {', '.join(names)}, {size_words(freed)} freed")
    else:
        click.echo("nothing was removed")


def _exact(data: Path, run: str) -> Path:
    """The folder of a run named in full: removing takes no beginnings of names."""
    folder = find_run(data, run).folder
    if folder.name != run:
        raise InputError(f"to remove a run give its whole name: {folder.name}, got {run}")
    return folder


def _confirmed(sizes: dict[Path, int]) -> bool:
    for folder, size in sizes.items():
        click.echo(f"{folder} ({size_words(size)})", err=True)
    try:
        return click.confirm("remove for good?", err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise InputError("nobody is there to confirm; nothing was removed; give --yes") from None


def _remove(folder: Path) -> None:
    """Renames the folder away while its lock is held, so that no run is ever half there."""
    from rsfactory.store import Store

    away = folder.with_name(f".removing-{folder.name}")
    try:
        with Store(folder).lock():
            shutil.rmtree(away, ignore_errors=True)
            folder.rename(away)
        shutil.rmtree(away)
    except OSError as error:
        raise StoreError(f"{folder} cannot be removed: {error}") from error
