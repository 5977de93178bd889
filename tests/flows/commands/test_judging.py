"""``factory validate`` and ``factory audit`` as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsfactory.store import Store

Factory = Callable[..., Any]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = [
        {"gold": "7", "completion": r"\boxed{7}", "label": True, "source": "a"},
        {"gold": "7", "completion": r"\boxed{9}", "label": True, "source": "b"},
    ]
    place = tmp_path / "labelled.jsonl"
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def test_audit_as_json_and_every_verdict(factory: Factory, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.jsonl"
    said = factory("audit", "math", str(labelled), "--out", str(out), "--json")
    assert said.code == 0
    assert said.json["rows"] == 2
    assert said.json["false_rejects"] == 1
    assert said.json["by_source"]["b"]["false_reject_rate"]["rate"] == 1
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["correct", "wrong"]
    assert set(lines[0]) >= {"row", "outcome", "extracted", "reason", "seconds"}


def test_audit_for_people(factory: Factory, labelled: Path) -> None:
    said = factory("audit", "math", str(labelled))
    assert "false rejects" in said.out
    assert "row 1: false_reject, wrong: 9 is not 7" in said.out


@pytest.mark.parametrize("width", [80, 100])
def test_audit_fits_and_tells_sources_apart(
    factory: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = [f"a_long_name_of_a_collection_of_rows_part_{n}" for n in (1, 2)]
    rows = [
        {"gold": "7", "completion": rf"\\boxed{{{6 + n % 2}}}", "label": n % 3 == 0, "source": name}
        for name in names
        for n in range(60)
    ]
    place = tmp_path / "rows.jsonl"
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = factory("audit", "math", str(place)).out.split("rows/s")[0]
    assert max(map(len, said.splitlines())) <= width
    assert "…" not in said
    for line in said.splitlines():
        assert line.count("(") == line.count("%)")  # no interval is broken
    cells = (line[1:].split(" ")[0] for line in said.splitlines() if line.strip())
    folded = "".join(cells)  # a row's name goes on below it
    assert all(name in folded for name in names)


def test_audit_maps_columns_and_says_which_are_there(factory: Factory, tmp_path: Path) -> None:
    place = tmp_path / "odd.csv"
    place.write_text("truth,text,base_status\n7,#### 7,pass\n")
    said = factory("audit", "math", str(place))
    assert said.code == 2
    assert "expected a column 'gold', found truth, text, base_status" in said.err
    mapped = ["--map", "gold=truth", "--map", "completion=text", "--map", "label=base_status"]
    assert factory("audit", "math", str(place), *mapped, "--json").json["accepted"] == 1


def test_audit_of_what_is_not_there(factory: Factory, tmp_path: Path, labelled: Path) -> None:
    assert factory("audit", "math", str(tmp_path / "no.jsonl")).code == 2
    said = factory("audit", "maths", str(labelled))
    assert said.code == 2
    assert "math" in said.err


def test_a_stopped_audit_wrote_nothing(
    factory: Factory, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("filters.audit.audit", interrupt)
    out = tmp_path / "verdicts.jsonl"
    said = factory("audit", "math", str(labelled), "--out", str(out))
    assert (said.code, said.err.strip()) == (3, "stopped; nothing was written")
    assert not out.exists()


def test_audit_names_the_row_it_cannot_use(factory: Factory, labelled: Path) -> None:
    row = {"gold": "7", "completion": "7", "label": True, "choices": 5}
    labelled.write_text(f"{labelled.read_text()}{json.dumps(row)}\n")
    said = factory("audit", "math", str(labelled))
    assert said.code == 2
    assert "labelled.jsonl, row 2: expected a list of choices" in said.err


def test_audit_of_half_a_character(factory: Factory, labelled: Path, tmp_path: Path) -> None:
    row = {"gold": "7", "completion": "\ud800 \\boxed{\ud800}", "label": False}
    labelled.write_text(json.dumps(row))
    out = tmp_path / "verdicts.jsonl"
    for more in ((), ("--out", str(out)), ("--json",)):
        assert factory("audit", "math", str(labelled), *more).code == 0
    assert len(out.read_text().splitlines()) == 1


def test_validate_a_family(factory: Factory) -> None:
    said = factory("validate", "gym:basic_arithmetic", "--limit", "20", "--json")
    assert said.code == 0
    found = said.json
    costs = found.pop("costs")
    assert found == {
        "rows": 20, "correct": 20, "failed": [], "without_gold": 0, "limit": 20,
        "limit_reached": True,
    }  # fmt: skip
    assert [cost["rows"] for cost in costs.values()] == [20]


def test_validate_names_the_golds_that_fail(factory: Factory, tmp_path: Path) -> None:
    place = tmp_path / "golds.jsonl"
    rows = [{"question": "1 + 1?", "answer": "2"}, {"question": "1 + 2?", "answer": r"\frac{3"}]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = factory("validate", str(place), "--verifier", "math", "--json")
    assert said.code == 1
    assert said.json["correct"] == 1
    [failed] = said.json["failed"]
    assert failed["row"] == 1
    assert failed["outcome"] == "unverifiable"
    assert "1 of 2 golds" in factory("validate", str(place), "--verifier", "math").out


def written(place: Path, rows: list[dict[str, Any]]) -> Path:
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def test_validate_says_where_it_stopped(factory: Factory, tmp_path: Path) -> None:
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(4)]
    place = str(written(tmp_path / "four.jsonl", rows))
    found = factory("validate", place, "--limit", "3", "--json").json
    assert (found["rows"], found["limit"], found["limit_reached"]) == (3, 3, True)
    said = factory("validate", place, "--limit", "3").out
    assert "four.jsonl: the first 3 problems, 3 of 3 golds are accepted" in said
    assert "--limit 30" in said
    for limit in ("4", "5"):
        assert factory("validate", place, "--limit", limit, "--json").json["limit_reached"] is False
        assert "first" not in factory("validate", place, "--limit", limit).out


def test_validate_goes_by_the_metadata_of_a_row(factory: Factory, tmp_path: Path) -> None:
    rows = [
        {"question": "A number?", "answer": "42", "metadata": {"pattern": r"\d+"}},
        {"question": "Another?", "answer": "42", "metadata": {"pattern": r"[a-z]+"}},
        {"question": "Any word?", "metadata": {"pattern": r"[a-z]+"}},
        {"question": "None?", "metadata": {"pattern": "["}},
    ]
    place = str(written(tmp_path / "patterns.jsonl", rows))
    said = factory("validate", place, "--verifier", "regex", "--json")
    assert said.code == 1
    found = said.json
    assert (found["rows"], found["correct"], found["without_gold"]) == (4, 1, 1)
    assert [(f["row"], f["outcome"]) for f in found["failed"]] == [
        (1, "wrong"),
        (3, "unverifiable"),
    ]
    said = factory("validate", place, "--verifier", "regex").out
    assert "1 of 3 golds are accepted" in said
    assert "1 more have no gold" in said
    named = factory("validate", place)
    assert named.code == 2
    assert "line 3: it has no gold answer, and metadata for the verifier regex" in named.err


@pytest.mark.parametrize(
    ("name", "says"), [("judge", "python -m benchmarks.judge_labels"), ("majority", "samples them")]
)
def test_validate_says_what_cannot_be_asked_alone(factory: Factory, name: str, says: str) -> None:
    said = factory("validate", "gym:basic_arithmetic", "--verifier", name)
    assert said.code == 2
    assert f"factory run RECIPE --set problems.verifier={name}" in said.err
    assert says in said.err


def test_verify_again_with_a_verifier_that_the_run_has_no_problem_of(
    factory: Factory, store: Store
) -> None:
    said = factory("verify", "made-1", "--verifier", "exact")
    assert said.code == 2
    assert "got exact; they are decided by math" in said.err
    assert factory("verify", "made-1", "--verifier", "maths").code == 2
    assert factory("verify", "made-1", "--verifier", "math", "--json").json["candidates"] > 0


@pytest.fixture
def by_id(tmp_path: Path) -> tuple[Path, Path]:
    problems = [
        {"task_id": "Sums/1", "question": "1 + 1?", "answer": "2"},
        {"task_id": "Sums/2", "question": "1 + 2?", "answer": "3"},
        {"task_id": 7, "question": "3 + 4?", "answer": "7"},
    ]
    rows = [
        {"task_id": "Sums/2", "solution": "#### 3", "base_status": "pass"},
        {"task_id": 1, "solution": "#### 2", "base_status": "pass"},
        {"task_id": "Mbpp/7", "solution": "#### 8", "base_status": "fail"},
    ]
    places = (tmp_path / "rows.jsonl", tmp_path / "problems.jsonl")
    for place, lines in zip(places, (rows, problems), strict=True):
        place.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return places


NAMED = ("--map", "completion=solution", "--map", "label=base_status")


@pytest.mark.parametrize("more", [(), ("--map", "problem=task_id"), ("--workers", "2")])
def test_audit_of_rows_that_name_their_problem(
    factory: Factory, by_id: tuple[Path, Path], more: tuple[str, ...]
) -> None:
    rows, problems = by_id
    said = factory("audit", "math", str(rows), "--problems", str(problems), *NAMED, *more, "--json")
    assert said.code == 0, said.err
    assert (said.json["rows"], said.json["accepted"]) == (3, 2)
    assert (said.json["false_accepts"], said.json["false_rejects"]) == (0, 0)
    [cost] = said.json["costs"].values()
    assert (cost["rows"], cost["faults"]) == (3, 0)


def test_audit_of_a_problem_that_is_not_there(factory: Factory, by_id: tuple[Path, Path]) -> None:
    rows, problems = by_id
    rows.write_text(rows.read_text() + '{"task_id": "Sums/9", "solution": "", "base_status": 0}\n')
    said = factory("audit", "math", str(rows), "--problems", str(problems), *NAMED)
    assert said.code == 2
    assert "row 3: problem 'Sums/9' is not in problems.jsonl" in said.err
    assert "3 ids are like Sums/1, Sums/2, 7" in said.err
    said = factory("audit", "math", str(rows), *NAMED)
    assert said.code == 2
    assert "expected a column 'gold'" in said.err
    assert "--problems FILE" in said.err
    said = factory("audit", "math", str(rows), "--problems", "nowhere.jsonl", *NAMED)
    assert said.code == 2
