"""Batched decoding against transformers' own `generate`, on tiny random models."""

import copy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from generators.teachers import decoders, local_engine  # noqa: E402
from generators.teachers.local_engine import Row, choose, decode  # noqa: E402

STOP = frozenset({2, 50})
TYPES = ["llama", "mistral", "qwen2", "qwen3", "smollm3"]


def make_model(kind: str):
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind, vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
        sliding_window=None, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            parameter.data *= 4  # so that tokens differ clearly
    return model


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def llama():
    return make_model("llama")


def rows(lengths=(3, 7, 1, 5, 12), shared: int = 9, **changes) -> list[Row]:
    dice = torch.Generator().manual_seed(1)

    def draw(count: int) -> list[int]:
        return torch.randint(3, 101, (count,), generator=dice).tolist()

    prefix = draw(shared)
    settings = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 70, **changes}
    return [Row(tokens=prefix + draw(n), seed=i, **settings) for i, n in enumerate(lengths)]


def texts(decoder, asked: list[Row]) -> list[list[int]]:
    decode(decoder, asked, STOP)
    return [row.sampled for row in asked]


def generated(model, asked: list[Row]) -> list[list[int]]:
    """The same, one by one, by transformers."""
    made = []
    for row in asked:
        output = model.generate(
            torch.tensor([row.tokens]), attention_mask=torch.ones(1, len(row.tokens)).long(),
            max_new_tokens=row.max_tokens, do_sample=False, eos_token_id=sorted(STOP),
            pad_token_id=0,
        )  # fmt: skip
        made.append(output[0, len(row.tokens) :].tolist())
    return made


@pytest.mark.parametrize("kind", TYPES)
def test_greedy_texts_are_those_of_generate(kind: str) -> None:
    model = make_model(kind)
    expected = generated(model, rows())
    decoder = decoders.open_decoder(copy.deepcopy(model))
    assert isinstance(decoder, decoders.SharedPrefixDecoder)
    assert texts(decoder, rows()) == expected
    assert texts(decoders.PlainDecoder(model), rows()) == expected
    assert len({len(text) for text in expected}) > 1  # rows end at different steps


@pytest.mark.parametrize("shared", [0, 1, 40])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_decoders_say_the_same(llama, shared: int, temperature: float) -> None:
    asked = rows(range(1, 12), shared, temperature=temperature)
    other = rows(range(1, 12), shared, temperature=temperature)
    fast = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    assert texts(fast, asked) == texts(decoders.PlainDecoder(llama), other)


def test_long_prompts_are_read_in_pieces(llama, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    whole = texts(decoder, rows((40, 90, 33), 100))
    monkeypatch.setattr(decoders, "READ", 50)
    assert texts(decoder, rows((40, 90, 33), 100)) == whole


def test_a_text_depends_on_its_seed_and_not_on_its_neighbours(llama) -> None:
    decoder = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    together = texts(decoder, rows(temperature=1.0))
    alone = [texts(decoder, [row])[0] for row in rows(temperature=1.0)]
    assert together == alone
    assert texts(decoder, rows(temperature=1.0)) == together
    others = rows(temperature=1.0)
    for row in others:
        row.seed += 100
    assert texts(decoder, others) != together


def test_a_longer_limit_continues_the_text(llama) -> None:
    decoder = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    short = rows(temperature=1.0, max_tokens=10)
    texts(decoder, short)
    long = texts(decoder, rows(temperature=1.0, max_tokens=30))
    for row, text in zip(short, long, strict=True):
        assert text[: len(row.sampled)] == row.sampled
        ended = row.sampled[-1] in STOP
        assert row.finish_reason == ("stop" if ended else "length")
        assert ended or len(row.sampled) == 10


def test_limits_temperatures_and_small_batches_mix(llama, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    mixed = rows()
    for row, limit in zip(mixed, (0, 1, 5, 70, 70), strict=True):
        row.max_tokens = limit
    mixed[4].temperature = 1.0
    monkeypatch.setattr(local_engine, "BATCH", 2)
    steps: list[int] = []
    decode(decoder, mixed, STOP, lambda: steps.append(1))
    assert [len(row.sampled) for row in mixed[:3]] <= [0, 1, 5]
    assert mixed[0].finish_reason == "length"
    assert mixed[3].sampled == generated(llama, [rows()[3]])[0]
    assert all(row.finish_reason for row in mixed)
    assert steps


def test_groups_bound_rows_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rows((5, 1, 3, 90, 2, 4), shared=0, max_tokens=10)
    monkeypatch.setattr(local_engine, "BATCH", 3)
    monkeypatch.setattr(local_engine, "BATCH_TOKENS", 120)
    cut = [
        ([len(row.tokens) for row in group], places, capacity)
        for group, places, capacity in local_engine.groups(asked, 0)
    ]
    # At most 40 tokens a place, or else fewer places.
    assert cut == [([1, 2, 3, 4, 5], 3, 15), ([90], 1, 100)]


@pytest.mark.parametrize("refill", [2, 16])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("shared", [0, 9])
def test_rows_that_take_a_free_place_say_what_they_say_alone(
    llama, monkeypatch: pytest.MonkeyPatch, refill: int, temperature: float, shared: int
) -> None:
    def asked() -> list[Row]:
        made = rows([1, 5, 30, 2, 9, 14, 3, 1, 22, 7, 7, 4], shared, temperature=temperature)
        for row, limit in zip(made, [70, 3, 1, 9, 63, 30, 1, 2, 50, 12, 20, 41], strict=True):
            row.max_tokens = limit
        # Equal prompts are read once.
        again = [replace(row, seed=row.seed + 100, sampled=[]) for row in made[::2]]
        for row in again:
            row.max_tokens += 2
        return [*made, *again]

    decoder = decoders.SharedPrefixDecoder(copy.deepcopy(llama))
    alone = [texts(decoder, [row])[0] for row in asked()]
    monkeypatch.setattr(local_engine, "BATCH", 4)
    monkeypatch.setattr(local_engine, "REFILL", refill)
    fills: list[list[int]] = []
    fill = decoder.fill
    monkeypatch.setattr(
        decoder, "fill", lambda some, places: (fills.append([*places]), fill(some, places))[1]
    )
    together = asked()
    assert texts(decoder, together) == alone
    assert all(row.finish_reason for row in together)
    assert len(fills) > 5
    assert max(map(max, fills)) == 3
    assert any(len(places) < 4 for places in fills[:-1])


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("shared", [0, 9])
def test_rows_that_come_while_others_are_decoded_say_what_they_say_alone(
    llama, monkeypatch: pytest.MonkeyPatch, shared: int, plain: bool
) -> None:
    lengths = [1, 5, 30, 2, 9, 14, 3, 1, 22, 7, 7, 200, 4]
    limits = [70, 3, 1, 9, 63, 30, 1, 2, 50, 0, 20, 5, 41]

    def asked() -> list[Row]:
        made = rows(lengths, shared, temperature=1.0)
        for row, limit in zip(made, limits, strict=True):
            row.max_tokens = limit
        made[4].tokens = made[4].tokens[1:]  # begins otherwise
        return made

    decoder = (decoders.PlainDecoder if plain else decoders.SharedPrefixDecoder)(
        copy.deepcopy(llama)
    )
    alone = [texts(decoder, [row])[0] for row in asked()]
    monkeypatch.setattr(local_engine, "BATCH", 4)
    together = asked()
    coming = iter([together[:3], together[3:6], [], *([row] for row in together[6:])])
    steps = waits = 0

    def arrivals(wait: bool) -> list[Row]:
        nonlocal waits
        waits += wait
        if wait or steps % 4 == 0:
            return next((some for some in coming if some or not wait), [])
        return []

    def step() -> None:
        nonlocal steps
        steps += 1

    local_engine.serve(decoder, arrivals, STOP, step)
    assert [row.sampled for row in together] == alone
    assert all(row.finish_reason for row in together)
    assert next(coming, None) is None
    assert waits < len(together)


def frequencies(logits: list[float], temperature: float, top_p: float, count: int = 4000):
    asked = [
        Row(tokens=[1], seed=seed, temperature=temperature, top_p=top_p, max_tokens=1)
        for seed in range(count)
    ]
    chosen = choose(asked, torch.tensor([logits]).expand(count, -1))
    return torch.bincount(chosen, minlength=len(logits)) / count


def test_tokens_are_drawn_with_their_probabilities() -> None:
    logits = [2.0, 0.0, 1.0, -30.0, 1.5]
    for temperature in (1.0, 0.5, 2.0):
        expected = (torch.tensor(logits) / temperature).softmax(-1)
        assert (frequencies(logits, temperature, 1.0) - expected).abs().max() < 0.03
    assert frequencies(logits, 0.0, 1.0)[0] == 1


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    shares = torch.tensor([0.1, 0.5, 0.15, 0.25])
    kept = frequencies(shares.log().tolist(), 1.0, 0.7)
    assert kept[0] == kept[2] == 0
    assert abs(kept[1] - 2 / 3) < 0.03
    assert frequencies(shares.log().tolist(), 1.0, 0.01)[1] == 1


def test_other_architectures_take_the_plain_way(llama) -> None:
    model = copy.deepcopy(llama)
    model.config.model_type = "gemma2"
    assert isinstance(decoders.open_decoder(model), decoders.PlainDecoder)
    model = copy.deepcopy(llama)
    model.config.sliding_window = 8
    assert isinstance(decoders.open_decoder(model), decoders.PlainDecoder)
