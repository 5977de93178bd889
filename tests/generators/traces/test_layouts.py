import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_rows import LAYOUTS, Layout

from generators.problems.cells import BadRow
from generators.traces import layouts
from generators.traces.layouts import read


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_is_read(layout: Layout) -> None:
    trace = read(layout.row, layout.columns)
    found = [(a.text, a.reasoning, a.finish_reason) for a in trace.answers]
    assert found == layout.answers
    assert (trace.question, trace.gold) == (layout.question, layout.gold)
    assert bool(trace.gold_column) == (layout.gold is not None)


USER = {"role": "user", "content": "Q"}
SAID = {"role": "assistant", "content": "A"}
BAD = [
    ({}, {}, "no question is found in the columns"),
    ({"text": "Q A"}, {}, r"no question is found in the columns text"),
    ({"problem": "Q"}, {}, "no completion is found in the columns problem"),
    ({"problem": "", "completion": "A"}, {}, "no question"),
    ({"problem": "Q", "completion": ""}, {}, "no completion"),
    ({"problem": "Q", "completion": " "}, {}, "its completion is empty"),
    ({"problem": "Q", "generations": [None, ""]}, {}, "its completion is empty"),
    ({"messages": [USER, SAID, USER, SAID]}, {}, "several questions"),
    ({"messages": [USER, SAID, SAID]}, {}, "several answers"),
    ({"messages": [SAID]}, {}, "no question"),
    ({"messages": [USER]}, {}, "no completion"),
    ({"messages": "hello"}, {}, "expected a list of messages, got 'hello'"),
    ({"conversations": [1, 2]}, {}, "expected a list of messages"),
    ({"problem": "Q", "completion": "\ud800"}, {}, "half a character"),
    ({"problem": "Q", "completion": "A"}, {"completion": "b"}, "its completion is empty"),
    ({"problem": "Q", "completion": "A"}, {"problem": "b"}, "no question"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "columns", "says"), BAD)
def test_what_is_no_trace_says_why(row, columns, says: str) -> None:
    with pytest.raises(BadRow, match=says):
        read(row, columns)


NAMES = sorted({
    *layouts.QUESTIONS, *layouts.COMPLETIONS, *layouts.PAIRS, *layouts.PAIRS.values(),
    *layouts.REASONING, *layouts.GOLDS, *layouts.SOLUTIONS, *layouts.FINISHES, "messages",
    "conversations", "is_reasoning_complete", "r1_solution_1",
})  # fmt: skip
TEXTS = st.sampled_from(
    ["", "x", "<think>", "</think>", "```", "\\boxed{", "####", "[1]", '[{"role": "user"}]', "{}"]
) | st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
KEYS = st.sampled_from(
    ["role", "from", "content", "value", "text", "user", "assistant", "reasoning"]
)
VALUES = st.recursive(
    SCALARS | st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=400)
@given(
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), VALUES, max_size=5),
    st.dictionaries(st.sampled_from(layouts.FIELDS), st.sampled_from(NAMES), max_size=2),
)
def test_any_row_is_a_trace_or_a_bad_row(row, columns) -> None:
    try:
        trace = read(row, columns)
    except BadRow:
        return
    assert trace.question.strip()
    assert all(a.text or a.reasoning for a in trace.answers)
    assert all(a.finish_reason for a in trace.answers)
