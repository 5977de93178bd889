"""Tables of puzzles: what is recognised, and golds that are searched."""

import ast
import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.problems import open_source
from generators.problems.puzzles import solve
from rsfactory.errors import InputError

MATERIAL = Path("../shared/material/logic")


def value(text: str) -> Fraction:
    """Value of an expression that the solver wrote, by Python's own grammar."""

    def of(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -of(inner)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = of(left), of(right)
                return {ast.Add: lambda: a + b, ast.Sub: lambda: a - b, ast.Mult: lambda: a * b,
                        ast.Div: lambda: a / b}[type(op)]()  # fmt: skip
        raise AssertionError(ast.dump(node))

    return of(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("numbers", "target", "can"),
    [([3, 3, 8, 8], 24, True), ([1, 5, 5, 5], 24, True), ([1, 1, 1, 1], 24, False),
     ([7], 7, True), ([7], 8, False), ([5, 5], 0, True), ([0, 0, 4], 0, True),
     ([97, 51, 3], 45, False), ([1, 5, 7, 25, 50, 75], 831, True)],
)  # fmt: skip
def test_solver(numbers: list[int], target: int, can: bool) -> None:
    solution = solve(numbers, target)
    assert (solution is not None) == can
    if solution is not None:
        assert value(solution) == target
        assert Counter(map(int, re.findall(r"\d+", solution))) == Counter(numbers)


@given(st.lists(st.integers(1, 13), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_what_was_made_of_the_numbers_is_found(numbers: list[int], random) -> None:
    made = Fraction(numbers[0])
    for number in numbers[1:]:
        made = random.choice([made + number, made - number, made * number, number - made])
    solution = solve(numbers, int(made))
    assert solution is not None
    assert value(solution) == made


ROWS = [
    ({"puzzle": "1 1 11 11", "rank": 2}, {"kind": "countdown", "numbers": [1, 1, 11, 11],
                                          "target": 24}),
    ({"puzzle": "4 6", "target": 10}, {"kind": "countdown", "numbers": [4, 6], "target": 10}),
    ({"nums": [44, 19, 35], "target": 98}, {"kind": "countdown", "numbers": [44, 19, 35],
                                            "target": 98}),
    ({"quiz": "Who?", "names": ["A", "B"], "solution": [True, False], "statements": "()"},
     {"kind": "knights_and_knaves", "names": ["A", "B"], "statements": "()"}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "metadata"), ROWS)
def test_recognised(row: dict[str, object], metadata: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (problem,) = open_source(str(path), seed=0, purpose="train").problems()
    assert (problem.verifier, problem.domain) == ("puzzle", "text")
    assert json.loads(problem.metadata) == metadata
    for number in metadata.get("numbers", []):
        assert str(number) in problem.prompt


@pytest.mark.parametrize(
    ("row", "says"),
    [({"nums": [1, 1], "target": 24}, "24 cannot be made of 1 1"),
     ({"nums": [1, 2, 3, 4, 5, 6, 7], "target": 24}, "1 to 6 numbers"),
     ({"nums": ["one"], "target": 24}, "whole numbers"),
     ({"nums": None, "target": 24}, "whole numbers"),
     ({"quiz": "Who?", "names": ["A"], "solution": None, "statements": "()"}, "its solution"),
     ({"quiz": "Who?", "names": None, "solution": [True], "statements": "()"}, "names")],
)  # fmt: skip
def test_rows_that_cannot_be_problems(row: dict[str, object], says: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(InputError, match=f"line 1: .*{says}"):
        open_source(str(path), seed=0, purpose="train")


@pytest.mark.skipif(not MATERIAL.is_dir(), reason="the outside material is not here")
@pytest.mark.parametrize(
    ("name", "rows"), [("game24_1362.jsonl", 500), ("knights_knaves_5000.jsonl", 1000)]
)
def test_material(name: str, rows: int) -> None:
    problems = list(open_source(str(MATERIAL / name), seed=0, purpose="train").problems())
    assert len(problems) == rows
    assert {p.verifier for p in problems} == {"puzzle"}
