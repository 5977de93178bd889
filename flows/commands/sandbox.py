"""``factory sandbox``: one program, run as a candidate's program would be."""

import sys
from pathlib import Path

import click

from flows.commands.common import json_option, print_json


@click.command("sandbox", epilog="Example: factory sandbox program.py --cpu 2 < input.txt")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--cpu", type=click.FloatRange(min=0.1), help="CPU seconds.")
@click.option("--wall", type=click.FloatRange(min=0.1), help="Wall seconds.")
@click.option("--memory", type=click.IntRange(min=32), help="MiB of memory.")
@click.option("--weak", is_flag=True, help="Without isolation, at your own risk.")
@json_option
def command(
    file: Path,
    cpu: float | None,
    wall: float | None,
    memory: int | None,
    weak: bool,
    as_json: bool,
) -> None:
    """Run a Python program in the sandbox.

    What comes in on standard input is its input. A program that fails is a result (exit code 0
    here, its own under "exit"); exit code 1 means that the sandbox itself is missing or failed.
    """
    from filters.sandbox.limits import Limits
    from filters.sandbox.run import Sandbox
    from rsfactory.errors import InputError

    try:
        source = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    given = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    usual = Limits()
    limits = Limits(
        cpu=cpu or usual.cpu,
        wall=wall or max(usual.wall, 3 * (cpu or 0)),
        memory=memory << 20 if memory else usual.memory,
    )
    with Sandbox(limits, weak=weak) as sandbox:
        ran = sandbox.run(source, given)
    if as_json:
        print_json(
            {
                "exit": ran.exit, "stdout": ran.stdout, "stderr": ran.stderr,
                "seconds": round(ran.seconds, 4), "isolation": ran.isolation,
                "killed_by": ran.killed_by,
            }
        )  # fmt: skip
        return
    click.echo(ran.stdout, nl=False)
    click.echo(ran.stderr, nl=False, err=True)
    end = f"over the {ran.killed_by} limit" if ran.killed_by else f"exit {ran.exit}"
    click.echo(f"{end}, {ran.seconds:.2f} s, isolation {ran.isolation}", err=True)
