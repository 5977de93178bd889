"""`factory run`: flags become settings, signals stop it, and the same command continues."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.commands.run import settings_of
from rsfactory.errors import InputError

ROOT = Path(__file__).parents[3]

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""


FLAGS = {
    **dict.fromkeys(("rounds", "model", "teacher", "problems", "held_out", "limit", "budget")),
    "reuse": (),
}


def test_flags_become_settings_and_set_wins() -> None:
    flags = {**FLAGS, "rounds": 2, "model": "m", "held_out": "h", "limit": 3, "teacher": "scripted"}
    assert settings_of("star", flags, (), ("rounds=5", "sft.epochs=0.5")) == {
        "rounds": 5, "model.student": "m", "sample.teacher": "scripted", "problems.held_out": "h",
        "problems.limit": 3, "sft.epochs": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "params"), [("file.jsonl", {}), ("gym:basic_arithmetic", None), ("gym:other", {})]
)
def test_params_of_a_generated_family_go_with_it(source: str, params: Any) -> None:
    settings = settings_of("star", {**FLAGS, "problems": source}, (), ())
    assert settings["problems.source"] == source
    assert settings.get("problems.params") == params


def test_columns_are_mapped() -> None:
    settings = settings_of("star", FLAGS, ("problem=question", "answer=gold=x"), ())
    assert settings == {"problems.columns": {"problem": "question", "answer": "gold=x"}}
    with pytest.raises(InputError, match="--map"):
        settings_of("star", FLAGS, ("problem=",), ())


SMALL = ("run", "star", "--model", "scripted:0.6", "--seed", "1", "--run", "small",
         "--set", "train.trainer=dry-run", "--set", "evaluate.problems=32",
         "--set", "problems.per_round=8")  # fmt: skip


def test_a_run_and_what_can_be_asked_of_it(factory: Factory, data: Path, tmp_path: Path) -> None:
    said = factory(*SMALL, "--rounds", "1", "--json")
    assert said.code == 0
    document = said.json
    assert {
        "run",
        "recipe",
        "folder",
        "base",
        "start",
        "rounds",
        "change",
        "seconds",
        "tokens",
    } <= (set(document))
    report = document["rounds"][0]
    assert sum(report["outcomes"].values()) == report["sampled"]
    assert report["selected"] + sum(report["rejected_by"].values()) == report["sampled"]
    assert "round 1" in said.err

    again = factory(*SMALL, "--rounds", "1")
    assert again.code == 0
    for words in ("sampled", "unparsed", "change from start to round 1", "report.html",
                  "factory export-data small", "factory why small", f"--data {data}"):  # fmt: skip
        assert words in again.out
    assert "factory ask" not in again.out  # a fake student has no weights to ask
    assert all(len(line) <= 100 for line in again.out.splitlines() if str(data) not in line)

    runs = factory("status", "--json").json["runs"]
    assert [(r["run"], r["state"], r["round"], r["rounds"]) for r in runs] == [
        ("small", "done", 1, 1)
    ]
    changed = factory(*SMALL, "--rounds", "1", "--set", "sft.epochs=3")
    assert changed.code == 2
    assert "sft.epochs: 2.0 -> 3.0" in changed.err

    out = tmp_path / "rows.jsonl"
    assert factory("export-data", "small", "--out", str(out)).code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum(row["round"] == 1 for row in rows) == report["selected"]
    assert all(row["prompt"] and row["completion"] and row["verifier"] for row in rows)


def start(*words: str, data: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "flows.commands", *words, "--data", str(data)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_run_that_goes_on_later(
    factory: Factory, data: Path, number: signal.Signals
) -> None:
    child = start(*SMALL, "--rounds", "400", data=data)
    try:
        assert child.stderr is not None
        assert any("round 1 ·" in line for line in child.stderr)
        held = factory(*SMALL, "--rounds", "400")
        assert held.code == 1
        assert f"process {child.pid}" in held.err
        assert factory("rm", "small", "--yes").code == 1
        assert factory("status", "--json").json["runs"][0]["state"] == "running"
    finally:
        child.send_signal(number)
        out, err = child.communicate()
    assert child.returncode == 3
    assert out == ""
    assert "run the same command to continue: factory run star" in err
    assert "Traceback" not in err
    assert factory("status", "--json").json["runs"][0]["state"] == "stopped"
