"""Forward passes with a KV cache: what a model says next for many rows at once.

Only the child process imports this module (torch is imported at its top). `SharedPrefixDecoder`
does the attention of plain decoder models itself: keys and values of the tokens that all rows share
are computed and kept once, equal prompts are read once, and each row has a place in a buffer that
is written in place. A row's keys begin at the start of its place whatever its length, so a place
is filled again while the others go on, and rows that end leave no hole. `PlainDecoder` takes
transformers' own cache and attention, for every other architecture; its rows are padded on the left
and their places are filled again only when all are free.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

ATTENTION = "rsfactory_shared_prefix"
"""Name under which transformers knows our attention function."""

KNOWN = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}
"""Model types whose attention is softmax(q k / scale) v over all earlier tokens; tested."""

READ = 2**12
"""Tokens of prompts, padding counted, read at a time at most (or one prompt); bounds memory."""


def open_decoder(model: Any) -> "SharedPrefixDecoder | PlainDecoder":
    """The decoder that fits the model."""
    config = model.config
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    sliding = getattr(config, "sliding_window", None) and not hasattr(config, "layer_types")
    if config.model_type in KNOWN and types == {"full_attention"} and not sliding:
        return SharedPrefixDecoder(model)
    return PlainDecoder(model)


class SharedPrefixDecoder:
    """Decoding with the shared tokens' keys and values kept once. One model, one buffer at a time.

    Attention over the shared part and over a row's own part are two products whose scores go
    through one softmax, so the result is the ordinary one up to rounding.
    """

    refills = True
    """Places can be filled while other rows go on."""

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
        self._prefix: list[tuple[Tensor, Tensor]] = []
        self._prefix_length = 0
        self._pool: list[Tensor] = []
        self._attention: Callable[[int, Tensor, Tensor, Tensor, float], Tensor]

    def share(self, tokens: Sequence[int]) -> None:
        """Computes the tokens that all following rows begin with."""
        self._prefix, self._prefix_length = [], 0
        if tokens:
            self._attention = self._over_shared
            self._forward(torch.tensor([tokens], device=self._model.device))
            self._prefix_length = len(tokens)

    def open(self, places: int, capacity: int) -> None:
        """Free places of ``capacity`` tokens; memory that is there is used again."""
        shape = (places, self._key_heads, capacity, self._size)
        needed = math.prod(shape)
        if not self._pool or self._pool[0].numel() < needed:
            like = {"dtype": self._model.dtype, "device": self._model.device}
            # Zeros, because what a mask hides must still be finite.
            self._pool = [torch.zeros(needed, **like) for _ in range(2 * self._layers)]
        buffers = [memory[:needed].view(shape) for memory in self._pool]
        self._keys, self._values = buffers[: self._layers], buffers[self._layers :]
        self._lengths = torch.zeros(places, dtype=torch.long, device=self._model.device)
        self._live = 0

    def fill(self, rows: Sequence[Sequence[int]], places: Sequence[int]) -> Tensor:
        """Reads each row's tokens behind the shared ones into its place.

        Places in use must stay a range from 0.

        Returns:
            Logits after each row's last token, float32, (rows, vocabulary).
        """
        device = self._model.device
        numbers = {tokens: i for i, tokens in enumerate(sorted({*map(tuple, rows)}, key=len))}
        which = torch.tensor([numbers[tuple(row)] for row in rows], device=device)
        target = torch.tensor(places, device=device)
        self._lengths[target] = torch.tensor([len(row) for row in rows], device=device)
        self._live = max(self._live, *(place + 1 for place in places))
        logits = [
            self._read(prompts, which - first, target) for first, prompts in _pieces(list(numbers))
        ]
        return torch.cat(logits)[which]

    def step(self, tokens: Tensor) -> Tensor:
        """Appends one token to the row of every place in use; returns logits as `fill` does."""
        tokens = tokens.to(self._model.device)
        lengths = self._lengths[: self._live]
        self._end = int(lengths.max()) + 1
        hidden = torch.arange(self._end, device=tokens.device) > lengths[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._model.dtype, device=tokens.device)
        self._mask = mask.masked_fill_(hidden, float("-inf"))[:, None, None]
        self._rows = torch.arange(self._live, device=tokens.device)
        self._attention = self._over_places
        logits = self._logits(self._forward(tokens[:, None], lengths[:, None])[:, 0])
        lengths += 1
        return logits

    def keep(self, order: Sequence[int]) -> None:
        """Goes on with fewer rows: the new row i is the old row ``order[i]``."""
        moved = [(new, old) for new, old in enumerate(order) if new != old]
        if moved:
            new, old = torch.tensor(moved, device=self._lengths.device).T
            for buffer in (*self._keys, *self._values, self._lengths):
                buffer[new] = buffer[old]
        self._live = len(order)

    def _read(self, prompts: Sequence[Sequence[int]], which: Tensor, places: Tensor) -> Tensor:
        """Logits after some different prompts, whose keys go where ``which`` is their number."""
        longest = max(map(len, prompts))
        # Padded on the right, where no token of the row sees it.
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in prompts])
        mine = (which >= 0) & (which < len(prompts))
        self._which, self._places = which[mine], places[mine]
        self._attention = self._over_prompts
        hidden = self._forward(ids.to(which.device))
        last = torch.tensor([len(row) - 1 for row in prompts], device=which.device)
        return self._logits(hidden[torch.arange(len(prompts), device=which.device), last])

    def _forward(self, ids: Tensor, positions: Tensor | int = 0) -> Tensor:
        """Last hidden states of new tokens (rows, new), the first of which have these positions."""
        place = torch.arange(ids.shape[1], device=ids.device) + positions + self._prefix_length
        output = self._model.base_model(
            input_ids=ids, position_ids=place.expand(ids.shape), use_cache=False
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self._model.get_output_embeddings()(hidden)
        return logits.float()

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
        mixed = self._attention(module.layer_idx, query, key, value, scaling)
        return mixed.transpose(1, 2), None

    def _over_shared(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float
    ) -> Tensor:
        """Reads the shared tokens, which become the prefix."""
        self._prefix.append((key[0].clone(), value[0].clone()))
        return _causal(query, key, value, scaling)

    def _over_prompts(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float
    ) -> Tensor:
        """Reads prompts behind the prefix, and copies each one's keys to its rows' places."""
        new = slice(0, key.shape[2])
        self._keys[layer][self._places, :, new] = key[self._which]
        self._values[layer][self._places, :, new] = value[self._which]
        if self._prefix_length:
            shared_key, shared_value = (part.expand(len(key), -1, -1, -1)
                                        for part in self._prefix[layer])  # fmt: skip
            key, value = torch.cat((shared_key, key), 2), torch.cat((shared_value, value), 2)
        return _causal(query, key, value, scaling)

    def _over_places(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float
    ) -> Tensor:
        """Reads one token a row; query heads read their key head without copies of it."""
        rows, heads, _, size = query.shape
        lengths, prefix = self._lengths[:rows], self._prefix_length
        self._keys[layer][self._rows, :, lengths] = key[:, :, 0]
        self._values[layer][self._rows, :, lengths] = value[:, :, 0]
        keys = self._keys[layer][:rows, :, : self._end]
        values = self._values[layer][:rows, :, : self._end]
        grouped = (query * scaling).reshape(rows, self._key_heads, -1, size)
        scores = (grouped @ keys.transpose(-1, -2)).add_(self._mask)
        if not prefix:
            return (scores.softmax(-1) @ values).view(rows, heads, 1, size)
        shared_keys, shared_values = self._prefix[layer]
        by_head = grouped.transpose(0, 1).reshape(self._key_heads, -1, size)
        shared = (by_head @ shared_keys.transpose(-1, -2)).view(self._key_heads, rows, -1, prefix)
        weights = torch.cat((shared.transpose(0, 1), scores), -1).softmax(-1)
        theirs = weights[..., :prefix].transpose(0, 1).reshape(self._key_heads, -1, prefix)
        theirs = (theirs @ shared_values).view(self._key_heads, rows, -1, size).transpose(0, 1)
        mixed = weights[..., prefix:] @ values + theirs
        return mixed.view(rows, heads, 1, size)


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Attention of the last tokens (rows, heads, new, size) over themselves and all before."""
    new, end = query.shape[2], key.shape[2]
    mask = None
    if new < end:
        place = torch.arange(end, device=query.device)
        mask = place <= place[end - new :, None]
    return scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, scale=scaling, enable_gqa=True
    )


def _pieces(prompts: Sequence[Sequence[int]]) -> Iterator[tuple[int, Sequence[Sequence[int]]]]:
    """Prompts of growing length, cut at `READ` tokens; each piece with its first one's number."""
    first = 0
    for i, prompt in enumerate(prompts):
        if i > first and (i + 1 - first) * len(prompt) > READ:
            yield first, prompts[first:i]
            first = i
    yield first, prompts[first:]


class PlainDecoder:
    """Decoding with transformers' own cache; shared tokens are read with each row."""

    refills = False

    def __init__(self, model: Any) -> None:
        """Uses the model as it is."""
        self._model = model
        self._prefix: list[int] = []

    def share(self, tokens: Sequence[int]) -> None:
        """Remembers the tokens that all following rows begin with."""
        self._prefix = list(tokens)

    def open(self, places: int, capacity: int) -> None:
        """Nothing to do: the cache grows."""

    def fill(self, rows: Sequence[Sequence[int]], places: Sequence[int]) -> Tensor:
        """As `SharedPrefixDecoder.fill`, for the places from 0 when all are free."""
        whole = [[*self._prefix, *row] for row in rows]
        ids, padding = _left_padded(whole, self._model.device)
        self._seen = (torch.arange(ids.shape[1], device=ids.device) >= padding[:, None]).long()
        self._cache: Any = None
        return self._forward(ids, (self._seen.cumsum(-1) - 1).clamp_min(0))

    def step(self, tokens: Tensor) -> Tensor:
        """As `SharedPrefixDecoder.step`."""
        tokens = tokens.to(self._model.device)
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
