"""Traces as a teacher: which rows answer a problem, what their candidates are, what is held."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from hub_server import hub_server

from generators.problems import open_source
from generators.teachers.dataset import DatasetTeacher
from generators.traces import TraceSet
from rsfactory.errors import InputError
from rsfactory.records import Problem

BOXED = "Return your final response within \\boxed{}."


def problem(prompt: str) -> Problem:
    return Problem(
        id=Problem.key("t", prompt, "1"), source="t", split="train", domain="math",
        verifier="math", prompt=prompt, answer="1", choices=[], solution=None, row=0,
    )  # fmt: skip


def write(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[DatasetTeacher]:
    rows = [
        {"problem": "What is 1 + 1?", "generations": ["<think>a</think>2", "<think>b"]},
        {"problem": f"{BOXED} What is 2 + 2?", "generations": ["4"], "finish_reasons": ["stop"]},
        {"problem": "what  is 1 + 1?", "generations": ["It is 2."]},
        {"problem": "Then what?", "generations": []},
        {"problem": "What is 2 + 2? Modulo 3.", "generations": ["1"]},
    ]
    with closing(DatasetTeacher(f"dataset:{write(tmp_path / 'a.jsonl', rows)}")) as teacher:
        yield teacher


def test_the_rows_of_a_question_are_its_completions(traces: DatasetTeacher) -> None:
    found = traces.traces(problem("What is 1 + 1?"))
    assert [(c.text, c.reasoning, c.finish_reason) for c in found] == [
        ("2", "a", "dataset"), ("", "b", "length"), ("It is 2.", None, "dataset")]  # fmt: skip
    assert {(c.requests, c.tokens, c.prompt_tokens, c.seconds) for c in found} == {(0, 0, 0, 0.0)}
    assert [c.finish_reason for c in traces.traces(problem("What is 2 + 2?"))] == ["stop"]
    assert traces.traces(problem("What is 3 + 3?")) == []
    assert (traces.completions, sum(traces.malformed.values()), traces.ambiguous) == (5, 1, 0)
    assert traces.traces(problem("What is 1 + 1?")) == found


def test_a_set_that_changes_under_the_run_is_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", [{"problem": f"What is {i}?", "solution": "x"} for i in "ab"]
    )
    with closing(DatasetTeacher(str(path))) as teacher:
        write(path, [{"problem": "Another one?", "solution": "x"}])
        with pytest.raises(InputError, match="changed while it was read"):
            teacher.traces(problem("What is b?"))


def test_identity_is_name_and_content(tmp_path: Path) -> None:
    rows = [{"problem": f"What is {i}?", "solution": f"It is {i}."} for i in range(4)]
    made = {"a.jsonl": rows, "b.jsonl": rows, "c.jsonl": [*rows, rows[0]], "d.jsonl": rows[::-1]}
    ids = {}
    for name, content in made.items():
        with closing(DatasetTeacher(str(write(tmp_path / name, content)))) as teacher:
            ids[name] = teacher.identity
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    with closing(DatasetTeacher(str(tmp_path / "a.parquet"))) as teacher:
        parquet = teacher.identity
    hashes = [identity.partition("#")[2] for identity in (*ids.values(), parquet)]
    assert ids["a.jsonl"].startswith("dataset:a.jsonl#")
    assert hashes[0] == hashes[1] == hashes[4]
    assert len(set(hashes)) == 3


def test_a_set_with_golds_answers_its_own_problems(tmp_path: Path) -> None:
    rows = [
        {
            "problem": f"What is {i} + 1?",
            "generations": [f"\\boxed{{{i + 1}}}"],
            "answer": str(i + 1),
        }
        for i in range(40)
    ]
    spec = f"dataset:{write(tmp_path / 'a.jsonl', rows)}"
    source = open_source(spec, seed=1)
    with closing(DatasetTeacher(spec)) as teacher:
        for asked in source.train(1, 20):
            assert [c.text for c in teacher.traces(asked)] == [f"\\boxed{{{asked.answer}}}"]
        assert len(list(teacher.problems())) == 40


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    text = "so " * 20_000
    rows = [{"problem": f"What is {i}?", "completion": f"{text}{i}"} for i in range(300)]
    for path in (write(tmp_path / "a.jsonl", rows), tmp_path / "a.parquet"):
        if path.suffix == ".parquet":
            pl.DataFrame(rows).write_parquet(path, row_group_size=50)
        tracemalloc.start()
        with closing(DatasetTeacher(str(path))) as teacher:
            assert teacher.traces(problem("What is 222?"))[0].text.endswith("222")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert path.suffix == ".parquet" or peak < 3_000_000, (path, peak)
        assert peak < 40_000_000, (path, peak)


CARD = "---\nlicense: apache-2.0\n---\n# Traces\n"


def test_a_folder_that_datasets_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.jsonl", _published())
    (folder / "README.md").write_text(CARD)
    _check(str(folder))


def test_a_hub_id(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "datasets" / "team" / "traces"
    folder.mkdir(parents=True)
    write(folder / "train.jsonl", _published())
    (folder / "README.md").write_text(CARD)
    command = [sys.executable, "-c", "import test_dataset; test_dataset._check('team/traces')"]
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    paths = {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    with hub_server(tmp_path / "hub") as (url, asked):
        env = {**os.environ, **home, **paths, "HF_ENDPOINT": url}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert any(line.endswith("train.jsonl") for line in asked)


def _published() -> list[dict[str, object]]:
    return [
        {"conversations": [{"from": "human", "value": f"{BOXED} What is {i} + 1?"},
                           {"from": "gpt", "value": f"<think>a</think>{i + 1}"}]}
        for i in range(8)
    ]  # fmt: skip


def _check(spec: str) -> None:
    with closing(DatasetTeacher(f"dataset:{spec}")) as teacher:
        assert teacher.licence == "Apache-2.0"
        assert teacher.identity.startswith(f"dataset:{spec}#")
        (found,) = teacher.traces(problem("What is 3 + 1?"))
        assert (found.text, found.reasoning) == ("4", "a")
    with closing(TraceSet(spec)) as rows:
        assert len(rows) == 8
