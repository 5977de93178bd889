"""Forward passes with a KV cache: what a model says next for many rows at once.

Only the child process imports this module (torch is imported at its top). `SharedPrefixDecoder`
does the attention of plain decoder models itself: keys and values of the tokens that all rows share
are computed and kept once, each row's own ones lie in a buffer that is written in place, query
heads read their key head without copies of it, and rows that end leave no hole. `PlainDecoder`
takes transformers' own cache and attention, for every other architecture. Both are left-padded.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

ATTENTION = "rsfactory_shared_prefix"
"""Name under which transformers knows our attention function."""

KNOWN = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}
"""Model types whose attention is softmax(q k / scale) v over all earlier tokens; tested."""

SCORES = 2**26
"""Attention scores of a layer held at a time while prompts are read; bounds memory."""


def open_decoder(model: Any) -> "SharedPrefixDecoder | PlainDecoder":
    """The decoder that fits the model."""
    config = model.config
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    sliding = getattr(config, "sliding_window", None) and not hasattr(config, "layer_types")
    if config.model_type in KNOWN and types == {"full_attention"} and not sliding:
        return SharedPrefixDecoder(model)
    return PlainDecoder(model)


class SharedPrefixDecoder:
    """Decoding with the shared tokens' keys and values kept once. One model, one batch at a time.

    Attention over the shared part and over a row's own part are two products whose scores go
    through one softmax, so the result is the ordinary one up to rounding.
    """

    def __init__(self, model: Any) -> None:
        """Takes over the model's attention."""
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, self._attend)
        model.set_attn_implementation(ATTENTION)
        config = model.config
        heads = config.num_attention_heads
        self._model = model
        self._layers: int = config.num_hidden_layers
        self._key_heads: int = getattr(config, "num_key_value_heads", None) or heads
        self._size: int = getattr(config, "head_dim", None) or config.hidden_size // heads
        self._prefix: list[tuple[Tensor, Tensor]] | None = None
        self._prefix_length = 0
        self._pool: list[Tensor] = []

    def share(self, tokens: Sequence[int]) -> None:
        """Computes the tokens that all following rows begin with."""
        self._prefix, self._prefix_length = None, 0
        if tokens:
            self.prefill([tokens], 0)
            end = self._length
            pairs = zip(self._keys, self._values, strict=True)
            self._prefix = [(k[0, :, :end].clone(), v[0, :, :end].clone()) for k, v in pairs]
            self._prefix_length = end

    def prefill(self, rows: Sequence[Sequence[int]], room: int) -> Tensor:
        """Reads each row's tokens behind the shared ones; ``room`` steps may follow at most.

        Returns:
            Logits after each row's last token, float32, (rows, vocabulary).
        """
        ids, self._padding = _left_padded(rows, self._model.device)
        length = ids.shape[1]
        self._reset(len(rows), length + room)
        heads = self._model.config.num_attention_heads
        width = max(1, SCORES // (len(rows) * heads * (length + self._prefix_length)))
        for start in range(0, length, width):
            logits = self._forward(ids[:, start : start + width])
        return logits

    def step(self, tokens: Tensor) -> Tensor:
        """Appends one token to every row; returns logits as `prefill` does."""
        return self._forward(tokens[:, None])

    def keep(self, order: Sequence[int]) -> None:
        """Goes on with fewer rows: the new row i is the old row ``order[i]``."""
        moved = [(new, old) for new, old in enumerate(order) if new != old]
        if moved:
            new, old = torch.tensor(moved, device=self._padding.device).T
            for buffer in (*self._keys, *self._values, self._padding):
                buffer[new] = buffer[old]
        self._rows = slice(0, len(order))

    def _reset(self, rows: int, capacity: int) -> None:
        """Empty buffers; memory that is there already is used again (fresh memory is slow)."""
        shape = (rows, self._key_heads, capacity, self._size)
        needed = math.prod(shape)
        if not self._pool or self._pool[0].numel() < needed:
            like = {"dtype": self._model.dtype, "device": self._model.device}
            self._pool = [torch.empty(needed, **like) for _ in range(2 * self._layers)]
        buffers = [memory[:needed].view(shape) for memory in self._pool]
        self._keys, self._values = buffers[: self._layers], buffers[self._layers :]
        self._rows = slice(0, rows)
        self._length = 0

    def _forward(self, ids: Tensor) -> Tensor:
        """One pass over new tokens (rows, new) behind those that the rows have."""
        padding = self._padding[self._rows, None]
        end = self._length + ids.shape[1]
        query = torch.arange(self._length, end, device=ids.device)
        key = torch.arange(end, device=ids.device)
        # A padding token sees itself, so that its softmax is finite; nobody else sees it.
        own = key == query[:, None]
        seen = (key <= query[:, None]) & ((key >= padding[..., None]) | own)
        self._mask = torch.where(seen, 0.0, float("-inf")).to(self._model.dtype)
        positions = (query - padding).clamp_min(0) + self._prefix_length
        output = self._model(
            input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=1
        )
        self._length = end
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _attend(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        *,
        scaling: float,
        **_: Any,
    ) -> tuple[Tensor, None]:
        """Attention of the new tokens; query is (rows, heads, new, size), key and value likewise.

        Returns:
            (rows, new, heads, size), and no weights.
        """
        rows, heads, new, size = query.shape
        layer, end = module.layer_idx, self._length + new
        keys, values = self._keys[layer][self._rows], self._values[layer][self._rows]
        keys[:, :, self._length : end] = key
        values[:, :, self._length : end] = value
        grouped = (query * scaling).reshape(rows, self._key_heads, -1, size)
        scores = grouped @ keys[:, :, :end].transpose(-1, -2)
        scores = scores.view(rows, self._key_heads, -1, new, end) + self._mask[:, None, None]
        scores = scores.view(rows, self._key_heads, -1, end)
        if self._prefix is None:
            mixed = scores.softmax(-1) @ values[:, :, :end]
        else:
            shared_keys, shared_values = self._prefix[layer]
            by_head = grouped.transpose(0, 1).reshape(self._key_heads, -1, size)
            shared = (by_head @ shared_keys.transpose(-1, -2)).view(
                self._key_heads, rows, -1, self._prefix_length
            )
            weights = torch.cat((shared.transpose(0, 1), scores), -1).softmax(-1)
            ours = weights[..., self._prefix_length :] @ values[:, :, :end]
            theirs = weights[..., : self._prefix_length].transpose(0, 1)
            theirs = theirs.reshape(self._key_heads, -1, self._prefix_length) @ shared_values
            mixed = ours + theirs.view(self._key_heads, rows, -1, size).transpose(0, 1)
        return mixed.reshape(rows, heads, new, size).transpose(1, 2), None


class PlainDecoder:
    """Decoding with transformers' own cache; shared tokens are read with each row."""

    def __init__(self, model: Any) -> None:
        """Uses the model as it is."""
        self._model = model
        self._prefix: list[int] = []

    def share(self, tokens: Sequence[int]) -> None:
        """Remembers the tokens that all following rows begin with."""
        self._prefix = list(tokens)

    def prefill(self, rows: Sequence[Sequence[int]], room: int) -> Tensor:
        """As `SharedPrefixDecoder.prefill`."""
        whole = [[*self._prefix, *row] for row in rows]
        ids, padding = _left_padded(whole, self._model.device)
        self._seen = (torch.arange(ids.shape[1], device=ids.device) >= padding[:, None]).long()
        self._cache: Any = None
        return self._forward(ids, (self._seen.cumsum(-1) - 1).clamp_min(0))

    def step(self, tokens: Tensor) -> Tensor:
        """As `SharedPrefixDecoder.step`."""
        positions = self._seen.sum(-1, keepdim=True)
        self._seen = torch.nn.functional.pad(self._seen, (0, 1), value=1)
        return self._forward(tokens[:, None], positions)

    def keep(self, order: Sequence[int]) -> None:
        """As `SharedPrefixDecoder.keep`."""
        index = torch.tensor(order, device=self._seen.device)
        self._seen = self._seen[index]
        self._cache.batch_select_indices(index)

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=self._seen,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = output.past_key_values
        logits: Tensor = output.logits[:, -1].float()
        return logits


def _left_padded(rows: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Token ids (rows, longest), padded with 0 on the left, and the padding of each row."""
    longest = max(map(len, rows))
    padding = [longest - len(row) for row in rows]
    ids = [[0] * left + list(row) for left, row in zip(padding, rows, strict=True)]
    return torch.tensor(ids, device=device), torch.tensor(padding, device=device)
