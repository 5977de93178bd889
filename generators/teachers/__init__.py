"""Who answers. A teacher is one module (or package), and one line in `DESCRIBED`.

Those that need heavy libraries are imported where they are opened (`flows.teachers`).
"""

from generators.teachers.local import LocalTeacher
from generators.teachers.scripted import ScriptedTeacher
from generators.teachers.scripted_judge import ScriptedJudge

__all__ = ["DESCRIBED", "LocalTeacher", "ScriptedJudge", "ScriptedTeacher"]

DESCRIBED = {
    "student": "the checkpoint of the round",
    "local:MODEL": "a model of Hugging Face's format in a child process",
    "vllm:MODEL": "a vLLM server that is started and ended here (vllm:student for the checkpoint)",
    "openai:MODEL": "an OpenAI-compatible address, that of OPENAI_BASE_URL",
    "openai:MODEL@URL": "the same at another address, or at several, with commas between",
    "dataset:SRC": "traces that exist already, in a file or on the Hub",
    "scripted": "a fake for tests and demos (scripted:SKILL)",
}
"""How teachers are named on the command line -> what answers."""
