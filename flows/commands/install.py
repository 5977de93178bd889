"""``factory install vllm``: vLLM into the environment that ``factory`` runs in."""

import time

import click

from flows.commands.common import json_option, print_json


@click.command("install", epilog="Example: factory install vllm")
@click.argument("what", metavar="vllm", type=click.Choice(["vllm"]))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
def command(what: str, dry_run: bool, as_json: bool) -> None:
    """Install vLLM for teachers called vllm:MODEL.

    The build for NVIDIA GPUs where there is one, else the one for the CPU (2.2 GB on disk), within
    the versions that the factory needs. Safe to repeat.
    """
    from generators.teachers.vllm import build
    from generators.teachers.vllm.install import distribution, install

    began = time.monotonic()
    steps = install(dry_run=dry_run)
    found = build.installed()
    name = found.name if found else distribution()
    version = found.version if found else build.VERSION
    if as_json:
        seconds = round(time.monotonic() - began, 1)
        shown = {"package": name, "version": version, "steps": steps, "done": not dry_run}
        print_json({**shown, "seconds": seconds})
    elif dry_run:
        click.echo("\n".join(steps) if steps else "nothing to do")
    else:
        verb = "is installed" if steps else "is there already"
        click.echo(f"{name} {version} {verb}; use it as: --teacher vllm:MODEL")
