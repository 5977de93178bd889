"""Completions to rewards: TRL's reward function, made of the factory's verifiers.

The verifiers are found by name (``module:attribute``), so that trainers never import filters.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rsfactory.contracts import Verifier, resolve
from rsfactory.ids import content_id
from rsfactory.recipe import GrpoSection
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from trainers.grpo_rows import GrpoRow
from trainers.rewards import Weights, has_signal, reward


class Pool(Protocol):
    """Verifies many candidates at once, e.g. in worker processes."""

    def verify(self, pairs: Sequence[tuple[Problem, Candidate]]) -> list[Verdict]:
        """A verdict for each pair, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """A pool that calls verifiers in this process; without their limits of time and memory."""

    verifiers: dict[str, Verifier]

    def verify(self, pairs: Sequence[tuple[Problem, Candidate]]) -> list[Verdict]:
        """A verdict for each pair, in order."""
        return [self.verifiers[problem.verifier].verify(problem, c) for problem, c in pairs]


@contextlib.contextmanager
def open_pool(name: str) -> Iterator[Pool]:
    """The pool a job names: ``module:attribute`` of a callable that makes one, or of a dict.

    Raises:
        InputError: There is no such attribute.
    """
    found = resolve(name, {}, "verifier pool")
    pool: Any = Direct(found) if isinstance(found, dict) else found()
    try:
        yield pool
    finally:
        if hasattr(pool, "close"):
            pool.close()


@dataclass(slots=True)
class Scorer:
    """Rewards the completions TRL hands over, and keeps count."""

    rows: list[GrpoRow]
    pool: Pool
    settings: GrpoSection
    stops: frozenset[int]
    """Tokens that end a completion; one that ends otherwise was cut off."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    steps: list[list[float | None]] = field(default_factory=list)
    """Rewards of each batch of completions."""
    tokens: int = 0

    @property
    def max_tokens(self) -> int:
        """Length limit of a completion; flows fills it in, a job by hand may leave it out."""
        return self.settings.max_tokens or 256

    def rewards(
        self, completions: list[str], completion_ids: list[list[int]], row: list[int], **_: Any
    ) -> list[float | None]:
        """TRL's reward function: one reward a completion, None where it is unknown."""
        pairs = [
            (self.rows[r].problem, self._candidate(self.rows[r].problem, index, text, ids))
            for index, (r, text, ids) in enumerate(
                zip(row, completions, completion_ids, strict=True)
            )
        ]
        verdicts = self.pool.verify(pairs)
        weights = Weights(share=self.settings.share_reward)
        made = [reward(v, c.completion, weights) for v, (_, c) in zip(verdicts, pairs, strict=True)]
        self.outcomes.update(v.outcome for v in verdicts)
        self.steps.append(made)
        self.tokens += sum(map(len, completion_ids))
        return made

    def _candidate(self, problem: Problem, index: int, text: str, ids: list[int]) -> Candidate:
        return Candidate(
            id=content_id("c", "grpo", problem.id, len(self.steps), index),
            problem_id=problem.id,
            prompt_id="",
            teacher="policy",
            sampling="{}",
            index=index,
            attempt=0,
            round=0,
            hinted=False,
            seed=0,
            max_tokens=self.max_tokens,
            completion=text,
            reasoning=None,
            finish_reason="stop" if ids and ids[-1] in self.stops else "length",
            prompt_tokens=0,
            tokens=len(ids),
        )

    def metrics(self) -> dict[str, float]:
        """Counts by outcome, mean reward of the first and the last step, groups without signal."""
        size = self.settings.num_generations
        groups = [step[i : i + size] for step in self.steps for i in range(0, len(step), size)]
        return {
            "sampled": float(self.outcomes.total()),
            **{str(outcome): float(self.outcomes[outcome]) for outcome in Outcome},
            "reward_first": _mean(self.steps[0]),
            "reward_last": _mean(self.steps[-1]),
            "zero_signal_share": round(sum(not has_signal(g) for g in groups) / len(groups), 4),
            "tokens": float(self.tokens),
        }


def _mean(rewards: Sequence[float | None]) -> float:
    known = [r for r in rewards if r is not None]
    return round(sum(known) / len(known), 4) if known else 0.0
