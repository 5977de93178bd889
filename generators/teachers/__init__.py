"""Who answers: teachers by name. Each module is one teacher; `TEACHERS` is the one place to add one."""

from generators.teachers.local import LocalTeacher
from generators.teachers.scripted import ScriptedTeacher

TEACHERS = {"local": LocalTeacher, "scripted": ScriptedTeacher}
"""Kind of teacher -> its class; the student is a `LocalTeacher` over its checkpoint."""
