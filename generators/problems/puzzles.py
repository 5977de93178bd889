"""Tables of puzzles: knights and knaves, the Game of 24, Countdown.

Recognised by their columns: ``quiz``, ``names``, ``statements`` and ``solution`` or
``solution_text`` (Logic-RL's knights and knaves), ``puzzle`` with numbers only (Tree of Thoughts'
Game of 24), ``nums`` or ``numbers`` with ``target`` (Countdown). The last two have no gold: it is
searched here, with every number used once, which takes milliseconds for up to six numbers; a row
that cannot be solved is an error. The metadata is what the verifier ``puzzle`` reads.

Not covered: Countdown with numbers left unused, more than six numbers.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from generators.problems.cells import unpacked

Reader = Callable[[Mapping[str, Any]], tuple[str, str, str]]
"""A row -> question, gold answer, metadata; ValueError says what is wrong with it."""

MOST_NUMBERS = 6
TARGET = 24
"""Of a table that names none."""

_ONLY_NUMBERS = re.compile(r"\s*\d+(?:[\s,]+\d+){1,5}\s*")
_QUESTION = (
    "Use each of the numbers {numbers} exactly once, with +, -, *, / and brackets, to make "
    "{target}. Give the expression."
)


def recognise(row: Mapping[str, Any]) -> Reader | None:
    """The reader for a table of puzzles, by the columns of its first row; None for others."""
    if {"quiz", "names", "statements"} <= set(row):
        return _knights
    if _ONLY_NUMBERS.fullmatch(str(row.get("puzzle", ""))):
        return lambda row: _countdown(str(row["puzzle"]), row.get("target", TARGET))
    name = next((name for name in ("nums", "numbers") if name in row), None)
    if name and "target" in row and "question" not in row:
        return lambda row: _countdown(row[name], row["target"])
    return None


def _knights(row: Mapping[str, Any]) -> tuple[str, str, str]:
    names, solution = unpacked(row["names"]), unpacked(row.get("solution"))
    if not isinstance(names, list) or not names:
        raise ValueError(f"expected a list of names, got {str(names)[:60]}")
    told = row.get("solution_text_format") or row.get("solution_text")
    answer = str(told or "").strip()
    if not answer and isinstance(solution, list) and len(solution) == len(names):
        roles = ("knight" if knight else "knave" for knight in solution)
        answer = "\n".join(f"{name} is a {role}" for name, role in zip(names, roles, strict=True))
    if not answer or not str(row["quiz"]).strip():
        raise ValueError("expected a quiz and its solution; every row needs both")
    metadata = {"kind": "knights_and_knaves", "names": names, "statements": str(row["statements"])}
    return str(row["quiz"]).strip(), answer, json.dumps(metadata, ensure_ascii=False)


def _countdown(numbers: Any, target: Any) -> tuple[str, str, str]:
    try:
        given = re.findall(r"-?\d+", numbers) if isinstance(numbers, str) else list(numbers)
        values, wanted = [int(number) for number in given], int(target)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected whole numbers and a target, got {numbers} {target}") from error
    if not 1 <= len(values) <= MOST_NUMBERS:
        raise ValueError(f"expected 1 to {MOST_NUMBERS} numbers, got {len(values)}")
    solution = solve(values, wanted)
    if solution is None:
        raise ValueError(f"{wanted} cannot be made of {' '.join(map(str, values))}")
    listed = ", ".join(map(str, values))
    metadata = {"kind": "countdown", "numbers": values, "target": wanted}
    return _QUESTION.format(numbers=listed, target=wanted), solution, json.dumps(metadata)


def solve(numbers: Sequence[int], target: int) -> str | None:
    """An expression that uses every number once and is the target; None where there is none.

    Splits the numbers into two parts in all ways and joins what the parts can make.
    """

    @cache
    def made(part: tuple[int, ...]) -> dict[Fraction, str]:
        """Values that a sorted part can make, each with one way to write it."""
        if len(part) == 1:
            return {Fraction(part[0]): str(part[0])}
        found: dict[Fraction, str] = {}
        for left, right in _splits(part):
            for a, x in made(left).items():
                for b, y in made(right).items():
                    for value, text in _joined(a, x, b, y):
                        found.setdefault(value, text)
        return found

    goal = Fraction(target)
    whole = tuple(sorted(numbers))
    if len(whole) == 1:
        return str(target) if whole[0] == target else None
    for left, right in _splits(whole):
        others = made(right)
        for a, x in made(left).items():
            for b in others if a == goal == 0 else _needed(a, goal):
                joined = _joined(a, x, b, others[b]) if b in others else []
                for value, text in joined:
                    if value == goal:
                        return text[1:-1]
    return None


def _splits(part: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The ways to split numbers into two parts, neither empty, copies and mirror images once."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
    for mask in range(1, 2 ** (len(part) - 1)):
        left = tuple(n for place, n in enumerate(part) if mask >> place & 1)
        right = tuple(n for place, n in enumerate(part) if not mask >> place & 1)
        found[min(left, right), max(left, right)] = None
    return list(found)


def _joined(a: Fraction, x: str, b: Fraction, y: str) -> list[tuple[Fraction, str]]:
    """What two values can make, with how it is written."""
    made = [
        (a + b, f"({x} + {y})"), (a * b, f"({x} * {y})"),
        (a - b, f"({x} - {y})"), (b - a, f"({y} - {x})"),
    ]  # fmt: skip
    if b:
        made.append((a / b, f"({x} / {y})"))
    if a:
        made.append((b / a, f"({y} / {x})"))
    return made


def _needed(a: Fraction, goal: Fraction) -> list[Fraction]:
    """Values that make the goal together with ``a``."""
    needed = [goal - a, a - goal, a + goal]
    if a:
        needed += [goal / a, goal * a]
    if goal:
        needed.append(a / goal)
    return needed
