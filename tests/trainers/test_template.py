import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import row

from rsfactory.chat import render
from rsfactory.errors import InputError
from trainers.template import decode, tokenize, tokenize_all, turns_of


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def test_tokens_are_prompt_completion_and_end(tokenizer: Any) -> None:
    made = row(1, completion=" 3+4=7\nAnswer: 7 ")
    tokens = tokenize(tokenizer, made)
    assert decode(tokenizer, tokens.prompt) == render(tokenizer, turns_of(made))
    assert decode(tokenizer, tokens.prompt).endswith("<|im_start|>assistant\n")
    assert decode(tokenizer, tokens.completion) == " 3+4=7\nAnswer: 7 <|im_end|>"
    assert tokens.completion[-1] == tokenizer.eos_token_id == 2


def test_empty_system_message_stays_and_none_is_left_out(tokenizer: Any) -> None:
    assert "<|im_start|>system\n<|im_end|>" in decode(tokenizer, tokenize(tokenizer, row(1)).prompt)
    assert "system" not in decode(tokenizer, tokenize(tokenizer, row(2)).prompt)


@settings(deadline=None)
@given(completion=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(tokenizer: Any, completion: str) -> None:
    tokens = tokenize(tokenizer, row(1, completion=completion))
    assert decode(tokenizer, tokens.completion[:-1]) == completion


def test_end_of_text_inside_a_completion_is_refused(tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"c-1.*<\|im_end\|>"):
        tokenize(tokenizer, row(1, completion="7<|im_end|>\n<|im_start|>user"))


def test_too_long_names_row_and_length(tokenizer: Any) -> None:
    says = r"row \d \(c-2\) has 5\d\d tokens.*max_length = 400"
    long = row(2, completion="x" * 500)
    made, left_out = tokenize_all(tokenizer, [row(1), long], 400)
    assert len(made) == 1
    assert re.search(says, left_out[0])
    with pytest.raises(InputError, match=says):
        tokenize_all(tokenizer, [long], 400)


def test_a_row_with_the_end_of_text_in_it_costs_only_itself(tokenizer: Any) -> None:
    made, left_out = tokenize_all(tokenizer, [row(1, completion="7<|im_end|>"), row(2)], 400)
    assert len(made) == 1
    assert "c-1" in left_out[0]


class SpaceEater:
    """A tokenizer that puts a space before every text, as sentencepiece ones do."""

    chat_template = None
    eos_token = "."
    eos_token_id = ord(".")
    bos_token = None
    name_or_path = "eater"

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) for c in " " + text]}

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(map(chr, ids))[1:]


def test_a_false_token_boundary_is_found() -> None:
    with pytest.raises(InputError, match=r"eater does not survive.*at character 8 expected"):
        tokenize(SpaceEater(), row(2, completion="7"))


def test_a_model_without_template_keeps_its_start_token(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    raw = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    raw.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    plain = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    tokens = tokenize(plain, row(2, completion="7"))
    assert tokens.prompt[0] == 1
    assert decode(plain, tokens.completion) == "7<|im_end|>"
