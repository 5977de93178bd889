"""Whatever stands in a row: a problem, or an InputError that names the row."""

from hypothesis import given, settings
from hypothesis import strategies as st

from generators.problems import formats
from rsfactory.errors import InputError

NAMES = [
    "problem", "question", "prompt", "answer", "expected_answer", "answerKey", "solution",
    "reference_solution", "choices", "metadata", "rubric", "level", "type", "unique_id", "quiz",
    "names", "statements", "solution_text", "solution_text_format", "puzzle", "nums", "numbers",
    "target", "task_id", "entry_point", "test", "canonical_solution", "text", "code", "test_list",
    "test_imports", "test_setup_code", "challenge_test_list", "input_output", "solutions",
    "starter_code", "licence", "license", "provenance", "question_concept",
]  # fmt: skip
TEXTS = st.sampled_from(
    ["", "Q", "#### 4", "\\boxed{4}", "\\boxed{", "[1, 2]", "[", "{}", '{"a": 1}', "1 1 11 11", "A",
     "def check(candidate): pass", "HumanEval/0", "\ud800", "[[1], [2]]", '["a", "b"]']
) | st.text(max_size=6)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.floats() | TEXTS
KEYS = st.sampled_from(
    ["stem", "choices", "label", "text", "inputs", "outputs", "fn_name", "pattern", "kind", "names"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
GROUPS = [
    ("quiz", "names", "statements", "solution"), ("prompt", "entry_point", "test"),
    ("text", "test_list", "test_imports"), ("question", "input_output", "solutions"),
    ("nums", "target"), ("question", "choices", "answerKey"), ("problem", "solution", "unique_id"),
]  # fmt: skip
FORMATS = st.sampled_from(GROUPS).flatmap(
    lambda names: st.fixed_dictionaries(dict.fromkeys(names, VALUES))
)


@settings(deadline=None, max_examples=500)
@given(
    st.lists(ROWS | FORMATS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(formats.FIELDS), st.sampled_from(NAMES), max_size=2),
    st.sampled_from([None, "math", "code", "judge"]),
    st.booleans(),
    st.booleans(),
)
def test_any_row_is_a_problem_or_an_input_error(rows, columns, verifier, gold, lenient) -> None:
    told = [(f"row {i}", row) for i, row in enumerate(rows)]
    try:
        found = list(formats.problems(told, "t", columns, verifier, gold=gold, lenient=lenient))
    except InputError:
        return
    assert [p.row for p in found] == list(range(len(rows)))
    for problem in found:
        assert problem.prompt
        assert problem.licence
        assert problem.provenance
