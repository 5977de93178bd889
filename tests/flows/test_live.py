"""What is said of a server while it is asked."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from flows.live import Counts, Seen, stream_words


@dataclass
class Made:
    """Counts by hand."""

    in_flight: int = 0
    rate_limited: int = 0
    faults: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    limits: dict[str, int] = field(default_factory=lambda: {"a": 64, "b": 64})


CASES = [
    (Made(), None, None, ""),
    (None, 24, 0.1, "2.4 correct/s, 0.10 USD so far"),
    (None, 0, 0.0123, "0 correct/s, 0.0123 USD so far"),
    (Made(in_flight=7), 1200, None, "120 correct/s, 7 under way of at most 128"),
    (Made(rate_limited=1), None, None, "rate limited 1 time"),
    (Made(faults=3), None, None, "3 requests failed and made again"),
    (Made(faults=3, retries=Counter({"connect": 3, "status 429": 9})), None, None,
     "3 requests failed and made again (connect)"),
    (Made(faults=3, retries=Counter({"body": 1, "status 500": 2})), None, None,
     "3 requests failed and made again (mostly status 500)"),
    (Made(5, limits={"a": 5, "b": 0}), None, None,
     "5 under way of at most 5, no answers from 1 of 2 addresses"),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "correct", "cost", "words"), CASES)
def test_words(counts: Counts | None, correct: int | None, cost: float | None, words: str) -> None:
    assert stream_words(correct, 10.0, cost, counts) == words


def test_several_processes_are_one() -> None:
    first = Seen.of(Made(3, 1, 2, Counter(body=2), {"a": 64, "b": 0}))
    second = Seen(in_flight=4, retries={"body": 1}, limits={"a": 32, "b": 0})
    assert Seen.together([first, second]) == Seen(
        in_flight=7, rate_limited=1, faults=2, retries={"body": 3}, limits={"a": 96, "b": 0}
    )


def test_no_rate_at_once() -> None:
    assert stream_words(3, 0.1, None, None) == ""
