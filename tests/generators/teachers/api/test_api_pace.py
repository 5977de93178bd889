"""The rules for how much an address is asked, on a clock of our own."""

import pytest

from generators.teachers.api import pace
from generators.teachers.api.pace import Bucket, Limit


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "time", made)
    return made


def windows(limit: Limit, clock: Clock, count: int, seconds, tokens: int = 100) -> None:
    """As many windows of answers; ``seconds`` is a function of how many are under way."""
    for _ in range(count):
        under_way = int(limit.now)
        sent = clock.now
        clock.now += seconds(under_way)
        for _ in range(max(under_way, 16)):
            limit.answered(sent, clock.now, tokens, used=True)


def test_it_doubles_until_the_first_sign(clock: Clock) -> None:
    limit = Limit(1000)
    windows(limit, clock, 2, lambda _: 0.1)
    assert limit.now == 256
    clock.now += 1
    assert [limit.crowded(clock.now, clock.now) for _ in range(12)].count(False) > 3
    assert limit.now == 128
    before = limit.now
    windows(limit, clock, 1, lambda _: 0.1)
    assert before < limit.now < 1.2 * before


def test_one_batch_halves_it_once(clock: Clock) -> None:
    limit = Limit(256)
    clock.now = 1
    for _ in range(64):
        limit.crowded(0.5, 1.0)
    assert limit.now == 32
    for _ in range(32):
        limit.crowded(1.5, 2.0)
    assert limit.now == 16
    for step in range(1000):
        limit.crowded(3.0 + step, 3.0 + step)
    assert limit.now == 1


def test_a_few_signs_among_many_answers_slow_nobody(clock: Clock) -> None:
    limit = Limit(256)
    for number in range(3000):
        clock.now += 0.01
        if number % 12 == 5:
            limit.crowded(clock.now - 0.1, clock.now)
        else:
            limit.answered(clock.now - 0.1, clock.now, 10, used=True)
    assert limit.now == 256


def test_it_does_not_grow_unused(clock: Clock) -> None:
    limit = Limit(256)
    for _ in range(500):
        limit.answered(0, 0.1, 10, used=False)
    assert limit.now == pace.START


@pytest.mark.parametrize(
    ("what", "seconds", "tokens", "throttled"),
    [
        ("a fast server that works one by one", lambda n: n / 3600, 10, False),
        ("answers that are long", lambda n: 60.0, 5000, False),
        ("a batching server: slower for each, more in all", lambda n: 20 + n / 16, 500, False),
        ("a queue: 32 at a time, the rest waits", lambda n: 4 * max(1, n / 32), 100, True),
    ],
)
def test_latency(what: str, seconds, tokens: int, throttled: bool, clock: Clock) -> None:
    limit = Limit(1024)
    windows(limit, clock, 60, seconds, tokens)
    assert (limit.now < 700) == throttled, what


def test_longer_answers_later_are_no_queue(clock: Clock) -> None:
    limit = Limit(256)
    windows(limit, clock, 5, lambda _: 3.0, 100)
    windows(limit, clock, 5, lambda _: 300.0, 10_000)
    assert limit.now == 256


def test_a_bucket_keeps_to_its_minute(clock: Clock) -> None:
    bucket = Bucket(600)
    spent: list[float] = []
    while clock.now < 180:
        if bucket.wait(clock.now) <= 0:
            bucket.take(1)
            spent.append(clock.now)
        clock.now += 0.01
    for start in range(0, 120, 7):
        within = sum(start <= at < start + 60 for at in spent)
        assert 560 < within <= 601


def test_an_overdrawn_bucket_is_paid_back(clock: Clock) -> None:
    bucket = Bucket(600)
    bucket.take(30 + 95)  # the burst, and ten seconds more
    assert bucket.wait(0.0) == pytest.approx(10)
    bucket.take(-95)
    assert bucket.wait(0.0) == 0
