"""What a run has spent so far, over all its starts, and whether its budget allows one more request.

Requests under way count with what answers cost on average so far, over all starts; before there is
an average, with as many tokens as they may have. So a run ends at its budget, at most one request
behind it (a local teacher: one shard), and not a few hundred answers.

Only requests made by this run count: traces that exist and answers of other runs cost nothing. A
request for several candidates is counted with the first of them, which carries its prompt's tokens.
Prices are those of the teacher: what the student answers in evaluations counts as tokens, and as
money only where the student is the teacher. A judge has prices of its own. A server that gives
fewer completions than asked for has such a request counted with each part of its answers, so that
`requests` is a few too many until that is learned.

Not covered: answers of several teachers with different prices (all count at those of the recipe),
requests that a server did not take (they cost nothing and are not among `requests`), the last
seconds of a start that was killed (`flows.clock`), tokens of GRPO, and time limits within a
training, which is finished first.
"""

import time

import polars as pl

from flows.teachers import is_afar, is_student
from generators.prompts import LENGTH_AFAR
from rsfactory.budget import Budget, Prices, Spent, left
from rsfactory.errors import Stopped
from rsfactory.recipe import Recipe
from rsfactory.records import Candidate, Verdict
from rsfactory.store import (
    CANDIDATES,
    EVALUATION_CANDIDATES,
    EVALUATION_VERDICTS,
    VERDICTS,
    Store,
    Table,
)  # fmt: skip

MOST_TOKENS = 512
"""Of one answer of a local teacher, as long as nothing is known and the recipe does not say."""


class Meter:
    """Counts what a run spends."""

    def __init__(self, recipe: Recipe, store: Store) -> None:
        """Starts where the run's shards and journal stand.

        Raises:
            InputError: The budget is not understood, or is in USD and prices are missing.
        """
        self.prices, self.judge_prices = Prices.of(recipe.endpoint), _judge_prices(recipe)
        self._budget = Budget.parse(recipe.budget) if recipe.budget else None
        if self._budget is not None:
            left(self._budget, Spent(), self.prices)
        most = LENGTH_AFAR if is_afar(recipe.sample.teacher) else MOST_TOKENS
        self._most = recipe.sample.max_tokens or most
        self._most_judged = 2 * recipe.judge.votes * recipe.judge.max_tokens
        self._free_evaluations = not is_student(recipe.sample.teacher)
        self._before = Spent(
            seconds=sum(e["seconds"] for e in store.journal_entries() if "stage" in e)
        )
        self._began = time.monotonic()
        self._asked = _all(store, CANDIDATES) + _unfinished(store)
        self._evaluated = _all(store, EVALUATION_CANDIDATES)
        self._answers = _answers(store)
        self._judged, self._judgements = _judged(store)
        self._at_start = self._asked + self._evaluated

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

    def judged(self, verdict: Verdict) -> None:
        """Books what a judge took for a verdict."""
        self._judgements += bool(verdict.requests)
        self._judged += _of_verdict(verdict)

    @property
    def seconds(self) -> float:
        """Of this start of the command."""
        return time.monotonic() - self._began

    @property
    def requests_here(self) -> int:
        """Requests of this start of the command, those to a judge left out."""
        return (self._asked + self._evaluated).requests - self._at_start.requests

    @property
    def spent(self) -> Spent:
        """Spent over all starts."""
        here = Spent(seconds=self.seconds)
        return self._asked + self._evaluated + self._judged + self._before + here

    def cost(self) -> float | None:
        """USD so far; None where prices are not known."""
        return cost_of(self._paid, self.prices, self._judged, self.judge_prices)

    def enough(self, under_way: int) -> bool:
        """Whether the budget is used up once those under way are answered."""
        return self._used_up(self._foreseen(under_way), Spent())

    def enough_to_judge(self, under_way: int) -> bool:
        """Whether the budget is used up once those under way are judged."""
        return self._used_up(Spent(), self._foreseen_of_judge(under_way))

    def share(self, parts: int) -> Budget | None:
        """What each of several processes may spend from now on; time runs for all of them at once.

        None where there is no budget.
        """
        if self._budget is None:
            return None
        kind, amount = self._budget.kind, max(0.0, self._budget.amount - self._used(self._budget))
        return Budget(kind, amount if kind == "seconds" else amount / parts)

    def check(self) -> None:
        """Ends the run where the budget is used up.

        Raises:
            Stopped: It is; the same command with a higher budget continues.
        """
        if self._budget is not None and self.enough(0):
            words = self._budget.said(self._used(self._budget))
            raise Stopped(
                f"the budget is used up: {words}; nothing is lost; the same command with a higher "
                "--budget continues"
            )

    @property
    def _paid(self) -> Spent:
        """What has the teacher's price."""
        return self._asked if self._free_evaluations else self._asked + self._evaluated

    def _used_up(self, asked: Spent, judged: Spent) -> bool:
        if self._budget is None:
            return False
        return self._used(self._budget, asked, judged) >= self._budget.amount

    def _used(self, budget: Budget, asked: Spent = Spent(), judged: Spent = Spent()) -> float:  # noqa: B008
        """How much of the budget is spent, with what is foreseen for answers and verdicts."""
        if budget.kind != "usd":
            return budget.used(self.spent + asked + judged, self.prices)
        paid = budget.used(self._paid + asked, self.prices)
        return paid + budget.used(self._judged + judged, self.judge_prices)

    def _foreseen(self, under_way: int) -> Spent:
        if not self._answers:
            return Spent(completion_tokens=under_way * self._most)
        return _share(self._asked, under_way / self._answers)

    def _foreseen_of_judge(self, under_way: int) -> Spent:
        if not self._judgements:
            return Spent(completion_tokens=under_way * self._most_judged)
        return _share(self._judged, under_way / self._judgements)


def _share(spent: Spent, share: float) -> Spent:
    return Spent(
        prompt_tokens=round(spent.prompt_tokens * share),
        completion_tokens=round(spent.completion_tokens * share),
    )


def _judge_prices(recipe: Recipe) -> Prices:
    """Of the judge: its own, else the endpoint's where it is behind an address, else nothing."""
    section, endpoint = recipe.judge, Prices.of(recipe.endpoint)
    remote = (section.teacher or "").startswith("openai:")
    default = endpoint if remote else Prices(0.0, 0.0)
    own = Prices(section.price_prompt, section.price_completion)
    return Prices(
        default.prompt if own.prompt is None else own.prompt,
        default.completion if own.completion is None else own.completion,
    )


def cost_of(asked: Spent, prices: Prices, judged: Spent, judge_prices: Prices) -> float | None:
    """USD for answers and for verdicts; None where a price is missing."""
    costs = asked.cost(prices), judged.cost(judge_prices) if judged.tokens else 0.0
    return None if None in costs else sum(cost or 0.0 for cost in costs)


def spent_of(store: Store, round: int) -> Spent:
    """What the requests of a round took, superseded attempts included."""
    return _sums(store, CANDIDATES, round)


def judged_of(store: Store, round: int) -> Spent:
    """What a judge took for the verdicts of a round."""
    return _verdict_sums(store, VERDICTS, round)[0]


def _judged(store: Store) -> tuple[Spent, int]:
    """What a judge took in all, and for how many verdicts; those that are in no shard too."""
    total, count = Spent(), 0
    tables: tuple[Table[Verdict], ...] = (VERDICTS, EVALUATION_VERDICTS)
    for table in tables:
        for round in store.rounds(table):
            spent, verdicts = _verdict_sums(store, table, round)
            total, count = total + spent, count + verdicts
        for verdict in store.judged_apart(table):
            total, count = total + _of_verdict(verdict), count + bool(verdict.requests)
    return total, count


def _verdict_sums(store: Store, table: Table[Verdict], round: int) -> tuple[Spent, int]:
    rows = store.columns(table, round, ("requests", "prompt_tokens", "tokens")).drop_nulls()
    spent = Spent(
        requests=int(rows["requests"].sum()),
        prompt_tokens=int(rows["prompt_tokens"].sum()),
        completion_tokens=int(rows["tokens"].sum()),
    )
    return spent, int((rows["requests"] > 0).sum())


def _of_verdict(verdict: Verdict) -> Spent:
    return Spent(
        requests=verdict.requests,
        prompt_tokens=verdict.prompt_tokens,
        completion_tokens=verdict.tokens,
    )


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
