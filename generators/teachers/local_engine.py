"""Batched sampling from one model: seeds by row, the next row in the place of one that has ended.

Only the child process imports this module (torch is imported at its top). Every row draws its
uniform numbers from a generator of its own and picks its tokens by inverting the cumulated softmax,
so a text depends on the row's seed and not on its neighbours, up to rounding: logits move in the
fifth digit with the shape of a batch. In `decode`, which row follows which, and when, depends on
the rows alone and never on the clock, so the same rows asked again give the same texts. `serve`
takes rows as they come, for who decides by an answer what to ask next.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from generators.teachers.decoders import PlainDecoder, SharedPrefixDecoder

Decoder = SharedPrefixDecoder | PlainDecoder

BATCH = 96
"""Rows decoded together at most."""

BATCH_TOKENS = 2**16
"""Tokens (own prompt and limit) of a batch's rows together at most; bounds the KV cache."""

REFILL = 16
"""Free places are filled when they are one in so many: reading few prompts costs as many do."""

SLACK = 4
"""A place of `serve` is wider by one in so many tokens than the rows known when it is opened."""

PICKED = 16
"""Rows whose tokens are drawn at a time; fresh memory for more costs more than it saves."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One completion in the making."""

    tokens: list[int]
    """The prompt."""
    seed: int
    temperature: float
    top_p: float
    max_tokens: int
    sampled: list[int] = field(default_factory=list)
    finish_reason: str = ""
    """``stop`` or ``length`` once the row has ended."""
    _dice: np.random.Generator | None = None

    def uniform(self) -> float:
        """The next of the row's own uniform numbers."""
        self._dice = self._dice or np.random.default_rng(self.seed)
        return self._dice.random()


def decode(
    decoder: Decoder,
    rows: Sequence[Row],
    stop: frozenset[int],
    step: Callable[[], None] = lambda: None,
) -> None:
    """Fills in ``sampled`` and ``finish_reason`` of all rows.

    Args:
        decoder: The model.
        rows: In any order; a prompt has one token at least.
        stop: Tokens that end a completion; the one that did stays in ``sampled``.
        step: Called after every decoding step.
    """
    open_rows = _with_room(rows)
    shared = _common(open_rows)
    with torch.inference_mode():
        decoder.share(open_rows[0].tokens[:shared] if open_rows else ())
        for group, places, capacity in groups(open_rows, shared):
            decoder.open(places, capacity)
            _Group(decoder, group, places, shared, stop, step).run()


def serve(
    decoder: Decoder,
    arrivals: Callable[[bool], Iterable[Row]],
    stop: frozenset[int],
    step: Callable[[], None],
) -> None:
    """Fills in rows that come while others are decoded, until no more come.

    A new row takes a free place where it begins with the tokens that the others share and is not
    wider than a place; what does not fit waits until those under way have ended, and then lets no
    more than a batch go first.

    Args:
        decoder: The model.
        arrivals: Rows that have come; told whether to wait for one. None after waiting is the end.
        stop: Tokens that end a completion.
        step: Called after every decoding step, and before it is waited for rows.
    """
    later: list[Row] = []
    while True:
        if not later:
            step()
        rows = [*later, *_with_room(new := list(arrivals(not later)))]
        if not rows and not new:
            return
        if rows:
            with torch.inference_mode():
                later = _serve_group(decoder, rows, arrivals, stop, step)


def _serve_group(
    decoder: Decoder,
    rows: Sequence[Row],
    arrivals: Callable[[bool], Iterable[Row]],
    stop: frozenset[int],
    step: Callable[[], None],
) -> list[Row]:
    """Decodes a first group of rows with all that join it; returns those that could not."""
    # What a single prompt shares with those to come is not known.
    shared = _common(rows) if any(row.tokens != rows[0].tokens for row in rows) else 0
    prefix = rows[0].tokens[:shared]
    (group, _, widest), *others = groups(rows, shared)
    later = [row for other, _, _ in others for row in other]
    capacity = widest + widest // SLACK
    places = max(1, min(BATCH, BATCH_TOKENS // capacity))
    passed = 0

    def more() -> Iterator[Row]:
        nonlocal passed
        for row in _with_room(arrivals(False)):
            joins = len(row.tokens) > shared and row.tokens[:shared] == prefix
            joins = joins and len(row.tokens) - shared + row.max_tokens <= capacity
            passed += bool(later)
            if joins and passed <= places:
                yield row
            else:
                later.append(row)

    decoder.share(prefix)
    decoder.open(places, capacity)
    _Group(decoder, group, places, shared, stop, step, more).run()
    return later


def _with_room(rows: Iterable[Row]) -> list[Row]:
    """The rows that may say anything; the others have ended."""
    rows = list(rows)
    for row in rows:
        row.finish_reason = "" if row.max_tokens > 0 else "length"
    return [row for row in rows if row.max_tokens > 0]


def groups(rows: Sequence[Row], shared: int) -> Iterator[tuple[list[Row], int, int]]:
    """Rows that share a buffer, with its places and the tokens that each has room for.

    A place has room for the widest row of its group. Rows beyond what `BATCH_TOKENS` lets `BATCH`
    places have are grouped by powers of two, so that few long ones do not cost the others places.
    """
    usual = BATCH_TOKENS // BATCH

    def width(row: Row) -> int:
        return len(row.tokens) - shared + row.max_tokens

    def kind(row: Row) -> int:
        return 0 if width(row) <= usual else width(row).bit_length()

    for _, some in groupby(sorted(rows, key=kind), kind):
        # Long answers first, or one begun last would go on alone; equal prompts side by side.
        group = sorted(some, key=lambda row: (-row.max_tokens, len(row.tokens), row.tokens))
        widest = max(map(width, group))
        yield group, max(1, min(BATCH, BATCH_TOKENS // widest, len(group))), widest


def _common(rows: Sequence[Row]) -> int:
    """How many tokens all prompts begin with; every row keeps one token of its own at least."""
    if not rows:
        return 0
    low, high = (pick(row.tokens for row in rows) for pick in (min, max))
    most = min(len(row.tokens) for row in rows) - 1
    differs = (i for i in range(most) if low[i] != high[i])
    return next(differs, most)


class _Group:
    """Rows that take turns in the places of one buffer: a place that is free gets the next row."""

    def __init__(
        self,
        decoder: Decoder,
        rows: Sequence[Row],
        places: int,
        shared: int,
        stop: frozenset[int],
        step: Callable[[], None],
        more: Callable[[], Iterable[Row]] = tuple,
    ) -> None:
        """``places`` are open in the decoder, and free; ``more`` is asked for rows that join."""
        self._decoder, self._shared = decoder, shared
        self._stop, self._step = stop, step
        self._waiting = deque(rows)
        self._more = more
        self._live: list[Row] = []
        self._places = places
        self._least = max(1, places // REFILL) if decoder.refills else places

    def run(self) -> None:
        """Decodes until all rows have ended."""
        while True:
            while self._refill():
                pass
            if all(row.finish_reason for row in self._live):
                return
            self._close_up()
            tokens = torch.tensor([row.sampled[-1] for row in self._live])
            self._extend(self._live, self._decoder.step(tokens))

    def _refill(self) -> bool:
        """Puts waiting rows into free places; whether it did."""
        self._waiting += self._more()
        free = [place for place, row in enumerate(self._live) if row.finish_reason]
        free += range(len(self._live), self._places)
        if not self._waiting or len(free) < self._least:
            return False
        taken = [self._waiting.popleft() for _ in free[: len(self._waiting)]]
        free = free[: len(taken)]
        logits = self._decoder.fill([row.tokens[self._shared :] for row in taken], free)
        self._live += taken[len(taken) - sum(place >= len(self._live) for place in free) :]
        for place, row in zip(free, taken, strict=True):
            self._live[place] = row
        self._extend(taken, logits)
        return True

    def _extend(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Each row's next token, and the end of those that end with it."""
        for row, token in zip(rows, choose(rows, logits).tolist(), strict=True):
            row.sampled.append(token)
            if token in self._stop:
                row.finish_reason = "stop"
            elif len(row.sampled) == row.max_tokens:
                row.finish_reason = "length"
        self._step()

    def _close_up(self) -> None:
        """Takes rows that have ended out of the buffer."""
        order = _closed_up([not row.finish_reason for row in self._live])
        if len(order) < len(self._live):
            self._decoder.keep(order)
            self._live = [self._live[place] for place in order]


def _closed_up(alive: Sequence[bool]) -> list[int]:
    """Old places of the rows that go on; holes are filled from the end, all others stay."""
    size = sum(alive)
    movers = iter([old for old in range(len(alive) - 1, size - 1, -1) if alive[old]])
    return [place if alive[place] else next(movers) for place in range(size)]


def choose(rows: Sequence[Row], logits: Tensor) -> Tensor:
    """Next token of each row from its logits (rows, vocabulary); greedy at temperature 0.

    A row takes the next of its own uniform numbers; these begin the same whatever its limit, so a
    longer limit continues its text.
    """
    if all(row.temperature == 0 for row in rows):
        return logits.argmax(-1)
    cuts = range(0, len(rows), PICKED)
    return torch.cat([_draw(rows[i : i + PICKED], logits[i : i + PICKED]) for i in cuts])


def _draw(rows: Sequence[Row], logits: Tensor) -> Tensor:
    """Next tokens at the rows' temperatures and within their top_p."""

    def column(values: Iterable[float], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.tensor([*values], dtype=dtype, device=logits.device)[:, None]

    heat = column(row.temperature for row in rows)
    weights = (logits / heat.masked_fill(heat == 0, 1.0)).softmax(-1)
    uniform = column((row.uniform() for row in rows), torch.float64)
    if all(row.top_p >= 1 for row in rows):
        drawn = _invert(weights, uniform)
    else:
        # Nucleus: the fewest tokens whose shares reach top_p (Holtzman et al., 2020).
        shares, tokens = weights.sort(dim=-1, descending=True, stable=True)
        beyond = shares.cumsum(-1) - shares >= column(row.top_p for row in rows)
        shares = shares.masked_fill(beyond, 0.0)
        drawn = tokens.gather(-1, _invert(shares, uniform)[:, None])[:, 0]
    return torch.where(heat[:, 0] == 0, logits.argmax(-1), drawn) if (heat == 0).any() else drawn


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index at which the cumulated weights pass a uniform share of their sum."""
    total = weights.cumsum(-1, dtype=torch.float64)
    found: Tensor = torch.searchsorted(total, uniform * total[:, -1:], right=True)[:, 0]
    return found.clamp_max(weights.shape[-1] - 1)
