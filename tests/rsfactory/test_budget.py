"""Budgets: as people write them, what is left of them, and what is said about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfactory.budget import UNITS, Budget, Prices, Spent, left
from rsfactory.errors import InputError
from rsfactory.recipe import EndpointSection

SPENT = Spent(prompt_tokens=400_000, completion_tokens=100_000, seconds=720, requests=50)
PRICES = Prices(prompt=0.5, completion=2.0)


@pytest.mark.parametrize(
    ("text", "kind", "amount", "words"),
    [
        ("20USD", "usd", 20, "0.4 of 20 USD"),
        (" 0.5 usd ", "usd", 0.5, "0.4 of 0.5 USD"),
        ("5Mtok", "tokens", 5e6, "0.5 of 5 Mtok"),
        ("300ktok", "tokens", 3e5, "500 of 300 ktok"),
        ("300 KTOK", "tokens", 3e5, "500 of 300 ktok"),
        ("700tok", "tokens", 700, "500000 of 700 tok"),
        ("2h", "seconds", 7200, "0.2 of 2 h"),
        ("1.5 H", "seconds", 5400, "0.2 of 1.5 h"),
        ("59min", "seconds", 3540, "12 of 59 min"),
        (".5h", "seconds", 1800, "12 of 30 min"),
        ("45s", "seconds", 45, "720 of 45 s"),
        ("0.25s", "seconds", 0.25, "720 of 0.25 s"),
    ],
)
def test_a_budget_is_read_and_shown(text: str, kind: str, amount: float, words: str) -> None:
    budget = Budget.parse(text)
    assert (budget.kind, budget.amount) == (kind, amount)
    assert budget.words(SPENT, PRICES) == words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20",
        "USD",
        "USD20",
        "-5USD",
        "1,5USD",
        "1e3tok",
        "5 Mtok 2h",
        "5EUR",
        "2m",
        "٣h",
        "infh",
    ],
)
def test_what_is_no_budget_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InputError, match=r"e\.g\. 20USD, 5Mtok or 2h"):
        Budget.parse(text)


@pytest.mark.parametrize("text", ["0USD", "0.0h", "9" * 400 + "s"])
def test_an_amount_must_bound_something(text: str) -> None:
    with pytest.raises(InputError, match="more than 0"):
        Budget.parse(text)


@given(st.text())
def test_any_text_is_a_budget_or_wrong_input(text: str) -> None:
    try:
        budget = Budget.parse(text)
    except InputError:
        return
    assert budget.amount > 0


@given(
    st.integers(1, 10**6).map(lambda n: n / 100),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " ", "  "]),
)
def test_case_and_spaces_do_not_matter(amount: float, unit: str, case, space: str) -> None:  # type: ignore[no-untyped-def]
    budget = Budget.parse(f"{space}{amount}{space}{case(unit)}")
    assert budget == Budget(UNITS[unit][0], amount * UNITS[unit][1])


@given(st.sampled_from(sorted(UNITS)), st.integers(1, 999))
def test_what_is_shown_can_be_read_again(unit: str, amount: int) -> None:
    budget = Budget.parse(f"{amount}{unit}")
    again = Budget.parse(str(budget))
    assert again.kind == budget.kind
    assert again.amount == pytest.approx(budget.amount, rel=0.005)


def test_what_is_left() -> None:
    assert left(Budget.parse("20USD"), SPENT, PRICES) == pytest.approx(19.6)
    assert left(Budget.parse("1Mtok"), SPENT, Prices()) == 500_000
    assert left(Budget.parse("1h"), SPENT, Prices()) == 2880
    assert left(Budget.parse("1min"), SPENT, Prices()) == 0
    assert Budget.parse("20USD").words(Spent(completion_tokens=9), PRICES) == "under 0.01 of 20 USD"
    assert Budget.parse("20USD").words(Spent(), PRICES) == "0 of 20 USD"


@pytest.mark.parametrize("prices", [Prices(), Prices(prompt=1.0), Prices(completion=1.0)])
def test_money_needs_prices(prices: Prices) -> None:
    assert SPENT.cost(prices) is None
    with pytest.raises(InputError, match=r"endpoint\.price_prompt and endpoint\.price_completion"):
        left(Budget.parse("20USD"), Spent(), prices)


def test_prices_come_from_the_recipe_and_may_be_nothing() -> None:
    section = EndpointSection(price_prompt=0, price_completion=0)
    assert SPENT.cost(Prices.of(section)) == 0
    assert Prices.of(EndpointSection()) == Prices()


def test_what_is_spent_adds_up() -> None:
    assert SPENT + Spent() == SPENT
    twice = SPENT + SPENT
    assert (twice.tokens, twice.seconds, twice.requests) == (1_000_000, 1440, 100)
