"""Messages to text with a tokenizer's own chat template, the same for sampling and for training.

What is trained must be what was sampled: both sides call `render`, the completion's tokens follow
directly, and the turn ends with the tokenizer's end-of-text token and nothing behind it (the
template's own newline after it is never sampled, so it is never trained).
"""

import re
from collections.abc import Sequence
from typing import Any

from rsfactory.contracts import Message
from rsfactory.records import Prompt


def messages(prompt: Prompt, problem: str, answer: str | None = None) -> tuple[Message, ...]:
    """The messages a prompt makes of a problem; ``answer`` fills the hint of a hinted prompt."""
    if "{answer}" in prompt.text and answer is None:
        raise ValueError(f"prompt {prompt.template} hints the answer, and none was given")
    fill = {"{problem}": problem, "{answer}": answer or ""}
    text = re.sub(r"\{problem\}|\{answer\}", lambda found: fill[found[0]], prompt.text)
    system = () if prompt.system is None else (Message("system", prompt.system),)
    return (*system, Message("user", text))


def render(tokenizer: Any, turns: Sequence[Message]) -> str:
    """Text of the messages up to where the completion begins.

    A tokenizer without a chat template (a base model) gets the plain texts and a newline.
    """
    plain = [{"role": turn.role, "content": turn.content} for turn in turns]
    if not getattr(tokenizer, "chat_template", None):
        return "\n".join(turn.content for turn in turns if turn.content) + "\n"
    text: str = tokenizer.apply_chat_template(plain, add_generation_prompt=True, tokenize=False)
    return text
