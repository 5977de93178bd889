"""Reading a judge's text: a table of forms and traps, and real judge texts."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.judge_reading import read

NEMO = Path(__file__).parents[3] / "../shared/material/judge/nemo_judge_outputs.jsonl"
LABEL = "VERDICT 0a1b2c3d"

TABLE = [
    ("VERDICT 0a1b2c3d: A", "A", "plain"),
    ("It holds.\n\n**VERDICT 0a1b2c3d: B**", "B", "bold line"),
    ("**Verdict 0A1B2C3D:** B", "B", "bold label, any case"),
    ("VERDICT 0a1b2c3d: **A**.", "A", "bold letter, full stop"),
    ("`VERDICT 0a1b2c3d: (C)`", "C", "code and brackets"),
    (r"VERDICT 0a1b2c3d: $\boxed{\text{A}}$", "A", "boxed"),
    ("> VERDICT 0a1b2c3d = A", "A", "quoted, equals sign"),
    ("VERDICT 0a1b2c3d: A (every step holds)", "A", "explained in brackets"),
    ("VERDICT 0a1b2c3d: A, because it holds", "A", "explained after a comma"),
    ("VERDICT 0a1b2c3d: A\nVERDICT 0a1b2c3d: A", "A", "said twice"),
    ("VERDICT 0a1b2c3d: X\n...\nVERDICT 0a1b2c3d: B", "B", "the form repeated first"),
    ("<think>VERDICT 0a1b2c3d: A</think>VERDICT 0a1b2c3d: B", "B", "thinking is not read"),
    ("", None, "nothing"),
    ("A", None, "a bare letter"),
    ("VERDICT: A", None, "no code"),
    ("VERDICT ffffffff: A", None, "another code"),
    ("VERDICT 0a1b2c3d", None, "no letter"),
    ("VERDICT 0a1b2c3d: X", None, "the form itself"),
    ("VERDICT 0a1b2c3d: a", None, "an article is no letter"),
    ("VERDICT 0a1b2c3d: A clear mistake in line 2", None, "an article that begins a sentence"),
    ("VERDICT 0a1b2c3d: A's claim is wrong", None, "a name"),
    ("VERDICT 0a1b2c3d: AB", None, "two letters"),
    ("VERDICT 0a1b2c3d: A or B", None, "a choice of two"),
    ("VERDICT 0a1b2c3d: A/B/C", None, "the list of options"),
    ("VERDICT 0a1b2c3d: A, or rather B", None, "second thoughts"),
    ("VERDICT 0a1b2c3d: A\nOn reflection:\nVERDICT 0a1b2c3d: B", None, "two that differ"),
    ("VERDICT 0a1b2c3d: A\nno, I mean VERDICT 0a1b2c3d: B", None, "the second inside a line"),
    ("It would be wrong to say VERDICT 0a1b2c3d: A", None, "inside a sentence only"),
    ("XVERDICT 0a1b2c3d: A", None, "another word"),
    ("<think>VERDICT 0a1b2c3d: A", None, "thinking without an end"),
    ("I'm sorry, I cannot grade this.", None, "refused"),
    ("VERDICT: CORRECT\nRating: [[1]]\n[[YES]]", None, "verdicts of other forms"),
]


@pytest.mark.parametrize(("text", "word", "why"), TABLE)
def test_table(text: str, word: str | None, why: str) -> None:
    found = read(text, LABEL, "ABC")
    assert found.word == word, f"{why}: {found.why}"
    assert bool(found.why) == (word is None)


WORDS = [
    ("Judgement: Yes (the same set)", "Yes"),
    ("**judgement:** no.", "No"),
    ("Judgement: No mistakes were found", None),
    ("Judgement: Yes or No", None),
    ("Judgement: Notably, yes", None),
    ("Yes", None),
]


@pytest.mark.parametrize(("text", "word"), WORDS)
def test_words_in_any_case(text: str, word: str | None) -> None:
    assert read(text, "Judgement", ("Yes", "No")).word == word


def test_a_refusal_is_named() -> None:
    assert "refused" in read("I'm sorry, I can't help with that.", LABEL, "ABC").why
    assert "no verdict line" in read("It is right.", LABEL, "ABC").why


def test_real_judge_texts() -> None:
    """What the texts say, by a search of another kind.

    Unread on purpose: two bare first words (one contradicted by its own text), one conclusion in
    prose, one label of another spelling. The file's ``expected_judgement`` is what a judge should
    have said, which is not always what these said.
    """
    if not NEMO.exists():
        pytest.skip("the outside material is not beside the repository")
    rows = [json.loads(line) for line in NEMO.read_text().splitlines()]
    assert len(rows) == 26
    unread = set()
    for row in rows:
        said = re.findall(r"Judgement: (Yes|No)", row["judgement"].replace("*", ""))
        found = read(row["judgement"], "Judgement", ("Yes", "No"))
        assert found.word == (said[0] if said else None), (row["run"], row["idx"], found)
        unread |= set() if said else {(row["run"], row["idx"])}
    assert unread == {(0, 11), (1, 9), (2, 0), (3, 0)}


@given(st.text(max_size=200), st.sampled_from("ABC"))
def test_any_text_around_a_verdict_line(text: str, letter: str) -> None:
    """A line that says one letter is read, or nothing is; never another letter."""
    found = read(f"{text}\nVERDICT 0a1b2c3d: {letter}\n", LABEL, "ABC")
    assert found.word in (letter, None)


@given(st.text(alphabet="VERDICT 0a1b2c3d:ABC*()\n/or", max_size=300))
def test_never_fails(text: str) -> None:
    assert read(text, LABEL, "ABC").word in ("A", "B", "C", None)


def test_a_megabyte_is_read_in_no_time() -> None:
    began = time.monotonic()
    for unit in ("VERDICT 0a1b2c3d: ", "VERDICT 0a1b2c3d:*", "*", "A or ", f"{LABEL}: A\n"):
        text = unit * (10**6 // len(unit))
        for hostile in (text, "*" * 10**6 + text):
            read(hostile, LABEL, "ABC")
    assert time.monotonic() - began < 10
