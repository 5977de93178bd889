"""Runs whose answers are programs, from a table to verdicts: in the sandbox, refused, and weak."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filters.verify.code import SANDBOX
from flows import reverify
from tests.filters.sandbox_here import needs_sandbox

Factory = Callable[..., Any]
pytestmark = needs_sandbox


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A run of one round on problems of its own, nothing trained."""
    rows = [
        {
            "task_id": n,
            "text": f"Write a function that adds {n}.",
            "code": f"def add{n}(x):\n    return x + {n}",
            "test_list": [f"assert add{n}(1) == {n + 1}", f"assert add{n}(-{n}) == 0"],
        }
        for n in range(1, 97)
    ]
    file = tmp_path / "programs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        "run", "star", "--problems", str(file), "--model", "scripted", "--rounds", "1",
        "--limit", "12", "--set", "train.trainer=dry-run", "--set", "grpo.steps=0", "--json",
    ]  # fmt: skip


def _isolation(factory: Factory, run: str) -> list[list[Any]]:
    query = "SELECT DISTINCT isolation FROM verdicts WHERE outcome = 'correct'"
    rows: list[list[Any]] = factory("sql", run, query, "--json").json["rows"]
    return rows


def test_programs_are_judged_in_the_sandbox(factory: Factory, words: list[str]) -> None:
    said = factory(*words)
    assert said.code == 0, said.err
    outcomes = said.json["rounds"][0]["outcomes"]
    assert outcomes["correct"] > 0
    assert outcomes["unverifiable"] == 0
    assert _isolation(factory, said.json["run"]) == [["full"]]
    again = factory("verify", said.json["run"], "--verifier", "code", "--json")
    assert again.json["flipped"] == []


def test_without_a_sandbox_nothing_is_run(
    factory: Factory, data: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filters.sandbox.bubblewrap.find", lambda: None)
    monkeypatch.setenv("FACTORY_SANDBOX", "weak")  # the shell has no say
    said = factory(*words)
    assert said.code == 1
    assert "bubblewrap" in said.json["error"]
    assert not list(data.rglob("*.parquet"))


def test_weak_is_what_the_recipe_says_and_stays_with_the_run(
    factory: Factory, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = factory(*words, "--set", "sandbox=weak")
    assert said.code == 0, said.err
    assert _isolation(factory, said.json["run"]) == [["weak"]]
    seen = []
    judged = reverify._candidates
    monkeypatch.setattr(
        reverify, "_candidates", lambda *a: seen.append(os.environ.get(SANDBOX)) or judged(*a)
    )
    assert factory("verify", said.json["run"], "--verifier", "code").code == 0
    assert seen == ["weak"]
    assert SANDBOX not in os.environ
