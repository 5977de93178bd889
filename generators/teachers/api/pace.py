"""How much an address is asked: concurrency that adapts, and budgets a minute.

`Limit` is additive increase, multiplicative decrease (Chiu and Jain, 1989), begun like TCP's slow
start (Jacobson, 1988): from `START` it doubles with every window of answers until the first sign
of too much, so that a fast server has all of `endpoint.concurrency` within a few hundred answers.

- Too much is a share of 429, 503, 529 or time-outs above `CROWD` among the latest answers (moving
  average over `MEMORY`): the limit halves, once for the requests then under way. One 503 among
  many answers is a fault of that request and slows nobody; three of the first ten do.
- Latency is no sign by itself: long answers are slow, and a batching server gets slower for each
  the more it does. Only where a window's requests took over `LONG` seconds on average, a token took
  over `QUEUED` times the best seen, and tokens a second did not grow by a tenth over the calm
  window before, is the rest spent in a queue: the limit goes down a quarter, at most to that
  window's.
"""

import time
from dataclasses import dataclass

START = 64.0
CROWD = 0.25
MEMORY = 32
QUIET = 8
LONG = 2.0
QUEUED = 4.0
BURST = 0.05
"""Share of a minute's budget that may be spent at once; the rest comes evenly."""


@dataclass(slots=True)
class Window:
    """Answers since the last look."""

    began: float
    limit: float
    """When it began; so many answers end it."""
    answers: int = 0
    seconds: float = 0.0
    tokens: int = 0


class Limit:
    """How many requests may be under way."""

    def __init__(self, ceiling: int, start: float = START) -> None:
        """Begins modestly, or where it is told to."""
        self.ceiling = float(ceiling)
        self.now = min(start, self.ceiling)
        self._doubling = True
        self._quiet = 0
        self._share = 0.0
        self._seen = 7  # as if so many good answers had been before: one sign is not all
        self._cut = 0.0
        self._window = Window(time.monotonic(), self.now)
        self._calm: tuple[float, float] | None = None
        self._best = 0.0

    def answered(self, sent: float, now: float, tokens: int, *, used: bool) -> None:
        """Counts an answer; ``used`` says whether the limit was what held others back."""
        self._note(0.0)
        if used and self.now < self.ceiling:
            step = 1.0 if self._doubling else 1 / self.now
            self.now = min(self.ceiling, self.now + step)
        window = self._window
        window.answers += 1
        window.seconds += now - sent
        window.tokens += tokens
        if window.answers >= max(window.limit, 16):
            self._look(window, now)
            self._window = Window(now, self.now)

    def crowded(self, sent: float, now: float) -> bool:
        """Counts a sign of too much; whether all of the address is asked too much."""
        if sent < self._cut:
            return True  # the limit was cut for those already
        self._note(1.0)
        if self._share <= CROWD:
            return False
        self._reduce(self.now / 2, now)
        return True

    def _note(self, sign: float) -> None:
        self._seen += 1
        self._share += (sign - self._share) / min(self._seen, MEMORY)

    def _reduce(self, to: float, now: float) -> None:
        self.now, self._cut = max(1.0, to), now
        self._doubling, self._quiet = False, 0
        self._share = CROWD / 2
        self._window = Window(now, self.now)

    def _look(self, window: Window, now: float) -> None:
        """Judges a window by its latency."""
        self._quiet += 1
        self._doubling = self._doubling or self._quiet >= QUIET
        if not window.tokens or now <= window.began:
            return
        each = window.seconds / window.tokens
        rate = window.tokens / (now - window.began)
        self._best = min(self._best or each, each)
        if each <= 2 * self._best:
            self._calm = (window.limit, rate)
        elif self._calm and window.limit > self._calm[0] and each > QUEUED * self._best:
            calm, before = self._calm
            if window.seconds / window.answers > LONG and rate < 1.1 * before:
                self._reduce(max(calm, self.now * 0.75), now)


class Bucket:
    """A budget a minute. It may be overdrawn by one request and is then paid back."""

    def __init__(self, per_minute: float) -> None:
        """Begins with a burst, and refills so that no minute has more than its budget."""
        self._rate = per_minute * (1 - BURST) / 60
        self._most = max(per_minute * BURST, 1.0)
        self._level = self._most
        self._at = time.monotonic()

    def wait(self, now: float) -> float:
        """Seconds until something may be taken."""
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        # A millionth is nothing: rounding must not make a waiter wake for ever.
        return 0.0 if self._level > -1e-6 else -self._level / self._rate

    def take(self, amount: float) -> None:
        """Takes an amount, or with a negative one gives back."""
        self._level -= amount
