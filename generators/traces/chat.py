"""Messages of a conversation in the forms that data sets have, and the text of anything."""

from collections.abc import Mapping
from typing import Any

from generators.problems.cells import BadRow, Row, shown

_ROLES = {
    "human": "user", "user": "user", "prompter": "user", "gpt": "assistant", "model": "assistant",
    "assistant": "assistant", "bot": "assistant", "chatgpt": "assistant",
}  # fmt: skip


def turns(value: Any) -> list[tuple[str, Row]]:
    """Messages with their roles, in one form; empty where there are none.

    Raises:
        BadRow: They are no list of messages.
    """
    if value is None:
        return []
    if isinstance(value, Mapping) and all(isinstance(part, list) for part in value.values()):
        value = [
            dict(zip(value, parts, strict=False)) for parts in zip(*value.values(), strict=False)
        ]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise BadRow(f"expected a list of messages, got {shown(value)}")
    roles = [str(one.get("role") or one.get("from") or "").lower() for one in value]
    return [(_ROLES.get(role, role), one) for role, one in zip(roles, value, strict=True)]


def is_chat(value: Any) -> bool:
    """Whether a value is a list of messages with roles."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and ("role" in one or "from" in one) for one in value)
    )


def text_in(value: Any) -> str:
    """A text: itself, that of a message, its parts, or the last turn of a conversation."""
    if isinstance(value, str):
        return value.strip()
    if is_chat(value):
        taken = turns(value)
        role = "assistant" if taken[-1][0] == "assistant" else "user"
        said = [message for who, message in taken if who == role]
        return text_in(said[-1]) if said else ""
    if isinstance(value, Mapping):
        keys = ("content", "value", "text", "completion", "generated_text")
        return next((text_in(value[key]) for key in keys if value.get(key)), "")
    if isinstance(value, list):
        return "\n".join(filter(None, map(text_in, value)))
    return "" if value is None or value != value or isinstance(value, bool) else str(value)
