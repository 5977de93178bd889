"""Runs on a mix of generated families and on a set of traces: what their rows say of themselves."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""

RUN = ["--rounds", "1", "--model", "scripted", "--teacher", "scripted:0.7", "--limit", "16",
       "--set", "train.trainer=dry-run", "--set", "evaluate.problems=32",
       "--run", "mine"]  # fmt: skip


def exported(factory: Factory, tmp_path: Path, *words: str) -> tuple[list[dict[str, Any]], str]:
    """The rows that a run selects, and what it said meanwhile."""
    run = factory("run", "star", *words, *RUN)
    assert run.code == 0, run.err
    assert factory("export-data", "mine", "--out", str(tmp_path / "out.jsonl")).code == 0
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], run.err


def test_a_mix_from_the_command_line_to_the_export(factory: Factory, tmp_path: Path) -> None:
    rows, _ = exported(factory, tmp_path, "--problems", "gym:gcd=3,lcm@1")
    sources = Counter(row["source"] for row in rows)
    assert set(sources) == {"gym:gcd", "gym:lcm@1"}
    assert sources["gym:gcd"] > sources["gym:lcm@1"]
    for row in rows:
        family = row["source"].removeprefix("gym:").partition("@")[0]
        assert row["licence"] == "Apache-2.0"
        assert row["provenance"].endswith(f"family {family}")


def test_what_the_user_says_of_a_set_of_traces_is_in_the_export(
    factory: Factory, tmp_path: Path
) -> None:
    traces = tmp_path / "traces.jsonl"
    rows = [{"question": f"What is {i} + 1?", "response": "?", "answer": str(i + 1)}
            for i in range(80)]  # fmt: skip
    rows += [{"question": "And?", "response": "?"}, {"text": "no trace"}]
    traces.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--problems", f"dataset:{traces}", "--set", "problems.licence=CC0-1.0"]
    words += ["--set", "problems.provenance=counted by hand"]
    found, said = exported(factory, tmp_path, *words)
    assert found
    assert "traces.jsonl: 1 of 82 rows are no traces" in said
    assert "traces.jsonl: 1 rows have no gold answer and give no problem" in said
    assert {(row["licence"], row["provenance"], row["source"]) for row in found} == {
        ("CC0-1.0", "counted by hand", "traces.jsonl")}  # fmt: skip
