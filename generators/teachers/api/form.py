"""How a request's body is written, and what the server taught about that.

Learned once, kept for the teacher's life, and never by one bad answer:

- ``max_tokens`` becomes ``max_completion_tokens`` when the server's 400 asks for that name
- ``n`` goes down to what the server gives: at once when a 400 names ``n``; else after `SHORT`
  answers in a row with fewer choices than asked for (`SHORT_PROVEN` where it has given as many
  before), to the most it gave in them
- where the 400 is about a greedy request, only greedy ones are asked for one by one
- ``seed`` goes down to 31 bits when a 400 is about it, and is left out after another one
- ``top_p`` and ``temperature`` are left out when a 400 is about them and they are 1, which is what
  servers that refuse them take; of another value the recipe has to be changed

With ``n`` above 1 the seed sent is the first candidate's; a completion says which one it was
(`Completion.seed`), since the text is had again only with that.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from generators.teachers.api.faults import Rejected
from rsfactory.contracts import Request
from rsfactory.errors import InputError

if TYPE_CHECKING:
    from rsfactory.recipe import EndpointSection

OWN = ("model", "messages", "prompt", "n", "seed", "temperature", "top_p", "max_tokens", "stream")
"""Fields that the factory decides; `endpoint.extra` may not have them."""
SHORT = 3
SHORT_PROVEN = 10

_N = re.compile(r"[`'\"]n[`'\"]|\bn (?:must|should|is|>|=|other)|\bbest_of\b|parameter:? n\b")
_WRONG = re.compile(
    r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed"
    r"|invalid|extra (?:field|input)|cannot|does not support|must be"
    r"|less than|at most|too large|out of range",
    re.IGNORECASE,
)


class Form:
    """Writes bodies for one model."""

    def __init__(self, model: str, settings: "EndpointSection") -> None:
        """Takes what does not change between requests.

        Raises:
            InputError: `endpoint.extra` has a field that the factory decides.
        """
        taken = sorted(set(settings.extra) & set(OWN))
        if taken:
            raise InputError(
                f"endpoint.extra has {', '.join(taken)}, which the factory sets itself; "
                "use the recipe's own settings (sample.temperature, sample.max_tokens, ...)"
            )
        self.per_request = settings.n
        self.limit_name = "max_tokens"
        self._seed_bits = 63
        self._greedy_alone = False
        self._left_out: set[str] = set()
        self._fixed = {"model": model, **settings.extra}
        if "max_completion_tokens" in self._fixed:
            # The recipe's bound decides; naming the field says only how the server calls it.
            del self._fixed["max_completion_tokens"]
            self.limit_name = "max_completion_tokens"
        self._chat = settings.api == "chat"
        self._short = 0
        self._most = 0
        self._proven = 1

    def most(self, request: Request) -> int:
        """Completions that one such request may ask for."""
        return 1 if self._greedy_alone and request.temperature == 0 else self.per_request

    def body(self, request: Request, seeds: Sequence[int]) -> bytes:
        """One request for as many completions as there are seeds."""
        said: dict[str, Any] = {
            **self._fixed,
            "temperature": request.temperature,
            "top_p": request.top_p,
            self.limit_name: request.max_tokens,
        }
        if self._chat:
            said["messages"] = request.messages
        else:
            # As `rsfactory.chat.render` does for a model without a chat template.
            said["prompt"] = "\n".join(m.content for m in request.messages if m.content) + "\n"
        for name in self._left_out:
            if said[name] == 1:
                del said[name]
        if (seed := self.seed(seeds)) is not None:
            said["seed"] = seed
        if len(seeds) > 1:
            said["n"] = len(seeds)
        try:
            return orjson.dumps(said)
        except TypeError:  # half a surrogate pair in a problem's text: only escapes can say it
            if self._chat:
                said["messages"] = [
                    {"role": m.role, "content": m.content} for m in request.messages
                ]
            return json.dumps(said).encode()

    def seed(self, seeds: Sequence[int]) -> int | None:
        """The one seed of a request; None where the server takes none."""
        return seeds[0] & (1 << self._seed_bits) - 1 if self._seed_bits else None

    def saw(self, asked: int, came: int) -> str:
        """Counts a request's choices; returns what was learned from them, mostly nothing."""
        if asked < 2 or asked > self.per_request:
            return ""
        if came >= asked:
            if asked > self._most:  # else it is what the short ones gave, too
                self._short, self._most = 0, 0
            self._proven = max(self._proven, asked)
            return ""
        self._short += 1
        self._most = max(self._most, came)
        if self._short < (SHORT_PROVEN if self._proven >= asked else SHORT):
            return ""
        most, self._short, self._most = self._most, 0, 0
        return self._at_most(most)

    def taught(self, rejected: Rejected, body: bytes) -> str:
        """What a 400 says about the form of this body; nothing where that is not the matter.

        A body written before the lesson was learned is simply to be written again.
        """
        said = rejected.message
        sent = json.loads(body)
        if "max_completion_tokens" in said and "max_tokens" in sent:
            return self._name("max_completion_tokens")
        if "n" in sent and (rejected.param == "n" or _N.search(said)):
            if sent.get("temperature") == 0:
                self._greedy_alone = True
                return "it gives one greedy completion a request"
            return self._at_most(1)
        named = rejected.param == "seed" or re.search(r"\bseed\b", said)
        if "seed" in sent and named and _WRONG.search(said):
            self._seed_bits = min(self._seed_bits, 31 if sent["seed"] >= 1 << 31 else 0)
            return f"it takes seeds of {self._seed_bits} bits"
        for name in ("top_p", "temperature"):
            named = rejected.param == name or re.search(rf"\b{name}\b", said)
            if sent.get(name) == 1 and named and _WRONG.search(said):
                self._left_out.add(name)
                return f"it takes no {name}"
        return ""

    def _at_most(self, n: int) -> str:
        self.per_request = min(self.per_request, max(1, n))
        return f"it gives {self.per_request} completions a request at most"

    def _name(self, name: str) -> str:
        self.limit_name = name
        return f"the length limit is called {name} there"
