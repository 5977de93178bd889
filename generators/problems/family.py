"""One family of reasoning-gym, perhaps at a level of difficulty: its items as problems.

reasoning-gym draws item i of seed s from s + i, so neighbouring seeds share nearly all their items.
Every split and round therefore starts at a place of its own, hashed from the run's seed, far from
the others.

Who decides: a family that scores by text alone gives numbers to ``math`` and one line of words to
``exact``. The others go to ``puzzle``, with what the family's own scorer needs as metadata; so do
boards and grids. Exceptions: families whose scorer compares numbers exactly (`NUMBERS`) stay with
``math``; ``countdown`` and ``puzzle24`` are judged by the rules of the game, since the library's
scorer takes any four numbers that make 24; and ``game_of_life_halting`` goes to ``exact``, since
the library's scorer takes any text. Families that name no answer but an example (`EXAMPLES`) have
it as their gold.

Not covered: items with neither (``boxnet``, ``rush_hour``), which are left out.
"""

import importlib.metadata
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from generators.problems.library import BLOCK, blocks, check_name, level_params, made
from generators.prompts import final_line
from rsfactory import tagged
from rsfactory.errors import InputError
from rsfactory.ids import seed_of
from rsfactory.records import Problem

LICENCE = "Apache-2.0"

PATIENCE = 500
"""Draws in a row without a new problem after which a family counts as used up."""


SEEDS = 2**32 - 2**24
"""Where a range of items may start; the library's families take seeds below 2**32."""

NUMBERS = frozenset({
    "chain_sum", "decimal_chain_sum", "gsm_symbolic", "products", "rectangle_count",
    "self_reference",
})  # fmt: skip
"""Families with a scorer of their own that compares numbers exactly."""

EXAMPLES = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Family without an answer -> where its items hold an example of one."""


_BY_TEXT = frozenset({"game_of_life_halting"})
_UNUSED = frozenset({"difficulty", "source_dataset", "source_index"})
_NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?")
_SUM = re.compile(r"\d+(?: \+ \d+)+")


class Family:
    """One family with its parameters; ``label`` is the source that its problems name."""

    def __init__(
        self,
        name: str,
        level: int | None,
        params: Mapping[str, Any],
        *,
        seed: int,
        verifier: str | None = None,
    ) -> None:
        """Checks the family, its level and its parameters by drawing one item.

        Raises:
            InputError: No such family or level, or parameters it does not take.
        """
        self.name = name
        self.label = f"gym:{name}" if level is None else f"gym:{name}@{level}"
        check_name(name)
        own = {"seed", "size"} & set(params)
        if own:
            raise InputError(
                f"problems.params sets {', '.join(sorted(own))}, which the run decides"
            )
        self._params = {**({} if level is None else level_params(name, level)), **params}
        self._seed = seed
        self._verifier = verifier
        self._block = blocks(name, self.label, self._params)
        self.works_out = self._params.get("operators") == ["+"]
        """Whether its problems have worked solutions: sums of whole numbers."""

    @cached_property
    def first(self) -> Problem | None:
        """Its first problem; None where it gives none with a gold answer."""
        return next(self._draws("probe", 0), None)

    def distinct(self, split: str, round: int, seen: set[str]) -> Iterator[Problem]:
        """Problems of a range whose questions are not in ``seen``, where each one is added."""
        misses = 0
        for problem in self._draws(split, round):
            if problem.prompt not in seen:
                seen.add(problem.prompt)
                misses = 0
                yield problem
            elif (misses := misses + 1) >= PATIENCE:
                return

    def _draws(self, split: str, round: int) -> Iterator[Problem]:
        """Items of a range with a gold answer, until `PATIENCE` in a row have none."""
        start = seed_of(self.label, self._seed, split, round) % SEEDS
        misses = 0
        for block in itertools.count():
            items = self._block(start + block * BLOCK)
            for place in range(BLOCK):
                item = made(self.name, items, place)
                problem = None if item is None else self.problem(item, block * BLOCK + place)
                misses = misses + 1 if problem is None else 0
                if problem is not None:
                    yield problem
                elif misses >= PATIENCE:
                    return

    def problem(self, item: dict[str, Any], row: int) -> Problem | None:
        """The problem of one of the library's items; None where it has no gold answer."""
        question, answer = str(item["question"]).strip(), _gold(item, self._source(item))
        if not answer:
            return None
        number = _NUMBER.fullmatch(answer) is not None
        expression = str(item["metadata"].get("expression", ""))
        solution = _running_sums(expression) if self.works_out else None
        domain = "math" if number else "text"
        puzzle = self._puzzle(item, answer)
        decides = "puzzle" if puzzle else "math" if number else "exact"
        return Problem(
            id=Problem.key(self.label, question, answer),
            source=self.label,
            split="train",
            domain="sums" if solution else domain,
            verifier=self._verifier or decides,
            prompt=question,
            answer=answer,
            choices=[],
            solution=solution,
            row=row,
            metadata=puzzle,
            licence=LICENCE,
            provenance=provenance(self._source(item)),
        )

    def _source(self, item: dict[str, Any]) -> str:
        """The family an item is of: in ``composite`` each item says so."""
        named = str(item["metadata"].get("source_dataset", self.name))
        return named if self.name == "composite" else self.name

    def _puzzle(self, item: dict[str, Any], answer: str) -> str:
        """Metadata for the verifier ``puzzle``; empty where another one decides."""
        family, metadata = self._source(item), item["metadata"]
        if family in _BY_TEXT or (not _own_scorer(family) and "\n" not in answer):
            return ""
        if family in NUMBERS and _NUMBER.fullmatch(answer):
            return ""
        if family == "countdown":
            rules = {"numbers": metadata["numbers"], "target": metadata["target"]}
            return tagged.dumps({"kind": "countdown", **rules})
        if family == "puzzle24":
            return tagged.dumps({"kind": "countdown", "numbers": metadata["numbers"], "target": 24})
        needed = {key: value for key, value in metadata.items() if key not in _UNUSED}
        entry = {"answer": item["answer"], "metadata": needed}
        params = _params(family, self._params)
        return tagged.dumps({"kind": "gym", "family": family, "params": params, "entry": entry})


def provenance(family: str) -> str:
    """How the golds of a family were obtained."""
    version = importlib.metadata.version("reasoning-gym")
    example = " (one of several right answers)" if family in EXAMPLES else ""
    return f"computed by reasoning-gym {version}, family {family}{example}"


def _gold(item: dict[str, Any], family: str) -> str:
    """The item's answer, or else its example of one; empty where it has neither."""
    answer = item["answer"]
    if answer is None and family in EXAMPLES:
        answer = item["metadata"].get(EXAMPLES[family])
    if answer is None:
        return ""
    return (answer if isinstance(answer, str) else json.dumps(answer)).strip()


def _own_scorer(family: str) -> bool:
    from reasoning_gym.dataset import ProceduralDataset
    from reasoning_gym.factory import DATASETS

    return DATASETS[family][0].score_answer is not ProceduralDataset.score_answer


def _params(family: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a family, which ``composite`` has as the ``config`` of one of its parts."""
    for part in params.get("datasets", ()):
        if part["name"] == family:
            return {k: v for k, v in part.get("config", {}).items() if k not in ("seed", "size")}
    return params


def _running_sums(expression: str) -> str | None:
    """``3 + 4 + 9`` worked out, one sum a line; None for anything but sums of whole numbers."""
    if not _SUM.fullmatch(expression):
        return None
    total, *terms = (int(term) for term in expression.split(" + "))
    lines = []
    for term in terms:
        lines.append(f"{total}+{term}={total + term}")
        total += term
    return "\n".join([*lines, final_line(str(total))])
