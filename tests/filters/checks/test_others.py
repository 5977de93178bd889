"""The other checks: check, completion, flagged or not, why."""

import dataclasses

import pytest
from filter_rows import candidate, problem
from hypothesis import given
from hypothesis import strategies as st

from filters.checks import CHECKS

LONG = "Tom has 3 boxes with 4 red apples each and gives 2 apples to his sister Ann. How many?"
WAY = "3 * 4 is 12, 12 - 2 is 10. "
TABLE = [
    ("no_derivation", WAY + r"\boxed{10}", False, "a derivation"),
    ("no_derivation", r"\boxed{10}", True, "nothing but the answer"),
    ("no_derivation", "The answer is 10. That is since " + WAY, True, "the answer first"),
    ("no_derivation", r"<think>" + WAY + r"</think>\boxed{10}", False, "in the thinking"),
    ("no_derivation", "I do not know.", False, "no answer at all is another matter"),
    ("several_answers", WAY + r"\boxed{10}, or is it \boxed{12}. ", True, "two boxes"),
    ("several_answers", r"\boxed{10}. As said: \boxed{10.0}", False, "the same twice"),
    ("several_answers", r"\boxed{2} and \boxed{3}", False, "joined boxes are one answer"),
    ("several_answers", r"\boxed{1}. #### 2", True, "another mark"),
    ("several_answers", WAY, False, "none"),
    ("repetition", "The same thing again.\n" * 3, True, "a line three times"),
    ("repetition", "The same thing again.\n" * 2, False, "twice is no loop"),
    ("repetition", "1.\n1.\n1.\n1.\n", False, "short pieces do not count"),
    ("repetition", " ".join(f"{i} plus {i} is {2 * i}" for i in range(60)), False, "a long list"),
    ("repetition", ("one two three four five six seven eight nine ten " * 20), True, "in circles"),
    ("repetition", "ab" * 1000, True, "without spaces"),
    ("empty_thinking", "<think>\n\n</think> 10", True, "an empty block"),
    ("empty_thinking", "<think>12 - 2</think> 10", False, "a full one"),
    ("empty_thinking", "10", False, "none at all is no empty one"),
    ("copied_prompt", f"The problem: {LONG.upper()} " + WAY, True, "word for word"),
    ("copied_prompt", WAY, False, "no copy"),
    ("language_change", WAY + "所以答案是十个苹果因为他给了", True, "Chinese"),
    ("language_change", WAY + "ответ десять яблок", True, "Russian"),
    ("language_change", WAY + "α + β = γ, naïve café, ∑ ≤ π ℝ", False, "mathematics and accents"),
    ("self_correction", WAY + "Wait, that is not right.", True, "wait"),
    ("self_correction", WAY + "Let me double-check this.", True, "checks again"),
    ("self_correction", "They wait for the bus? No: the waiter came.", True, "wait is wait"),
    ("self_correction", WAY, False, "straight on"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "completion", "flagged", "why"), TABLE)
def test_a_check(name: str, completion: str, flagged: bool, why: str) -> None:
    asked = dataclasses.replace(problem("10"), prompt=LONG, domain="math")
    found = CHECKS[name].check(asked, candidate(completion))
    assert bool(found) == flagged, f"{why}: {found}"
    assert all(flag.check == name and flag.evidence for flag in found)


def test_an_empty_reasoning_field() -> None:
    row = dataclasses.replace(candidate("10"), reasoning="  ")
    assert CHECKS["empty_thinking"].check(problem("10"), row)


def test_a_foreign_problem_makes_its_script_known() -> None:
    asked = dataclasses.replace(problem("10"), prompt="小明有十个苹果，他给了妹妹几个苹果")
    row = candidate("小明有十个苹果他给了妹妹")
    assert CHECKS["language_change"].check(asked, row) == []


@pytest.mark.parametrize("name", CHECKS)
@given(text=st.text(max_size=200))
def test_no_text_breaks_a_check(name: str, text: str) -> None:
    for flag in CHECKS[name].check(problem("10"), candidate(text, hinted=True)):
        assert flag.evidence


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "text",
    ["a " * 500_000, "<think>" * 100_000, r"\boxed{" * 20_000, "字" * 1_000_000, "wait " * 200_000],
)
def test_a_megabyte_is_cheap(name: str, text: str) -> None:
    CHECKS[name].check(problem("10"), candidate(text, hinted=True))
