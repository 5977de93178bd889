import asyncio

import pytest

from generators.prompts import final_line
from generators.teachers import ScriptedTeacher
from rsfactory.contracts import Message, Request
from rsfactory.errors import InputError
from rsfactory.records import Problem


def make(number: int) -> Problem:
    prompt, answer = f"How much is {number} + 1?", str(number + 1)
    return Problem(
        id=Problem.key("t", prompt, answer), source="t", split="train", domain="math",
        verifier="math", prompt=prompt, answer=answer, choices=[],
        solution=f"{number}+1={answer}\n{final_line(answer)}", row=number,
    )  # fmt: skip


PROBLEMS = [make(i) for i in range(200)]


def ask(teacher: ScriptedTeacher, problem: Problem, seeds=(0, 1, 2, 3), temperature: float = 0.9):
    request = Request(
        messages=(Message("user", f"{problem.prompt}\nThink."),), seeds=tuple(seeds),
        temperature=temperature, top_p=1.0, max_tokens=32,
    )  # fmt: skip
    return asyncio.run(teacher.complete(request))


def share(teacher: ScriptedTeacher) -> float:
    answers = [(p, c) for p in PROBLEMS for c in ask(teacher, p)]
    right = sum(c.text.endswith(final_line(p.answer)) for p, c in answers)
    return right / len(answers)


@pytest.mark.parametrize("skill", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_the_share_of_right_answers_is_the_skill(skill: float) -> None:
    assert share(ScriptedTeacher(skill, PROBLEMS)) == pytest.approx(skill, abs=0.06)


def test_it_says_the_same_again_and_other_things_to_other_seeds() -> None:
    first, second = ScriptedTeacher("0.5", PROBLEMS), ScriptedTeacher(0.5, PROBLEMS)
    assert first.identity == second.identity == "scripted:0.5"
    texts = [c.text for c in ask(first, PROBLEMS[0], range(40))]
    assert texts == [c.text for c in ask(second, PROBLEMS[0], range(40))]
    assert 3 < len(set(texts)) < 40


def test_greedy_does_not_depend_on_the_seed() -> None:
    teacher = ScriptedTeacher(0.5, PROBLEMS)
    for problem in PROBLEMS[:20]:
        assert len({c.text for c in ask(teacher, problem, temperature=0.0)}) == 1


def test_every_kind_of_failure_occurs() -> None:
    teacher = ScriptedTeacher(0.0, PROBLEMS)
    answers = [c for p in PROBLEMS for c in ask(teacher, p)]
    assert any(c.finish_reason == "length" and c.tokens == 32 for c in answers)
    assert any("hard to say" in c.text and c.finish_reason == "stop" for c in answers)
    assert any(c.text.startswith(final_line("")) for c in answers)


def test_a_problem_it_was_not_told_has_no_answer() -> None:
    teacher = ScriptedTeacher(1.0)
    assert final_line("") not in ask(teacher, PROBLEMS[0])[0].text
    teacher.learn(PROBLEMS)
    assert final_line("1") in ask(teacher, PROBLEMS[0])[0].text


@pytest.mark.parametrize("skill", ["high", "-0.1", 1.5, "nan"])
def test_a_skill_that_is_no_share_is_refused(skill) -> None:
    with pytest.raises(InputError, match=r"from 0 to 1"):
        ScriptedTeacher(skill)
