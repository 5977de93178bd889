import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.problems.formats import problems
from generators.problems.parts import last_box, mathematical
from generators.prompts import final_line
from rsfactory.errors import InputError

CHOICES = [{"label": "A", "text": "bank"}, {"label": "B", "text": "mall"}]
MATERIAL = Path(__file__).parents[4] / "shared" / "material"


def read(row, columns=None, **more):
    rows = [("line 1", row)]
    return next(problems(rows, "test", columns or {}, more.pop("verifier", None), **more))


RECOGNISED = [
    # row, prompt, answer, verifier, solution
    ({"question": "Q", "answer": "It is 48/2 = <<48/2=24>>24.\n#### 1,024"},
     "Q", "1024", "math", f"It is 48/2 = 24.\n{final_line('1024')}"),
    ({"question": {"stem": "Q", "choices": CHOICES}, "answerKey": "B"},
     "Q\nA. bank\nB. mall", "B", "choice", None),
    ({"question": "Q", "choices": {"label": ["1", "2"], "text": ["x", "y"]}, "answerKey": "2"},
     "Q\nA. x\nB. y", "B", "choice", None),
    ({"question": "Q", "choices": ["x", "y", "z"], "answerKey": ["C", "A"]},
     "Q\nA. x\nB. y\nC. z", "A, C", "choice", None),
    ({"question": "Q", "choices": ["x", "y", "z"], "answerKey": "A, C"},
     "Q\nA. x\nB. y\nC. z", "A, C", "choice", None),
    ({"problem": "P", "solution": "so \\boxed{\\frac{1}{2}}.", "level": 3},
     "P", "\\frac{1}{2}", "math", "so \\boxed{\\frac{1}{2}}.\n" + final_line("\\frac{1}{2}")),
    ({"problem": "P", "answer": "(3, \\pi)", "solution": "w"},
     "P", "(3, \\pi)", "math", "w\n" + final_line("(3, \\pi)")),
    ({"problem": "P", "expected_answer": "73"}, "P", "73", "math", None),
    ({"prompt": " P ", "answer": 145.0}, "P", "145.0", "math", None),
    ({"question": "P", "answer": "Paris"}, "P", "Paris", "exact", None),
]  # fmt: skip


@pytest.mark.parametrize(("row", "prompt", "answer", "verifier", "solution"), RECOGNISED)
def test_formats_are_recognised(row, prompt, answer, verifier, solution) -> None:
    found = read(row)
    assert (found.prompt, found.answer, found.verifier) == (prompt, answer, verifier)
    assert found.solution == solution


MAPPED = [
    ({"Body": "B.", "Question": "Q?", "Answer": 2.0},
     {"problem": "Body+Question", "answer": "Answer"}, "B. Q?", "2.0"),
    ({"a": {"b": {"c": "deep"}}, "gold": "x"}, {"problem": "a.b.c", "answer": "gold"}, "deep", "x"),
    ({"q": "Q", "options": ["x", "y"], "key": 1},
     {"problem": "q", "choices": "options", "answer": "key"}, "Q\nA. x\nB. y", "B"),
    ({"q": "Q", "options": ["x", "y"], "key": "y"},
     {"problem": "q", "choices": "options", "answer": "key"}, "Q\nA. x\nB. y", "B"),
    ({"question": "Q", "answer": "one #### 1", "short": "7"},
     {"problem": "question", "answer": "short"}, "Q", "7"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "prompt", "answer"), MAPPED)
def test_a_mapping_overrides_recognition(row, columns, prompt, answer) -> None:
    found = read(row, columns)
    assert (found.prompt, found.answer) == (prompt, answer)


def test_a_mapped_solution_ends_with_the_final_line() -> None:
    found = read({"q": "Q", "g": 4, "s": "2+2=4"}, {"problem": "q", "answer": "g", "solution": "s"})
    assert found.solution == "2+2=4\n" + final_line("4")


def test_the_users_verifier_wins() -> None:
    assert read({"question": "Q", "answer": "4"}, verifier="exact").verifier == "exact"


FAULTS = [
    ({"Body": "x", "Answer": 1}, {}, "Body, Answer.*--map problem=Body --map answer=Answer"),
    ({"question": {"text": "x"}}, {}, r"question\.text"),
    ({"q": 1}, {"problem": "q"}, "needs the first two"),
    ({"q": 1}, {"problem": "q", "gold": "q"}, "needs the first two"),
    ({"q": "x", "g": 1}, {"problem": "q+r", "answer": "g"}, "no column r; it has q, g"),
    ({"question": "Q", "answer": "x ####"}, {}, "line 1: expected a gold answer after"),
    ({"question": "Q", "answer": " "}, {}, "line 1: answer is empty"),
    ({"question": "Q", "answer": None}, {}, "line 1: answer is empty"),
    ({"question": "Q", "answer": float("nan")}, {}, "line 1: answer is empty"),
    ({"question": "", "answer": "4"}, {}, "line 1: question is empty"),
    ({"question": "Q", "answer": ["4"]}, {}, "line 1: expected a text or a number"),
    ({"question": {"stem": "Q", "choices": CHOICES}, "answerKey": "C"}, {}, "none of the choices"),
    ({"question": {"stem": "Q", "choices": CHOICES}, "answerKey": ""}, {}, "no gold answer"),
    ({"question": {"stem": "Q", "choices": CHOICES[:1]}, "answerKey": "A"}, {}, "2 to 26"),
    ({"question": {"stem": "Q", "choices": "ab"}, "answerKey": "A"}, {}, "a list of choices"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "says"), FAULTS)
def test_what_cannot_be_a_problem_is_named(row, columns, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(row, columns)


def test_a_later_row_without_gold_is_named() -> None:
    rows = [("line 1", {"question": "Q", "answer": "4"}), ("line 2", {"question": "Q"})]
    with pytest.raises(InputError, match="line 2: answer is empty"):
        list(problems(rows, "test", {}, None))


def test_lenient_recognises_where_the_mapping_does_not_fit() -> None:
    columns = {"problem": "Body", "answer": "Answer"}
    assert read({"question": "Q", "answer": "4"}, columns, lenient=True).answer == "4"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("24", True), ("-3.5", True), ("1,080", True), ("145.0", True), ("60%", True),
        ("$5", True), ("3/4", True), ("x^2+1", True), ("\\frac{1}{2}", True), ("(3, 4)", True),
        ("2x + 1", True), ("Paris", False), ("a dog", False), ("I", False), ("", False),
        ("12 Main Street", False), ("true", False),
    ],
)  # fmt: skip
def test_mathematical(answer: str, expected: bool) -> None:
    assert mathematical(answer) is expected


@settings(deadline=None)
@given(st.text(max_size=3000))
def test_mathematical_ends_quickly_on_anything(answer: str) -> None:
    mathematical(answer)


@settings(deadline=None)
@given(st.text(alphabet="ab\\{}", max_size=30).filter(lambda s: s.count("{") == s.count("}")))
def test_thelast_box_is_found_whole(inside: str) -> None:
    depth = 0
    for character in inside:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0 or "\\boxed{" in inside:
            return
    assert last_box("\\boxed{1} then \\boxed{" + inside + "} end") == inside.strip()


@pytest.mark.parametrize(
    ("name", "verifier", "rows"),
    [
        ("problems/gsm8k_train.jsonl", "math", 7473),
        ("logic/commonsenseqa_train.jsonl", "choice", 9741),
        ("problems/math500_prm800k_split.jsonl", "math", 500),
        ("problems/aime24.jsonl", "math", 30),
    ],
)
def test_real_files_are_read_whole(name: str, verifier: str, rows: int) -> None:
    from generators.problems.files import _jsonl

    path = MATERIAL / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    found = list(problems(_jsonl(path), path.name, {}, None))
    assert len(found) == rows
    assert {p.verifier for p in found} == {verifier}
    assert not any("<<" in (p.solution or "") for p in found if verifier == "math" and rows > 5000)


GOLDLESS = [
    # row, columns, prompt, solution, domain
    ({"question": "Q"}, {}, "Q", None, "text"),
    ({"question": "Q", "answer": None}, {}, "Q", None, "text"),
    ({"question": "Q", "answer": " "}, {}, "Q", None, "text"),
    ({"problem": "P", "solution": "Clearly."}, {}, "P", "Clearly.", "text"),
    ({"Body": "B.", "Ask": "Q?"}, {"problem": "Body+Ask"}, "B. Q?", None, "text"),
    ({"q": "Q", "gold": ""}, {"problem": "q", "answer": "gold"}, "Q", None, "text"),
    ({"q": "Q", "how": "So."}, {"problem": "q", "solution": "how"}, "Q", "So.", "text"),
    ({"question": {"stem": "Q", "choices": CHOICES}}, {}, "Q\nA. bank\nB. mall", None, "choice"),
    ({"question": "Q", "choices": ["x", "y"]}, {}, "Q\nA. x\nB. y", None, "choice"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "prompt", "solution", "domain"), GOLDLESS)
def test_rows_without_a_gold_where_none_is_needed(row, columns, prompt, solution, domain) -> None:
    found = read(row, columns, verifier="majority", gold=False)
    assert (found.prompt, found.answer, found.solution) == (prompt, "", solution)
    assert (found.domain, found.verifier) == (domain, "majority")
    with pytest.raises(InputError):
        read(row, columns)


def test_golds_that_are_there_are_read_where_none_is_needed() -> None:
    rows = [{"question": "Q1"}, {"question": "Q2", "answer": "so\n#### 2"}, {"question": "Q3"}]
    told = [(f"line {i}", row) for i, row in enumerate(rows)]
    found = list(problems(told, "test", {}, "judge", gold=False))
    assert [p.answer for p in found] == ["", "2", ""]
    for row, columns, *_ in MAPPED:
        assert read(row, columns, gold=False) == read(row, columns)
    for row, *_ in RECOGNISED:
        assert read(row, gold=False) == read(row)


def test_a_row_keeps_its_own_rubric() -> None:
    for rubric in ("Name it.", ["One.", "Two."]):
        for gold in (True, False):
            row = {"question": "Q", "answer": "5", "rubric": rubric}
            assert json.loads(read(row, verifier="judge", gold=gold).metadata)["rubric"] == rubric
    asked = read({"question": "Q", "rubric": "Name it."}, verifier="judge", gold=False)
    assert json.loads(asked.metadata)["rubric"] == "Name it."
    for nothing in (None, "", [], 3):
        assert (
            read({"question": "Q", "answer": "5", "rubric": nothing}, verifier="judge").metadata
            == ""
        )
    assert read({"question": "Q", "answer": "5", "rubric": "Name it."}).metadata == ""


def test_puzzles_and_programs_keep_their_golds_where_none_is_needed() -> None:
    tables = {
        "logic/knights_knaves_5000.jsonl": "puzzle",
        "logic/game24_1362.jsonl": "puzzle",
        "code/humaneval.jsonl": "code",
        "code/mbpp_974.jsonl": "code",
    }
    for name, verifier in tables.items():
        if not (MATERIAL / name).exists():
            pytest.skip("the outside material is not beside the repository")
        row = json.loads((MATERIAL / name).read_text().splitlines()[0])
        found = read(row, gold=False)
        assert found == read(row)
        assert (found.verifier, bool(found.metadata)) == (verifier, True)


def test_a_row_without_a_question_is_an_error_all_the_same() -> None:
    with pytest.raises(InputError, match=r"line 1: expected a question in a column .* found text"):
        read({"text": "Q"}, gold=False)
    with pytest.raises(InputError, match="question is empty"):
        read({"question": " "}, gold=False)


ASSERTS = {"asserts": ["assert f(1) == 2"], "setup": ""}
TESTED = json.dumps(ASSERTS)
METADATA = [
    # row, columns, verifier; then the problem's verifier, answer, metadata
    ({"question": "Q", "answer": "42", "metadata": {"pattern": r"\d+"}}, {}, "regex",
     "regex", "42", {"pattern": r"\d+"}),
    ({"question": "Q", "answer": "42", "metadata": '{"pattern": "4."}'}, {}, None,
     "math", "42", {"pattern": "4."}),
    ({"question": "Q", "metadata": {"schema": {}}}, {}, "json-schema",
     "json-schema", "", {"schema": {}}),
    ({"question": "Q", "answer": None, "metadata": '{"format": "boxed"}'}, {}, "format",
     "format", "", {"format": "boxed"}),
    ({"question": "Q", "metadata": {"mine": 1}}, {}, "own:Verifier",
     "own:Verifier", "", {"mine": 1}),
    ({"question": "Q", "metadata": ASSERTS}, {}, None, "code", "", ASSERTS),
    ({"question": "Q", "answer": "def f(x): return 2", "metadata": TESTED}, {}, None,
     "code", "def f(x): return 2", ASSERTS),
    ({"q": "Q", "tests": TESTED}, {"problem": "q", "metadata": "tests"}, None,
     "code", "", ASSERTS),
    ({"q": "Q", "g": "4", "a": {"b": {"pattern": "."}}},
     {"problem": "q", "answer": "g", "metadata": "a.b"}, "regex", "regex", "4", {"pattern": "."}),
    ({"question": "Q", "metadata": {"kind": "countdown", "numbers": [4, 6], "target": 24}}, {},
     None, "puzzle", "", {"kind": "countdown", "numbers": [4, 6], "target": 24}),
    ({"q": "Q", "g": "4", "metadata": "level 5"}, {"problem": "q", "answer": "g"}, None,
     "math", "4", None),
    ({"question": "Q", "answer": "4", "metadata": None}, {}, None, "math", "4", None),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "asked", "verifier", "answer", "metadata"), METADATA)
def test_metadata_of_a_row(row, columns, asked, verifier, answer, metadata) -> None:
    found = read(row, columns, verifier=asked)
    assert (found.verifier, found.answer) == (verifier, answer)
    assert (json.loads(found.metadata) if found.metadata else None) == metadata
    if verifier == "code":
        assert found.domain == "code"
        assert (found.solution is not None) == bool(answer)


BAD_METADATA = [
    ({"question": "Q", "answer": "4", "metadata": "level 5"}, {}, None,
     "line 1: metadata: expected metadata as a JSON object, got 'level 5'"),
    ({"question": "Q", "answer": "4", "metadata": [1]}, {}, None, r"line 1: .*object, got '\[1\]'"),
    ({"question": "Q", "metadata": '{"asserts": ['}, {}, "code", "line 1: metadata: expected"),
    ({"q": "Q", "g": "4", "m": "x"}, {"problem": "q", "answer": "g", "metadata": "m"}, None,
     "line 1: m: expected metadata as a JSON object"),
    ({"q": "Q", "g": "4"}, {"problem": "q", "answer": "g", "metadata": "m"}, None,
     "test has no column m; it has q, g"),
    ({"question": "Q", "metadata": {"schema": {}}}, {}, None,
     "line 1: it has no gold answer, and metadata for the verifier json-schema; name it with --v"),
    ({"question": "Q", "metadata": {"schema": {}}}, {}, "math", "is not understood"),
    ({"question": "Q", "answer": "", "metadata": {"schema": {}}}, {}, "math", "answer is empty"),
    ({"q": "Q", "metadata": {"schema": {}}, "m": {"pattern": "x"}},
     {"problem": "q", "metadata": "m"}, "math", "needs the first two"),
    ({"question": "Q", "metadata": {"kind": "knights_and_knaves", "names": ["A", "B"]}}, {}, None,
     "is not understood"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "verifier", "says"), BAD_METADATA)
def test_metadata_that_cannot_be_used(row, columns, verifier, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(row, columns, verifier=verifier)


def test_a_mapped_metadata_column_has_to_be_there_without_golds_too() -> None:
    with pytest.raises(InputError, match="no column m"):
        read({"q": "Q"}, {"problem": "q", "metadata": "m"}, verifier="judge", gold=False)
    with pytest.raises(InputError, match="a mapping names"):
        read({"q": "Q"}, {"problem": "q", "metdata": "m"}, verifier="judge", gold=False)


def test_questions_that_differ_in_their_tests_are_two_problems() -> None:
    rows = [{"question": "Q", "metadata": {"pattern": p}} for p in ("a", "b")]
    assert len({read(row, verifier="regex").id for row in rows}) == 2


def test_a_rubric_goes_beside_other_metadata() -> None:
    row = {"question": "Q", "rubric": "Name it.", "metadata": {"level": 5}}
    found = read(row, verifier="judge", gold=False)
    assert json.loads(found.metadata) == {"rubric": "Name it.", "level": 5}


def test_a_known_format_does_not_look_at_a_column_of_metadata() -> None:
    row = {"nums": [4, 6], "target": 24, "metadata": "hard"}
    assert json.loads(read(row).metadata)["kind"] == "countdown"
