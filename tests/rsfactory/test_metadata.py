"""A user's metadata: its text, the verifier it names, and whether a gold answer is needed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify import VERIFIERS, puzzle
from rsfactory import metadata

TEXTS = [
    ('{"a": 1}', '{"a": 1}'),
    ({"a": "é"}, '{"a": "é"}'),
    ({"pattern": "x", "schema": None}, '{"pattern": "x"}'),  # a struct of a Parquet file
    ({"calls": [{"args": [1], "result": None}]}, '{"calls": [{"args": [1], "result": null}]}'),
    (None, ""), ("", ""), (" ", ""), (float("nan"), ""), ({}, ""), ("{}", ""), ("null", ""),
    ({"a": None}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_text_of_a_cell(value: object, text: str) -> None:
    assert metadata.as_text(value) == text


@pytest.mark.parametrize(
    "value", ["level 5", "[1]", "3", 3, [1], True, '{"a": ', "[" * 100_000, {"a": b"x"}]
)
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected metadata"):
        metadata.as_text(value)


CALLS = {"entry": "f", "calls": [{"args": [1], "result": 2}]}
NAMED = [
    # metadata, whom it names, who decides by it without a gold
    ({"asserts": ["assert f(1) == 2"]}, "code", {"code"}),
    ({"stdio": [{"input": "1", "output": "2"}]}, "code", {"code"}),
    (CALLS, "code", {"code"}),
    ({"entry": "f", "check": "def check(c): ..."}, "code", {"code"}),
    ({"check": True}, None, {"code"}),  # no form of ours, so nobody is named
    ({"asserts": "yes"}, None, {"code"}),
    ({"kind": "countdown", "numbers": [1, 2], "target": 3}, "puzzle", {"puzzle"}),
    ({"kind": "countdown"}, None, set()),
    ({"kind": "gym", "family": "x", "entry": {}}, "puzzle", {"puzzle"}),
    ({"kind": "knights_and_knaves", "names": ["A"]}, "puzzle", set()),
    ({"kind": "easy"}, None, set()), ({"kind": ["x"]}, None, set()), ({"level": 5}, None, set()),
    ({"pattern": "x"}, None, {"regex"}), ({"schema": {}}, None, {"json-schema"}),
    ({"format": "boxed"}, None, {"format"}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "name", "without_gold"), NAMED)
def test_whom_metadata_names(asked: object, name: str | None, without_gold: set[str]) -> None:
    text = json.dumps(asked)
    assert metadata.named(text) == name
    assert {known for known in VERIFIERS if metadata.decides(text, known)} == without_gold
    assert metadata.decides(text, None) == (name in without_gold)
    assert metadata.decides(text, "mine:Own")
    assert not metadata.decides("", "mine:Own")


def test_the_names_here_are_the_verifiers_own() -> None:
    assert set(metadata.PUZZLES) == set(puzzle.KINDS)
    assert set(metadata.DECIDES) <= set(VERIFIERS)


@given(st.dictionaries(st.text(), st.recursive(
    st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.text(), inner), max_leaves=8)))  # fmt: skip
def test_any_object_is_read(asked: dict[str, object]) -> None:
    text = metadata.as_text(asked)
    assert (json.loads(text) if text else {}) == {k: v for k, v in asked.items() if v is not None}
    metadata.named(text)
    assert metadata.decides(text, "code") == bool(
        text and any(asked.get(key) is not None for key in metadata.DECIDES["code"])
    )
