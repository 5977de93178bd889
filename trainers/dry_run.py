"""A trainer that trains nothing and says so: the new checkpoint is the old one.

For smoke tests, demos and the docs; no figure that comes from it is about training. A checkpoint's
key is the hash of its weights, so the new checkpoint has its parent's key: nothing was learnt.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.ids import file_hash

MARKER = "dry_run.json"
"""Left where the base has no weights (a scripted teacher needs none), so that content differs."""


class DryRunTrainer:
    """Takes over the base's weights unchanged, in no steps."""

    name = "dry-run"

    def train(
        self, job: TrainingJob, log: Path, progress: Callable[[int, int], None]
    ) -> TrainingResult:
        """Fills the output folder with the base's files, hard-linked where the disk allows it.

        A base without weights gives a folder with one small JSON file instead. ``steps`` is 0,
        and ``progress`` is never called.
        """
        base, output = Path(job.base), Path(job.output)
        output.mkdir(parents=True, exist_ok=True)
        if any(base.glob("*.safetensors")):
            for file in sorted(base.iterdir()):
                if file.is_file():
                    _link(file, output / file.name)
        else:
            _mark(base, output, Path(job.rows))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as lines:
            lines.write(f"dry-run: nothing was trained; {output} is {base} unchanged\n")
        return TrainingResult(rows=0, steps=0, metrics={"dry_run": 1.0})


def _mark(base: Path, output: Path, rows: Path) -> None:
    before = base / MARKER
    content = {
        "trainer": DryRunTrainer.name,
        "rows": file_hash(rows),
        "base": file_hash(before) if before.exists() else None,
    }
    (output / MARKER).write_text(json.dumps(content, indent=2) + "\n")


def _link(file: Path, place: Path) -> None:
    try:
        os.link(file.resolve(), place)  # in a Hub cache the files are links to blobs
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(file, place)
