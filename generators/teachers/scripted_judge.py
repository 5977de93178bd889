"""A fake judge for tests, demos and dry runs: it compares an attempt's end with the known answer.

It is no model and never stands for one in a claim. It reads the request that
`filters.verify.judge_prompt` writes by its marks (the fences, the lettered statements, the verdict
line), errs as often as its skill says, and says nothing readable where it knows no answer.
"""

import re
from random import Random

from generators.teachers.scripted import Known, read_skill
from rsfactory.contracts import Completion, Request
from rsfactory.ids import seed_of
from rsfactory.records import Problem

_ATTEMPT = re.compile(r"^=== ATTEMPT (\w+) BEGINS ===\n(.*)\n=== ATTEMPT \1 ENDS ===$", re.M | re.S)
_RIGHT = re.compile(r"^([AB]): The attempt is right", re.M)


class ScriptedJudge:
    """Rules rightly with a chance of ``skill`` on problems that it was told."""

    def __init__(self, skill: float | str = 0.95) -> None:
        """Takes the skill, a share from 0 to 1, as a number or its text.

        Raises:
            InputError: The skill is no share.
        """
        self.skill = read_skill(skill)
        self.identity = f"scripted-judge:{self.skill:g}"
        self._known = Known()
        self.learn = self._known.learn

    def close(self) -> None:
        """Holds nothing."""

    async def complete(self, request: Request) -> list[Completion]:
        """One ruling a seed."""
        asked = request.messages[-1].content
        problem = self._known.find(asked)
        words = len(asked.split())
        return [
            Completion(
                text=text, finish_reason="stop", prompt_tokens=words, tokens=len(text.split())
            )
            for text in (self._rule(asked, problem, seed) for seed in request.seeds)
        ]

    def _rule(self, asked: str, problem: Problem | None, seed: int) -> str:
        attempt, right = _ATTEMPT.search(asked), _RIGHT.search(asked)
        if attempt is None or right is None or problem is None or not problem.answer:
            return "I do not know what would be right here."
        holds = attempt[2].rstrip(" .\n").endswith(problem.answer)
        dice = Random(seed_of(self.identity, problem.id, seed))
        if dice.random() >= self.skill:
            holds = not holds
        letter = right[1] if holds else "AB".replace(right[1], "")
        ends = "the known answer" if holds else "another answer"
        return f"It ends with {ends}.\nVERDICT {attempt[1]}: {letter}"
