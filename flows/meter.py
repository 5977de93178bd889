"""What a run has spent so far, over all its starts, and whether its budget allows one more request.

Requests under way count with what answers cost on average so far, over all starts; before there is
an average, with as many tokens as they may have. So a run ends at its budget, at most one request
behind it (a local teacher: one shard; several processes: one request each), and not a few hundred
answers.

Only requests made by this run count: traces that exist and answers of other runs cost nothing. A
request for several candidates is counted with the first of them, which carries its prompt's tokens.
Prices are those of the teacher: what the student answers in evaluations counts as tokens, and as
money only where the student is the teacher. A server that gives fewer completions than asked for
has such a request counted with each part of its answers, so that `requests` is a few too many until
that is learned.

Not covered: answers of several teachers with different prices (all count at those of the recipe),
requests that a server did not take (they cost nothing and are not among `requests`), seconds of a
start that was killed, tokens of GRPO and of a judge, and time limits within a training, which is
finished first.
"""

import time

import polars as pl

from flows.teachers import is_student
from rsfactory.budget import Budget, Prices, Spent, left
from rsfactory.errors import Stopped
from rsfactory.recipe import Recipe
from rsfactory.records import Candidate
from rsfactory.store import CANDIDATES, EVALUATION_CANDIDATES, Store, Table

MOST_TOKENS = 512
"""Of one answer, as long as nothing is known and the recipe does not say."""


class Meter:
    """Counts what a run spends."""

    def __init__(self, recipe: Recipe, store: Store | None) -> None:
        """Starts where the run's shards and journal stand; without a store, at nothing.

        Raises:
            InputError: The budget is not understood, or is in USD and prices are missing.
        """
        self.prices = Prices.of(recipe.endpoint)
        self._budget = Budget.parse(recipe.budget) if recipe.budget else None
        if self._budget is not None:
            left(self._budget, Spent(), self.prices)
        self._most = recipe.sample.max_tokens or MOST_TOKENS
        self._free_evaluations = not is_student(recipe.sample.teacher)
        self._began = time.monotonic()
        self._before = self._asked = self._evaluated = Spent()
        self._answers = 0
        if store is not None:
            self._read(store)
        self._at_start = self._asked + self._evaluated

    def _read(self, store: Store) -> None:
        seconds = sum(e["seconds"] for e in store.journal_entries() if "stage" in e)
        self._before = Spent(seconds=seconds)
        self._asked = _all(store, CANDIDATES) + _unfinished(store)
        self._evaluated = _all(store, EVALUATION_CANDIDATES)
        self._answers = _answers(store)

    def add(self, candidate: Candidate, *, evaluation: bool = False) -> None:
        """Books an answer."""
        if evaluation:
            self._evaluated += _of(candidate)
        else:
            self.book(1, _of(candidate))

    def book(self, answers: int, spent: Spent) -> None:
        """Books what several answers took."""
        self._answers += answers
        self._asked += spent

    @property
    def seconds(self) -> float:
        """Of this start of the command."""
        return time.monotonic() - self._began

    @property
    def requests_here(self) -> int:
        """Requests of this start of the command."""
        return (self._asked + self._evaluated).requests - self._at_start.requests

    @property
    def spent(self) -> Spent:
        """Spent over all starts."""
        return self._asked + self._evaluated + self._before + Spent(seconds=self.seconds)

    def cost(self) -> float | None:
        """USD so far; None where prices are not known."""
        return self._paid.cost(self.prices)

    def enough(self, under_way: int) -> bool:
        """Whether the budget is used up once those under way are answered."""
        if self._budget is None:
            return False
        return left(self._budget, self._counted + self._foreseen(under_way), self.prices) <= 0

    def check(self) -> None:
        """Ends the run where the budget is used up.

        Raises:
            Stopped: It is; the same command with a higher budget continues.
        """
        if self._budget is not None and self.enough(0):
            words = self._budget.words(self._counted, self.prices)
            raise Stopped(
                f"the budget is used up: {words}; nothing is lost; the same command with a higher "
                "--budget continues"
            )

    def share(self, parts: int) -> Budget | None:
        """What is left, in equal parts; of time everybody has all of it."""
        if self._budget is None:
            return None
        rest = left(self._budget, self._counted, self.prices)
        return Budget(self._budget.kind, rest if self._budget.kind == "seconds" else rest / parts)

    @property
    def _counted(self) -> Spent:
        """What the budget counts."""
        assert self._budget is not None
        return self._paid if self._budget.kind == "usd" else self.spent

    @property
    def _paid(self) -> Spent:
        """What has a price."""
        return self._asked if self._free_evaluations else self._asked + self._evaluated

    def _foreseen(self, under_way: int) -> Spent:
        if not self._answers:
            return Spent(completion_tokens=under_way * self._most)
        share = under_way / self._answers
        return Spent(
            prompt_tokens=round(self._asked.prompt_tokens * share),
            completion_tokens=round(self._asked.completion_tokens * share),
        )


def spent_of(store: Store, round: int) -> Spent:
    """What the requests of a round took, superseded attempts included."""
    return _sums(store, CANDIDATES, round)


def _all(store: Store, table: Table[Candidate]) -> Spent:
    """What a run's shards say."""
    return sum((_sums(store, table, round) for round in store.rounds(table)), Spent())


def _unfinished(store: Store) -> Spent:
    """What a stopped process left in the journals: answers that are in no shard yet.

    A kill between the two leaves some in both.
    """
    total = Spent()
    begun = store.rounds(CANDIDATES)
    for round in {*begun, max(begun, default=0) + 1}:  # the last may have no shard yet
        there: set[str] | None = None
        for _, answers in store.answers(round).left():
            there = there or {"", *store.columns(CANDIDATES, round, ["id"])["id"]}
            total = sum((_of(answer) for answer in answers if answer.id not in there), total)
    return total


def _answers(store: Store) -> int:
    """How many answers were asked for."""
    return sum(
        int((store.columns(CANDIDATES, round, ["requests"])["requests"] > 0).sum())
        for round in store.rounds(CANDIDATES)
    )


def _of(answer: Candidate) -> Spent:
    if not answer.requests:
        return Spent()
    return Spent(
        requests=answer.requests if answer.prompt_tokens else 0,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.tokens,
    )


def _sums(store: Store, table: Table[Candidate], round: int) -> Spent:
    rows = store.columns(table, round, ("requests", "prompt_tokens", "tokens"))
    rows = rows.filter(pl.col("requests") > 0)
    first = rows.filter(pl.col("prompt_tokens") > 0)
    return Spent(
        requests=int(first["requests"].sum()),
        prompt_tokens=int(rows["prompt_tokens"].sum()),
        completion_tokens=int(rows["tokens"].sum()),
    )
