"""Leaked hints: completion, flagged or not, why."""

import pytest
from filter_rows import candidate, problem

from filters.checks import CHECKS

STEPS = "3 + 4 is 7, and 7 + 5 is 12. "
TABLE = [
    (STEPS + "The answer is 12.", False, "a derivation"),
    ("3 + 4 + 5 = 12. The answer is 12.", False, "a terse one"),
    (r"<think>3 + 4 + 5 = 12</think> \boxed{12}", False, "a derivation in the thinking"),
    (STEPS + "The hint says 12. The answer is 12.", True, "names the hint"),
    ("As hinted, 3 + 4 + 5 = 12. The answer is 12.", True, "names it in another form"),
    (STEPS + "This matches the given answer. The answer is 12.", True, "given answer"),
    ("We are told that the answer is 12, so 3 + 4 + 5 = 12.", True, "told the answer"),
    (STEPS + "The correct answer is given as 12.", True, "is given"),
    (STEPS + "This is 12, as given. The answer is 12.", True, "as given"),
    ("As given in the problem, 3 + 4 + 5 = 12. The answer is 12.", False, "the problem's own"),
    ("The answer is 12. That is since 3 + 4 + 5 = 12.", True, "answer first"),
    (r"\boxed{12}", True, "nothing but the answer"),
    ("So the answer is 12.", True, "nothing but the answer in words"),
    ("Let us see how this goes. The answer is 12.", True, "words, but no mathematics"),
    ("", True, "nothing at all"),
]  # fmt: skip


@pytest.mark.parametrize(("completion", "flagged", "why"), TABLE)
def test_leaked_hint(completion: str, flagged: bool, why: str) -> None:
    found = CHECKS["leaked_hint"].check(problem("12"), candidate(completion, hinted=True))
    assert bool(found) == flagged, f"{why}: {found}"
    assert all(flag.check == "leaked_hint" and flag.evidence for flag in found)


@pytest.mark.parametrize("completion", [row[0] for row in TABLE])
def test_without_a_hint_nothing_leaks(completion: str) -> None:
    assert CHECKS["leaked_hint"].check(problem("12"), candidate(completion)) == []


def test_words_are_a_derivation_where_the_answer_is_a_choice() -> None:
    asked = problem("B", domain="choice", choices=("a cat", "a dog"))
    reasoned = candidate("A dog barks at strangers. The answer is (B).", hinted=True)
    bare = candidate("The answer is (B).", hinted=True)
    assert CHECKS["leaked_hint"].check(asked, reasoned) == []
    assert len(CHECKS["leaked_hint"].check(asked, bare)) == 1
