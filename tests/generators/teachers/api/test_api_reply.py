"""Bodies to answers, statuses to meanings, reasoning out of every place it stands in."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.extract import visible
from filters.verify.format import FormatVerifier
from generators.teachers.api.faults import MESSAGE, Fault, Refused, Rejected, of_status, wait_of
from generators.teachers.api.reasoning import of_tags
from generators.teachers.api.reply import Answer, read
from generators.teachers.api.work import shared
from tests.filters.filter_rows import candidate, problem


def body(message: dict[str, Any], **choice: Any) -> bytes:
    return json.dumps(
        {"choices": [{"message": message, "finish_reason": "stop", **choice}]}
    ).encode()


def choice_of(message: dict[str, Any], **choice: Any):
    answer = read(body(message, **choice))
    assert isinstance(answer, Answer)
    [one] = answer.choices
    return one


@pytest.mark.parametrize(
    ("message", "reasoning", "text"),
    [
        ({"content": "4"}, None, "4"),
        ({"content": "4", "reasoning_content": "2+2"}, "2+2", "4"),
        ({"content": "4", "reasoning": "2+2"}, "2+2", "4"),
        ({"content": "4", "reasoning": None, "reasoning_content": "2+2"}, "2+2", "4"),
        ({"content": "4", "reasoning_content": ""}, None, "4"),
        ({"content": "4", "thinking": "2+2"}, "2+2", "4"),
        ({"content": None, "reasoning": "2+2"}, "2+2", ""),
        (
            {"content": "4", "reasoning_details": [
                {"type": "reasoning.text", "text": "2"}, {"summary": "+2"}, {"data": "x"}]},
            "2+2", "4",
        ),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]},
                         {"type": "text", "text": "4"}]},
            "2+2", "4",
        ),
        ({"content": [{"type": "text", "text": "4"}, "5"]}, None, "45"),
        ({"content": "<think>2+2</think>4"}, "2+2", "4"),
        ({"content": "\n<think>\n2+2\n</think>\n\n4"}, "\n2+2\n", "\n\n4"),
        ({"content": "2+2</think>4"}, "2+2", "4"),
        ({"content": "<think></think>4"}, "", "4"),
        # Left as they stand: never closed, twice, in the middle, other tags.
        ({"content": "<think>2+2"}, None, "<think>2+2"),
        ({"content": "<think>1</think><think>"}, None, "<think>1</think><think>"),
        ({"content": "<think>1</think></think>4"}, None, "<think>1</think></think>4"),
        ({"content": "a<think>1</think>4"}, None, "a<think>1</think>4"),
        ({"content": "1</think>2<think>3"}, None, "1</think>2<think>3"),
        ({"content": "<reasoning>1</reasoning>4"}, None, "<reasoning>1</reasoning>4"),
        # The field decides; what the text has besides stays.
        ({"content": "<think>1</think>4", "reasoning": "2"}, "2", "<think>1</think>4"),
    ],
)  # fmt: skip
def test_where_reasoning_stands(message: dict[str, Any], reasoning: str | None, text: str) -> None:
    one = choice_of(message)
    assert (one.reasoning, one.text) == (reasoning, text)


PARTS = st.lists(st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "4", "\n"]), max_size=9)  # fmt: skip # noqa: E501


@given(PARTS)
def test_both_forms_are_judged_alike(parts: list[str]) -> None:
    """Except that a block which the chat template opened counts as whole."""
    text = "".join(parts)
    reasoning, rest = of_tags(text)
    assert visible(rest) == visible(text)
    if reasoning is not None and "<think>" in text:
        assert f"<think>{reasoning}</think>{rest}" == text.lstrip()
        asked = problem("think-answer", verifier="format")
        before = candidate(text)
        after = replace(candidate(rest), reasoning=reasoning)
        judge = FormatVerifier()
        assert judge.verify(asked, before).outcome == judge.verify(asked, after).outcome


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"", "body"),
        (b"<html>", "body"),
        (b'{"choices": [', "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"[" * 100_000, "body"),
        (b"{}", "choices"),
        (b'{"choices": {}}', "choices"),
        (b'{"choices": [{"message": null}]}', "choices"),
        (b'{"choices": [{"message": {}}]}', "choices"),
        (b'{"choices": [{"message": {"content": 5}}]}', "choices"),
        (b'{"choices": [{"message": {"content": [5]}}]}', "choices"),
        (b'{"choices": [{"message": {"content": "x"}, "error": {"code": 502}}]}', "choices"),
        (b'{"choices": [null]}', "choices"),
        (b'{"error": "busy"}', "error"),
        (b'{"error": {"message": "busy"}}', "error"),
        (b'{"error": {"message": "busy", "code": 529}}', "status 529"),
        (b'{"error": {"message": "busy", "code": "429"}, "choices": []}', "status 429"),
    ],
)
def test_what_is_no_answer(said: bytes, cause: str) -> None:
    found = read(said)
    assert isinstance(found, Fault)
    assert found.cause == cause


@pytest.mark.parametrize(
    ("message", "choice", "expected"),
    [
        ({"content": "x"}, {"finish_reason": None}, ("x", "null", "")),
        ({"content": "x"}, {"finish_reason": 7}, ("x", "null", "")),
        ({"content": "x"}, {"finish_reason": ""}, ("x", "null", "")),
        ({"content": "x"}, {"finish_reason": "y" * 999}, ("x", "y" * 64, "")),
        ({"role": "assistant"}, {"finish_reason": "length"}, ("", "length", "no content")),
        ({"content": "x", "refusal": "no"}, {}, ("x", "stop", "refusal: no")),
        ({"content": "half \ud83d"}, {}, ("half \ufffd", "stop", "")),
    ],
)
def test_what_is_kept(message: dict[str, Any], choice: dict[str, Any], expected: tuple) -> None:
    one = choice_of(message, **choice)
    assert (one.text, one.finish_reason, one.note) == expected


def test_choices_that_all_have_index_0_are_different_completions() -> None:
    choices = [{"index": 0, "message": {"content": text}} for text in "abca"]
    answer = read(json.dumps({"choices": choices}).encode())
    assert isinstance(answer, Answer)
    assert [one.text for one in answer.choices] == ["a", "b", "c"]


def test_a_hundred_thousand_choices_take_no_time() -> None:
    choices = [{"index": 0, "message": {"content": str(i)}} for i in range(100_000)]
    began = time.monotonic()
    answer = read(json.dumps({"choices": choices}).encode())
    assert time.monotonic() - began < 5
    assert isinstance(answer, Answer)
    assert [one.text for one in answer.choices[:3]] == ["0", "1", "2"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "index", "error", "usage", "text", "code",
                         "reasoning", "refusal", "tool_calls", "finish_reason", "thinking"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON | st.builds(lambda choices: {"choices": choices}, st.lists(JSON, max_size=4)))
def test_reading_never_raises(said: Any) -> None:
    found = read(json.dumps(said).encode())
    if isinstance(found, Answer):
        assert found.choices
        assert all(isinstance(one.text, str) and one.finish_reason for one in found.choices)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"completion_tokens": 5}, 5),
        ({"completion_tokens": True}, None),
        ({"completion_tokens": 5, "completion_tokens_details": None}, 5),
        ({"completion_tokens": 2**63}, None),  # no column holds it
        # Reasoning within the completion's tokens, and beside them.
        ((2, 5, 3, 7), 5),
        ((2, 5, 3, 10), 8),
    ],
)
def test_tokens_of_the_reasoning_are_counted_once(usage: Any, tokens: int | None) -> None:
    if isinstance(usage, tuple):
        prompt, completion, reasoning, total = usage
        usage = {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }  # fmt: skip
    answer = read(json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode())
    assert isinstance(answer, Answer)
    assert answer.tokens == tokens


def test_a_prompt_of_no_tokens_is_not_counted() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 5}
    answer = read(json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode())
    assert isinstance(answer, Answer)
    assert answer.prompt_tokens is None


@given(st.integers(0, 10_000), st.lists(st.integers(0, 100), min_size=1, max_size=9))
def test_shares_add_up(total: int, sizes: list[int]) -> None:
    parts = shared(total, sizes)
    assert sum(parts) == total
    assert len(parts) == len(sizes)
    assert all(part >= 0 for part in parts)


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (429, '{"error": {"message": "slow", "code": "rate"}}', Fault("status 429", "slow")),
        (429, '{"error": {"message": "pay", "code": "insufficient_quota"}}', Refused(429, "pay")),
        (429, '{"error": {"message": "pay", "type": "insufficient_quota"}}', Refused(429, "pay")),
        (524, "<html><style>a{}</style><h1>A\n b</h1></html>", Fault("status 524", "A b")),
        (400, '{"error": {"message": "bad", "param": "n"}}', Rejected(400, "bad", "n")),
        (422, '{"detail": [{"msg": "missing"}]}', Rejected(422, "[{'msg': 'missing'}]")),
        (400, '{"object": "error", "message": "too long", "code": 4}', Rejected(400, "too long")),
        (400, '{"error": "too long"}', Rejected(400, "too long")),
        (403, '{"error": {"message": "input was flagged"}}', Rejected(403, "input was flagged")),
        (403, '{"error": {"message": "no access"}}', Refused(403, "no access")),
        (405, "", Refused(405, "")),
        (301, "", Refused(301, "it redirects to another address; give that one")),
        (400, '{"error": "half \\ud83d, \\u001b[2J"}', Rejected(400, "half �, �[2J")),
        (500, "x" * 9999, Fault("status 500", "x" * (MESSAGE - 1) + "…")),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, said: str, expected: object) -> None:
    assert of_status(status, {}, said.encode()) == expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "2", "retry-after-ms": "100"}, 0.1),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        (
            {"Retry-After": "Wed, 21 Oct 2015 07:28:05 GMT",
             "Date": "Wed, 21 Oct 2015 07:28:00 GMT"},
            5.0,
        ),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:05 GMT"}, 0.0),  # long ago
    ],
)  # fmt: skip
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers) == seconds
