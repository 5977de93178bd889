"""What a run may cost, what it has spent, and what is left: money, tokens or time.

A token budget counts prompt and completion tokens together, as servers report them. Money is tokens
at the endpoint's prices, with nothing off for cached prompts, so a bill may be lower. Seconds are
wall time of the command, over all its starts.

What is not covered: this only counts. Requests under way when nothing is left are answered and paid
too; who asks keeps them few.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from rsfactory.errors import InputError
from rsfactory.recipe import EndpointSection

Kind = Literal["usd", "tokens", "seconds"]

UNITS: dict[str, tuple[Kind, float]] = {
    "usd": ("usd", 1),
    "tok": ("tokens", 1),
    "ktok": ("tokens", 1e3),
    "mtok": ("tokens", 1e6),
    "s": ("seconds", 1),
    "min": ("seconds", 60),
    "h": ("seconds", 3600),
}
"""Unit in lower case -> kind and how many of its own it is."""
SHOWN = {"usd": "USD", "mtok": "Mtok"}
"""How units are written; the others as they are."""
_FORM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a million tokens; None where the recipe does not say."""

    prompt: float | None = None
    completion: float | None = None

    @staticmethod
    def of(section: EndpointSection) -> "Prices":
        """The prices of a recipe's ``endpoint``."""
        return Prices(section.price_prompt, section.price_completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What has gone; two add up."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    requests: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=self.seconds + other.seconds,
            requests=self.requests + other.requests,
        )

    @property
    def tokens(self) -> int:
        """Of prompts and completions together."""
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: Prices) -> float | None:
        """USD; None where a price is missing."""
        if prices.prompt is None or prices.completion is None:
            return None
        paid = self.prompt_tokens * prices.prompt + self.completion_tokens * prices.completion
        return paid / 1e6


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on one kind of cost."""

    kind: Kind
    amount: float
    """USD, tokens or seconds."""

    @staticmethod
    def parse(text: str) -> "Budget":
        """A budget as people write it: ``20USD``, ``5Mtok``, ``300ktok``, ``2h``, ``90min``.

        Case and spaces do not matter, so ``mtok`` is a million tokens too.

        Raises:
            InputError: It is no number with one of the units, or it is not above 0.
        """
        match = _FORM.fullmatch(text.strip().lower())
        if match is None or match[2] not in UNITS:
            raise InputError(
                f"budget {text!r} is not an amount with a unit: expected a number and one of "
                f"{', '.join(map(_shown, UNITS))}, e.g. 20USD, 5Mtok or 2h"
            )
        kind, size = UNITS[match[2]]
        amount = float(match[1]) * size
        if not 0 < amount < math.inf:
            raise InputError(f"budget {text!r}: expected more than 0 and less than infinity")
        return Budget(kind, amount)

    def __str__(self) -> str:
        unit = self._unit()
        return f"{_number(self.amount / UNITS[unit][1])} {_shown(unit)}"

    def used(self, spent: Spent, prices: Prices) -> float:
        """How much of it is spent, in its own kind.

        Raises:
            InputError: It is in USD and a price is missing.
        """
        if self.kind == "tokens":
            return spent.tokens
        if self.kind == "seconds":
            return spent.seconds
        cost = spent.cost(prices)
        if cost is None:
            raise InputError(
                "a budget in USD needs prices: set endpoint.price_prompt and "
                "endpoint.price_completion (USD for a million tokens), "
                "or give the budget in tokens (5Mtok) or time (2h)"
            )
        return cost

    def words(self, spent: Spent, prices: Prices) -> str:
        """For people, e.g. ``3.12 of 20 USD``.

        Raises:
            InputError: It is in USD and a price is missing.
        """
        return self.said(self.used(spent, prices))

    def said(self, used: float) -> str:
        """The same, of an amount in its own kind."""
        return f"{_number(used / UNITS[self._unit()][1])} of {self}"

    def _unit(self) -> str:
        """The largest unit of which it has at least one; the smallest where it has none."""
        mine = {unit: size for unit, (kind, size) in UNITS.items() if kind == self.kind}
        fits = [unit for unit, size in mine.items() if size <= self.amount]
        return max(fits or [min(mine, key=mine.__getitem__)], key=mine.__getitem__)


def left(budget: Budget, spent: Spent, prices: Prices) -> float:
    """USD, tokens or seconds that may still be spent; 0 where it is used up or overdrawn.

    Raises:
        InputError: The budget is in USD and a price is missing; asked with nothing spent, it tells
            before a run starts.
    """
    return max(0.0, budget.amount - budget.used(spent, prices))


def _shown(unit: str) -> str:
    return SHOWN.get(unit, unit)


def _number(value: float) -> str:
    """Two decimals at most."""
    if 0 < value < 0.005:
        return "under 0.01"
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")
