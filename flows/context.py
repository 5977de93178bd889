"""What the stages of one run share: its store, recipe, problems, teachers and verifiers.

`flows.opening` makes it and closes what it holds.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filters.verify.pool import VerifierPool
from flows import tasks, teachers
from flows.clock import booked
from flows.live import loading_words
from flows.meter import Meter
from flows.progress import Reporter
from generators.problems import ProblemSet
from generators.prompts import LENGTH_AFAR, length
from generators.sample import Loads
from rsfactory.contracts import Teacher
from rsfactory.errors import InputError
from rsfactory.ids import content_id
from rsfactory.recipe import Recipe
from rsfactory.records import Checkpoint
from rsfactory.store import PROBLEMS, Store
from rsfactory.words import counted


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
    meter: Meter
    journals: bool = True
    """Whether stages book their seconds; not in a child, whose parent does."""
    said: set[str] = field(default_factory=set)
    """Notes that were made and need not be again."""
    loading: float | None = None
    """Seconds that the open teacher loads already; None once it is there."""
    _teacher: Teacher | None = field(default=None, repr=False)
    _teacher_key: str | None = field(default=None, repr=False)

    @contextlib.contextmanager
    def stage(self, round: int, name: str, total: int, unit: str) -> Iterator[None]:
        """Shows a stage and adds its seconds to the journal, however it ends."""
        self.reporter.stage(round, name, total, unit)
        tasks.log(f"round {round}: {name}, {counted(total, unit)}")
        with booked(self.store, round, name) if self.journals else contextlib.nullcontext():
            yield

    def say(self, text: str) -> None:
        """A note, the first time that it comes."""
        if text not in self.said:
            self.said.add(text)
            self.reporter.note(text)

    def teacher(self, checkpoint: Checkpoint | None, *, asked: str | None = None) -> Teacher:
        """The teacher for a checkpoint; the last one asked for stays open until `release`.

        Args:
            checkpoint: Whose weights answer, where the teacher is the student.
            asked: ``student`` asks the student whoever the recipe's teacher is (evaluation).
        """
        name, log = asked or self.recipe.sample.teacher, self.log_file("sampling")
        if not teachers.is_student(name):
            return self._open(name, lambda: teachers.teacher(name, self.recipe, log))
        assert checkpoint is not None, "the student needs a checkpoint"
        folder = self.folder_of(checkpoint)
        return self._open(
            f"{name} {checkpoint.id}",
            lambda: teachers.student(name, self.recipe, checkpoint, folder, log),
        )

    def judge(self) -> Teacher:
        """The recipe's judge, in the place of the sampling teacher: one model is in memory."""
        name = self.recipe.judge.teacher
        if name is None:
            raise InputError('verifier judge needs a teacher: set judge.teacher = "local:MODEL"')
        return self._open(f"judge {name}", lambda: teachers.judge(
            name, self.recipe, self.log_file("judging")))  # fmt: skip

    def _open(self, key: str, make: Callable[[], Teacher]) -> Teacher:
        if self._teacher is None or self._teacher_key != key:
            self.release()
            self._teacher, self._teacher_key = make(), key
            if isinstance(self._teacher, Loads):
                self._teacher.loading = self._show_loading
        teachers.teach(self._teacher, lambda: self.store.read(PROBLEMS))
        return self._teacher

    def _show_loading(self, seconds: float | None) -> None:
        """Says how long a teacher loads, where nothing else moves; called from its thread."""
        self.loading = seconds
        self.reporter.detail(loading_words(seconds))
        if seconds is not None:
            self.reporter.advance(0)

    def release(self) -> None:
        """Closes the open teacher, so that its memory is free for training."""
        if self._teacher is not None:
            self._teacher.close()
            self._teacher = None

    def max_tokens(self) -> int:
        """Length limit of a sampled completion: the recipe's, or else one for its teacher."""
        section = self.recipe.sample
        if section.max_tokens is None and teachers.is_afar(section.teacher):
            return LENGTH_AFAR
        return self.student_tokens()

    def student_tokens(self) -> int:
        """Length limit of what the student answers: the recipe's, or else the template's."""
        section = self.recipe.sample
        return section.max_tokens or length(section.template, next(self.source.problems()))

    def log_file(self, name: str) -> Path:
        """Where a child process of this run writes what its libraries print."""
        return self.store.folder / "logs" / f"{name}.log"

    def path_of(self, folder: Path) -> str:
        """What a checkpoint keeps of its folder: relative to the run's inside it, else absolute."""
        if folder.is_relative_to(self.store.folder):
            return str(folder.relative_to(self.store.folder))
        return str(folder.absolute())

    def folder_of(self, checkpoint: Checkpoint) -> Path:
        """The folder of a checkpoint's weights."""
        return self.store.folder / checkpoint.path


def training_set(run: Run, round: int) -> str:
    """Name of the rows selected in a round."""
    return f"{run.name}/round-{round}"


def benchmark_id(problem_ids: Sequence[str], prompt_id: str, max_tokens: int) -> str:
    """Key of a held-out set together with how it is asked."""
    return content_id("b", sorted(problem_ids), prompt_id, max_tokens)
