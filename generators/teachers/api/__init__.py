"""Teachers behind OpenAI-compatible addresses: `ApiTeacher`, its name's `parse`, a `probe`."""

from generators.teachers.api.probe import Probe, probe
from generators.teachers.api.spec import parse
from generators.teachers.api.stats import Stats
from generators.teachers.api.teacher import ApiTeacher

__all__ = ["ApiTeacher", "Probe", "Stats", "parse", "probe"]
