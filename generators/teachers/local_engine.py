"""Batched sampling from one model: batches by length, seeds by row, rows that end leave the batch.

Only the child process imports this module (torch is imported at its top). Every row draws its
uniform numbers from a generator of its own and picks its tokens by inverting the cumulated softmax,
so a text depends on the row's seed and not on its neighbours, up to rounding: logits move in the
fifth digit with the shape of a batch. Batches are therefore cut by a fixed rule, and the same rows
asked again give the same texts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from generators.teachers.decoders import PlainDecoder, SharedPrefixDecoder

Decoder = SharedPrefixDecoder | PlainDecoder

BATCH = 96
"""Rows decoded together at most."""

BATCH_TOKENS = 2**16
"""Tokens (own prompt and limit) of a batch's rows together at most; bounds the KV cache."""

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
    open_rows = [row for row in rows if row.max_tokens > 0]
    for row in rows:
        row.finish_reason = "" if row.max_tokens > 0 else "length"
    shared = _common(open_rows)
    with torch.inference_mode():
        decoder.share(open_rows[0].tokens[:shared] if open_rows else ())
        for batch in batches(open_rows, shared):
            _decode_batch(decoder, batch, shared, stop, step)


def batches(rows: Sequence[Row], shared: int) -> Iterator[list[Row]]:
    """Rows sorted by length, cut at `BATCH` rows or `BATCH_TOKENS` tokens."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.tokens)):
        # Rows come in growing length: the newest one is the widest.
        width = len(row.tokens) - shared + max(r.max_tokens for r in (*batch, row))
        if batch and (len(batch) == BATCH or (len(batch) + 1) * width > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _common(rows: Sequence[Row]) -> int:
    """How many tokens all prompts begin with; every row keeps one token of its own at least."""
    if not rows:
        return 0
    low, high = (pick(row.tokens for row in rows) for pick in (min, max))
    most = min(len(row.tokens) for row in rows) - 1
    differs = (i for i in range(most) if low[i] != high[i])
    return next(differs, most)


def _decode_batch(
    decoder: Decoder,
    batch: Sequence[Row],
    shared: int,
    stop: frozenset[int],
    step: Callable[[], None],
) -> None:
    live = list(batch)
    logits = decoder.prefill(
        [row.tokens[shared:] for row in live], max(row.max_tokens for row in live)
    )
    dice = Dice(live, logits.device)
    while True:
        tokens = dice.choose(logits)
        for row, token in zip(live, tokens.tolist(), strict=True):
            row.sampled.append(token)
            if token in stop:
                row.finish_reason = "stop"
            elif len(row.sampled) == row.max_tokens:
                row.finish_reason = "length"
        step()
        order = _closed_up([not row.finish_reason for row in live])
        if not order:
            return
        if len(order) < len(live):
            decoder.keep(order)
            dice.keep(order)
            live = [live[i] for i in order]
            tokens = tokens[torch.tensor(order, device=tokens.device)]
        logits = decoder.step(tokens)


def _closed_up(alive: Sequence[bool]) -> list[int]:
    """Old places of the rows that go on; holes are filled from the end, all others stay."""
    size = sum(alive)
    movers = iter([old for old in range(len(alive) - 1, size - 1, -1) if alive[old]])
    return [place if alive[place] else next(movers) for place in range(size)]


class Dice:
    """The rows' own uniform numbers and how they pick tokens."""

    def __init__(self, rows: Sequence[Row], device: torch.device) -> None:
        """Draws as many numbers for each row as it may have tokens.

        A row's numbers begin the same whatever its limit, so a longer limit continues its text.
        """
        longest = max(row.max_tokens for row in rows)
        drawn = np.zeros((len(rows), longest))
        for place, row in enumerate(rows):
            drawn[place, : row.max_tokens] = np.random.default_rng(row.seed).random(row.max_tokens)
        self._uniform = torch.tensor(drawn, device=device)
        self._temperature = torch.tensor([row.temperature for row in rows], device=device)
        self._top_p = torch.tensor([row.top_p for row in rows], device=device)
        self._step = 0

    def keep(self, order: Sequence[int]) -> None:
        """Goes on with the rows at these places."""
        index = torch.tensor(order, device=self._uniform.device)
        self._uniform = self._uniform[index]
        self._temperature = self._temperature[index]
        self._top_p = self._top_p[index]

    def choose(self, logits: Tensor) -> Tensor:
        """Next token of each row from its logits (rows, vocabulary); greedy at temperature 0."""
        step, self._step = self._step, self._step + 1
        cold = self._temperature == 0
        if bool(cold.all()):
            return logits.argmax(-1)
        parts = (slice(start, start + PICKED) for start in range(0, len(logits), PICKED))
        drawn = torch.cat([self._draw(logits, part, step) for part in parts])
        return torch.where(cold, logits.argmax(-1), drawn) if bool(cold.any()) else drawn

    def _draw(self, logits: Tensor, part: slice, step: int) -> Tensor:
        """Next token of some of the rows, at their temperature and within their top_p."""
        heat = self._temperature[part, None]
        weights = (logits[part] / heat.masked_fill(heat == 0, 1.0)).softmax(-1)
        uniform, top_p = self._uniform[part, step, None], self._top_p[part, None]
        if bool((top_p >= 1).all()):
            return _invert(weights, uniform)
        # Nucleus: the fewest tokens whose shares reach top_p (Holtzman et al., 2020).
        shares, tokens = weights.sort(dim=-1, descending=True, stable=True)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0.0)
        return tokens.gather(-1, _invert(shares, uniform)[:, None])[:, 0]


def _invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index at which the cumulated weights pass a uniform share of their sum."""
    total = weights.cumsum(-1, dtype=torch.float64)
    found: Tensor = torch.searchsorted(total, uniform * total[:, -1:], right=True)[:, 0]
    return found.clamp_max(weights.shape[-1] - 1)
