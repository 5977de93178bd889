"""Ids with and without their prefix, and what is said where they lead nowhere."""

import json
from pathlib import Path

import pytest

from generators.problems.index import ProblemIndex
from rsfactory.errors import InputError


def file(folder: Path, name: str, ids: list[object], column: str = "task_id") -> Path:
    rows = [
        {column: one, "question": f"{name} {one}?", "answer": str(n)} for n, one in enumerate(ids)
    ]
    place = folder / name
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.mark.parametrize(
    ("ids", "asked", "found"),
    [
        (["A/0", "A/1"], "A/1", "A/1"),
        (["A/0", "A/1"], "1", "A/1"),
        ([0, 1], "A/1", "1"),
        ([0, 1], "1", "1"),
        (["A/1", "1"], "1", "1"),  # the very id comes first
        (["A/1", "1"], "B/1", "1"),
        (["A/1", "B/1"], "1", None),  # which?
        (["A/1"], "B/1", None),  # another set's problem
        (["A/1"], "A/2", None),
        (["A/10"], "0", None),
        (["a/b/3"], "3", "a/b/3"),
    ],
)
def test_find(tmp_path: Path, ids: list[object], asked: str, found: str | None) -> None:
    index = ProblemIndex([file(tmp_path, "f.jsonl", ids)], "math")
    if found is None:
        with pytest.raises(InputError, match=f"problem '{asked}'"):
            index.find(asked)
    else:
        assert index.find(asked).prompt == f"f.jsonl {found}?"
        assert index.find(asked).verifier == "math"


def test_several_files_and_other_columns(tmp_path: Path) -> None:
    files = [file(tmp_path, "a.jsonl", ["A/1"]), file(tmp_path, "b.jsonl", ["B/1"], "id")]
    index = ProblemIndex(files, "exact")
    assert index.find("B/1").prompt == "b.jsonl B/1?"
    with pytest.raises(InputError, match=r"may be A/1 or B/1 of a.jsonl and b.jsonl"):
        index.find("1")


def test_an_id_twice_and_none_at_all(tmp_path: Path) -> None:
    index = ProblemIndex([file(tmp_path, "f.jsonl", ["A/1", "A/1", "A/2"])], "math")
    assert index.find("2").prompt == "f.jsonl A/2?"  # nobody asked for the other
    for asked in ("A/1", "1"):
        with pytest.raises(InputError, match=r"line 2: expected every problem once, the id 'A/1'"):
            index.find(asked)
    with pytest.raises(InputError, match=r"line 1: expected an id .* found name, question, answer"):
        ProblemIndex([file(tmp_path, "f.jsonl", ["A/1"], "name")], "math")
