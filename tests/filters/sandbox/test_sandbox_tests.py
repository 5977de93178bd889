"""Tests against programs: what passes between them, test by test."""

import pytest
from sandbox_limits import SMALL

from filters.sandbox import run
from filters.sandbox.host import SandboxBroke
from filters.sandbox.run import Sandbox

TABLE = [
    # program, tests, results (beginnings)
    ("def f(x): return x + 1", "assert f(1) == 2", ["passed"]),
    ("def f(x): return x", "assert f(1) == 2\nassert f(2) == 2\nassert f(3) == 2",
     ["failed", "passed", "failed"]),
    ("def f(x): return [x]", "assert f(1)[0] == 1\nassert len(f(1)) == 1\nassert 1 in f(1)",
     ["passed"] * 3),
    ("def f(x): return 1 / x", "assert f(0) == 0\nassert f(1) == 1",
     ["ZeroDivisionError: division by zero", "passed"]),
    ("def f(x): raise KeyError(x)", "try:\n  f(1)\n  assert False\nexcept KeyError:\n  pass",
     ["passed"]),
    ("class Odd(Exception): pass\ndef f(x): raise Odd(x)",
     "try:\n  f(1)\n  assert False\nexcept Exception as e:\n"
     "  assert f'{type(e).__name__} {e}' == 'Odd 1'",
     ["passed"]),
    ("def f(x): return x", "assert g(1) == 1", ["NameError: name 'g' is not defined"]),
    ("f = 3", "assert f == 3", ["passed"]),
    ("def f(n):\n  for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]", ["passed"]),
    ("def f(n):\n  for i in range(n): yield i",
     "g = f(2)\nassert next(g) == 0\nassert next(g) == 1\ntry:\n  next(g)\n  assert False\n"
     "except StopIteration:\n  pass", ["passed"] * 3),
    ("def f(rows): rows.sort()", "x = [3, 1]\nf(x)\nassert x == [1, 3]", ["passed"]),
    ("def f(seen): seen['a'] = 1", "x = {}\nf(x)\nassert x == {'a': 1}", ["passed"]),
    ("def f(seen): seen.add(1)", "x = set()\nf(x)\nassert x == {1}", ["passed"]),
    ("class Stack:\n  def __init__(self): self.rows = []\n"
     "  def push(self, x): self.rows.append(x)\n"
     "  def __len__(self): return len(self.rows)\n  def __getitem__(self, i): return self.rows[i]",
     "s = Stack()\ns.push(4)\nassert len(s) == 1\nassert s[0] == 4\nassert s.rows == [4]",
     ["passed"] * 3),
    ("class P:\n  def __init__(self, x): self.x = x\ndef f(p): return p.x",
     "p = P(3)\np.x = 5\nassert f(p) == 5", ["passed"]),
    ("class P: pass\ndef f(): return P()", "assert f() == f()", ["failed"]),
    ("def f(): return P\nclass P: pass", "assert isinstance(f(), int)", ["failed"]),
    ("def f(x, *, y=1, **z): return x, y, z", "assert f(1, y=2, a=3) == (1, 2, {'a': 3})",
     ["passed"]),
    ("def f(): return lambda x: x + 1", "assert f()(1) == 2", ["passed"]),
    ("def f(x): return x", "for i in range(3):\n  assert f(i) == i\nassert f(0) == 1",
     ["passed", "failed"]),
    ("def f(x): return x", "def same(a, b):\n  assert a == b\nsame(f(1), 1)\nassert f(2) == 2",
     ["passed"]),
    ("def f(x): return x", "def same(a, b):\n  assert a == b\nsame(f(1), 2)", ["failed"]),
    ("def f(x): return float('nan')", "assert f(1) == f(1)\nassert f(1) != f(1)",
     ["failed", "passed"]),
    ("def f(x): return x", "assert f((1, [2, {3}])) == (1, [2, {3}])\nassert f(b'x') == b'x'",
     ["passed", "passed"]),
    ("def f(x): return [0] * x", "assert f(10**10) == []", ["MemoryError"]),
    ("print('noise')\nimport sys; sys.stderr.write('noise')\ndef f(x): print(x); return x",
     "assert f(1) == 1", ["passed"]),
    ("if __name__ == '__main__':\n  input()\ndef f(x): return x", "assert f(1) == 1", ["passed"]),
    ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "assert f(900) == 900", ["passed"]),
    ("def f(x): return x", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("source", "tests", "results"), TABLE)
def test_results_are_of_each_test(
    sandbox: Sandbox, source: str, tests: str, results: list[str] | None
) -> None:
    tested = sandbox.test(source, run.Tests(source=tests))
    assert tested.isolation == "full"
    if results is None:
        assert not tested.passed
        return
    assert len(tested.results) == len(results), tested
    for found, beginning in zip(tested.results, results, strict=True):
        assert found.startswith(beginning)
    assert tested.passed is (bool(results) and set(results) == {"passed"})


LOADS = {
    "1 / 0": "ZeroDivisionError: division by zero", "def f(:": "SyntaxError",
    "import sys; sys.exit(0)": "SystemExit: 0", "raise KeyboardInterrupt": "KeyboardInterrupt",
    "import nothing_of_this_name": "ModuleNotFoundError", "x = [0] * 10**12": "MemoryError",
    "import os; os._exit(0)": "the program ended before it was loaded",
}  # fmt: skip


@pytest.mark.parametrize("source", LOADS)
def test_why_it_was_not_loaded(sandbox: Sandbox, source: str) -> None:
    tested = sandbox.test(source, run.Tests(source="assert f(1) == 1"))
    assert tested.loaded is not None
    assert tested.loaded.startswith(LOADS[source])
    assert (tested.results, tested.passed) == ([], False)


CHECK = """
METADATA = {}
def check(candidate):
    assert candidate(1) == 2
    for i in range(3):
        assert candidate(i) == i + 1
    assert abs(candidate(0.5) - 1.5) < 1e-6
"""


def test_check_has_a_result_for_each_statement(sandbox: Sandbox) -> None:
    right = sandbox.test("def f(x): return x + 1", run.Tests(source=CHECK, entry="f"))
    assert right.results == ["passed"] * 3
    wrong = sandbox.test("def f(x): return 2", run.Tests(source=CHECK, entry="f"))
    assert wrong.results == ["passed", "failed", "failed"]
    none = sandbox.test("def g(x): return 2", run.Tests(source=CHECK, entry="f"))
    assert none.results == ["NameError: the program does not define f"] * 3


def test_check_whose_asserts_are_elsewhere_is_one_test(sandbox: Sandbox) -> None:
    source = "def same(a, b):\n  assert a == b\ndef check(candidate):\n  same(candidate(1), 2)"
    tests = run.Tests(source=source, entry="f")
    assert sandbox.test("def f(x): return x + 1", tests).results == ["passed"]
    assert sandbox.test("def f(x): return x", tests).results == ["failed"]


def test_setup_comes_first_and_wins(sandbox: Sandbox) -> None:
    setup = "import math\ndef twice(x): return 2 * x"
    tests = run.Tests(source="assert f(3) == twice(3)\nassert math.sqrt(4) == 2", setup=setup)
    assert sandbox.test("def f(x): return 6\ndef twice(x): return 0", tests).passed
    assert not sandbox.test("def f(x): return 0\ndef twice(x): return 0", tests).passed


def test_tests_that_cannot_run_are_no_verdict(sandbox: Sandbox) -> None:
    no_module = "import nothing_of_this_name\nassert f(1) == 1"
    for source in ("assert (", no_module, "1 / 0", "assert f(abs) == 1"):
        with pytest.raises(SandboxBroke):
            sandbox.test("def f(x): return x", run.Tests(source=source))


def test_tests_that_use_up_their_time(sandbox: Sandbox) -> None:
    source = "assert f(1) == 1\nwhile True: assert f(1) == 1"
    tested = sandbox.test("def f(x): return x", run.Tests(source=source))
    assert tested.results in (["passed", "out of time"], ["passed", "the program ended"])


def test_program_over_its_limits(sandbox: Sandbox) -> None:
    tests = run.Tests(source="assert f(1) == 1\nassert f(2) == 2")
    loop = sandbox.test("def f(x):\n  while True: pass", tests)
    assert loop.killed_by == "cpu"
    assert loop.results[0] == "the program ended"
    assert not loop.passed
    assert loop.cpu >= 0.9


def test_tests_leave_nothing_for_the_next(sandbox: Sandbox) -> None:
    leave = "import builtins, json, os\nbuiltins.left = json.left = 1\nassert f() == 1"
    look = "import builtins, json\nassert not hasattr(builtins, 'left') and json.dumps"
    look += "\nassert not hasattr(json, 'left') and f() == 1"
    sandbox.test("def f(): return 1", run.Tests(source=leave))
    assert sandbox.test("def f(): return 1", run.Tests(source=look)).passed


def test_tests_cannot_write_or_reach_out(sandbox: Sandbox) -> None:
    source = (
        "import os\nfor p in ('/tmp/x', '/dev/shm/x', '/x'):\n  try:\n    open(p, 'w')\n"
        "    assert False\n  except OSError:\n    assert f()\n"
        "assert 'HF_TOKEN' not in os.environ and f()"
    )
    assert sandbox.test("def f(): return 1", run.Tests(source=source)).passed
    assert SMALL.cpu == 1
