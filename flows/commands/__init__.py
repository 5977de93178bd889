"""The console script ``factory``: one small file a command, loaded when it is named.

Exit codes: 0 done, 1 the work failed, 2 wrong input, 3 stopped. With ``--json`` one
JSON document is on standard output, also for an error; all else goes to standard error.
"""

import contextlib
import importlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from rsfactory import __version__
from rsfactory.errors import FactoryError, Stopped

COMMANDS = {
    "run": "run",
    "plan": "plan",
    "status": "status",
    "report": "report",
    "why": "why",
    "sql": "sql",
    "ask": "ask",
    "export-data": "export_data",
    "verify": "verify",
    "validate": "validate",
    "audit": "audit",
    "sandbox": "sandbox",
    "rm": "rm",
    "doctor": "doctor",
    "install": "install",
}
"""Command -> module in this folder; each module has one ``command``."""
CONTINUE = ("run", "plan", "verify")
"""Commands that go on where they were stopped; all others but ``rm`` write at their end."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named (all of them for ``--help``)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"flows.commands.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, with a suggestion for an unknown word."""
        word = args[0]
        if word not in COMMANDS and not word.startswith("-"):
            raise click.exceptions.NoSuchCommand(word, possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One example a command."""
        with formatter.section("Examples"):
            for name in COMMANDS:
                command = self.get_command(ctx, name)
                epilog = (command and command.epilog) or ""
                formatter.write_text(epilog.removeprefix("Example: ").partition("\n")[0])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="factory")
def cli() -> None:
    """A rejection-sampling factory: sample, verify, select, train, evaluate, and again."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.pop("FACTORY_SANDBOX", None)  # a recipe says it, not the shell
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = cli.main(words, prog_name="factory", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        fail(_usage_words(error), error.exit_code, words)
    except (click.Abort, KeyboardInterrupt):
        fail(_stopped(words), Stopped.exit_code, words)
    except FactoryError as error:
        more = {} if error.result is None else error.result.to_json()
        fail(str(error), error.exit_code, words, more)
    except Exception as error:  # a fault of ours: the traceback is shown, and JSON stays JSON
        if _interrupted(error):
            fail(_stopped(words), Stopped.exit_code, words)
        if "--json" in words:
            print(json.dumps({"error": f"{type(error).__name__}: {error}", "exit": 1}))
        raise


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error came of a second signal: it breaks a lock that the first one's end holds."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _stopped(words: Sequence[str]) -> str:
    """What is left of the work of a stopped command."""
    name = words[0] if words else ""
    if name in CONTINUE:
        again = shlex.join(["factory", *words])
        return f"stopped; nothing is lost; run the same command to continue: {again}"
    return "stopped" if name == "rm" else "stopped; nothing was written"


def fail(
    text: str, code: int, words: Sequence[str], more: Mapping[str, Any] | None = None
) -> NoReturn:
    """Prints an error where it belongs, with what a run came to nevertheless, and exits."""
    click.echo(text if code == Stopped.exit_code else f"error: {text}", err=True)
    if "--json" in words:
        click.echo(json.dumps({"error": text, "exit": code, **(more or {})}))
    sys.exit(code)


def _usage_words(error: click.ClickException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and (setting := _setting(error.option_name)):
        text += f" It is a setting of the recipe: --set {setting}=VALUE"
    return f"{text}\nsee: {context.command_path} --help" if context is not None else text


def _setting(option: str) -> str | None:
    """The setting that somebody took for an option, e.g. ``--num-samples``."""
    from rsfactory.recipe import flatten, load

    word = option.lstrip("-").replace("-", "_")
    return next((key for key in flatten(load("star")) if key.endswith(f".{word}")), None)
