"""Tables of programming problems: HumanEval, MBPP, and APPS with its kin.

Recognised by their columns: ``prompt``, ``entry_point`` and ``test`` (HumanEval), ``test_list``
with ``text`` or ``prompt`` (MBPP, also its sanitized form), ``input_output`` with ``question``
(APPS, TACO: inputs with outputs, or a function's name with arguments and results). The gold is the
program that the source gives; a problem may do without one, its tests decide. The metadata is what
the verifier ``code`` reads.

Not covered: ``challenge_test_list`` of MBPP (it is empty in almost all rows), interactive problems.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from generators.problems import origin
from generators.problems.cells import unpacked
from generators.problems.origin import Origin

Reader = Callable[[Mapping[str, Any]], tuple[str, str, str]]
"""A row -> question, gold program, metadata; ValueError says what is wrong with it."""

SHOWN = 1
"""Tests of MBPP that a question shows: without one nobody could know the function's name."""


def recognise(row: Mapping[str, Any]) -> Reader | None:
    """The reader for a table of programming problems, by the columns of its first row."""
    if {"prompt", "entry_point", "test"} <= set(row):
        return _human_eval
    if "test_list" in row and ("text" in row or "prompt" in row):
        return _mbpp
    if "input_output" in row and "question" in row:
        return _apps
    return None


def origin_of(row: Mapping[str, Any]) -> Origin:
    """What the columns of such a table say of where it comes from."""
    if "entry_point" in row:
        own = str(row.get("task_id")).startswith("HumanEval/")
        return origin.HUMAN_EVAL_OWN if own else origin.HUMAN_EVAL
    if "test_list" in row:
        own = "challenge_test_list" in row or {"source_file", "test_imports"} <= set(row)
        return origin.MBPP_OWN if own else origin.MBPP
    return origin.APPS


def _human_eval(row: Mapping[str, Any]) -> tuple[str, str, str]:
    prefix, entry = str(row["prompt"]), str(row["entry_point"] or "").strip()
    test = str(row["test"] or "")
    if not prefix.strip() or not entry or "def check" not in test:
        raise ValueError("expected a prompt, an entry_point and a test that defines check()")
    question = f"Complete this Python function.\n\n```python\n{prefix.strip()}\n```"
    answer = f"{prefix}{row.get('canonical_solution') or ''}"
    answer = answer if row.get("canonical_solution") else ""
    return question, answer, _text({"entry": entry, "check": test, "prefix": prefix})


def _mbpp(row: Mapping[str, Any]) -> tuple[str, str, str]:
    asked = str(row.get("text") or row.get("prompt") or "").strip()
    listed = unpacked(row["test_list"])
    tests = [str(test) for test in listed] if isinstance(listed, list) else []
    if not asked or not tests:
        raise ValueError("expected a text and a test_list with at least one assert")
    imports = unpacked(row.get("test_imports"))
    setup = [*map(str, imports if isinstance(imports, list) else [])]
    setup.append(str(row.get("test_setup_code") or ""))
    examples = "\n".join(test.strip() for test in tests[:SHOWN])
    question = f"{asked}\nThe program is tested like this:\n\n```python\n{examples}\n```"
    answer = str(row.get("code") or "").replace("\r\n", "\n").strip()
    return question, answer, _text({"asserts": tests, "setup": "\n".join(setup).strip()})


def _apps(row: Mapping[str, Any]) -> tuple[str, str, str]:
    tests = _json(row["input_output"], "input_output")
    if not isinstance(tests, Mapping):
        raise ValueError("expected an object with inputs and outputs in input_output")
    inputs, outputs = tests.get("inputs"), tests.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise ValueError("expected lists of inputs and outputs in input_output")
    if not inputs or len(inputs) != len(outputs):
        raise ValueError("expected as many inputs as outputs in input_output, and at least one")
    question = str(row["question"] or "").strip()
    starter = str(row.get("starter_code") or "").strip()
    if starter:
        question += f"\n\n```python\n{starter}\n```"
    solutions = _json(row.get("solutions") or "[]", "solutions")
    answer = str(solutions[0]).strip() if isinstance(solutions, list) and solutions else ""
    entry = tests.get("fn_name")
    if entry:
        calls = [{"args": a, "result": r} for a, r in zip(inputs, outputs, strict=True)]
        return question, answer, _text({"entry": str(entry), "calls": calls})
    pairs = [
        {"input": _lines(a), "output": _lines(b)} for a, b in zip(inputs, outputs, strict=True)
    ]
    return question, answer, _text({"stdio": pairs})


def _lines(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _json(value: Any, column: str) -> Any:
    """A column that holds JSON, as text or as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"{column} is not JSON: {error}") from error


def _text(metadata: Mapping[str, Any]) -> str:
    return json.dumps(metadata, ensure_ascii=False)
