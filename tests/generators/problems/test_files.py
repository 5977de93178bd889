import json
from pathlib import Path

import polars as pl
import pytest

from generators.problems import open_source
from generators.problems.files import READERS
from rsfactory.errors import InputError

ROWS = [{"question": f"How much is {i} + 1?", "answer": str(i + 1)} for i in range(12)]


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"sums{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in ROWS) + "\n\n", "utf-8-sig")
    elif suffix == ".json":
        path.write_text(json.dumps({"version": 1, "data": ROWS}))
    elif suffix == ".csv":
        pl.DataFrame(ROWS).write_csv(path)
    else:
        pl.DataFrame(ROWS).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_kind_of_file_gives_the_same_problems(tmp_path: Path, suffix: str) -> None:
    source = open_source(str(write(tmp_path, suffix)), seed=1)
    found = list(source.problems())
    assert [(p.prompt, p.answer, p.row) for p in found] == [
        (row["question"], row["answer"], i) for i, row in enumerate(ROWS)
    ]
    assert source.name == found[0].source == f"sums{suffix}"


def test_the_folder_is_not_in_the_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = write(tmp_path, ".jsonl"), write(tmp_path / "other", ".jsonl")
    ids = [[p.id for p in open_source(str(f), seed=1).problems()] for f in (first, second)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_spreadsheets_delimiter(tmp_path: Path, mark: str) -> None:
    place = tmp_path / "sums.csv"
    lines = ["question,answer", '"Which, a; or\tb?",2', "How many?,3"]
    place.write_text("".join(mark.join(line.rsplit(",", 1)) + "\n" for line in lines))
    found = [(p.prompt, p.answer) for p in open_source(str(place), seed=1).problems()]
    assert found == [("Which, a; or\tb?", "2"), ("How many?", "3")]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Question,Right Answer", "--map problem=Question --map 'answer=Right Answer'"),
        ("id,text of problem", "--map 'problem=text of problem' --map answer=COLUMN"),
    ],
)
def test_columns_that_are_not_known_are_guessed(tmp_path: Path, header: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\nx,1\n")
    with pytest.raises(InputError, match=says):
        open_source(str(tmp_path / "a.csv"), seed=1)


BROKEN = [
    ("a.jsonl", b"", "is empty"),
    ("a.jsonl", b"\n \n", "is empty"),
    ("a.json", b"", "is empty"),
    ("a.csv", b"question,answer\n", "is empty"),
    ("a.jsonl", b'{"question": "Q", "answer": "1"}\n{"question": ', "line 2 is not valid JSON"),
    ("a.jsonl", b'{"question": "Q", "answer": "1"}\n[1]\n', "line 2: expected an object"),
    ("a.json", b'{"a": 1}', "not a list of objects"),
    ("a.json", b'[{"question": "Q"},\n{]', "line 2 is not valid JSON"),
    ("a.jsonl", bytes(range(256)), "not UTF-8 text"),
    ("a.csv", b"question,answer\nQ,1,2\n", "row 0 .line 2. has more cells"),
    ("a.csv", b'question,answer\n"Q"x,1\n', "not valid CSV"),
    ("a.parquet", b"PAR1 not really", "not valid Parquet"),
    ("a.jsonl", b'{"question": "Q", "answer": "1"}\n', "at least two different problems"),
    ("a.txt", b"hello", "unknown kind"),
]


@pytest.mark.parametrize(("name", "content", "says"), BROKEN)
def test_broken_files_are_explained(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        open_source(str(path), seed=1)


@pytest.mark.parametrize("name", ["none.jsonl", "none.parquet", "none.csv", "none.json"])
def test_a_missing_file_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_source(str(tmp_path / name), seed=1)


def test_a_folder_called_like_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        open_source(str(tmp_path / "a.jsonl"), seed=1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"question": "a", "answer": ' + "9" * 5000 + "}", r"line 1 cannot be read.*long numbers"),
        ("[" * 100_000, "line 1 cannot be read"),
        ('{"question": "What is \\ud800 1?", "answer": "1"}', "line 1: expected text, got half"),
    ],
)
def test_rows_that_python_itself_refuses(tmp_path: Path, line: str, says: str) -> None:
    place = tmp_path / "odd.jsonl"
    place.write_text(line + "\n")
    with pytest.raises(InputError, match=says):
        open_source(str(place), seed=1)


def test_a_large_cell_and_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "large.csv"
    rows = "".join(f'"{n} {"x" * 200_000}",{n}\n' for n in range(3))
    place.write_text("question,answer\n" + rows)
    assert len(list(open_source(str(place), seed=1).problems())) == 3
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        open_source(str(tmp_path / "folder.parquet"), seed=1)
