"""Licence and provenance: what each source and format says of itself, and what the user says."""

import json
from pathlib import Path

import polars as pl
import pytest

from generators.problems import open_source
from generators.problems.formats import problems
from generators.problems.origin import Origin, listed, of_card
from rsfactory.errors import InputError

MATERIAL = Path(__file__).parents[4] / "shared" / "material"
CHOICES = {"label": ["A", "B"], "text": ["bank", "mall"]}
GSM = {"question": "Q", "answer": "48/2 = <<48/2=24>>24\n#### 24"}
MBPP = {"task_id": 1, "code": "def f(x): return x", "test_list": ["assert f(1) == 1"]}
EVAL = {"prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n",
        "test": "def check(candidate):\n    assert candidate(1) == 1\n"}  # fmt: skip
KNIGHTS = {"quiz": "Q", "names": ["Ann", "Bob"], "statements": "(('lying', 1), ('lying', 0))",
           "solution": [True, False], "solution_text": "Ann is a knight, and Bob is a knave.",
           "solution_text_format": "(1) Ann is a knight\n(2) Bob is a knave"}  # fmt: skip

FORMATS = [
    # row, licence, provenance
    (GSM, "unknown", "worked out by people (format of GSM8K)"),
    ({"problem": "P", "level": "Level 5", "type": "Algebra", "solution": "so \\boxed{4}"},
     "unknown", "written by people (format of MATH)"),
    ({"problem": "P", "solution": "\\boxed{4}", "answer": "4", "subject": "Algebra", "level": 2,
      "unique_id": "test/precalculus/807.json"}, "MIT", "written by people (MATH)"),
    ({"question": "Q", "question_concept": "x", "choices": CHOICES, "answerKey": "B"},
     "MIT", "chosen by crowd workers (CommonsenseQA)"),
    ({"question": "Q", "choices": CHOICES, "answerKey": "B"}, "unknown", "unknown"),
    ({"task_id": "HumanEval/0", **EVAL}, "MIT", "program and tests written by people (HumanEval)"),
    ({"task_id": "Mine/0", **EVAL}, "unknown",
     "program and tests written by people (format of HumanEval)"),
    ({"text": "Write f.", "challenge_test_list": [], "test_setup_code": "", **MBPP}, "CC-BY-4.0",
     "program and tests written by crowd workers (MBPP)"),
    ({"prompt": "Write f.", "source_file": "x", "test_imports": [], **MBPP}, "CC-BY-4.0",
     "program and tests written by crowd workers (MBPP)"),
    ({"text": "Write f.", **MBPP}, "unknown",
     "program and tests written by people (format of MBPP)"),
    (KNIGHTS, "unknown", "computed by a generator (format of knights and knaves)"),
    ({"puzzle": "1 1 11 11"}, "unknown", "found here by exhaustive search in exact arithmetic"),
    ({"question": "Q", "answer": "4"}, "unknown", "unknown"),
]  # fmt: skip


def read(row, columns=None, **more):
    return next(problems([("line 1", row)], "test", columns or {}, None, **more))


@pytest.mark.parametrize(("row", "licence", "provenance"), FORMATS)
def test_what_a_format_says(row, licence: str, provenance: str) -> None:
    found = read(row)
    assert (found.licence, found.provenance) == (licence, provenance)


@pytest.mark.parametrize(("row", "licence", "provenance"), FORMATS)
def test_neither_is_in_the_key(row, licence: str, provenance: str) -> None:
    said = read(row, said=Origin("CC0-1.0", "by me"))
    assert said.id == read(row).id
    assert (said.licence, said.provenance) == ("CC0-1.0", "by me")


def test_a_row_comes_before_the_user_before_the_card_before_the_format() -> None:
    card, user = Origin("Apache-2.0"), Origin("MIT", "by me")
    assert read(GSM, known=card).licence == "Apache-2.0"
    assert read(GSM, known=card).provenance.startswith("worked out by people")
    assert read(GSM, known=card, said=user).licence == "MIT"
    for name in ("licence", "license"):
        assert read({**GSM, name: "CC0-1.0"}, known=card, said=user).licence == "CC0-1.0"
    assert read({**GSM, "provenance": "by Ann"}, said=user).provenance == "by Ann"
    for nothing in (None, "", [], 3):
        assert read({**GSM, "licence": nothing}, said=user).licence == "MIT"
    assert read({**GSM, "licence": "half \ud83d"}).licence == "half ?"  # a row holds whole letters


def test_columns_of_the_users_own_names() -> None:
    row = {**GSM, "terms": "CC0-1.0", "made": "by Ann"}
    columns = {"licence": "terms", "provenance": "made"}
    found = read(row, columns)
    assert (found.licence, found.provenance, found.answer) == ("CC0-1.0", "by Ann", "24")
    plain = read({"q": "Q", "a": "4", "t": "MIT"}, {"problem": "q", "answer": "a", "licence": "t"})
    assert (plain.prompt, plain.licence) == ("Q", "MIT")
    with pytest.raises(InputError, match="no column terms, made; it has question, answer"):
        read(GSM, columns)


def test_a_file_and_a_folder_with_a_card(tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "answer": f"so\n#### {i}"} for i in range(8)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = open_source(str(path), seed=1)
    assert (plain.licence, plain.size) == ("unknown", 4)
    assert plain.provenance == "worked out by people (format of GSM8K)"
    told = open_source(str(path), seed=1, licence="MIT", provenance="by me", limit=3)
    assert (told.licence, told.provenance, told.size) == ("MIT", "by me", 3)
    assert {(p.licence, p.provenance) for p in told.train(1, 3)} == {("MIT", "by me")}
    assert told.fingerprint() == plain.fingerprint()


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    tables = [
        [{"question": f"Q{i}", "question_concept": "x", "choices": CHOICES, "answerKey": "B"}
         for i in range(4)],
        [{**KNIGHTS, "quiz": f"Q{i}"} for i in range(4)],
        [{"text": f"Write f{i}.", "challenge_test_list": [], **MBPP} for i in range(4)],
        [{"task_id": f"HumanEval/{i}", **EVAL, "prompt": f"# {i}\n{EVAL['prompt']}"}
         for i in range(4)],
    ]  # fmt: skip
    for rows in tables:
        path = tmp_path / "a.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
        for name, write in (("a.csv", json.dumps), ("b.csv", repr)):
            flat = [
                {k: write(v) if isinstance(v, list | dict) else v for k, v in row.items()}
                for row in rows
            ]
            pl.DataFrame(flat).write_csv(tmp_path / name)
        expected = [_content(p) for p in open_source(str(path), seed=1).problems()]
        for name in ("a.parquet", "a.csv", "b.csv"):
            found = open_source(str(tmp_path / name), seed=1).problems()
            assert [_content(p) for p in found] == expected, name


def _content(problem):
    return (problem.prompt, problem.answer, problem.choices, problem.verifier, problem.metadata,
            problem.licence, problem.provenance)  # fmt: skip


REAL = {
    "problems/gsm8k_train.jsonl": ("unknown", "worked out by people (format of GSM8K)"),
    "problems/math500_prm800k_split.jsonl": ("MIT", "written by people (MATH)"),
    "logic/commonsenseqa_train.jsonl": ("MIT", "chosen by crowd workers (CommonsenseQA)"),
    "code/humaneval.jsonl": ("MIT", "program and tests written by people (HumanEval)"),
    "code/mbpp_974.jsonl": ("CC-BY-4.0", "program and tests written by crowd workers (MBPP)"),
    "logic/knights_knaves_5000.jsonl":
        ("unknown", "computed by a generator (format of knights and knaves)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_files(name: str) -> None:
    path = MATERIAL / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    source = open_source(str(path), seed=1)
    assert (source.licence, source.provenance) == REAL[name]


@pytest.mark.parametrize(
    ("said", "expected"),
    [("mit", "MIT"), ("apache-2.0", "Apache-2.0"), ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
     ("other", "other"), (None, "unknown"), ("", "unknown"), (["mit", "odc-by"], "MIT, ODC-By-1.0"),
     ([], "unknown")],
)  # fmt: skip
def test_the_licence_of_a_card(said, expected: str) -> None:
    assert of_card(said) == expected


def test_many_values_are_summed_up() -> None:
    assert listed("abcabcdef") == "a, b, c, d, and 2 more"
    assert listed([]) == "unknown"
