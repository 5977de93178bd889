"""A run whose problems and student come from a Hub: the real client against a local server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import hub_server

CARD = "---\nlicense: mit\nconfigs:\n- config_name: main\n  data_files: train.jsonl\n---\n# Sums\n"


@pytest.fixture
def hub(tmp_path: Path, tiny_model: Path) -> Path:
    folder = tmp_path / "hub"
    shutil.copytree(tiny_model, folder / "models" / "team" / "tiny")
    sums = folder / "datasets" / "team" / "sums"
    sums.mkdir(parents=True)
    rows = [{"question": f"What is {n} + 1?", "answer": f"so\n#### {n + 1}"} for n in range(96)]
    (sums / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (sums / "README.md").write_text(CARD)
    return folder


def factory(url: str, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flows.commands", *words]
    env = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def run(url: str, tmp_path: Path, problems: str, model: str) -> "subprocess.CompletedProcess[str]":
    words = ["--rounds", "1", "--limit", "4", "--set", "train.trainer=dry-run", "--set",
             "evaluate.problems=32", "--set", "sample.max_tokens=2", "--json"]  # fmt: skip
    data = ["--data", str(tmp_path / "data")]
    named = ["run", "star", "--problems", problems, "--model", model]
    return factory(url, tmp_path / "home", *named, *words, *data)


def test_problems_and_student_from_a_hub(hub: Path, tmp_path: Path) -> None:
    with hub_server(hub) as (url, asked):
        done = run(url, tmp_path, "team/sums:main", "team/tiny")
        assert done.returncode == 0, done.stderr
        assert any(line.endswith("/resolve/main/model.safetensors") or "model.safetensors" in line
                   for line in asked)  # fmt: skip
        before = len(asked)
    result = json.loads(done.stdout)
    assert result["rounds"][0]["sampled"] == 4 * 2 + 4
    assert before
    # Everything is in the caches now: the same run, and another one, need no Hub.
    again = run("http://127.0.0.1:9", tmp_path, "team/sums:main", "team/tiny")
    assert again.returncode == 0, again.stderr


def test_what_the_hub_does_not_have(hub: Path, tmp_path: Path) -> None:
    with hub_server(hub) as (url, _):
        no_set = run(url, tmp_path, "team/products", "team/tiny")
        no_model = run(url, tmp_path, "team/sums", "team/huge")
    assert no_set.returncode == no_model.returncode == 2
    assert "data set team/products" in no_set.stderr
    assert "model team/huge" in no_model.stderr
    assert not (tmp_path / "data").exists()
