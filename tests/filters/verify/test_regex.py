"""Patterns as a table: pattern, flags, completion, outcome, why."""

import pytest
from filter_rows import candidate, problem, puzzle

from filters.verify.pool import VerifierPool
from filters.verify.regex import RegexVerifier
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
DATE = r"\d{4}-\d{2}-\d{2}"

TABLE = [
    (DATE, "", "Answer: 2026-11-21", RIGHT, "a line"),
    (DATE, "", "<answer>\n2026-11-21\n</answer>", RIGHT, "a tag"),
    (DATE, "", r"\boxed{2026-11-21}", RIGHT, "a box"),
    (DATE, "", "Answer: **2026-11-21**.", RIGHT, "bold, and a full stop"),
    (DATE, "", "Answer: on 2026-11-21", WRONG, "more than the pattern"),
    (DATE, "", "Answer: 2026-11-2", WRONG, "less than the pattern"),
    ("yes|no", "", "Answer: Yes", WRONG, "case counts"),
    ("yes|no", "i", "Answer: Yes", RIGHT, "unless a flag says otherwise"),
    (r"a.b", "s", "<answer>a\nb</answer>", RIGHT, "a dot for a line end"),
    (r"The .* \w+\.", "", "Answer: The dog. It runs far.", RIGHT, "several sentences on a line"),
    (r"\*\*.*\*\*", "", "Answer: **bold**", RIGHT, "decoration that is asked for"),
    (DATE, "", "It was on 2026-11-21.", UNPARSED, "no mark"),
    (DATE, "", "<think>Answer: 2026-11-21</think>", UNPARSED, "only in the thinking"),
    (DATE, "", r"Answer: 2026-11-21 \boxed{", UNPARSED, "the last box is never closed"),
    ("(", "", "Answer: (", Outcome.UNVERIFIABLE, "no pattern"),
    (" ", "", "Answer: x", Outcome.UNVERIFIABLE, "an empty pattern"),
    ("a", "q", "Answer: a", Outcome.UNVERIFIABLE, "no such flag"),
    (r"a{99999999999}", "", "Answer: a", Outcome.UNVERIFIABLE, "a repeat beyond what re takes"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "flags", "completion", "outcome", "why"), TABLE)
def test_table(pattern: str, flags: str, completion: str, outcome: Outcome, why: str) -> None:
    asked = puzzle({"pattern": pattern, "flags": flags}, "x", verifier="regex")
    verdict = RegexVerifier().verify(asked, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


def test_the_answer_can_be_the_pattern() -> None:
    asked = problem("colou?r", verifier="regex")
    assert RegexVerifier().verify(asked, candidate("Answer: color")).outcome is RIGHT


def test_cut_off_at_the_end_is_truncated() -> None:
    said = candidate("Answer: 2026-11-21", finish_reason="length")
    assert RegexVerifier().verify(problem(DATE), said).outcome is Outcome.TRUNCATED


def test_a_pattern_that_never_ends_is_killed() -> None:
    asked = puzzle({"pattern": "(a+)+b"}, "ab", verifier="regex")
    with VerifierPool(workers=1, limit=1.0) as pool:
        slow, fast = pool.verify(
            [(asked, candidate("<answer>" + "a" * 40 + "</answer>")),
             (asked, candidate("<answer>aab</answer>"))]
        )  # fmt: skip
    assert (slow.outcome, fast.outcome) == (Outcome.UNVERIFIABLE, RIGHT)
    assert "timeout" in slow.reason
