"""`factory status`, `why`, `sql` and `report`: what they say about a known run."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_run
import pytest

from rsfactory.records import Outcome, PassRate
from rsfactory.store import PASS_RATES, VERDICTS, Store

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""


def test_status_without_runs(factory: Factory) -> None:
    assert "factory run star" in factory("status").out
    assert factory("status", "--json").json == {"runs": []}


@pytest.mark.parametrize(
    ("done", "rounds", "state", "accuracy"),
    [(True, 1, "done", 1.0), (True, 2, "stopped", 1.0), (False, 1, "stopped", 0.5)],
)
def test_status_of_a_run(
    factory: Factory, data: Path, done: bool, rounds: int, state: str, accuracy: float
) -> None:
    store = made_run.write_run(data, done=done, rounds=rounds)
    assert factory("status", "--json").json["runs"] == [
        {
            "run": "made-1", "recipe": "star", "state": state, "round": int(done),
            "rounds": rounds, "accuracy": accuracy, "bytes": store.size(),
            "selected": 2 if done else 0,
        }
    ]  # fmt: skip
    with store.lock():
        assert factory("status", "--json").json["runs"][0]["state"] == "running"
    assert state in factory("status").out


def test_status_bears_odd_folders(factory: Factory, store: Store, data: Path) -> None:
    (data / "runs" / "empty").mkdir()
    (store.folder / "rounds/round=1/part-report.parquet").write_bytes(b"junk")
    states = {run["run"]: run["state"] for run in factory("status", "--json").json["runs"]}
    assert states == {"empty": "empty", "made-1": "damaged"}


@pytest.mark.parametrize("cut", [slice(None), slice(2, None), slice(2, 10), slice(0, 8)])
def test_why_a_selected_candidate(factory: Factory, store: Store, cut: slice) -> None:
    said = factory("why", "made-1", made_run.SOLVED.id[cut], "--json").json
    assert (said["id"], said["kind"]) == (made_run.SOLVED.id, "candidate")
    assert all(set(step) == {"stage", "what", "rule", "evidence"} for step in said["steps"])
    stages = {step["stage"]: step for step in said["steps"]}
    assert list(stages) == ["sample", "verify", "select", "train"]
    assert stages["sample"]["evidence"] == made_run.SOLVED.completion
    assert stages["verify"]["rule"] == "math@1"
    assert "extracted: 0" in stages["verify"]["evidence"]
    assert made_run.LAST.id in stages["train"]["what"]
    assert "1.000" in stages["train"]["evidence"]


@pytest.mark.parametrize("isolation", ["full", "weak", "process", "none"])
def test_the_isolation_of_a_program_is_said(factory: Factory, store: Store, isolation: str) -> None:
    judged = dataclasses.replace(
        made_run.verdict(made_run.SOLVED, Outcome.CORRECT, "2"), isolation=isolation
    )
    store.write(VERDICTS, 1, "again", [judged])
    said = factory("why", "made-1", made_run.SOLVED.id).out
    assert (f"isolation: {isolation}" in said) == (isolation in ("full", "weak"))
    page = store.folder / "report.html"
    factory("report", "made-1", "--out", str(page))
    assert f"<td>{isolation}</td>" in page.read_text()


def test_why_a_rejected_candidate(factory: Factory, store: Store) -> None:
    steps = factory("why", "made-1", made_run.MISSED.id, "--json").json["steps"]
    assert [(s["stage"], s["rule"]) for s in steps[1:]] == [
        ("verify", "math@1"), ("check", "wrong_step"), ("select", "outcome"),
    ]  # fmt: skip
    text = factory("why", "made-1", made_run.MISSED.id).out
    assert "rejected" in text
    assert "1 + 1 = 3" in text


def test_why_a_problem_by_key_and_by_row(factory: Factory, store: Store) -> None:
    by_key = factory("why", "made-1", made_run.P[1].id, "--json").json
    assert by_key == factory("why", "made-1", "1", "--json").json
    assert by_key["kind"] == "problem"
    text = json.dumps(by_key)
    assert made_run.MISSED.id in text
    assert made_run.EXPLAINED.id in text
    assert "with the answer hinted" in text
    assert made_run.SOLVED.id not in text


def test_why_a_problem_was_asked_no_further(factory: Factory, store: Store) -> None:
    rate = PassRate(
        id="q-1", problem_id=made_run.P[0].id, teacher="t", sampling="{}", round=1, asked=6,
        correct=0, mean=0.0, low=0.0, high=0.39, stopped_by="hopeless", attempts=6,
    )  # fmt: skip
    store.write(PASS_RATES, 1, "x", [rate])
    steps = factory("why", "made-1", made_run.P[0].id, "--json").json["steps"]
    [ended] = [step for step in steps if step["rule"] == "ended by hopeless"]
    assert ended["what"] == "round 1: asked 6 times, 0 right"
    assert ended["evidence"] == "pass rate 0.00 (95% interval 0.00 to 0.39)"


def test_why_a_held_out_problem(factory: Factory, store: Store) -> None:
    steps = factory("why", "made-1", made_run.H[0].id, "--json").json["steps"]
    assert [s["what"] for s in steps if s["stage"] == "evaluate"] == [
        "base: wrong", "start: correct", "round 1: correct",
    ]  # fmt: skip
    assert steps[-1]["evidence"] == "greedy 200"


def test_why_what_is_cut_short_or_ambiguous(factory: Factory, data: Path) -> None:
    store = made_run.write_run(data, done=False)
    steps = factory("why", "made-1", made_run.SOLVED.id, "--json").json["steps"]
    assert steps[-1]["what"] == "not verified yet"
    store.write(made_run.PROBLEMS, 2, "train", [made_run.problem("other", "train", 0)])
    said = factory("why", "made-1", "0")
    assert said.code == 2
    assert "'0' names 2 things" in said.err
    assert "no problem or candidate 'c-000000'" in factory("why", "made-1", "c-000000").err


def test_sql(factory: Factory, store: Store) -> None:
    query = "SELECT outcome, count(*) AS n FROM lineage GROUP BY outcome ORDER BY outcome"
    assert factory("sql", "made-1", query, "--json").json == {
        "columns": ["outcome", "n"], "rows": [["correct", 3], ["unparsed", 1], ["wrong", 1]],
    }  # fmt: skip
    assert "unparsed" in factory("sql", "made-1", query).out
    odd = factory("sql", "made-1", "SELECT 'NaN'::DOUBLE, NULL, DATE '2026-11-21', ['a']", "--json")
    assert odd.json["rows"] == [[None, None, "2026-11-21", ["a"]]]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "the query does not run"),
        ("SELECT * FROM candidate", "the query does not run"),
        ("DROP VIEW lineage", "expected one query that reads"),
        ("CREATE TABLE t (a INT)", "expected one query that reads"),
        ("COPY (SELECT 1) TO 'evil.csv'", "expected one query that reads"),
        ("SELECT 1; SELECT 2", "got 2"),
        ("", "got none"),
        ("/* nothing */", "got none"),
    ],
)
def test_sql_that_is_wrong_or_writes(
    factory: Factory, store: Store, query: str, says: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said = factory("sql", "made-1", query)
    assert said.code == 2
    assert says in said.err
    assert not (tmp_path / "evil.csv").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"run": 1}', '"text"'])
def test_a_run_json_that_is_no_runs(factory: Factory, store: Store, content: str) -> None:
    (store.folder / "run.json").write_text(content)
    assert factory("status", "--json").json["runs"][0]["state"] == "damaged"
    for command in ("report", "export-data"):
        said = factory(command, "made-1", "--out", "x.jsonl")
        assert said.code == 1
        assert "is not that of a run" in said.err


def test_a_damaged_journal_costs_its_lines_only(factory: Factory, store: Store) -> None:
    with (store.folder / "journal.jsonl").open("ab") as file:
        file.write(b'[]\n{"stage": "x", "seconds": "y"}\n{"a":\xff\xfe\n')
    assert factory("report", "made-1").code == 0


def test_a_run_is_found_by_its_beginning(factory: Factory, store: Store, data: Path) -> None:
    assert factory("sql", "made", "SELECT 1").code == 0
    (data / "runs" / "made-2").mkdir()
    assert "begins the names of 2 runs" in factory("sql", "made", "SELECT 1").err
    assert "did you mean 'made-1'?" in factory("sql", "mdae-1", "SELECT 1").err


def test_report(factory: Factory, store: Store, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert factory("report", "made-1", "--out", str(out), "--json").json["report"] == str(out)
    assert out.read_text().startswith("<!doctype html>")
    assert factory("report", "made-1").code == 0
    assert (store.folder / "report.html").is_file()
