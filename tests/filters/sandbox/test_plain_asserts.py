"""Asserts judged without a process of their own: which they are, and that nothing else changes."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from filters.sandbox import plain
from filters.sandbox.limits import Limits
from filters.sandbox.run import Sandbox, Tests
from filters.verify.code import code_of
from generators.problems import open_source
from tests.filters.sandbox_here import needs_sandbox

CODE = Path(__file__).parents[4] / "shared/material/code"
STUB = 'import math\n\ndef f(x):\n    """Says."""\n'

READ = [
    # source, entry, setup, whether they are plain, why
    ("assert f(1) == 2", None, "", True, "a call and a literal"),
    ("assert f([1, (2, 'a')], k={3: None}) == {1, 2}", None, "", True, "all containers"),
    ("assert abs(f(1) - 0.5) < 1e-6", None, "", True, "a tolerance"),
    ("import math\nassert math.isclose(f(1), 2, rel_tol=1e-3)", None, "", True, "isclose"),
    ("assert math.isclose(f(1), 2)", None, "", False, "a module that nobody imports"),
    ("assert round(f(1), 2) == 2", None, "", True, "places that the test names"),
    ("assert round(2, f(1)) == 2", None, "", False, "places that the program names"),
    (
        "def check(c):\n    assert near(c(1), 2)",
        "f",
        "near = 1",
        False,
        "a helper that is assigned",
    ),
    ("assert True", None, "", False, "nothing that asks the program"),
    ("assert set(f(1)) == {1} and not f(2)[0], 'why'", None, "", True, "functions that only look"),
    ("def check(c):\n    assert c(1) == f(2)", "f", STUB, True, "HumanEval"),
    ("M = {'a': 1}\ndef check(c):\n    'text'\n    pass\n    assert c(1)", "f", "", True, "idle"),
    ("assert f(1) == 2", None, "import x", False, "a setup"),
    ("assert f(x) == 2", None, "", False, "a name"),
    ("assert f(1).a == 2", None, "", False, "an attribute"),
    ("assert f(**{}) == 2", None, "", False, "unpacking"),
    ("assert f(lambda: 1) == 2", None, "", False, "a function"),
    ("assert [f(n) for n in [1]] == 2", None, "", False, "a loop inside"),
    ("assert 2 ** f(1) == 2", None, "", False, "a power"),
    ("assert eval('1') == f(1)", None, "", True, "eval is looked for among the program's names"),
    ("assert (f(1) == 2 if f else 0)", None, "", False, "a branch"),
    ("assert f'{f(1)}' == '2'", None, "", False, "a format"),
    ("x = 1\nassert f(1) == 2", None, "", False, "another statement"),
    ("def check(c):\n    for n in [1]:\n        assert c(n)", "f", "", False, "a loop"),
    ("def check(c):\n    assert c(1)", "f", "def abs(x): return 0\n" + STUB, False, "a helper"),
    ("def check(c):\n    assert c(1)", "f", "from x import *\n", False, "names nobody knows"),
    ("def check(c):\n    assert True", "f", "", False, "the program is never called"),
    ("", None, "", False, "nothing"),
    ("assert (", None, "", False, "no Python"),
]


@pytest.mark.parametrize(
    ("source", "entry", "setup", "wanted"), [row[:4] for row in READ], ids=[r[4] for r in READ]
)
def test_read(source: str, entry: str | None, setup: str, wanted: bool) -> None:
    assert (plain.read(source, entry, setup) is not None) is wanted


PROGRAMS = {
    "right": "def f(x): return x + 1",
    "wrong": "def f(x): return 7",
    "raises": "def f(x): raise ValueError('no')",
    "raises AssertionError": "def f(x): assert False",
    "raises no built-in": "class E(Exception): pass\ndef f(x): raise E('no')",
    "another type": "def f(x): return [x]",
    "an object": "class E:\n    def __eq__(s, o): return True\ndef f(x): return E()",
    "a generator": "def f(x):\n    yield x + 1",
    "a fraction": "from fractions import Fraction\ndef f(x): return Fraction(x + 1)",
    "ends": "import os\ndef f(x): os._exit(0)",
    "ends at the second call": "import os\ndef f(x):\n    if x > 1: os._exit(0)\n    return x + 1",
    "leaves": "def f(x): raise SystemExit",
    "does not load": "1 / 0",
    "ends while it loads": "import os; os._exit(0)",
    "defines nothing": "x = 1",
    "hides a built-in": "def abs(x): return 0\ndef f(x): return x + 1",
    "writes to its peer": "import os\ndef f(x):\n    for n in range(3, 20):\n"
    "        try: os.write(n, b'\\0\\0\\0\\x04true')\n        except OSError: pass\n    return 7",
}


@needs_sandbox
@pytest.mark.parametrize("name", PROGRAMS)
def test_walked_is_as_executed(sandbox: Sandbox, name: str) -> None:
    tests = Tests(source="assert f(1) == 2\nassert abs(f(2) - 3) < 1e-9\nassert f(0) != [0]")
    asked = dataclasses.asdict(sandbox.limits)
    walked = sandbox.test(PROGRAMS[name], tests)
    executed = sandbox._executed(PROGRAMS[name], tests, asked)
    assert (walked.results, walked.loaded) == (executed.results, executed.loaded)
    assert walked.passed == (name in ("right", "a fraction", "hides a built-in"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(cpu=1, wall=10)) as sandbox:
        yield sandbox


@pytest.mark.skipif(not CODE.exists(), reason="the material is not here")
def test_most_real_tests_are_plain() -> None:
    for name, least in (("humaneval", 0.9), ("mbpp_974", 0.95)):
        source = open_source(str(CODE / f"{name}.jsonl"), seed=0, purpose="train")
        tests = [code_of(json.loads(problem.metadata)) for problem in source.problems()]
        found = [plain.read(test.source, test.entry, test.setup) for test in tests]
        assert sum(one is not None for one in found) >= least * len(tests)
