"""Problems and candidates for the tests of filters."""

from dataclasses import replace
from typing import Any

from rsfactory import tagged
from rsfactory.records import Candidate, Problem


def problem(
    answer: str, *, verifier: str = "math", choices: tuple[str, ...] = (), id: str = "p-1",
    domain: str = "math",
) -> Problem:  # fmt: skip
    return Problem(
        id=id, source="test", split="train", domain=domain, verifier=verifier, prompt="What?",
        answer=answer, choices=list(choices), solution=None, row=0,
    )  # fmt: skip


def candidate(
    completion: str, *, id: str = "c-1", problem_id: str = "p-1", finish_reason: str = "stop",
    hinted: bool = False, index: int = 0, round: int = 1, prompt_tokens: int = 1, tokens: int = 7,
    reasoning: str | None = None,
) -> Candidate:  # fmt: skip
    return Candidate(
        id=id, problem_id=problem_id, prompt_id="t-1", teacher="k-1", sampling="{}", index=index,
        attempt=0, round=round, hinted=hinted, seed=0, max_tokens=64, completion=completion,
        reasoning=reasoning, finish_reason=finish_reason, prompt_tokens=prompt_tokens,
        tokens=tokens,
    )  # fmt: skip


def puzzle(metadata: dict[str, Any], answer: str, *, verifier: str = "puzzle") -> Problem:
    return replace(problem(answer, verifier=verifier), metadata=tagged.dumps(metadata))
