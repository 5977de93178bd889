"""Programs that want to pass without solving anything: none does, in either style of tests."""

from dataclasses import replace

import pytest
from attack_programs import Attack, attacks
from sandbox_limits import SMALL

from filters.sandbox.host import SandboxBroke
from filters.sandbox.run import Sandbox
from filters.sandbox.run import Tests as Asked

ATTACKS = attacks("accepts")
ASSERTS = """
assert add(2, 3) == 5
assert add(-1, 1) == 0
import random
for _ in range(5):
    a, b = random.randrange(1, 1000), random.randrange(1, 1000)
    assert add(a, b) == a + b
"""
CHECK = "def check(candidate):\n" + "\n".join(
    f"    {line}" for line in ASSERTS.replace("add(", "candidate(").splitlines()
)
STYLES = {"names": Asked(source=ASSERTS), "check": Asked(source=CHECK, entry="add")}
BOUNDS = replace(SMALL, wall=3)
RIGHT = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_program_is_not_accepted(sandbox: Sandbox, attack: Attack, style: str) -> None:
    try:
        tested = sandbox.test(attack.source, STYLES[style], BOUNDS)
    except SandboxBroke:
        pytest.fail("it escaped its verdict: nobody could say that it is wrong")
    assert not tested.passed, tested
    assert sandbox.test(RIGHT, STYLES[style]).passed


def test_many_would_pass_where_tests_and_program_share_a_process(sandbox: Sandbox) -> None:
    bounds = replace(SMALL, wall=0.4)
    naive = [a for a in ATTACKS if sandbox.run(a.source + ASSERTS, limits=bounds).exit == 0]
    assert len(naive) >= 25


HELPED = {
    "abs": ("def f(x): return 0\ndef abs(x): return 0", "assert abs(f(2) - 4.5) < 1e-6"),
    "module": ("class math:\n isclose = lambda *_: True\ndef f(x): return 0",
               "assert math.isclose(f(2), 4.5)"),
    "module in the setup": ("class math:\n isclose = lambda *_: True\ndef f(x): return 0",
                            "import math\nassert math.isclose(f(2), 4.5)"),
    "set": ("def f(x): return []\ndef set(x): return 0", "assert set(f(2)) == set([4, 5])"),
    "sorted and len": ("def f(x): return []\ndef sorted(x): return 0\nlen = sorted",
                       "assert sorted(f(2)) == sorted([4])\nassert len(f(2)) == 1"),
    "two at once": ("def sum(a, b): return 0\ndef abs(x): return 0",
                    "assert abs(sum(2, 3) - 5) < 1e-6"),
    "own helper": ("def f(x): return 0\ndef same(a, b): return True",
                   "def same(a, b):\n    return a == b\nassert same(f(2), 4)"),
    "exception": ("def f(x): return 0\nclass ValueError(Exception): pass",
                  "try:\n    f(2)\n    assert False\nexcept ValueError:\n    pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", HELPED)
def test_what_tests_call_is_not_the_programs(sandbox: Sandbox, name: str) -> None:
    source, tests = HELPED[name]
    assert not sandbox.test(source, Asked(source=tests)).passed


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("def sum(a, b): return a + b", "assert sum(2, 3) == 5"),
        ("import sys\ndef size(t): return sys.getsizeof(t)",
         "assert size((1, 2)) == sys.getsizeof((1, 2))"),
        ("class Node:\n  def __init__(self, v): self.v = v\ndef value(n): return n.v",
         "assert value(Node(3)) == 3"),
        ("import math\ndef f(x): return x", "assert math.isclose(f(2.0), 2)"),
    ],
)  # fmt: skip
def test_what_is_the_programs_is_found(sandbox: Sandbox, source: str, tests: str) -> None:
    assert sandbox.test(source, Asked(source=tests)).passed


@pytest.mark.parametrize("attack", attacks("answers"), ids=str)
def test_expected_output_is_nowhere(sandbox: Sandbox, attack: Attack) -> None:
    expected = "EXPECTED-IS-1838265625"
    assert expected  # the host's alone: comparing is the caller's work
    sandbox.test(RIGHT, Asked(source=f"assert add(1, 2) == '{expected}'"))
    ran = sandbox.run(attack.source, "42", replace(SMALL, cpu=4, wall=8))
    assert expected not in ran.stdout + ran.stderr
    assert ran.isolation == "full"
