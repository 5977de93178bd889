"""JSON against a schema as a table: completion, outcome, why."""

import json
from dataclasses import replace

import pytest
from filter_rows import candidate, problem, puzzle
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.json_schema import JsonSchemaVerifier
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
SCHEMA = {
    "type": "object", "required": ["name", "age"], "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0},
                   "friends": {"type": "array", "items": {"$ref": "#/properties/name"}}},
}  # fmt: skip
GOOD = '{"name": "Ada", "age": 36}'

TABLE = [
    (GOOD, RIGHT, "bare"),
    (f"  {GOOD}\n", RIGHT, "padded"),
    (f"Here it is:\n```json\n{GOOD}\n```\nDone.", RIGHT, "a fence"),
    (f"<answer>{GOOD}</answer>", RIGHT, "a tag"),
    (f"<answer>\n```json\n{GOOD}\n```\n</answer>", RIGHT, "a fence in a tag"),
    (f"Let me see.\nAnswer: {GOOD}", RIGHT, "a label"),
    (f"<think>{{}}</think>\nAnswer:\n{json.dumps(json.loads(GOOD), indent=2)}", RIGHT, "lines"),
    ('{"name": "Ada", "age": 36, "friends": ["Bob"]}', RIGHT, "a reference inside the schema"),
    ('{"name": "Ada"}', WRONG, "age is missing"),
    ('{"name": "Ada", "age": -1}', WRONG, "below the minimum"),
    ('{"name": "Ada", "age": "36"}', WRONG, "a text for a number"),
    ('{"name": "Ada", "age": 36, "x": 1}', WRONG, "a key too many"),
    ("[]", WRONG, "another type"),
    (f"```json\n{GOOD}\n```\n```json\n{{}}\n```", WRONG, "the last fence decides"),
    ('{"name": "Ada", "age": 36', UNPARSED, "never closed"),
    ("{'name': 'Ada', 'age': 36}", UNPARSED, "Python, not JSON"),
    ('{"name": "Ada", "age": NaN}', UNPARSED, "NaN is not JSON"),
    ('{"name": "Ada", "age": 36, "age": 3}', UNPARSED, "a key twice"),
    ("I cannot.", UNPARSED, "no JSON"),
    (f"<think>{GOOD}</think>", UNPARSED, "only in the thinking"),
    ("", UNPARSED, "empty"),
    ("[" * 100_000, UNPARSED, "100,000 brackets"),
    ('{"name": "Ada", "age": ' + "9" * 10_000 + "}", UNPARSED, "a number of 10,000 digits"),
    ("```\n" * 250_000, UNPARSED, "1 MB of fences"),
]  # fmt: skip


@pytest.mark.parametrize(("completion", "outcome", "why"), TABLE)
def test_table(completion: str, outcome: Outcome, why: str) -> None:
    asked = puzzle({"schema": SCHEMA}, GOOD, verifier="json-schema")
    verdict = JsonSchemaVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_the_answer_can_be_the_schema() -> None:
    asked = problem(json.dumps(SCHEMA), verifier="json-schema")
    assert JsonSchemaVerifier().verify(asked, candidate(GOOD)).outcome is RIGHT


@pytest.mark.parametrize(
    "schema",
    [{"type": "number of sorts"}, {"$ref": "https://example.org/person.json"}, 3,
     {"$ref": "#/nowhere"}, {"properties": {"name": {"pattern": "("}}}, {"$ref": "#"}],
)  # fmt: skip
def test_a_bad_schema_is_unverifiable(schema: object) -> None:
    asked = puzzle({"schema": schema}, GOOD, verifier="json-schema")
    for completion in (GOOD, f"<answer>{GOOD}</answer>"):
        verdict = JsonSchemaVerifier().verify(asked, candidate(completion))
        assert verdict.outcome is Outcome.UNVERIFIABLE, verdict.reason


@pytest.mark.parametrize(("answer", "metadata"), [("5", ""), ("no", ""), ("{", "{"), ("[]", "[1]")])
def test_no_schema_is_unverifiable(answer: str, metadata: str) -> None:
    asked = replace(problem(answer, verifier="json-schema"), metadata=metadata)
    verdict = JsonSchemaVerifier().verify(asked, candidate("not JSON"))
    assert verdict.outcome is Outcome.UNVERIFIABLE, verdict.reason


def test_cut_off_json_is_truncated() -> None:
    asked = puzzle({"schema": SCHEMA}, GOOD, verifier="json-schema")
    said = candidate(GOOD[:-5], finish_reason="length")
    assert JsonSchemaVerifier().verify(asked, said).outcome is Outcome.TRUNCATED


@given(st.text(max_size=100))
def test_never_raises(text: str) -> None:
    asked = puzzle({"schema": SCHEMA}, GOOD, verifier="json-schema")
    for completion in (text, f"```\n{text}\n```", f"<answer>{text}</answer>"):
        JsonSchemaVerifier().verify(asked, candidate(completion))
