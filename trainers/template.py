"""Rows to tokens, and the check that what is trained is what was sampled.

A row's tokens are those of its prompt, those of its completion, and the end-of-text token: just
what a sampler fed in and got out. Prompt and completion are tokenised apart, so that the boundary
between them is where sampling began. Every row is decoded again and compared with its text.

Not covered: a text has several tokenisations, and a model can sample one that the tokenizer would
not choose; such a completion is trained with the tokenizer's own. Texts are compared up to Unicode
normalisation (NFC), which some tokenizers apply.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rsfactory.chat import render
from rsfactory.contracts import Message
from rsfactory.errors import InputError
from rsfactory.records import TrainingRow


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as token ids."""

    prompt: list[int]
    completion: list[int]
    """With the end-of-text token behind it."""

    def __len__(self) -> int:
        """Tokens of prompt and completion together."""
        return len(self.prompt) + len(self.completion)


def templated(tokenizer: Any) -> bool:
    """Whether the tokenizer has a chat template; then the template writes all special tokens."""
    return bool(getattr(tokenizer, "chat_template", None))


def prompt_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered prompt, the same as a sampler feeds in.

    A tokenizer without a chat template (a base model) adds what it adds to any text (its start).
    """
    ids: list[int] = tokenizer(text, add_special_tokens=not templated(tokenizer))["input_ids"]
    return ids


def completion_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a completion, nothing added."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of token ids, special tokens included, spaces untouched."""
    text: str = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return text


def turns_of(row: TrainingRow) -> tuple[Message, ...]:
    """The messages that stand before a row's completion."""
    system = () if row.system is None else (Message("system", row.system),)
    return (*system, Message("user", row.prompt))


def tokenize(tokenizer: Any, row: TrainingRow) -> Tokens:
    """A row's tokens, checked by a round trip.

    Raises:
        InputError: The tokens do not decode to prompt, completion and end-of-text again; the
            message names the row, the tokenizer and the first difference.
    """
    prompt_text = render(tokenizer, turns_of(row))
    eos = tokenizer.eos_token_id
    if eos is None:
        raise InputError(f"the tokenizer of {_name(tokenizer)} has no end-of-text token; set one")
    completion = completion_ids(tokenizer, row.completion)
    if eos in completion:
        raise InputError(
            f"training row {row.candidate_id}: its completion contains the end-of-text token "
            f"{tokenizer.eos_token!r} of {_name(tokenizer)} in its text; leave the row out"
        )
    tokens = Tokens(prompt_ids(tokenizer, prompt_text), [*completion, eos])
    expected = prompt_text + row.completion + tokenizer.eos_token
    got = decode(tokenizer, tokens.prompt + tokens.completion)
    if not templated(tokenizer):
        got = got.removeprefix(tokenizer.bos_token or "")
    if _nfc(got) != _nfc(expected):
        raise InputError(
            f"training row {row.candidate_id}: the chat template of {_name(tokenizer)} does not "
            f"survive tokenisation: {_difference(_nfc(expected), _nfc(got))}; "
            "use another template, or a tokenizer that keeps spaces and special tokens"
        )
    return tokens


def tokenize_all(
    tokenizer: Any, rows: Sequence[TrainingRow], max_length: int
) -> tuple[list[Tokens], list[str]]:
    """Tokens of every row that can be trained, in order, and why each other one cannot.

    Raises:
        InputError: None can; the message is the first row's.
    """
    made: list[Tokens] = []
    left_out: list[str] = []
    for number, row in enumerate(rows):
        try:
            tokens = tokenize(tokenizer, row)
        except InputError as error:
            left_out.append(str(error))
            continue
        if len(tokens) <= max_length:
            made.append(tokens)
        else:
            left_out.append(
                f"training row {number} ({row.candidate_id}) has {len(tokens)} tokens, more than "
                f"sft.max_length = {max_length}, and rows are not cut; another run with "
                f"--set sft.max_length={len(tokens)} or more takes it"
            )
    if left_out and not made:
        raise InputError(left_out[0])
    return made, left_out


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _name(tokenizer: Any) -> str:
    return str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)


def _difference(expected: str, got: str) -> str:
    pairs = zip(expected, got, strict=False)
    shorter = min(len(expected), len(got))
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    near = slice(max(0, at - 15), at + 25)
    return f"at character {at} expected {expected[near]!r}, got {got[near]!r}"
