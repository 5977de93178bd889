"""Who answers: teachers by name. A teacher is one module, and one line in `TEACHERS`."""

from generators.teachers.local import LocalTeacher
from generators.teachers.scripted import ScriptedTeacher
from generators.teachers.scripted_judge import ScriptedJudge

__all__ = ["TEACHERS", "LocalTeacher", "ScriptedJudge", "ScriptedTeacher"]

TEACHERS = {"local": LocalTeacher, "scripted": ScriptedTeacher}
"""Kind of teacher -> its class; the student is a `LocalTeacher` over its checkpoint."""
