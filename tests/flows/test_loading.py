"""What is shown of a vLLM server of our own: that it loads, and then how it does.

The server is `fake_vllm.py`, which has no model; the run and its processes are real.
"""

import sys
from pathlib import Path

import pytest
from test_collect import problems_file

from flows import teachers
from flows.collect import run_collect
from flows.progress import SilentReporter
from generators.teachers.vllm import VllmTeacher
from rsfactory.recipe import Recipe, load

FAKE = Path(__file__).parents[1] / "generators/teachers/fake_vllm.py"


class Heard(SilentReporter):
    """Keeps what is said of a stage, each thing once."""

    def __init__(self) -> None:
        self.said: dict[str, None] = {}

    def detail(self, text: str, *, grows: bool = False) -> None:
        """One more."""
        self.said[text] = None


@pytest.mark.skipif(sys.platform != "linux", reason="vLLM's server runs on Linux")
def test_it_loads_and_then_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "chat_template.jinja").write_text("{{ messages }}")
    monkeypatch.setenv("FAKE_VLLM", "slower")
    monkeypatch.setenv("FAKE_VLLM_NOTE", str(tmp_path / "note.json"))

    def made(name: str, recipe: Recipe, log: Path) -> VllmTeacher:
        program = (sys.executable, str(FAKE))
        return VllmTeacher(model, "k-1", log, settings=recipe.endpoint, program=program)

    monkeypatch.setattr(teachers, "_open_vllm", made)
    monkeypatch.setattr(teachers, "check", lambda name, recipe: None)
    recipe = load("collect", {
        "sample.teacher": "vllm:fake", "problems.params": {}, "endpoint.concurrency": 2,
        "problems.source": str(problems_file(tmp_path / "problems.jsonl", 25)),
    })  # fmt: skip
    heard = Heard()
    result = run_collect(
        recipe, seed=0, data=tmp_path, name="c", reporter=heard, prefect=False
    )  # fmt: skip
    assert result.rounds[0].sampled == 100
    said = list(heard.said)
    assert any(text.startswith("the model is being loaded, 5 s") for text in said), said
    assert any("under way of at most 2" in text for text in said), said
