"""Rows for every deterministic verifier, and what verdicts on them say; also a program.

    python -m verdict_rows

judges them in a pool of its own and prints what the verdicts say as JSON.
"""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable
from functools import cache

from filter_rows import candidate, problem

from filters.sandbox.host import SandboxMissing
from filters.verify import VERIFIERS
from filters.verify.code import CodeVerifier
from filters.verify.pool import VerifierPool
from rsfactory.records import Candidate, Problem, Verdict

ROWS: dict[str, list[tuple[str, str]]] = {
    "math": [
        ("5", r"\boxed{5}"),
        ("5", r"\boxed{6}"),
        ("5", "no idea"),
        ("", r"\boxed{5}"),
        (r"\frac{1}{2}", r"\boxed{0.5}"),
        ("x^2+2x+1", r"\boxed{(x+1)^2}"),
        (r"\{1, 2\}", r"\boxed{\{2, 1\}}"),
        (r"\sqrt{8}", r"the answer is $2\sqrt{2}$"),
        (r"\sin^2 x+\cos^2 x", r"\boxed{1}"),  # these take a library
        (r"\sin^2 x+\cos^2 x", r"\boxed{\tan x}"),
        (r"\frac{3", r"\boxed{x+1}"),
        ("x+1", r"\boxed{" + "(" * 60 + "x" + ")" * 60 + "}"),
        ("2^{10}", r"\boxed{10^{8!}}"),
    ],
    "choice": [("B", "The answer is (B)."), ("B", "A or B"), ("B", "none")],
    "exact": [("Paris", "<answer> paris </answer>"), ("Paris", r"\boxed{London}"), ("Paris", "")],
    "code": [
        ("", "```python\ndef f(x):\n    return x + 1\n```"),
        ("", "```python\ndef f(x):\n    return x\n```"),
        ("", "```python\nimport os\nos._exit(0)\n```"),
        ("", "I cannot write that."),
    ],
}
METADATA = {"code": json.dumps({"asserts": ["assert f(1) == 2", "assert f(0) == 1"]})}
OTHERS = [("5", r"\boxed{5}"), ("5", "<answer>6</answer>"), ("5", "")]
"""For verifiers without rows of their own: a verdict of some kind, the same everywhere."""


def pairs() -> list[tuple[Problem, Candidate]]:
    made: list[tuple[Problem, Candidate]] = []
    for name in sorted(deterministic()):
        for answer, text in ROWS.get(name, OTHERS):
            id = f"{name}-{len(made)}"
            choices = ("red", "green") if name == "choice" else ()
            asked = problem(answer, verifier=name, id=id, choices=choices)
            asked = dataclasses.replace(asked, metadata=METADATA.get(name, ""))
            made.append((asked, candidate(text, id=id, problem_id=id)))
    return made


@cache
def deterministic() -> list[str]:
    """Names of those that decide by themselves, one candidate at a time; code where it can run."""
    names = [name for name, one in VERIFIERS.items() if callable(getattr(one, "verify", None))]
    with contextlib.closing(CodeVerifier()) as code:
        try:
            code.prepare()
        except SandboxMissing:  # no isolation on this machine
            names.remove("code")
    return names


def said(verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
    """The verdicts without the time that they took."""
    return [{**dataclasses.asdict(verdict), "seconds": 0} for verdict in verdicts]


def judge(verify: Callable[..., list[Verdict]]) -> list[dict[str, object]]:
    return said(verify(pairs()))


if __name__ == "__main__":
    with VerifierPool(workers=1, limit=20.0) as pool:
        json.dump(judge(pool.verify), sys.stdout)
