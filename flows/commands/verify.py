"""``factory verify``: old candidates judged again by a verifier that changed."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.commands.common import counting, data_option, find_run, json_option, print_json
from rsfactory.errors import InputError

if TYPE_CHECKING:
    from rsfactory.store import Store

SHOWN = 10
"""Flipped candidates that are printed."""


@click.command("verify", epilog="Example: factory verify RUN --verifier math")
@click.argument("run")
@click.option("--verifier", required=True, metavar="NAME[@VERSION]",
              help="Who judges; the version is the installed one.")  # fmt: skip
@data_option
@json_option
def command(run: str, verifier: str, data: Path, as_json: bool) -> None:
    """Judge a run's candidates again and say which outcomes flipped.

    Selections and reports of rounds that ended stay as they are.
    """
    from flows.reverify import verify_again, wanted

    store = find_run(data, run)
    _check_used(store, wanted(verifier)[0])
    with ExitStack() as shown:

        def begin(total: int) -> Callable[[], None]:
            return shown.enter_context(counting("verdicts", total))

        again = verify_again(store, verifier, begin)
    if as_json:
        flipped = [
            {"candidate_id": f.candidate_id, "from": f.before.value, "to": f.after.value}
            for f in again.flipped
        ]
        print_json({"candidates": again.candidates, "flipped": flipped})
        return
    click.echo(
        f"{again.verifier}@{again.version}: {again.candidates} candidates, "
        f"{len(again.flipped)} flipped"
    )
    for flip in again.flipped[:SHOWN]:
        click.echo(f"  {flip.candidate_id}: {flip.before} -> {flip.after}, {flip.reason}")
    if len(again.flipped) > SHOWN:
        click.echo(f"  and {len(again.flipped) - SHOWN} more; --json has them all")


def _check_used(store: "Store", verifier: str) -> None:
    """Looks whether a verifier decides any problem that the run has candidates of.

    Raises:
        InputError: It does not; the message says which do.
    """
    from rsfactory.store import PROBLEMS

    used = {p.verifier for p in store.read(PROBLEMS) if p.split != "held_out"}
    if verifier not in used:
        there = f"they are decided by {', '.join(sorted(used))}" if used else "it has none yet"
        raise InputError(
            f"expected a verifier that decides problems of run {store.folder.name}, got "
            f"{verifier}; {there}"
        )
