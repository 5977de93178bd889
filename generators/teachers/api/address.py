"""One address: what is under way there, how much it bears, and whether it is there at all.

The breaker: after `ROW` faults in a row that say that nobody is there (no connection, time-outs,
502, 503, 504, 529) the address is left alone for a growing time and then probed with one request;
where the connection stands, nothing must have been answered for a second, too, since a crowded
server says 503 many times in a row. Other statuses from 500 on may be about one prompt: they need
more in a row and a longer time. Any answer of a server, 429 and 400 too, closes it again. A
failed probe is not counted against its candidate, so that a server that comes back within `OUTAGE`
seconds loses nothing; one that was never there is given up after `NEVER`. Faults of single answers
(cut bodies, no choices) do not open it.
"""

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generators.teachers.api.faults import PATIENCE, Fault, Refused, Rejected
from generators.teachers.api.pace import START, Bucket, Limit
from generators.teachers.api.reply import Answer

if TYPE_CHECKING:
    from rsfactory.recipe import EndpointSection

ROW, STILL = 5, 1.0
BROKEN_ROW, BROKEN_STILL = 20, 10.0
OPEN_FIRST, OPEN_MOST = 1.0, 30.0
"""Seconds an address is left alone, at first and at most; each is shortened by up to a half."""
OUTAGE = 600.0
"""Seconds without anybody there after which nobody waits any longer."""
NEVER = 10.0
"""The same, for an address where nobody has been at all: it is probably wrong."""

Outcome = Answer | Fault | Rejected | Refused
"""What a request comes to."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes from an address's budgets; of the tokens an estimate at first."""

    prompt_tokens: float = 0.0
    tokens: float = 0.0


class Address:
    """The state of one address; it outlives event loops."""

    def __init__(self, url: str, settings: "EndpointSection", start: float = START) -> None:
        """Nothing is under way; ``start`` is how much may be at first."""
        self.url = url
        self.in_flight = 0
        self.limit = Limit(settings.concurrency, start)
        self.refused: str | None = None
        self.reached = False
        """Whether anything was ever answered there."""
        self.paused_until = 0.0
        self._requests = _bucket(settings.requests_per_minute)
        self._prompt = _bucket(settings.prompt_tokens_per_minute)
        self._tokens = _bucket(settings.completion_tokens_per_minute)
        self.metered = any((self._requests, self._prompt, self._tokens))
        self.trouble = ""
        """What its last fault said."""
        self._row = 0
        self._row_began = 0.0
        self._open_for = 0.0
        self._open_until = 0.0
        self._down_since: float | None = None
        self._probing = False

    @property
    def load(self) -> float:
        """What is under way for what it bears; faults in a row weigh, since those end quickly."""
        return (self.in_flight + ROW * self._row) / self.limit.now

    @property
    def open(self) -> bool:
        """Whether it is left alone, apart from probes."""
        return self._down_since is not None

    def ready(self, now: float) -> bool:
        """Whether a request may go there now."""
        if self.refused is not None or now < self.paused_until:
            return False
        if self._down_since is not None:
            return not self._probing and now >= self._open_until
        if self.in_flight >= int(self.limit.now):
            return False
        return not self.metered or self._bucket_wait(now) <= 0

    def ready_in(self, now: float) -> float | None:
        """Seconds until time alone makes it ready; None where an answer must come first."""
        if self.refused is not None or self._probing:
            return None
        if self._down_since is None and self.in_flight >= int(self.limit.now):
            return None
        waits = [self.paused_until - now, self._open_until - now]
        if self.metered:
            waits.append(self._bucket_wait(now))
        return max(0.0, *waits)

    def given_up(self, now: float) -> bool:
        """Whether it is not worth waiting for."""
        if self.paused_until - now > PATIENCE:
            return True
        bound = OUTAGE if self.reached else NEVER
        return self._down_since is not None and now - self._down_since > bound

    def take(self, cost: Cost) -> bool:
        """Books a request; whether it is a probe."""
        self.in_flight += 1
        if self.metered:
            self._book(1, cost.prompt_tokens, cost.tokens)
        if self._down_since is not None:
            self._probing = True
            return True
        return False

    def give(self, sent: float, cost: Cost, outcome: Outcome | None, *, probe: bool) -> None:
        """Books what a request came to; None where it was cancelled."""
        now = time.monotonic()
        used = self.in_flight >= 0.75 * self.limit.now
        self.in_flight -= 1
        if probe:
            self._probing = False
        if outcome is None:
            return
        if isinstance(outcome, Fault):
            self._fault(outcome, sent, now)
            return
        self._alive()
        if isinstance(outcome, Answer):
            self.limit.answered(sent, now, outcome.tokens or 1, used=used)
            if self.metered:
                self._settle(cost, outcome)

    def refuse(self, reason: str) -> None:
        """Nothing goes there any more."""
        self.refused = reason

    def _fault(self, fault: Fault, sent: float, now: float) -> None:
        self.trouble = fault.detail or fault.cause
        if fault.crowded and self.limit.crowded(sent, now) and fault.wait:
            self.paused_until = max(self.paused_until, now + fault.wait)
        if fault.cause == "connect":
            self._nobody(now, ROW, 0.0)
        elif fault.down:
            self._nobody(now, ROW, STILL)
        elif fault.broken:
            self._nobody(now, BROKEN_ROW, BROKEN_STILL)
        else:
            self._alive()

    def _alive(self) -> None:
        self.reached = True
        self._row, self._open_for, self._open_until = 0, 0.0, 0.0
        self._down_since = None

    def _nobody(self, now: float, row: int, still: float) -> None:
        """Counts a fault; so many in a row for so many seconds open the breaker."""
        if self._row == 0:
            self._row_began = now
        self._row += 1
        if self._down_since is not None and now < self._open_until:
            return  # sent before it was left alone
        if self._down_since is None and (self._row < row or now - self._row_began < still):
            return
        self._down_since = self._down_since or now
        self._open_for = min(OPEN_MOST, 2 * self._open_for or OPEN_FIRST)
        self._open_until = now + self._open_for * random.uniform(0.5, 1.0)

    def _bucket_wait(self, now: float) -> float:
        buckets = (self._requests, self._prompt, self._tokens)
        return max(bucket.wait(now) for bucket in buckets if bucket)

    def _book(self, requests: float, prompt_tokens: float, tokens: float) -> None:
        if self._requests and requests:
            self._requests.take(requests)
        if self._prompt:
            self._prompt.take(prompt_tokens)
        if self._tokens:
            self._tokens.take(tokens)

    def _settle(self, cost: Cost, answer: Answer) -> None:
        """What was estimated too low is taken, what was too high given back."""
        prompt = cost.prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens
        tokens = cost.tokens if answer.tokens is None else answer.tokens
        self._book(0, prompt - cost.prompt_tokens, tokens - cost.tokens)


def _bucket(per_minute: float | None) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute)
