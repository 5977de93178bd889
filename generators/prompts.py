"""The templates that turn problems into prompts: one plain and one hinted for each domain.

A hinted template shows the answer (rationalization, STaR, Zelikman et al. 2022); training always
uses the plain one. How a completion has to end is one constant here, `FINAL_LINE`: the templates
ask for it and the worked solutions of the sources end with it. A template changes its version with
its text. A text with ``{problem}`` in it is a template too: the user's own. Not covered: a system
message of the user's own, a chat template that refuses one (give a template without one).
"""

from functools import lru_cache

from rsfactory.errors import InputError
from rsfactory.records import Problem, Prompt

FINAL_LINE = "Answer: {answer}"
"""Last line of a completion, ``{answer}`` standing for the answer."""

HINTED = "-hinted"
"""What the name of a template's hinted variant ends with."""
PROBLEM = "{problem}"
"""Where the problem goes."""
OWN = "own"
"""What the user's own text is called; its key is that of the text."""


LENGTHS = {"sums": 48, "math": 256, "choice": 192, "code": 512, "text": 256}
"""Tokens that a completion of a template may have where the recipe does not say."""
LENGTH_AFAR = 4096
"""The same of a teacher behind an address: reasoning takes thousands of tokens, and an answer that
ends before costs no more. Few servers take less."""


def final_line(answer: str) -> str:
    """The line a completion with this answer ends with."""
    return FINAL_LINE.replace("{answer}", answer)


def _pair(name: str, version: int, system: str | None, task: str, hint: str) -> dict[str, Prompt]:
    """The plain and the hinted prompt of a domain."""
    plain = "\n".join(filter(None, ["{problem}", task]))
    hinted = "\n".join(filter(None, ["{problem}", hint, task]))
    return {
        name: Prompt.make(name, version, system, plain),
        name + HINTED: Prompt.make(name + HINTED, version, system, hinted),
    }


_HINT = "The right answer is {answer}. Derive it without saying that it was given."

PROMPTS: dict[str, Prompt] = {
    **_pair(
        "sums",
        1,
        f'Add step by step, then "{final_line("N")}".',
        "",
        "(The sum is {answer}.)",
    ),
    **_pair(
        "math",
        1,
        None,
        "Think step by step. Write the result alone on the last line, "
        f'in the form "{final_line("N")}".',
        _HINT,
    ),
    **_pair(
        "choice",
        1,
        None,
        "Think it through in a few sentences. Write the letter of the right choice alone on the "
        f'last line, in the form "{final_line("X")}".',
        _HINT,
    ),
    **_pair(
        "code",
        1,
        None,
        "Write it in Python. Give the whole program in one block that begins with ```python.",
        "A program that passes is:\n{answer}\nWork it out anew, without saying that it was given.",
    ),
    **_pair(
        "text",
        1,
        None,
        "Think step by step. Write the answer alone on the last line, "
        f'in the form "{final_line("...")}".',
        _HINT,
    ),
}
"""Templates by name: a domain's name, or that and ``-hinted``."""


def length(template: str | None, problem: Problem) -> int:
    """Length limit of a completion, by the template that `pick` takes; in tokens."""
    return LENGTHS.get(template or "", LENGTHS[problem.domain])


def pick(template: str | None, problem: Problem, *, hinted: bool) -> Prompt:
    """The prompt for a problem: the template of that name or text, else the one of its domain.

    Raises:
        InputError: No template has this name, or a text would show the answer.
    """
    plain = template or problem.domain
    if PROBLEM in plain:
        return _own(plain)[HINTED if hinted else ""]
    name = plain + HINTED if hinted else plain
    if name not in PROMPTS:
        there = ", ".join(sorted(n for n in PROMPTS if not n.endswith(HINTED)))
        raise InputError(
            f"no prompt template is called {plain!r}; there is: {there}; or give your own text "
            f"with {PROBLEM} where the problem goes"
        )
    return PROMPTS[name]


@lru_cache(maxsize=16)
def _own(text: str) -> dict[str, Prompt]:
    """The user's own text: plain by "", and hinted."""
    if "{answer}" in text:
        raise InputError(
            f"sample.template has {{answer}} in it, which would show the gold answer: {text!r}"
        )
    hinted = text.replace(PROBLEM, f"{PROBLEM}\n{_HINT}", 1)
    return {"": Prompt.make(OWN, 1, None, text), HINTED: Prompt.make(OWN + HINTED, 1, None, hinted)}
