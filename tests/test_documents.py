"""docs/verifiers.md has every verifier and check, and its rows are rows that work."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from filters.audit import gold_candidate
from filters.checks import CHECKS
from filters.verify import GROUP_VERIFIERS, JUDGES, VERIFIERS, code
from filters.verify.pool import VerifierPool
from generators.problems import formats
from rsfactory.records import Outcome, Problem

PAGE = Path(__file__).parents[1] / "docs" / "verifiers.md"
_SECTION = re.compile(r"^## `([\w:-]+)`\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
SECTIONS: dict[str, str] = dict(_SECTION.findall(PAGE.read_text()))
ROWS = [
    (name, json.loads(line))
    for name, text in SECTIONS.items()
    for line in re.findall(r"^    (\{.*\})$", text, re.MULTILINE)
]


def read(name: str, row: dict[str, Any], gold: bool = True) -> Problem:
    return next(iter(formats.problems([("row 0", row)], "page", {}, name, gold=gold)))


def test_every_name_is_on_the_page() -> None:
    assert set(SECTIONS) == {*VERIFIERS, *JUDGES, *GROUP_VERIFIERS, "module:name"}
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert listed == list(CHECKS)


def test_every_verifier_has_a_row() -> None:
    assert {name for name, _ in ROWS} == set(SECTIONS) - {"module:name"}


JUDGED = [
    pytest.param(name, row, id=f"{name}: {row['question']}")
    for name, row in ROWS
    if name in VERIFIERS and name != code.CodeVerifier.name
]


@pytest.mark.parametrize(("name", "row"), JUDGED)
def test_the_rows_can_be_judged(name: str, row: dict[str, Any]) -> None:
    problem = read(name, row)
    with VerifierPool(workers=1) as pool:
        [verdict] = pool.verify([(problem, gold_candidate(problem))])
    expected = (Outcome.CORRECT,) if problem.answer else (Outcome.UNPARSED, Outcome.WRONG)
    assert verdict.outcome in expected, verdict.reason


def test_the_rows_of_programs_have_tests() -> None:
    rows = [row for name, row in ROWS if name == "code"]
    forms = {next(key for key in ("stdio", "calls", "check", "asserts") if key in row["metadata"])
             for row in rows}  # fmt: skip
    assert forms == {"stdio", "calls", "check", "asserts"}
    for row in rows:
        asked = code.read(read("code", row))
        assert asked.tests or asked.pairs


@pytest.mark.parametrize("name", ["code", "puzzle"])
def test_a_form_names_its_verifier(name: str) -> None:
    for _, row in (pair for pair in ROWS if pair[0] == name):
        found = next(iter(formats.problems([("row 0", row)], "page", {}, None)))
        assert found.verifier == name


@pytest.mark.parametrize("name", [*JUDGES, *GROUP_VERIFIERS])
def test_rows_without_golds(name: str) -> None:
    [row] = [row for known, row in ROWS if known == name]
    assert read(name, row, gold=False).metadata == json.dumps(row.get("metadata", "")).strip('"')
