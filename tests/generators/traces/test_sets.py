import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generators.problems import open_source
from generators.problems.origin import Origin
from generators.teachers.dataset import DatasetTeacher
from generators.traces import TraceSet
from rsfactory.errors import InputError

ROWS = [
    {"problem": f"What is {i} + 1?", "generations": [f"<think>a</think>{i + 1}", "I do not know."],
     "answer": str(i + 1), "finish_reasons": ["stop", "length"]}
    for i in range(9)
]  # fmt: skip


def write(folder: Path, suffix: str, rows=None) -> Path:
    path, rows = folder / f"traces{suffix}", ROWS if rows is None else rows
    if suffix == ".jsonl":
        path.write_text("\n" + "\n\n".join(json.dumps(row) for row in rows), "utf-8-sig")
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    elif suffix == ".csv":
        flat = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()}
                for row in rows]  # fmt: skip
        pl.DataFrame(flat).write_csv(path)
    else:
        pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_kind_of_file_gives_the_same_traces(tmp_path: Path, suffix: str) -> None:
    traces = TraceSet(f"dataset:{write(tmp_path, suffix)}")
    assert len(traces) == 9
    first = list(traces.traces())
    assert [row for row, _ in first] == list(range(9))
    for row, trace in first:
        assert trace.question == ROWS[row]["problem"]
        assert trace.gold == ROWS[row]["answer"]
        assert [a.finish_reason for a in trace.answers] == ["stop", "length"]
        assert trace.answers[0].text == str(row + 1)
    assert traces.read(7) == first[7][1]
    traces.close()
    traces.close()


def test_problems_have_the_sets_own_golds(tmp_path: Path) -> None:
    told: list[str] = []
    rows = [*ROWS[:3], ROWS[0], {**ROWS[1], "answer": "9"}, {**ROWS[4], "answer": None}]
    traces = TraceSet(str(write(tmp_path, ".jsonl", rows)), log=told.append)
    problems = list(traces.problems())
    assert [(p.prompt, p.answer, p.row, p.verifier, p.source) for p in problems] == [
        (ROWS[i]["problem"], str(i + 1), i, "math", "traces.jsonl") for i in range(3)]  # fmt: skip
    assert {p.provenance for p in problems} == {"given by the data set, column answer"}
    assert told == [
        "traces.jsonl: 1 rows have no gold answer and give no problem",
        "traces.jsonl: 1 rows ask a question again with another gold; the first one is taken",
    ]
    bare = list(traces.problems("judge", gold=False, said=Origin("MIT", "by me")))
    assert [(p.answer, p.verifier, p.licence, p.provenance) for p in bare[3:]] == [
        ("", "judge", "MIT", "by me")]  # fmt: skip
    traces.close()


def test_a_set_of_traces_is_a_source_of_problems(tmp_path: Path) -> None:
    source = open_source(f"dataset:{write(tmp_path, '.parquet')}", seed=1, licence="MIT")
    assert (source.name, source.licence, source.size) == ("traces.parquet", "MIT", 5)
    assert len(source.held_out(32)) == 4
    mapped = open_source(
        f"dataset:{write(tmp_path, '.jsonl')}", seed=1, columns={"answer": "finish_reasons"},
        gold=False, purpose="train",
    )  # fmt: skip
    assert {p.answer for p in mapped.problems()} == {""}


def test_a_set_without_golds_says_so(tmp_path: Path) -> None:
    rows = [{"problem": "Q?", "solution": "It is \\boxed{4}."}]
    traces = TraceSet(str(write(tmp_path, ".jsonl", rows)))
    with pytest.raises(InputError, match=r"no row of traces.jsonl has a gold answer of its own"):
        list(traces.problems())
    traces.close()


def test_rows_that_are_no_traces_are_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps(ROWS[0]).encode()
    path.write_bytes(b"\n".join([good, b"{", b"[1]", b'"x"', b"\xff", good, b'{"problem": "Q"}']))
    told: list[str] = []
    traces = TraceSet(str(path), log=told.append)
    assert [row for row, _ in traces.traces()] == [0, 5]
    assert dict(traces.malformed) == {
        "it is not valid JSON": 1, "it is not an object": 2, "it is not UTF-8 text": 1,
        "no completion is found in the columns problem": 1,
    }  # fmt: skip
    (line,) = told
    assert line.startswith("a.jsonl: 5 of 7 rows are no traces: 2 (row 2 first): it is not an obj")
    traces.close()


FAULTS = [
    ("a.jsonl", b"", "are empty"),
    ("a.jsonl", b"\n\n", "are empty"),
    ("a.json", b"{}", "not a list of objects"),
    ("a.csv", b"question,response\nQ,1,2\n", "more cells"),
    ("a.parquet", b"PAR1 not really", "not valid Parquet"),
    ("a.txt", b"hello", "unknown kind; expected .jsonl"),
    ("a.jsonl", b'{"text": "x"}\n', r"no row of a.jsonl is a trace: 1 \(row 0 first\): no"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), FAULTS)
def test_what_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        DatasetTeacher(str(tmp_path / name))


@pytest.mark.parametrize(
    ("spec", "columns", "says"),
    [("dataset:", {}, "got no name"), ("dataset:/none/a.jsonl", {}, "do not exist"),
     ("dataset:/none/a.parquet", {}, "do not exist"), ("dataset:/none/a.csv", {}, "not exist"),
     ("dataset:x/y", {"label": "b"}, "a mapping of traces names problem, .*got label")],
)  # fmt: skip
def test_wrong_words(spec: str, columns, says: str) -> None:
    with pytest.raises(InputError, match=says):
        TraceSet(spec, columns=columns)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=80) | st.text(alphabet='{}[]",:\nab1', max_size=80).map(str.encode)
)
def test_any_bytes_are_traces_or_an_input_error(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    try:
        traces = TraceSet(str(path))
    except InputError:
        return
    try:
        for row, _ in traces.traces():
            traces.read(row)
    except InputError:
        pass
    finally:
        traces.close()
