"""What the stages of one run share: its store, recipe, problems, teachers and verifiers.

`open_run` is the only way in: it names the run, takes its lock, refuses a changed recipe, and
closes every child process on the way out, whatever happened.
"""

import contextlib
import importlib.metadata
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filters.verify.pool import VerifierPool
from flows import tasks, teachers
from flows.progress import Reporter
from generators.problems import ProblemSet, open_source
from generators.prompts import length
from rsfactory import __version__
from rsfactory.contracts import Teacher
from rsfactory.errors import InputError
from rsfactory.ids import content_id
from rsfactory.recipe import Recipe, flatten, merge, parse, run_name
from rsfactory.records import Checkpoint
from rsfactory.store import PROBLEMS, Store, need_disk

RECORDED = ("torch", "transformers", "trl", "polars", "duckdb", "math-verify", "reasoning-gym")
"""Packages whose versions a run records."""


@dataclass
class Run:
    """One run in progress."""

    name: str
    recipe: Recipe
    seed: int
    store: Store
    reporter: Reporter
    source: ProblemSet
    held_out_source: ProblemSet | None
    verifiers: VerifierPool
    _teacher: Teacher | None = field(default=None, repr=False)
    _teacher_key: str | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def stage(self, round: int, name: str, total: int, unit: str) -> Iterator[None]:
        """Shows a stage and adds its seconds to the journal, also when it is interrupted."""
        self.reporter.stage(round, name, total, unit)
        tasks.log(f"round {round}: {name}, {total} {unit}")
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = round_seconds(began)
            with contextlib.suppress(Exception):  # a full disk must not hide the first error
                self.store.journal(round=round, stage=name, seconds=seconds)

    def teacher(self, checkpoint: Checkpoint, *, asked: str | None = None) -> Teacher:
        """The teacher for a checkpoint; the last one asked for stays open until `release`.

        Args:
            checkpoint: Whose weights answer, where the teacher is the student.
            asked: ``student`` asks the student whoever the recipe's teacher is (evaluation).
        """
        name = asked or self.recipe.sample.teacher
        of_student = name == "student"
        key = checkpoint.id if of_student else name
        if self._teacher is None or self._teacher_key != key:
            self.release()
            log = self.log_file("sampling")
            if of_student:
                folder, words = self.folder_of(checkpoint), self.recipe.model.student
                self._teacher = teachers.student(words, checkpoint, folder, log)
            else:
                self._teacher = teachers.teacher(name, log)
            self._teacher_key = key
        teachers.teach(self._teacher, self.store.read(PROBLEMS))
        return self._teacher

    def release(self) -> None:
        """Closes the open teacher, so that its memory is free for training."""
        if self._teacher is not None:
            self._teacher.close()
            self._teacher = None

    def max_tokens(self) -> int:
        """Length limit of a sampled completion: the recipe's, or else the template's."""
        section = self.recipe.sample
        return section.max_tokens or length(section.template, next(self.source.problems()))

    def log_file(self, name: str) -> Path:
        """Where a child process of this run writes what its libraries print."""
        return self.store.folder / "logs" / f"{name}.log"

    def folder_of(self, checkpoint: Checkpoint) -> Path:
        """The folder of a checkpoint's weights."""
        return self.store.folder / checkpoint.path


def round_seconds(began: float) -> float:
    """Seconds since ``began`` (monotonic), rounded as the journal keeps them."""
    return round(time.monotonic() - began, 3)


@contextlib.contextmanager
def open_run(
    recipe: Recipe, *, seed: int, data: Path, name: str | None, reporter: Reporter
) -> Iterator[Run]:
    """Opens a new run or continues the one of that name; holds its lock until the block ends.

    Raises:
        InputError: The problems or the name are wrong.
        RecipeChanged: The run on disk was made with another recipe.
        RunLocked: Another process holds the run.
        StoreError: The data folder cannot be written, or the disk has no room.
    """
    named = name or run_name(recipe, seed)
    if not named.replace("-", "").replace("_", "").replace(".", "").isalnum() or named[0] == ".":
        raise InputError(f"a run's name is letters, digits, '-', '_' and '.', got {named!r}")
    store = Store(data / "runs" / named)
    source, held_out = _sources(recipe, seed)  # wrong input is found before anything is written
    need_disk(store.folder, _disk_needed(recipe), "a run")
    with store.lock(), VerifierPool() as verifiers:
        recipe = _continue(store, named, recipe, seed, source)
        run = Run(named, recipe, seed, store, reporter, source, held_out, verifiers)
        try:
            yield run
        finally:
            run.release()


def _sources(recipe: Recipe, seed: int) -> tuple[ProblemSet, ProblemSet | None]:
    section = recipe.problems
    source = open_source(
        section.source, params=section.params, columns=section.columns,
        verifier=section.verifier, seed=seed, limit=section.limit,
        purpose="both" if section.held_out is None else "train",
    )  # fmt: skip
    if section.held_out is None:
        return source, None
    other = open_source(
        section.held_out, params={}, columns=section.columns,
        verifier=section.verifier, seed=seed, limit=None, purpose="held_out",
    )  # fmt: skip
    return source, other


def _continue(store: Store, name: str, recipe: Recipe, seed: int, source: ProblemSet) -> Recipe:
    """Writes run.json for a new run, or checks the recipe against the one of the run on disk."""
    on_disk = store.read_json("run.json")
    fingerprint = source.fingerprint()
    if on_disk is not None:
        if on_disk["seed"] != seed:
            raise InputError(
                f"run {name} was made with --seed {on_disk['seed']}, got --seed {seed}; "
                "give that seed, or start another run with --run NAME"
            )
        if on_disk["problems"] != fingerprint:
            raise InputError(
                f"the problems of {source.name} changed since run {name} was made; "
                "restore the file, or start another run with --run NAME"
            )
        recipe = merge(parse(on_disk["recipe"], name), recipe, name)
        if flatten(recipe) == flatten(parse(on_disk["recipe"], name)):
            return recipe
    store.write_json("run.json", _describe(name, recipe, seed, fingerprint, on_disk))
    return recipe


def _describe(
    name: str, recipe: Recipe, seed: int, fingerprint: str, before: dict[str, Any] | None
) -> dict[str, Any]:
    versions = {"rsfactory": __version__, "python": platform.python_version()}
    for package in RECORDED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    created = before["created"] if before else time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return {
        "run": name,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "problems": fingerprint,
        "versions": versions,
        "created": created,
    }


def _disk_needed(recipe: Recipe) -> int:
    """Bytes: three checkpoints of the embedded model's size where there is training, and rows."""
    rows = 50_000_000
    return rows if recipe.train.trainer == "dry-run" else rows + 4 * 540_000_000


def training_set(run: Run, round: int) -> str:
    """Name of the rows selected in a round."""
    return f"{run.name}/round-{round}"


def benchmark_id(problem_ids: Sequence[str], prompt_id: str, max_tokens: int) -> str:
    """Key of a held-out set together with how it is asked."""
    return content_id("b", sorted(problem_ids), prompt_id, max_tokens)
