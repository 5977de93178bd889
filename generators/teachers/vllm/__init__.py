"""A vLLM server of our own as a teacher (``vllm:MODEL``): started, watched, asked and ended."""

from generators.teachers.vllm.build import Build, installed
from generators.teachers.vllm.command import locate
from generators.teachers.vllm.teacher import VllmTeacher, open_teacher

__all__ = ["Build", "VllmTeacher", "installed", "locate", "open_teacher"]
