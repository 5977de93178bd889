import pytest

from generators.prompts import FINAL_LINE, HINTED, PROMPTS, final_line, length, pick
from rsfactory.chat import messages
from rsfactory.errors import InputError
from rsfactory.records import Problem


def make_problem(domain: str = "math") -> Problem:
    return Problem(
        id=Problem.key("test", "How many?", "42"), source="test", split="train", domain=domain,
        verifier="math", prompt="How many?", answer="42", choices=[], solution=None, row=0,
    )  # fmt: skip


@pytest.mark.parametrize("domain", ["sums", "math", "choice", "code", "text"])
def test_plain_prompt_never_shows_the_answer_and_the_hinted_one_does(domain: str) -> None:
    problem = make_problem(domain)
    plain = pick(None, problem, hinted=False)
    hinted = pick(None, problem, hinted=True)
    assert "42" not in messages(plain, problem.prompt)[-1].content
    assert "42" in messages(hinted, problem.prompt, problem.answer)[-1].content
    assert plain.template == domain
    assert hinted.template == domain + HINTED


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=list(PROMPTS))
def test_every_prompt_says_how_to_end(prompt) -> None:
    asked = f"{prompt.system}\n{prompt.text}"
    code = prompt.template.startswith("code")
    assert ("```python" if code else FINAL_LINE.partition("{answer}")[0]) in asked
    assert "{problem}" in prompt.text
    assert ("{answer}" in prompt.text) == prompt.template.endswith(HINTED)


def test_answers_with_braces_are_kept() -> None:
    assert final_line("\\frac{1}{2}").endswith("\\frac{1}{2}")


def test_template_name_overrides_the_domain() -> None:
    assert pick("text", make_problem(), hinted=True).template == "text-hinted"


def test_a_text_of_ones_own() -> None:
    text = "{problem}\nPut {your} answer in \\boxed{}. It is about {problem}."
    plain, hinted = (pick(text, make_problem(), hinted=hint) for hint in (False, True))
    [asked] = messages(plain, "How many?")
    assert asked.content == "How many?\nPut {your} answer in \\boxed{}. It is about How many?."
    assert "The right answer is 42." in messages(hinted, "How many?", "42")[-1].content
    assert plain.id != pick(text + " ", make_problem(), hinted=False).id
    assert length(text, make_problem()) == length("math", make_problem())
    with pytest.raises(InputError, match="would show the gold answer"):
        pick("{problem} It is {answer}.", make_problem(), hinted=False)


@pytest.mark.parametrize("name", ["nope", "math-hinted"])
def test_unknown_template_lists_what_there_is(name: str) -> None:
    with pytest.raises(InputError, match=r"choice, code, math, sums, text"):
        pick(name, make_problem(), hinted=True)
