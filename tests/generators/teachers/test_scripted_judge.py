"""The fake judge over the real judge's requests."""

import asyncio
from dataclasses import replace

import pytest
from test_scripted import PROBLEMS

from filters.verify.judge import LlmJudge
from generators.prompts import final_line
from generators.teachers import ScriptedJudge
from rsfactory.errors import InputError
from rsfactory.records import Candidate, Outcome, Problem

JUDGE = LlmJudge(rubric="science", votes=1, agreement=1.0, temperature=0.7, max_tokens=64)


def judged(teacher: ScriptedJudge, problem: Problem, text: str) -> Outcome:
    attempt = Candidate(
        id=Candidate.key(problem.id, "t", "k", "{}", 0), problem_id=problem.id, prompt_id="t",
        teacher="k", sampling="{}", index=0, attempt=0, round=1, hinted=False, seed=0,
        max_tokens=9, completion=text, reasoning=None, finish_reason="stop", prompt_tokens=1,
        tokens=1,
    )  # fmt: skip
    return asyncio.run(JUDGE.judge(problem, attempt, teacher)).outcome


def share_right(skill: float) -> tuple[float, float]:
    """Share of right rulings and of contradictions on right attempts."""
    teacher = ScriptedJudge(skill)
    teacher.learn(PROBLEMS)
    told = [judged(teacher, p, final_line(p.answer)) for p in PROBLEMS]
    return (
        told.count(Outcome.CORRECT) / len(told),
        told.count(Outcome.UNVERIFIABLE) / len(told),
    )


@pytest.mark.parametrize("skill", [0.0, 0.5, 0.8, 1.0])
def test_both_layouts_must_agree(skill: float) -> None:
    """Right twice, or once and once not: skill squared, and twice skill times its rest."""
    right, torn = share_right(skill)
    assert right == pytest.approx(skill**2, abs=0.08)
    assert torn == pytest.approx(2 * skill * (1 - skill), abs=0.1)


def test_what_it_does_not_know_is_not_wrong() -> None:
    teacher = ScriptedJudge(1)
    assert judged(teacher, PROBLEMS[0], "Answer: 9") is Outcome.UNVERIFIABLE
    teacher.learn(PROBLEMS)
    assert judged(teacher, PROBLEMS[0], "Answer: 9") is Outcome.WRONG
    teacher.learn([replace(PROBLEMS[0], answer="")])
    assert judged(teacher, PROBLEMS[0], "Answer: 9") is Outcome.UNVERIFIABLE


def test_a_skill_that_is_no_share() -> None:
    for skill in ("x", 1.5, -1):
        with pytest.raises(InputError, match="a skill from 0 to 1"):
            ScriptedJudge(skill)
