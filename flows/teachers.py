"""Which teacher answers: words (``student``, ``openai:MODEL@URL``, ...) made an object.

`student` is the checkpoint of the round, `vllm:student` the same through a managed vLLM server.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from generators.models import checkpoint_id, resolve
from generators.teachers import DESCRIBED, LocalTeacher, ScriptedJudge, ScriptedTeacher
from rsfactory.contracts import Teacher
from rsfactory.errors import InputError
from rsfactory.machine import OPENAI_KEY as KEY
from rsfactory.recipe import Recipe
from rsfactory.records import Checkpoint, Problem

if TYPE_CHECKING:
    from generators.teachers.dataset import DatasetTeacher

SCRIPTED = "scripted"
STUDENTS = ("student", "vllm:student")


def is_scripted(name: str) -> bool:
    """Whether the word names the fake: ``scripted`` or ``scripted:SKILL``."""
    return name.partition(":")[0] == SCRIPTED


def is_student(name: str) -> bool:
    """Whether the word names the checkpoint of the round."""
    return name in STUDENTS


def is_archive(name: str) -> bool:
    """Whether the word names traces that exist already: they are read, nobody is asked."""
    return name.partition(":")[0] == "dataset"


def is_local(name: str) -> bool:
    """Whether a model answers in a child process with transformers."""
    return name == "student" or name.partition(":")[0] == "local"


def is_afar(name: str) -> bool:
    """Whether a model of somebody's server answers, for which the shipped lengths are not made."""
    return name.partition(":")[0] == "openai"


def student(name: str, recipe: Recipe, checkpoint: Checkpoint, folder: Path, log: Path) -> Teacher:
    """The student with a checkpoint's weights, or the fake in its place."""
    words = recipe.model.student
    if is_scripted(words):
        fake = _scripted(words)
        fake.identity += f"@{checkpoint.id}"
        return fake
    if name == "student":
        return LocalTeacher(folder, checkpoint.id, log)
    return _vllm(folder, checkpoint.id, recipe, log)


def teacher(name: str, recipe: Recipe, log: Path) -> Teacher:
    """Another teacher than the student.

    Raises:
        InputError: No teacher is called that, or its model is not there.
    """
    kind, _, model = name.partition(":")
    makers: dict[str, Callable[[], Teacher]] = {
        SCRIPTED: lambda: _scripted(name),
        "local": lambda: LocalTeacher(resolve(model), checkpoint_id(resolve(model)), log),
        "vllm": lambda: _open_vllm(model, recipe, log),
        "openai": lambda: _api(name, recipe),
    }
    if kind not in makers or not (model or kind == SCRIPTED):
        raise _unknown(name)
    return makers[kind]()


def judge(name: str, recipe: Recipe, log: Path) -> Teacher:
    """Who judges: another model, the fake, or the student as it was before any training.

    Raises:
        InputError: No teacher is called that, or its model is not there.
    """
    name = of_judge(name, recipe.model.student)
    if is_scripted(name):
        skill = name.partition(":")[2]
        return ScriptedJudge(skill) if skill else ScriptedJudge()
    return teacher(name, recipe, log)


def of_judge(name: str, student: str) -> str:
    """A judge's name with ``student`` filled in: every round has the same judge."""
    if name != "student":
        return name
    return student if is_scripted(student) else f"local:{student}"


def check(name: str, recipe: Recipe) -> None:
    """Whether there is a teacher of that name, without starting anything.

    Raises:
        InputError: There is none, its model is not there, or its key is missing.
    """
    kind, _, model = name.partition(":")
    if is_student(name):
        if kind == "vllm":
            _check_vllm()
        return
    if kind == "vllm" and model:
        from generators.teachers.vllm import locate

        locate(model)
        _check_vllm()
        return
    if kind == "local" and model:
        resolve(model)
        return
    if is_archive(name) and model:
        return
    teacher(name, recipe, Path(os.devnull)).close()


def archive(recipe: Recipe, log: Callable[[str], None]) -> "DatasetTeacher":
    """The traces that the recipe's teacher names; ``log`` is told what is left out of them.

    Raises:
        InputError: They are not there, or not understood.
    """
    from generators.teachers.dataset import DatasetTeacher
    from generators.traces import FIELDS

    spec = recipe.sample.teacher.partition(":")[2]
    columns = {name: c for name, c in recipe.problems.columns.items() if name in FIELDS}
    return DatasetTeacher(spec, columns=columns, log=log)


def _vllm(folder: Path, identity: str, recipe: Recipe, log: Path) -> Teacher:
    from generators.teachers.vllm import VllmTeacher

    return VllmTeacher(folder, identity, log, settings=recipe.endpoint)


def _open_vllm(model: str, recipe: Recipe, log: Path) -> Teacher:
    """A model, or a LoRA adapter over one, which is served without merging."""
    from generators.teachers.vllm import open_teacher

    return open_teacher(model, log, recipe.endpoint)


def _check_vllm() -> None:
    from generators.teachers.vllm.build import needed

    needed()


def _api(name: str, recipe: Recipe) -> Teacher:
    """A teacher behind an address; its key comes from the environment only."""
    from generators.teachers.api import ApiTeacher, parse

    model, addresses = parse(name)
    return ApiTeacher(model, addresses, key=os.environ.get(KEY), settings=recipe.endpoint)


def _unknown(name: str) -> InputError:
    guess = f" (did you mean openai:{name}, or local:{name}?)" if ":" not in name else ""
    return InputError(f"no teacher is called {name!r}{guess}; there is: {', '.join(DESCRIBED)}")


def teach(teacher: Teacher, problems: Callable[[], list[Problem]]) -> None:
    """Tells the fake the answers of the run's problems; real teachers learn nothing here."""
    if isinstance(teacher, ScriptedTeacher | ScriptedJudge):
        teacher.learn(problems())


def _scripted(name: str) -> ScriptedTeacher:
    skill = name.partition(":")[2]
    return ScriptedTeacher(skill) if skill else ScriptedTeacher()
