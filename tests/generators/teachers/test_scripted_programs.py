"""The fake's programs, judged by the verifier they are for: the gold passes, the others do not."""

import asyncio
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from filters.audit import written
from filters.verify.pool import VerifierPool
from generators.teachers import ScriptedTeacher
from generators.teachers.scripted_programs import right, wrong
from rsfactory.contracts import Message, Request
from rsfactory.records import Outcome, Problem

ADD = "def helper(x):\n    return x\n\ndef add(a, b):\n    return helper(a) + b"
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "asserts": (ADD, {"asserts": ["assert add(2, 3) == 5", "assert add(1, -1) == 0"]}),
    "truthy": (ADD, {"asserts": ["assert add(2, 3)", "assert not add(1, -1)"]}),
    "check": (
        "def add(a, b):\n    return a + b\n",
        {
            "entry": "add", "prefix": 'def add(a, b):\n    """Adds."""\n',
            "check": "def check(candidate):\n    assert candidate(2, 3) == 5\n",
        },
    ),
    "calls": (ADD, {"entry": "add", "calls": [{"args": [2, 3], "result": 5}]}),
    "stdio": (
        "print(sum(map(int, input().split())))", {"stdio": [{"input": "2 3", "output": "5"}]},
    ),
}  # fmt: skip


def made(form: str) -> Problem:
    answer, metadata = FORMS[form]
    return Problem(
        id=f"p-{form}", source="t", split="train", domain="code", verifier="code",
        prompt=f"Add two numbers ({form}).", answer=answer, choices=[], solution=None, row=0,
        metadata=json.dumps(metadata),
    )  # fmt: skip


@pytest.fixture(scope="module")
def programs(isolated: None) -> Iterator[VerifierPool]:
    with VerifierPool(workers=1) as pool:
        yield pool


@pytest.mark.parametrize("form", FORMS)
def test_right_passes_and_wrong_does_not(programs: VerifierPool, form: str) -> None:
    problem = made(form)
    texts = [right(problem), *(wrong(problem, Random(seed)) for seed in range(6))]
    pairs = [(problem, written(problem, text, "t", n)) for n, text in enumerate(texts)]
    good, *bad = programs.verify(pairs)
    assert good.outcome is Outcome.CORRECT, good.reason
    assert {verdict.outcome for verdict in bad} == {Outcome.WRONG}
    assert all(verdict.extracted for verdict in bad)


def test_the_teacher_writes_them(programs: VerifierPool) -> None:
    problem = made("asserts")
    request = Request(
        messages=(Message("user", problem.prompt),), seeds=tuple(range(60)), temperature=0.9,
        top_p=1.0, max_tokens=200,
    )  # fmt: skip
    said = asyncio.run(ScriptedTeacher(0.5, [problem]).complete(request))
    pairs = [(problem, written(problem, one.text, "t", n)) for n, one in enumerate(said)]
    found = [verdict.outcome for verdict in programs.verify(pairs)]
    assert found.count(Outcome.CORRECT) > 5
    assert found.count(Outcome.WRONG) > found.count(Outcome.UNPARSED) > 0


@pytest.mark.parametrize(
    ("answer", "metadata"),
    [("", ""), ("def f(:", '{"asserts": ["assert f(1)"]}'), ("x", "[1]"), ("x", "{"), ("", "{}")],
)
def test_what_has_no_gold_or_no_tests_gets_a_program_too(answer: str, metadata: str) -> None:
    problem = made("asserts")
    bare = Problem(**{**{f: getattr(problem, f) for f in problem.__slots__},
                      "answer": answer, "metadata": metadata})  # fmt: skip
    for text in (right(bare), wrong(bare, Random(0))):
        assert text.startswith("```python\n")
        assert text.endswith("\n```")
