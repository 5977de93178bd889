"""``factory export-data``: the selected rows of a run as one file."""

from pathlib import Path

import click

from flows.commands.common import data_option, find_run, json_option, print_json, recipe_of
from rsfactory.errors import InputError

FORMATS = (".jsonl", ".parquet")


EPILOG = """Example: factory export-data RUN --out rows.jsonl

\b
factory export-data RUN --out sft.jsonl --chat
With --chat, TRL's SFTTrainer takes load_dataset("json", data_files="sft.jsonl") as it is."""


@click.command("export-data", epilog=EPILOG)
@click.argument("run")
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".jsonl or .parquet")
@click.option("--chat", is_flag=True, help="Prompt and completion as lists of messages, "
              "reasoning in think tags: for training with a chat template.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing file.")
@data_option
@json_option
def command(run: str, out: Path, chat: bool, force: bool, data: Path, as_json: bool) -> None:
    """Write the selected rows to a file.

    Each has its prompt, its completion and where it came from.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"expected --out with one of {', '.join(FORMATS)}, got {out}")
    if out.is_dir():
        raise InputError(f"{out} is a folder; give a file's name")
    if out.exists() and not force:
        raise InputError(f"{out} exists; give another name, or --force to replace it")
    store = find_run(data, run)
    recipe_of(store)
    from flows.export import write_selected

    rows = write_selected(store, [out], chat=chat)
    if as_json:
        print_json({"run": store.folder.name, "rows": rows, "out": str(out)})
    else:
        click.echo(f"{rows} rows in {out}")
