"""What a request can come to instead of an answer, and what that means for the next one.

- `Fault`: no usable answer, and the same request may have one later. It is asked again.
- `Rejected`: this request is not taken (too long, against a policy); others are. It is a result.
- `Refused`: nobody who asks like this is answered (key, model, quota). It ends the address.

Servers differ in how they say it; what counts is the status, and where an error object comes with
status 200, the status in its ``code``. 429 with the code of a spent quota is a refusal, since
waiting does not help; 403 that speaks of moderation is about the one prompt.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

RETRIED = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may be answered; so may all from 500 on."""
REJECTED = frozenset({400, 413, 422, 451})
"""Statuses that are about the request itself."""
PATIENCE = 1800.0
"""Seconds that rate limits may hold one request up, and that a server may ask us to wait."""
MESSAGE = 300
"""Characters kept of what a server says."""

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "quota_exceeded_permanently")
_MODERATION = re.compile(r"moderation|flagged|content.?policy", re.IGNORECASE)
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """A request without a usable answer."""

    cause: str
    """One word for counters: ``connect``, ``disconnect``, ``timeout``, ``body``, ``choices``,
    ``error``, or ``status N``."""
    detail: str
    wait: float | None = None
    """Seconds the server asked us to wait."""

    @property
    def limited(self) -> bool:
        """A rate limit: it does not count as a request that failed."""
        return self.cause == "status 429"

    @property
    def crowded(self) -> bool:
        """The server says, or shows, that it is asked too much."""
        return self.cause in ("status 429", "status 503", "status 529", "timeout")

    @property
    def down(self) -> bool:
        """Nobody was there to answer."""
        return self.cause in _DOWN

    @property
    def broken(self) -> bool:
        """The server itself failed."""
        return self.cause.startswith("status 5")


_DOWN = frozenset(
    {"connect", "disconnect", "timeout", "status 502", "status 503", "status 504", "status 529"}
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A request that the server does not take."""

    status: int
    message: str
    param: str = ""
    """The field of the body it names, where it names one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An address that takes no request of ours."""

    status: int
    message: str


def of_status(status: int, headers: Mapping[str, str], body: bytes) -> Fault | Rejected | Refused:
    """What a status other than 200 means."""
    message, param, code = _said(body)
    if status == 429 and code in _QUOTA:
        return Refused(status, message or code)
    if status in RETRIED or status >= 500:
        return Fault(f"status {status}", message, wait_of(headers))
    if status in REJECTED or (status == 403 and _MODERATION.search(message)):
        return Rejected(status, message, param)
    if 300 <= status < 400:
        message = f"it redirects to {headers.get('Location', 'another address')}; give that one"
    return Refused(status, message)


def of_error(error: object) -> Fault | Rejected | Refused:
    """What an ``error`` object in a body with status 200 means."""
    body = json.dumps({"error": error}, default=str).encode()
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        return of_status(code, {}, body)
    return Fault("error", _said(body)[0])


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``retry-after-ms`` or ``Retry-After`` (seconds or a date) ask for.

    A date is held against the server's own ``Date`` where it sends one: clocks differ.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("Retry-After", 1.0)):
        if said := headers.get(name):
            try:
                seconds = float(said) * unit
            except ValueError:
                continue
            return max(0.0, seconds) if math.isfinite(seconds) else None
    until = _date(headers.get("Retry-After"))
    if until is None:
        return None
    now = _date(headers.get("Date"))
    return max(0.0, until - (time() if now is None else now))


def _date(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _said(body: bytes) -> tuple[str, str, str]:
    """Message, parameter and code of an error's body, in any of the forms servers use."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return short(_TAGS.sub(" ", body[:20_000].decode("utf-8", "replace"))), "", ""
    error = said.get("error", said) if isinstance(said, dict) else said
    if not isinstance(error, dict):
        return short(str(error)), "", ""
    message = error.get("message") or error.get("detail") or error.get("msg") or error
    code = error.get("code") or error.get("type") or ""
    if error.get("type") in _QUOTA:
        code = error["type"]
    return short(str(message)), str(error.get("param") or ""), str(code)


def short(text: str) -> str:
    """One line, bounded, of letters that can be printed and kept."""
    line = " ".join(text.split())
    line = line if len(line) <= MESSAGE else f"{line[: MESSAGE - 1]}…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
