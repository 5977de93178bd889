"""One request of the factory on its way: which seeds are answered, and how often each was asked.

Bounds, for each candidate: `endpoint.max_requests` requests; rate limits (429) are not among them
and bounded in time instead, by `PATIENCE` seconds after the first. Between requests it waits a
random time up to `BASE` times 2 to the power of the faults so far, at most `MOST` ("full jitter"),
and at least what the server asked for; an answer that is broken in itself (cut, no JSON, without
choices) says nothing about the server and does not make the waits longer. Tokens that the server
does not say are estimated, one for `CHARACTERS` characters of the text, and the completion says so
in its note.
"""

import random
import time
from collections.abc import Sequence
from itertools import pairwise

from generators.teachers.api.faults import PATIENCE, Fault, Rejected
from generators.teachers.api.reply import Answer
from rsfactory.contracts import Completion, Request
from rsfactory.errors import NoAnswer

BASE, MOST = 0.5, 30.0
CHARACTERS = 4
ESTIMATED = "tokens estimated: the server sent no usage"
NO_SEED = "sampled without a seed: the server takes none"


class Work:
    """A request's seeds and their completions."""

    def __init__(self, request: Request, seeds: Sequence[int], max_requests: int) -> None:
        """Nothing is answered."""
        self.request = request
        self.seeds = seeds
        self.completions: dict[int, Completion] = {}
        """Position of the seed -> its completion."""
        self._made = [0] * len(seeds)
        self._counted = [0] * len(seeds)
        self._max_requests = max_requests
        self._faults = 0
        self._limited_since: float | None = None

    def batch(self, most: int) -> list[int]:
        """Positions to ask for next; empty when all are answered."""
        if not self.completions:
            return list(range(min(most, len(self.seeds))))
        return [i for i in range(len(self.seeds)) if i not in self.completions][:most]

    def sent(self, batch: list[int]) -> None:
        """Counts a request for these."""
        for i in batch:
            self._made[i] += 1

    def answered(
        self, batch: list[int], answer: Answer, seconds: float, seed: int | None
    ) -> list[Completion]:
        """Books the choices on the first of the batch, each on one; the rest stays open."""
        choices = answer.choices[: len(batch)]
        sizes = [len(choice.text) + len(choice.reasoning or "") for choice in choices]
        estimated = answer.tokens is None or (not answer.tokens and any(sizes))
        if estimated:
            tokens = [-(-size // CHARACTERS) for size in sizes]
        else:
            tokens = shared(answer.tokens or 0, sizes)
        prompt = answer.prompt_tokens
        if prompt is None:
            prompt = prompt_tokens(self.request)
        made: list[Completion] = []
        for i, choice, count in zip(batch, choices, tokens, strict=False):
            completion = Completion(
                text=choice.text,
                finish_reason=choice.finish_reason,
                prompt_tokens=0 if made else prompt,
                tokens=count,
                reasoning=choice.reasoning,
                requests=self._made[i],
                seconds=seconds,
                seed=seed,
                note=_note(
                    choice.note, NO_SEED if seed is None else "", ESTIMATED if estimated else ""
                ),
            )
            made.append(completion)
            self.completions[i] = completion
        for i in batch[len(made) :]:
            self._count(i, "fewer completions than asked for")
        return made

    def rejected(self, batch: list[int], rejected: Rejected, seconds: float) -> list[Completion]:
        """Books that the server does not take the request."""
        made = [
            Completion(
                text="",
                finish_reason="rejected",
                prompt_tokens=0,
                tokens=0,
                requests=self._made[i],
                seconds=seconds,
                note=f"status {rejected.status}: {rejected.message}",
            )
            for i in batch
        ]
        self.completions.update(zip(batch, made, strict=True))
        return made

    def failed(self, batch: list[int], fault: Fault, *, counts: bool) -> float:
        """Books a fault; returns the seconds to wait before the next request.

        Raises:
            NoAnswer: The bound is reached.
        """
        if fault.limited:
            self._be_patient(fault)
        elif fault.wait and fault.wait > PATIENCE:
            raise NoAnswer(f"the server asks to wait {fault.wait:.0f} s ({fault.detail})")
        elif counts:
            for i in batch:
                self._count(i, f"{fault.cause} ({fault.detail})")
        wait = random.uniform(0, min(MOST, BASE * 2.0 ** min(self._faults, 10)))
        self._faults += fault.cause not in ("body", "choices")
        return wait if fault.wait is None else fault.wait + 0.1 * wait

    def _count(self, i: int, why: str) -> None:
        self._counted[i] += 1
        if self._counted[i] >= self._max_requests:
            raise NoAnswer(
                f"{self._made[i]} requests for one completion had no usable answer, "
                f"the last one: {why}"
            )

    def _be_patient(self, fault: Fault) -> None:
        now = time.monotonic()
        self._limited_since = self._limited_since or now
        if now + (fault.wait or 0) - self._limited_since > PATIENCE:
            raise NoAnswer(
                f"rate limited for more than {PATIENCE / 60:.0f} minutes ({fault.detail}); "
                "set endpoint.requests_per_minute to what the server allows"
            )


def prompt_tokens(request: Request) -> int:
    """An estimate, before the server has counted."""
    return sum(4 + len(message.content) // CHARACTERS for message in request.messages)


def shared(total: int, sizes: list[int]) -> list[int]:
    """A number in whole parts that are proportional to the sizes and add up to it."""
    if len(sizes) == 1:
        return [total]
    whole = sum(sizes)
    if not whole:
        sizes, whole = [1] * len(sizes), len(sizes)
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    cuts = [total * end // whole for end in ends]
    return [after - before for before, after in pairwise(cuts)]


def _note(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
