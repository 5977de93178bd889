"""`factory export-data` and `rm`: what they write and remove, and what they refuse."""

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_run
import polars as pl
import pytest

from rsfactory.store import Store

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""


def test_export_jsonl_and_parquet_agree(factory: Factory, store: Store, tmp_path: Path) -> None:
    said = factory("export-data", "made-1", "--out", str(tmp_path / "rows.jsonl"), "--json").json
    assert said["rows"] == 2
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    by_id = {row["id"]: row for row in rows}
    explained = by_id[made_run.EXPLAINED.id]
    assert explained["prompt"] == f"{made_run.P[1].prompt}\nWork it out."  # the hint is not in it
    expected = {
        "completion": made_run.EXPLAINED.completion, "hinted": True, "verifier": "math@1",
        "problem_id": made_run.P[1].id, "source": "gym:sums", "row": 1, "round": 1,
        "teacher": made_run.START.id, "seed": 7, "run": "made-1", "answer": "2",
    }  # fmt: skip
    assert {key: explained[key] for key in expected} == expected
    assert factory("export-data", "made-1", "--out", str(tmp_path / "rows.parquet")).code == 0
    assert pl.read_parquet(tmp_path / "rows.parquet").to_dicts() == rows


def test_a_selected_row_that_was_not_trained_on_has_its_plain_prompt(
    factory: Factory, store: Store, tmp_path: Path
) -> None:
    for shard in store.shards(made_run.TRAINING_ROWS):
        shard.unlink()
    assert factory("export-data", "made-1", "--out", str(tmp_path / "rows.jsonl")).code == 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["prompt"] for row in rows} == {
        f"{made_run.P[0].prompt}\nWork it out.", f"{made_run.P[1].prompt}\nWork it out."
    }  # fmt: skip


def test_export_for_training_with_a_chat_template(
    factory: Factory, store: Store, tmp_path: Path
) -> None:
    out = tmp_path / "sft.jsonl"
    assert factory("export-data", "made-1", "--out", str(out), "--chat").code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    explained = {row["id"]: row for row in rows}[made_run.EXPLAINED.id]
    assert explained["prompt"] == [
        {"role": "user", "content": f"{made_run.P[1].prompt}\nWork it out."}
    ]
    assert explained["completion"] == [
        {"role": "assistant", "content": made_run.EXPLAINED.completion}
    ]
    table = tmp_path / "sft.parquet"
    assert factory("export-data", "made-1", "--out", str(table), "--chat").code == 0
    assert pl.read_parquet(table).to_dicts() == rows


def test_export_overwrites_only_when_told(factory: Factory, store: Store, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("mine")
    said = factory("export-data", "made-1", "--out", str(out))
    assert said.code == 2
    assert "--force" in said.err
    assert out.read_text() == "mine"
    assert factory("export-data", "made-1", "--out", str(out), "--force").code == 0
    assert len(out.read_text().splitlines()) == 2
    assert factory("export-data", "made-1", "--out", str(tmp_path), "--force").code == 2


def test_rm_asks_and_refuses(
    factory: Factory, store: Store, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer(text: str) -> None:
        place = tmp_path / "answer"
        place.write_text(text)
        monkeypatch.setattr(sys, "stdin", keep.enter_context(place.open()))

    with contextlib.ExitStack() as keep:
        answer("n\n")
        assert factory("rm", "made-1", "--json").json == {"removed": [], "bytes": 0}
        answer("")
        assert "give --yes" in factory("rm", "made-1").err
        assert "whole name" in factory("rm", "made", "--yes").err
        with store.lock():
            assert factory("rm", "made-1", "--yes").code == 1
        assert store.read_json("run.json")["run"] == "made-1"
        answer("y\n")
        size = store.size()
        assert factory("rm", "made-1", "--json").json == {"removed": ["made-1"], "bytes": size}
    assert list((data / "runs").iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".", "", "../runs", "/"])
def test_rm_takes_no_paths(factory: Factory, store: Store, name: str) -> None:
    assert factory("rm", "--yes", name).code == 2
    assert store.read_json("run.json")
