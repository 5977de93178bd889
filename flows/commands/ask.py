"""``factory ask``: one question to a run's newest checkpoint, or to any checkpoint's folder."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.commands.common import data_option, find_run, json_option, print_json, recipe_of
from rsfactory.errors import InputError

if TYPE_CHECKING:
    from rsfactory.contracts import Message
    from rsfactory.records import Checkpoint
    from rsfactory.store import Store

STAGES = ("base", "cold_start", "sft", "grpo")
"""Stages of a checkpoint in the order they are made within a round."""


@click.command("ask", epilog='Example: factory ask RUN "What is 4 + 8 + 15 + 16 + 23?"')
@click.argument("run", metavar="RUN-or-CHECKPOINT")
@click.argument("question")
@click.option("--plain", is_flag=True, help="Ask as is, without the run's prompt template.")
@click.option("--max-tokens", type=click.IntRange(1), help="Length limit of the answer.")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True)
@data_option
@json_option
def command(
    run: str,
    question: str,
    plain: bool,
    max_tokens: int | None,
    temperature: float,
    data: Path,
    as_json: bool,
) -> None:
    """Ask the newest checkpoint of a run."""
    folder, store = find_model(data, run)
    messages = _messages(None if plain else store, question)
    limit = max_tokens or _limit(store)
    click.echo(f"asking {folder} ...", err=True)
    pieces = []
    for piece in _stream(folder, messages, limit, temperature):
        pieces.append(piece)
        if not as_json:
            click.echo(piece, nl=False)
            sys.stdout.flush()
    if as_json:
        document = {"checkpoint": str(folder), "question": question, "answer": "".join(pieces)}
        print_json(document)
    else:
        click.echo()


def _stream(
    folder: Path, messages: "tuple[Message, ...]", max_tokens: int, temperature: float
) -> Iterator[str]:
    from generators.teachers.local import stream

    log = Path(tempfile.mkdtemp(prefix="factory-")) / "ask.log"  # stays after an error, to be read
    yield from stream(folder, messages, log=log, max_tokens=max_tokens, temperature=temperature)
    shutil.rmtree(log.parent)


def find_model(data: Path, name: str) -> "tuple[Path, Store | None]":
    """A checkpoint's folder, and the run it belongs to where it was found through one.

    Raises:
        InputError: The name is neither a run with a checkpoint on disk nor a checkpoint's folder.
    """
    if (Path(name) / "config.json").is_file():
        return Path(name), None
    try:
        store = find_run(data, name)
    except InputError as error:
        raise InputError(f"{error}; or give a checkpoint's folder (with a config.json)") from error
    checkpoint = newest_checkpoint(store)
    if checkpoint is None and recipe_of(store)["flow"] == "collect":
        raise InputError(
            f"run {store.folder.name} trains nothing, so it has no model to ask; what its teacher "
            f"answered: factory why {store.folder.name} 0"
        )
    if checkpoint is None:
        raise InputError(
            f"run {store.folder.name} has no checkpoint on disk that can be asked: it has not come "
            "to one yet, its weights were removed, or a fake (scripted, dry-run) stands in for them"
        )
    return store.folder / checkpoint.path, store


def newest_checkpoint(store: "Store") -> "Checkpoint | None":
    """The checkpoint made last among those whose weights are on disk."""
    from rsfactory.store import CHECKPOINTS

    made = store.read(CHECKPOINTS)
    there = [c for c in made if any((store.folder / c.path).glob("*.safetensors"))]
    return max(there, key=lambda c: (c.round, STAGES.index(c.stage)), default=None)


def _messages(store: "Store | None", question: str) -> "tuple[Message, ...]":
    """The question in the run's own prompt template, or as it is without a run."""
    from rsfactory.chat import messages
    from rsfactory.contracts import Message
    from rsfactory.store import PROMPTS

    if store is not None:
        for prompt in store.read(PROMPTS):
            if "{answer}" not in prompt.text:
                return messages(prompt, question)
    return (Message("user", question),)


def _limit(store: "Store | None") -> int:
    if store is None:
        return 256
    recipe: dict[str, Any] = recipe_of(store)
    return int(recipe["sample"]["max_tokens"] or 256)
