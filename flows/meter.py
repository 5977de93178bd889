"""What a run has spent so far, over all its starts, and whether its budget allows one more request.

Requests under way count with what answers cost on average so far, so that a run ends near its
budget and not a few hundred answers behind it; until there is an average, nothing is foreseen.
Only requests made by this run count: traces that exist and answers of other runs cost nothing. A
request for several candidates is counted with the first of them, which carries its prompt's tokens.
"""

import time

import polars as pl

from rsfactory.budget import Budget, Prices, Spent, left
from rsfactory.errors import Stopped
from rsfactory.recipe import Recipe
from rsfactory.records import Candidate
from rsfactory.store import CANDIDATES, EVALUATION_CANDIDATES, Store, Table


class Meter:
    """Counts what a run spends."""

    def __init__(self, recipe: Recipe, store: Store) -> None:
        """Starts where the run's shards and journal stand.

        Raises:
            InputError: The budget is not understood, or is in USD and prices are missing.
        """
        self.prices = Prices.of(recipe.endpoint)
        self._budget = Budget.parse(recipe.budget) if recipe.budget else None
        if self._budget is not None:
            left(self._budget, Spent(), self.prices)
        self._before = _spent(store)
        self._began = time.monotonic()
        self._requests = self._prompt_tokens = self._tokens = self._answers = 0

    def add(self, candidate: Candidate) -> None:
        """Books an answer."""
        self._answers += 1
        self._requests += candidate.requests if candidate.prompt_tokens else 0
        self._prompt_tokens += candidate.prompt_tokens
        self._tokens += candidate.tokens

    @property
    def here(self) -> Spent:
        """Spent by this start of the command."""
        return Spent(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._tokens,
            seconds=time.monotonic() - self._began,
            requests=self._requests,
        )

    @property
    def spent(self) -> Spent:
        """Spent over all starts."""
        return self._before + self.here

    def cost(self) -> float | None:
        """USD so far; None where prices are not known."""
        return self.spent.cost(self.prices)

    def enough(self, under_way: int) -> bool:
        """Whether the budget is used up once those under way are answered."""
        if self._budget is None:
            return False
        foreseen = self.spent + self._foreseen(under_way)
        return left(self._budget, foreseen, self.prices) <= 0

    def check(self) -> None:
        """Ends the run where the budget is used up.

        Raises:
            Stopped: It is; the same command with a higher budget continues.
        """
        if self._budget is not None and self.enough(0):
            words = self._budget.words(self.spent, self.prices)
            raise Stopped(
                f"the budget is used up: {words}; nothing is lost; the same command with a higher "
                "--budget continues"
            )

    def _foreseen(self, under_way: int) -> Spent:
        if not self._answers:
            return Spent()
        share = under_way / self._answers
        return Spent(
            prompt_tokens=round(self._prompt_tokens * share),
            completion_tokens=round(self._tokens * share),
        )


def spent_of(store: Store, round: int) -> Spent:
    """What the requests of a round took, superseded attempts included."""
    return _sums(store, CANDIDATES, round)


def _spent(store: Store) -> Spent:
    """What a run's shards and journals say."""
    total = Spent(seconds=sum(e["seconds"] for e in store.journal_entries() if "stage" in e))
    for table in (CANDIDATES, EVALUATION_CANDIDATES):
        for round in store.rounds(table):
            total += _sums(store, table, round)
    for round in {*store.rounds(CANDIDATES), 1}:
        for _, answers in store.answers(round).left():
            for answer in answers:
                total += _of(answer)
    return total


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
