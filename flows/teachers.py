"""Which teacher answers: words (``student``, ``local:MODEL``, ``scripted:0.5``) made an object."""

from pathlib import Path

from generators.models import checkpoint_id, resolve
from generators.teachers import TEACHERS, LocalTeacher, ScriptedJudge, ScriptedTeacher
from rsfactory.contracts import Teacher
from rsfactory.errors import InputError
from rsfactory.records import Checkpoint, Problem

SCRIPTED = "scripted"


def is_scripted(name: str) -> bool:
    """Whether the word names the fake: ``scripted`` or ``scripted:SKILL``."""
    return name.partition(":")[0] == SCRIPTED


def student(name: str, checkpoint: Checkpoint, folder: Path, log: Path) -> Teacher:
    """The student with a checkpoint's weights, or the fake in its place."""
    if not is_scripted(name):
        return LocalTeacher(folder, checkpoint.id, log)
    fake = _scripted(name)
    fake.identity += f"@{checkpoint.id}"
    return fake


def teacher(name: str, log: Path) -> Teacher:
    """Another teacher than the student.

    Raises:
        InputError: No teacher is called that, or its model is not there.
    """
    if is_scripted(name):
        return _scripted(name)
    folder = _folder(name)
    return LocalTeacher(folder, checkpoint_id(folder), log)


def judge(name: str, student: str, log: Path) -> Teacher:
    """Who judges: another model, the fake, or the student as it was before any training.

    Raises:
        InputError: No teacher is called that, or its model is not there.
    """
    name = of_judge(name, student)
    if is_scripted(name):
        skill = name.partition(":")[2]
        return ScriptedJudge(skill) if skill else ScriptedJudge()
    return teacher(name, log)


def of_judge(name: str, student: str) -> str:
    """A judge's name with ``student`` filled in: every round has the same judge."""
    if name != "student":
        return name
    return student if is_scripted(student) else f"local:{student}"


def check(name: str) -> None:
    """Whether there is a teacher of that name, without starting anything.

    Raises:
        InputError: There is none, or its model is not there.
    """
    if is_scripted(name):
        _scripted(name)
    elif name != "student":
        _folder(name)


def _folder(name: str) -> Path:
    """The folder of ``local:MODEL``."""
    kind, _, model = name.partition(":")
    if kind == "local" and model:
        return resolve(model)
    there = ", ".join(["student", "local:MODEL", *(k for k in TEACHERS if k != "local")])
    raise InputError(f"no teacher is called {name!r}; there is: {there}")


def teach(teacher: Teacher, problems: list[Problem]) -> None:
    """Tells the fake the answers of the run's problems; real teachers learn nothing here."""
    if isinstance(teacher, ScriptedTeacher | ScriptedJudge):
        teacher.learn(problems)


def _scripted(name: str) -> ScriptedTeacher:
    skill = name.partition(":")[2]
    return ScriptedTeacher(skill) if skill else ScriptedTeacher()
