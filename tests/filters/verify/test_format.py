"""Formats as a table: format, completion, whether strict and soft hold, why."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filter_rows import candidate, problem, puzzle
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.format import FORMATS, FormatVerifier
from rsfactory.records import Outcome

MATERIAL = Path("../shared/material/format/openr1_format_cases.jsonl")
TAGS = "<think>\nSo.\n</think>\n<answer>\n5\n</answer>"

TABLE = [
    ("think-answer", TAGS, True, True, "as asked"),
    ("think-answer", f"\n {TAGS}\n\n", True, True, "white space around it"),
    ("think-answer", "<think>So.</think><answer>5</answer>", True, True, "on one line"),
    ("reasoning-answer", TAGS.replace("think", "reasoning"), True, True, "reasoning"),
    ("thought-answer", TAGS.replace("think", "thought"), True, True, "thought"),
    ("think_answer", TAGS, True, True, "an underscore in the name"),
    ("think-answer", f"Sure!\n{TAGS}", False, True, "text before"),
    ("think-answer", f"{TAGS}\nDone.", False, True, "text after"),
    ("think-answer", TAGS.replace("</think>", "</think>\nSo 5."), False, True, "text between"),
    ("think-answer", f"{TAGS}<answer>6</answer>", False, True, "two answers"),
    ("think-answer", f"<think>a</think>{TAGS}", False, True, "two blocks of thinking"),
    ("think-answer", TAGS.replace("think", "reasoning"), False, False, "another format"),
    ("think-answer", "<answer>5</answer>", False, False, "no thinking"),
    ("think-answer", "<think>So.</think>5", False, False, "no answer"),
    ("think-answer", "<think>So.<answer>5</answer>", False, False, "thinking never closed"),
    ("think-answer", "<think>So.</think><answer>5", False, False, "answer never closed"),
    ("think-answer", "<answer>5</answer><think>So.</think>", False, False, "wrong order"),
    ("think-answer", "<think>a</answer><answer>b</think>", False, False, "crossed"),
    ("think-answer", "<think></think><answer>5</answer>", False, False, "empty thinking"),
    ("think-answer", "<think>So.</think><answer> </answer>", False, False, "empty answer"),
    ("answer", "<answer>5</answer>", True, True, "the answer block alone"),
    ("think-boxed", r"<think>So.</think>It is $\boxed{5}$.", True, True, "thinking, then a box"),
    ("think-boxed", r"<think>\boxed{5}</think>It is 5.", False, False, "a box in the thinking"),
    ("boxed", r"It is \[\boxed{\frac{1}{2}}\].", True, True, "nested braces"),
    ("boxed", r"\boxed{5}, so it is 5", False, True, "text after the box"),
    ("boxed", r"\boxed{4} no, \boxed{5}", False, True, "two boxes"),
    ("boxed", r"It is \boxed{5", False, False, "never closed"),
    ("boxed", r"It is \boxed{}", False, False, "an empty box"),
    ("hashes", "2+3=5\n#### 5", True, True, "as in GSM8K"),
    ("hashes", "#### 5\nor so", False, True, "text after it"),
    ("hashes", "#### 4\n#### 5", False, True, "two of them"),
    ("hashes", "It is 5\n####", False, False, "nothing on it"),
    ("line", "2+3=5\nAnswer: 5", True, True, "the last line"),
    ("line", "2+3=5\n**Answer:** 5\n", True, True, "bold"),
    ("line", "Answer: 5\nbecause 2+3=5", False, True, "not the last line"),
    ("line", "The answer is 5", False, False, "no such line"),
    ("think-line", "<think>So.</think>\nAnswer: 5", True, True, "thinking, then a line"),
    ("think-text", "<think>So.</think>\nIt is 5.", True, True, "thinking, then anything"),
    ("think-text", "<think>So.</think>\n", False, False, "thinking, then nothing"),
    ("any", "#### 5", True, True, "one of all"),
    ("any", "It is 5.", False, False, "none of all"),
    ("think-answer", "", False, False, "empty"),
    ("think-answer", "<think>" * 150_000, False, False, "1 MB of tags"),
    ("any", "Answer:\n" * 120_000, False, False, "1 MB of labels"),
]  # fmt: skip


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("name", "completion", "holds_strictly", "holds_softly", "why"), TABLE)
def test_table(
    name: str, completion: str, holds_strictly: bool, holds_softly: bool, why: str, strict: bool
) -> None:
    asked = puzzle({"format": name, "strict": strict}, "5", verifier="format")
    verdict = FormatVerifier().verify(asked, candidate(completion))
    expected = holds_strictly if strict else holds_softly
    assert verdict.outcome is (Outcome.CORRECT if expected else Outcome.WRONG), (
        f"{why}: {verdict.reason}"
    )
    assert verdict.share is not None
    assert (verdict.share == 1.0) == expected
    assert (set(verdict.results) == {"passed"}) == expected


def test_the_answer_can_name_the_format() -> None:
    for answer, outcome in (
        ("think-answer", Outcome.WRONG),
        ("think-answer soft", Outcome.CORRECT),
    ):
        verdict = FormatVerifier().verify(problem(answer), candidate(f"Sure!\n{TAGS}"))
        assert verdict.outcome is outcome


def test_a_block_that_the_prompt_opened_need_not_be_opened_again() -> None:
    said = candidate("So.</think><answer>5</answer>")
    for opened, outcome in ((True, Outcome.CORRECT), (False, Outcome.WRONG)):
        asked = puzzle({"format": "think-answer", "opened": opened}, "5", verifier="format")
        assert FormatVerifier().verify(asked, said).outcome is outcome


def test_separate_reasoning_is_the_thinking_block() -> None:
    said = replace(candidate("<answer>5</answer>"), reasoning="So.")
    assert FormatVerifier().verify(problem("think-answer"), said).outcome is Outcome.CORRECT


def test_cut_off_before_the_end_is_truncated() -> None:
    said = candidate("<think>So", finish_reason="length")
    assert FormatVerifier().verify(problem("think-answer"), said).outcome is Outcome.TRUNCATED


@pytest.mark.parametrize(("answer", "metadata"), [("5", ""), ("", ""), ("5", "[1"), ("5", "3")])
def test_an_unknown_format_is_unverifiable(answer: str, metadata: str) -> None:
    asked = replace(problem(answer, verifier="format"), metadata=metadata)
    assert FormatVerifier().verify(asked, candidate(TAGS)).outcome is Outcome.UNVERIFIABLE


@given(st.text(alphabet="<>/thinkanswerboxed\\{}# :\n5", max_size=200))
def test_never_raises(text: str) -> None:
    for name in FORMATS:
        FormatVerifier().verify(problem(name), candidate(text))


@pytest.mark.skipif(not MATERIAL.is_file(), reason="the outside material is not here")
def test_cases_of_open_r1() -> None:
    rows = [json.loads(line) for line in MATERIAL.read_text().splitlines()]
    known = [row for row in rows if row["check"] in ("format_reward", "tag_count_reward")]
    assert len(known) >= 6
    for row in known:
        verdict = FormatVerifier().verify(problem("think-answer"), candidate(row["text"]))
        assert (verdict.outcome is Outcome.CORRECT) == (row["expected"] == 1.0), row["test"]
