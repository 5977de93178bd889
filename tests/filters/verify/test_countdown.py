"""Countdown and the Game of 24 as a table: completion, outcome, why; numbers 4 5 6 10 make 24."""

import contextlib
import json
from fractions import Fraction
from pathlib import Path

import pytest
from filter_rows import candidate, puzzle
from hypothesis import given
from hypothesis import strategies as st

from filters.audit import labelled
from filters.verify.countdown import NotAnExpression, evaluate
from filters.verify.puzzle import PuzzleVerifier
from rsfactory.records import Outcome

RIGHT, WRONG, UNPARSED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED
MATERIAL = Path("../shared/material/completions/game24_gpt4_tot.jsonl")
ASKED = puzzle({"kind": "countdown", "numbers": [4, 5, 6, 10], "target": 24}, "5 * (10 - 4) - 6")

TABLE = [
    ("Answer: (10 - 4) * 5 - 6 = 24", RIGHT, "a true equation"),
    ("Answer: (10 - 4) * 5 - 6", RIGHT, "the expression alone"),
    ("Answer: 24 = (10 - 4) * 5 - 6", RIGHT, "sides swapped"),
    ("Answer: (10 - 4) * 5 - 6 = 30 - 6 = 24", RIGHT, "a chain that holds"),
    ("<answer>(10−4)×5−6</answer>", RIGHT, "typographic signs"),
    (r"\boxed{(10-4) \times 5 - 6}", RIGHT, "LaTeX"),
    (r"\boxed{\left(10-4\right)\cdot 5 - 6 = 24}", RIGHT, "LaTeX brackets"),
    (r"The answer is $5(10-4)-6$.", RIGHT, "a bracket for times"),
    ("(10 - 4) x 5 - 6", RIGHT, "nothing but the expression"),
    ("Answer: [10 - 4] * 5 - 6", RIGHT, "other brackets"),
    ("Answer: **(10 - 4) * 5 - 6**", RIGHT, "bold"),
    ("Answer: (5 * 6) - (10 - 4) = 24", RIGHT, "another right expression"),
    ("<answer>The expression is (10 - 4) * 5 - 6 = 24.</answer>", RIGHT, "words around it"),
    ("<answer>Either (10 - 4) * 5 - 6 or 4 * 5 + 10 - 6</answer>", UNPARSED, "two of them"),
    ("<answer>(10 - 4) * 5 - 6 - x</answer>", UNPARSED, "cut out of a longer one"),
    ("<answer>sqrt(10 - 4) * 5 - 6</answer>", UNPARSED, "cut out of a function"),
    ("Answer: (6 - 4) * 5 * (10 - 10) = 24", WRONG, "a number used twice, and a lie"),
    ("Answer: (10 - 4) * (6 * 6) / 5 = 24", WRONG, "a number used twice"),
    ("Answer: 5 * 4 + 10 - 6 + 0", WRONG, "a number too many"),
    ("Answer: 4 * 6 = 24", WRONG, "numbers left out"),
    ("Answer: 24", WRONG, "the target is not an expression of the numbers"),
    ("Answer: 4 + 5 + 6 + 10 = 24", WRONG, "it is 25"),
    ("Answer: (10 - 4) * 5 - 6 = 25", WRONG, "the right expression, but a false equation"),
    ("Answer: (10 - 4) * 5 - 6 = 30 - 7 = 24", WRONG, "a chain with a false link"),
    ("Answer: 45 - 6 - 10", WRONG, "digits put together"),
    ("Answer: (10 - 4.0) * 5 - 6", WRONG, "not the number as given"),
    ("Answer: 6 / (5 - 4 - 10 / 10)", WRONG, "division by zero"),
    ("Answer: 10 / (6 - 6) + 4 + 5", WRONG, "division by zero, and other numbers"),
    ("Answer: 4 ** 5 + 6 - 10", UNPARSED, "powers are not allowed"),
    ("Answer: 6 4 10 5", UNPARSED, "numbers in a row"),
    ("Answer: None", UNPARSED, "no expression"),
    ("Answer: There is no solution to obtain 24.", UNPARSED, "no expression"),
    ("Answer: __import__('os')", UNPARSED, "code is not evaluated"),
    ("Answer: 5!", UNPARSED, "no factorials"),
    ("<answer>4! + 10 - 6 - 5</answer>", UNPARSED, "nothing is cut out behind a factorial"),
    ("<answer>10 ^ 2 + 4 - 5 * 6</answer>", UNPARSED, "nor out of a power"),
    ("<think>(10 - 4) * 5 - 6 = 24</think>", UNPARSED, "only in the thinking"),
    ("<answer>(10 - 4) * 5 - 6", UNPARSED, "never closed"),
    ("", UNPARSED, "empty"),
    ("Answer: " + "(" * 3000 + "4" + ")" * 3000, UNPARSED, "3,000 brackets"),
    ("<answer>" + "-" * 1900 + "4</answer>", UNPARSED, "1,900 signs"),
    ("<answer>" + "1+" * 500_000 + "1</answer>", UNPARSED, "1 MB"),
    ("<answer>" + "9" * 1500 + "</answer>", UNPARSED, "a number of 1,500 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("completion", "outcome", "why"), TABLE)
def test_table(completion: str, outcome: Outcome, why: str) -> None:
    verdict = PuzzleVerifier().verify(ASKED, candidate(completion))
    assert verdict.outcome is outcome, f"{why}: {verdict.reason}"


@pytest.mark.parametrize(
    ("numbers", "target", "answer"),
    [([3, 3, 8, 8], 24, "8 / (3 - 8 / 3)"), ([3, 3, 8, 8], 24, r"\frac{8}{3 - \frac{8}{3}}"),
     ([-4, 5], 1, "-4+5"), ([-4, 5], 1, "5 + (-4)"), ([-4, 5], 9, "5 - −4"),
     ([-4, 4], 0, "4 + -4"), ([-4, -4], 16, "(-4)(-4)"), ([4, -4], 8, "-(-4) - -4"),
     ([4.0, 6.0], 24.0, "4 * 6"), (["4", "-6"], -24, "4 * (-6)"),
     ([5, 5], 0, "5 - 5"), ([7], 7, "7"), ([1, 2], -1, "1 - 2"), ([2, 4], "1/2", "2 / 4")],
)  # fmt: skip
def test_fractions_are_exact(numbers: list[int], target: object, answer: str) -> None:
    asked = puzzle({"kind": "countdown", "numbers": numbers, "target": target}, answer)
    verdict = PuzzleVerifier().verify(asked, candidate(f"<answer>{answer}</answer>"))
    assert verdict.outcome is RIGHT, verdict.reason


@pytest.mark.parametrize(
    ("numbers", "answer", "why"),
    [([-4, 5], "5 - 4", "the minus is no part of the 4"), ([4, 5], "5 + 4 - -4", "one too many"),
     ([-4, 5], "-(4) + 5", "a bracket between"), ([-4, 4], "-4 + -4 + 9", "another number")],
)  # fmt: skip
def test_a_given_minus_is_used_with_its_number(numbers: list[int], answer: str, why: str) -> None:
    asked = puzzle({"kind": "countdown", "numbers": numbers, "target": 1}, "-4 + 5")
    verdict = PuzzleVerifier().verify(asked, candidate(f"<answer>{answer}</answer>"))
    assert verdict.outcome is WRONG, (why, verdict.reason)
    assert verdict.reason.startswith("it uses"), why


@pytest.mark.parametrize(
    "metadata",
    [{"numbers": "4", "target": 4}, {"numbers": {"4": 1}, "target": 4},
     {"numbers": [True], "target": 1}, {"numbers": [[4]], "target": 4},
     {"numbers": ["4 "], "target": 4}, {"numbers": ["four"], "target": 4},
     {"numbers": [4], "target": True}, {}, {"numbers": [4]},
     {"numbers": [], "target": 24}, {"numbers": 4, "target": 24},
     {"numbers": [4], "target": "many"}, {"numbers": [4], "target": [1]}],
)  # fmt: skip
def test_a_puzzle_without_its_numbers_is_unverifiable(metadata: dict[str, object]) -> None:
    asked = puzzle({"kind": "countdown", **metadata}, "4")
    verdict = PuzzleVerifier().verify(asked, candidate("Answer: 4"))
    assert verdict.outcome is Outcome.UNVERIFIABLE, verdict.reason


@given(st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=12,
))  # fmt: skip
def test_values_are_those_of_fractions(text: str) -> None:
    exact = "".join(f"Fraction({part})" if part.isdigit() else part
                    for part in text.replace("(", "( ").replace(")", " )").split(" "))  # fmt: skip
    try:
        expected = eval(exact, {"Fraction": Fraction})
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            evaluate(text)
    else:
        assert evaluate(text)[0] == expected


@given(st.text(alphabet="0123456789+-*/()[]{}=x.× \\fract", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotAnExpression, ZeroDivisionError):
        evaluate(text)
    PuzzleVerifier().verify(ASKED, candidate(f"Answer: {text}"))


@pytest.mark.skipif(not MATERIAL.is_file(), reason="the outside material is not here")
def test_labelled_completions() -> None:
    columns = {"gold": "target", "problem": "puzzle"}
    rows = [json.loads(line) for line in MATERIAL.read_text().splitlines()]
    assert len(rows) == 800
    for number, row in enumerate(rows):
        made = labelled(number, row, columns, "puzzle", MATERIAL.name)
        verdict = PuzzleVerifier().verify(made.problem, made.candidate)
        assert (verdict.outcome is RIGHT) == row["label"], (number, verdict.reason)
