"""A fake teacher for tests, demos and dry runs: it knows the answers and errs as often as told.

It is no model and never stands for one in a claim. What it says depends only on the problem, the
seed and its skill: some problems are easier than others (pass rates are spread evenly around the
skill), correct texts repeat now and then, and what fails is wrong, without an answer, or cut off.
Of a problem without a gold it holds an answer for right that it made up, always the same one.
Where a program is asked for it gives one in a fence: `generators.teachers.scripted_programs`.
"""

from collections.abc import Iterable
from random import Random

from generators.prompts import final_line
from generators.teachers.scripted_programs import right, wrong
from rsfactory.contracts import Completion, Request
from rsfactory.errors import InputError
from rsfactory.ids import seed_of
from rsfactory.records import Problem


def read_skill(skill: float | str) -> float:
    """A skill as a number or its text: a share from 0 to 1.

    Raises:
        InputError: The skill is no share.
    """
    try:
        share = float(skill)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"expected scripted:SKILL with a skill from 0 to 1, got {skill!r}")
    return share


class Known:
    """The problems that a fake was told, found by the request that asks them."""

    def __init__(self) -> None:
        self._by_prompt: dict[str, Problem] = {}

    def learn(self, problems: Iterable[Problem]) -> None:
        """Adds problems, so that their answers are known."""
        self._by_prompt |= {problem.prompt: problem for problem in problems}

    def find(self, asked: str) -> Problem | None:
        """The problem with the longest prompt in a request."""
        found = max((p for p in self._by_prompt if p in asked), key=len, default=None)
        return None if found is None else self._by_prompt[found]


class ScriptedTeacher:
    """Answers problems that it was told, each with a chance around ``skill``."""

    def __init__(self, skill: float | str = 0.5, problems: Iterable[Problem] = ()) -> None:
        """Takes the skill (a share from 0 to 1, as a number or its text) and known problems.

        Raises:
            InputError: The skill is no share.
        """
        self.skill = read_skill(skill)
        self.identity = f"scripted:{self.skill:g}"
        self._known = Known()
        self.learn = self._known.learn
        self.learn(problems)

    def close(self) -> None:
        """Holds nothing."""

    async def complete(self, request: Request) -> list[Completion]:
        """One text a seed; greedy requests (temperature 0) get the same text for every seed."""
        asked = request.messages[-1].content
        problem = self._known.find(asked)
        words = sum(len(message.content.split()) for message in request.messages)
        return [
            self._answer(problem, seed if request.temperature else 0, request.max_tokens, words)
            for seed in request.seeds
        ]

    def _answer(
        self, problem: Problem | None, seed: int, max_tokens: int, prompt_tokens: int
    ) -> Completion:
        """One completion; a token is a word here."""
        text = "I do not know this one."
        if problem is not None:
            text = self._say(problem, Random(seed_of(self.identity, problem.id, seed)), max_tokens)
        words = text.split(" ")
        cut = len(words) > max_tokens
        return Completion(
            text=" ".join(words[:max_tokens]),
            finish_reason="length" if cut else "stop",
            prompt_tokens=prompt_tokens,
            tokens=min(len(words), max_tokens),
        )

    def _say(self, problem: Problem, dice: Random, max_tokens: int) -> str:
        spread = min(self.skill, 1 - self.skill)
        ease = Random(seed_of("ease", problem.id)).uniform(-spread, spread)
        if dice.random() < self.skill + ease:
            return _correct(problem, dice, max_tokens)
        fault = dice.random()
        if fault < 0.70:
            programs = problem.verifier == "code"
            return wrong(problem, dice) if programs else final_line(_other(problem, dice))
        if fault < 0.85:
            return f"It is hard to say, after {dice.randrange(1000)} tries."
        return " ".join(["so", *["and"] * max_tokens])  # never comes to an end


def _correct(problem: Problem, dice: Random, max_tokens: int) -> str:
    """A right text: the worked solution where there is one that fits, in one of a few wordings."""
    text = final_line(_right(problem))
    if problem.verifier == "code":
        text = right(problem)
    elif problem.solution and len(problem.solution.split(" ")) < max_tokens - 3:
        text = problem.solution
    opening = dice.choice(["", "", "Step by step.\n", "Here it is.\n"])
    return opening + text


def _right(problem: Problem) -> str:
    """The gold, or what the fake holds for it."""
    if problem.answer:
        return problem.answer
    made_up = seed_of("right", problem.id)
    if problem.choices:
        return chr(ord("A") + made_up % len(problem.choices))
    return str(made_up % 1000)


def _other(problem: Problem, dice: Random) -> str:
    """An answer that is not the right one."""
    if problem.choices:
        letters = [chr(ord("A") + i) for i in range(len(problem.choices))]
        return dice.choice([letter for letter in letters if letter != _right(problem)])
    try:
        return f"{float(_right(problem)) + dice.randint(1, 9):g}"
    except ValueError:
        return f"not {_right(problem)}"
