"""Where the reasoning of an answer stands, and the text without it.

Servers give it in a field beside the text: ``reasoning_content`` (DeepSeek, SGLang, older vLLM),
``reasoning`` (vLLM, Ollama, OpenRouter), ``reasoning_details`` (OpenRouter: a list of texts and
summaries; encrypted ones are left out), ``thinking`` parts of a ``content`` that is a list
(Mistral). The first one with something in it counts. Where there is none, a leading block
``<think>...</think>`` of the text is taken, or all before a lone ``</think>``, since some chat
templates open the block themselves.

Tags are taken out only where the text has one closing tag, and nothing is stripped: ``<think>``,
reasoning, ``</think>`` and text are what the server sent. Verifiers therefore judge both forms
alike: `filters.verify.extract.visible` hides what is taken out here, and the ``format`` verifier
puts it back. Not taken out, and read by the verifiers as they stand: a block that is never closed,
several blocks, other tags (``<thought>``, ``<reasoning>``), which prompts ask for themselves.
"""

from typing import Any

_OPEN, _CLOSE = "<think>", "</think>"


def of_fields(message: dict[str, Any]) -> str | None:
    """Reasoning that the server gives in a field of its own."""
    if len(message) < 3 and "content" in message and "role" in message:
        return None  # nothing but role and content
    for name in ("reasoning_content", "reasoning", "thinking"):
        found = message.get(name)
        if isinstance(found, str) and found:
            return found
    details = message.get("reasoning_details")
    if isinstance(details, list):
        return "".join(_detail(part) for part in details) or None
    return None


def _detail(part: object) -> str:
    if not isinstance(part, dict):
        return ""
    said = part.get("text") or part.get("summary")
    return said if isinstance(said, str) else ""


def of_tags(text: str) -> tuple[str | None, str]:
    """Reasoning and the rest of a text that has both."""
    if text.count(_CLOSE) != 1:
        return None, text
    before, _, rest = text.partition(_CLOSE)
    if _OPEN in rest:
        return None, text
    opening, found, inside = before.partition(_OPEN)
    if not found:
        return before, rest
    if opening.strip() or _OPEN in inside:
        return None, text
    return inside, rest


def of_parts(parts: list[Any]) -> tuple[str | None, str]:
    """Reasoning and text of a content that is a list of parts.

    Raises:
        ValueError: A part is neither a text nor an object.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, dict):
            raise ValueError(f"a part of the content is {type(part).__name__}")
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part.get("thinking"), list):
            thoughts.append(of_parts(part["thinking"])[1])
        elif isinstance(part.get("thinking"), str):
            thoughts.append(part["thinking"])
    return "".join(thoughts) or None, "".join(texts)
