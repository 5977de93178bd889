"""Programs against their tests: a table of verdicts, and what a program must not get away with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filters.audit import written
from filters.sandbox.limits import Limits
from filters.verify.code import SANDBOX, CodeVerifier
from filters.verify.pool import VerifierPool
from rsfactory.records import Outcome, Problem, Verdict
from tests.filters.sandbox_here import needs_sandbox

pytestmark = needs_sandbox
EARLY = Path(__file__).parents[4] / "shared/material/adversarial/early_exit_programs.jsonl"
ASSERTS = {"asserts": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"]}
CHECK = {
    "entry": "add",
    "prefix": 'def add(a, b):\n    """Adds."""\n',
    "check": "def check(candidate):\n    assert candidate(2, 3) == 5\n"
    "    for n in range(9):\n        assert candidate(n, n) == 2 * n\n",
}
CALLS = {
    "entry": "add",
    "calls": [{"args": [2, 3], "result": 5}, {"args": ["a", "b"], "result": "ab"}],
}
STDIO = {"stdio": [{"input": "2 3", "output": "5\n"}, {"input": "-1 1\n", "output": "0"}]}
GOOD = "def add(a, b):\n    return a + b\n"
PRINTS = "a, b = map(int, input().split())\nprint(a + b)\n"

TABLE: list[tuple[str, dict[str, Any], str, Outcome, float | None]] = [
    # why, tests, program, outcome, share of tests passed
    ("asserts", ASSERTS, GOOD, Outcome.CORRECT, 1.0),
    ("check", CHECK, GOOD, Outcome.CORRECT, 1.0),
    ("calls", CALLS, GOOD, Outcome.CORRECT, 1.0),
    ("input and output", STDIO, PRINTS, Outcome.CORRECT, 1.0),
    ("half of the asserts", ASSERTS, "def add(a, b): return 5", Outcome.WRONG, 0.5),
    ("half of the outputs", STDIO, "print(5)", Outcome.WRONG, 0.5),
    ("another name", ASSERTS, "def plus(a, b): return a + b", Outcome.WRONG, 0.0),
    ("another name for check", CHECK, "def plus(a, b): return a + b", Outcome.WRONG, 0.0),
    ("a syntax error", ASSERTS, "def add(a, b) return", Outcome.WRONG, 0.0),
    ("an error when loaded", ASSERTS, GOOD + "1 / 0", Outcome.WRONG, 0.0),
    ("an example of its own that fails", ASSERTS, GOOD + "assert add(1, 1) == 3", Outcome.CORRECT,
     1.0),
    ("what stands under main", ASSERTS, GOOD + "if __name__ == '__main__':\n    1 / 0",
     Outcome.CORRECT, 1.0),
    ("an endless loop", ASSERTS, "def add(a, b):\n    while True: pass", Outcome.WRONG, 0.0),
    ("an endless loop that prints", STDIO, "while True: pass", Outcome.WRONG, 0.0),
    ("too much memory", ASSERTS, "def add(a, b): return ['x'] * 10**10", Outcome.WRONG, 0.0),
    ("leaves early", ASSERTS, "raise SystemExit(0)", Outcome.WRONG, 0.0),
    ("leaves early without a word", ASSERTS, "import os; os._exit(0)", Outcome.WRONG, 0.0),
    ("leaves when called", ASSERTS, "import os\ndef add(a, b): os._exit(0)", Outcome.WRONG, 0.0),
    ("prints what it should return", ASSERTS, "def add(a, b): print(a + b)", Outcome.WRONG, 0.0),
    ("equals everything", ASSERTS, "class E:\n    def __eq__(s, o): return True\n"
     "def add(a, b): return E()", Outcome.WRONG, 0.0),
    ("a number that equals everything", ASSERTS,
     "class E(int):\n    def __eq__(s, o): return True\n"
     "def add(a, b): return E(9)", Outcome.WRONG, 0.0),
    ("changes assert", ASSERTS, "import builtins\nbuiltins.AssertionError = Warning\n"
     "def add(a, b): return 0", Outcome.WRONG, 0.5),
    ("numpy", ASSERTS, "import numpy\ndef add(a, b): return numpy.add(a, b)", Outcome.CORRECT, 1.0),
    ("a word too many", STDIO, PRINTS + "print('ok')", Outcome.WRONG, 0.0),
    ("an exit status", STDIO, PRINTS + "raise SystemExit(3)", Outcome.WRONG, 0.0),
    ("more spaces", STDIO, PRINTS.replace("a + b", "'', a + b, ''"), Outcome.CORRECT, 1.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    verifier = CodeVerifier(Limits(cpu=1, wall=20, memory=512 << 20))
    yield verifier
    verifier.close()


def make_problem(tests: Any) -> Problem:
    return Problem(
        id="p", source="made", split="train", domain="code", verifier="code", prompt="Add.",
        answer="", choices=[], solution=None, row=0,
        metadata=tests if isinstance(tests, str) else json.dumps(tests),
    )  # fmt: skip


def judge(verifier: CodeVerifier, tests: Any, program: str) -> Verdict:
    problem = make_problem(tests)
    return verifier.verify(problem, written(problem, f"```python\n{program}\n```", "made"))


@pytest.mark.parametrize(
    ("tests", "program", "outcome", "share"),
    [row[1:] for row in TABLE], ids=[row[0] for row in TABLE],
)  # fmt: skip
def test_verdicts(
    verifier: CodeVerifier, tests: Any, program: str, outcome: Outcome, share: float | None
) -> None:
    found = judge(verifier, tests, program)
    assert (found.outcome, found.share) == (outcome, share), found.reason
    assert found.isolation == "full"
    assert found.extracted


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ("{}", "asserts, calls or stdio"),
        ("not json", "cannot be run"),
        ("[1]", "JSON object"),
        ({"asserts": ["assert add("]}, "not Python"),
        ({"check": "def check(c): pass"}, "expected entry"),
        ({"calls": [{"args": [1]}], "entry": "f"}, "as call 0"),
        ({"calls": [{"args": [1], "result": 1}], "entry": "f("}, "expected entry"),
        ({"stdio": [{"input": "1"}]}, "as test 0"),
        ({"tests": []}, "got tests"),
        ({"stdio": 7}, "expected a list"),
    ],
)
def test_bad_tests_are_our_fault(verifier: CodeVerifier, tests: Any, why: str) -> None:
    found = judge(verifier, tests, GOOD)
    assert found.outcome is Outcome.UNVERIFIABLE
    assert why in found.reason


def test_no_program(verifier: CodeVerifier) -> None:
    problem = make_problem(ASSERTS)
    words = verifier.verify(problem, written(problem, "I do not know.", "made"))
    assert words.outcome is Outcome.UNPARSED
    cut = written(problem, "```python\ndef add(a, b):", "made")
    cut = type(cut)(**{**{f: getattr(cut, f) for f in cut.__slots__}, "finish_reason": "length"})
    assert verifier.verify(problem, cut).outcome is Outcome.TRUNCATED


def test_a_sleeper_is_not_called_wrong() -> None:
    quick = CodeVerifier(Limits(cpu=1, wall=1))
    try:
        found = judge(quick, ASSERTS, "import time\ndef add(a, b): time.sleep(60)")
    finally:
        quick.close()
    assert found.outcome is Outcome.UNVERIFIABLE
    assert "no end within 1 s" in found.reason


def test_what_was_found_wrong_stays_wrong_when_time_is_up(
    verifier: CodeVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filters.verify.code.TOTAL", -1.0)
    none = judge(verifier, STDIO, PRINTS)
    assert none.outcome is Outcome.UNVERIFIABLE
    assert "together" in none.reason
    monkeypatch.setattr("filters.verify.code.TOTAL", 1.0)
    slow = "import time\nprint(7)\ntime.sleep(1.1)"
    assert judge(verifier, STDIO, slow).results == ["other output", "not run"]
    assert judge(verifier, STDIO, slow).outcome is Outcome.WRONG


def test_results_of_each_test(verifier: CodeVerifier) -> None:
    found = judge(verifier, ASSERTS, "def add(a, b): return 5 if a > 0 else {}['x']")
    assert found.results[0] == "passed"
    assert found.results[1].startswith("KeyError")


def test_expected_values_are_not_in_the_program_memory(verifier: CodeVerifier) -> None:
    tests = {"asserts": ["assert f(1) == 'the secret that only tests know'"]}
    program = (
        "import gc, sys\n"
        "def f(x):\n"
        "    for o in gc.get_objects():\n"
        "        for v in list(o.values()) if type(o) is dict else o if type(o) is tuple else ():\n"
        "            if type(v) is str and 'only tests' + ' know' in v: return v\n"
        "    return 'not found'\n"
    )
    assert judge(verifier, tests, program).outcome is Outcome.WRONG


def test_through_the_pool_with_one_and_two_workers() -> None:
    problem = make_problem(ASSERTS)
    pairs = [
        (problem, written(problem, f"```python\n{program}\n```", "made"))
        for program in (GOOD, "def add(a, b): return 0", GOOD + "# again", "no program (")
    ]
    for workers in (1, 2):
        with VerifierPool(workers=workers) as pool:
            found = pool.verify(pairs)
        assert [v.outcome.value for v in found] == ["correct", "wrong", "correct", "wrong"]
        assert {v.isolation for v in found} == {"full"}
        assert found[1].share == 0.5


def test_weak_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SANDBOX, "weak")
    verifier = CodeVerifier()
    try:
        found = judge(verifier, ASSERTS, GOOD)
    finally:
        verifier.close()
    assert (found.outcome, found.isolation) == (Outcome.CORRECT, "weak")


@pytest.mark.skipif(not EARLY.exists(), reason="the material is not here")
def test_early_exits_are_not_accepted(verifier: CodeVerifier) -> None:
    rows = [json.loads(line) for line in EARLY.read_text("utf-8").splitlines()]
    for row in (row for row in rows if row["language"] == "python"):
        tests = {"stdio": [{"input": "", "output": "hello"}]}
        accepted = judge(verifier, tests, row["program"]).outcome is Outcome.CORRECT
        assert accepted == row["expected_accepted"], row["program"]
