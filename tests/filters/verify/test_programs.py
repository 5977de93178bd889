"""Where a completion has its program: a table, real cases, and hostile text."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.fences import blocks, fenced
from filters.verify.programs import LONGEST, find, longest

CASES = Path(__file__).parents[4] / "shared/material/format/code_extraction_cases.jsonl"
PREFIX = 'def add(a, b):\n    """Adds."""\n'

TABLE = [
    # completion, entry, prefix, program or None, why
    ("```python\nx = 1\n```", None, "", "x = 1\n", "a fence"),
    ("```\nx = 1\n```", None, "", "x = 1\n", "a fence without a language"),
    ("~~~py\nx = 1\n~~~", None, "", "x = 1\n", "tildes"),
    ("````python\nx = '''```'''\n````", None, "", "x = '''```'''\n", "a longer fence"),
    ("```bash\nls\n```\n```python\nx = 1\n```", None, "", "x = 1\n", "another language before"),
    ("```python\nx = 1\n```\n```json\n{}\n```", None, "", "x = 1\n", "another language after"),
    ("```python\nx = 1\n```\nNo:\n```python\nx = 2\n```", None, "", "x = 2\n", "the last one"),
    ("```python\ndef f(): pass\n```\n```python\nf()\n```", "f", "", "def f(): pass\n",
     "the one that defines what is asked for"),
    ("<think>```python\nx = 1\n```</think>```python\nx = 2\n```", None, "", "x = 2\n",
     "thinking does not count"),
    ("<think>```python\nx = 1\n```", None, "", None, "only thinking"),
    ("<answer>\n```python\nx = 1\n```\n</answer> ```python\nx = 2\n```", None, "", "x = 1\n",
     "the tag decides"),
    ("```python\nx = 1", None, "", "x = 1", "never closed"),
    ("  ```python\n  x = 1\n  ```", None, "", "x = 1\n", "an indented fence"),
    ("Sure!\ndef f():\n    return 1\nThat is all.", "f", "", "def f():\n    return 1",
     "no fence: the longest Python"),
    ("    return a + b\n", "add", PREFIX, PREFIX + "    return a + b\n", "a continuation"),
    ("    return a + b\n\nThis adds them.", "add", PREFIX, PREFIX + "    return a + b\n\n",
     "a continuation with prose behind it"),
    ("```python\n    return a + b\n```", "add", PREFIX, PREFIX + "    return a + b\n",
     "a continuation in a fence"),
    ("def add(a, b):\n    return a + b", "add", PREFIX, "def add(a, b):\n    return a + b",
     "whole although it could have gone on"),
    ("I do not know.", None, "", None, "words"),
    ("yes", None, "", None, "a word that is an expression"),
    ("", None, "", None, "nothing"),
    ("```python\n```", None, "", None, "an empty fence"),
    ("```cpp\nint main() {}\n```", None, "", None, "another language"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("completion", "entry", "prefix", "program"),
    [row[:4] for row in TABLE], ids=[row[4] for row in TABLE],
)  # fmt: skip
def test_find(completion: str, entry: str | None, prefix: str, program: str | None) -> None:
    found = find(completion, entry, prefix)
    assert (None if found is None else found.text) == program


def test_an_open_fence_is_not_whole() -> None:
    found = find("```python\nx = 1")
    assert found is not None
    assert not found.whole
    assert [block.closed for block in blocks("```a\n1\n```\n```b\n2")] == [True, False]


@given(st.text(alphabet="`~ \npython=1()<>answer/def f:\t'\"\\\0", max_size=300))
def test_any_text_is_looked_through(text: str) -> None:
    for entry in (None, "f"):
        found = find(text, entry, PREFIX)
        assert found is None or found.text


def test_a_program_beyond_the_limit_is_none() -> None:
    assert find("```python\n" + "x = 1\n" * (LONGEST // 6 + 1) + "```") is None


def test_closed_blocks_without_their_last_line_end() -> None:
    assert fenced("```a\n1\n\n```\n````\n```\n````\n~~~\nopen") == ["1\n", "```"]


HOSTILE = {
    "open tags": "<answer>" * 100_000,
    "closed tags": "<answer>x</answer>" * 50_000,
    "tags the wrong way round": "</answer>" * 50_000 + "<answer>" * 50_000,
    "a megabyte of a fence": "```python\n" + "x = 1\n" * 170_000 + "```",
    "brackets": "(" * 50_000,
    "brackets in a fence": "```python\n" + "(" * 50_000 + "\n```",
    "fences": "```\n" * 20_000,
    "lines": "x\n" * 100_000,
    "words": "this is no program at all\n" * 20_000,
    "a null byte": "def f():\n    return '\0'",
    "half a character": "```python\nx = '\ud800'\n```",
    "unary minus": "-" * 100_000 + "1",
    "strings": "'" * 100_001,
    "indents": "\n".join(" " * n + "if 1:" for n in range(300)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_no_time(name: str) -> None:
    began = time.monotonic()
    find(HOSTILE[name], "f", PREFIX)
    assert time.monotonic() - began < 4  # a second on an idle machine


def test_longest_takes_the_longest_stretch() -> None:
    assert longest("import a\nNo, let me try again\nimport b\ndef f():\n    return b") == (
        "import b\ndef f():\n    return b"
    )


@pytest.mark.skipif(not CASES.exists(), reason="the material is not here")
def test_real_cases() -> None:
    """Cases of two other projects; three rest on other rules.

    Theirs also drop what the entry point does not need (asserts are left out when a program is
    loaded here, and calls may be needed), or are for another language.
    """
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    other = {"v2", "test_entrypoint_chain", "test_entrypoint_variable", "remove_asserts=True"}
    for case in (case for case in cases if case["note"] not in other):
        found = find(case["completion"])
        assert found is not None
        assert found.text.strip() == case["expected_code"].strip(), case["note"]
