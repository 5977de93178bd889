"""A response's body to its choices, strictly: what is not an answer is a `Fault`.

An answer is a JSON object with at least one well-formed choice. Kept as the server said, never as
if complete: every ``finish_reason`` (null or missing is ``"null"``, not ``stop``), refusals (text
empty, the refusal as note), tool calls in place of a text, a content that is null. Choices are
ordered by their ``index``; one that repeats another's index with the same content is the same one,
with another content it is another (some servers number all of them 0). A response's id is ignored,
since servers repeat them: our candidates have keys of their own.
"""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from generators.teachers.api.faults import MESSAGE, Fault, Refused, Rejected, of_error
from generators.teachers.api.reasoning import of_fields, of_parts, of_tags

REASON = 64
"""Characters kept of a finish reason."""
CHOICES = 1024
"""Choices of a response that are looked at."""
USAGE = 2**40
"""Tokens of a response that cannot be; what says more counts as said nothing."""


@dataclass(slots=True)
class Choice:
    """One completion of a response."""

    text: str
    reasoning: str | None
    finish_reason: str
    note: str


@dataclass(slots=True)
class Answer:
    """What a response holds."""

    choices: list[Choice]
    """At least one, in the order of their index."""
    prompt_tokens: int | None
    """Of the request; None where the server does not say, or says that there are none."""
    tokens: int | None
    """Of all completions together; None where the server does not say."""


def read(body: bytes) -> Answer | Fault | Rejected | Refused:
    """The answer in a body that came with status 200, or why there is none."""
    try:
        said = _loads(body)
    except (ValueError, RecursionError):
        return Fault("body", f"no JSON but {body[:60]!r}" if body else "an empty body")
    if not isinstance(said, dict):
        return Fault("body", f"no object but {type(said).__name__}")
    found = said.get("choices")
    if not isinstance(found, list) or not found:
        if said.get("error"):
            return of_error(said["error"])
        return Fault("choices", "missing" if "choices" not in said else f"{found!r:.60}")
    choices = [choice for one in _in_order(found[:CHOICES]) if (choice := _choice(one)) is not None]
    if not choices:
        return Fault("choices", f"malformed: {found!r:.60}")
    usage = said.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(choices, _count(usage, "prompt_tokens") or None, _tokens(usage))


def _loads(body: bytes) -> Any:
    """JSON; what orjson is too strict for (half a surrogate pair, NaN) is read leniently."""
    try:
        return orjson.loads(body)
    except ValueError:
        text = json.loads(body.decode("utf-8", "replace"))
        whole = json.dumps(text, ensure_ascii=False)
        return json.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _count(usage: dict[str, Any], name: str) -> int | None:
    found = usage.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < USAGE:
        return None
    return found


def _tokens(usage: dict[str, Any]) -> int | None:
    """Tokens of the completions; reasoning that a server counts apart (its total says so) added."""
    tokens = _count(usage, "completion_tokens")
    details = usage.get("completion_tokens_details")
    if tokens is None or not isinstance(details, dict):
        return tokens
    thought = _count(details, "reasoning_tokens") or 0
    apart = (_count(usage, "prompt_tokens") or 0) + tokens + thought
    return tokens + thought if apart == usage.get("total_tokens") else tokens


def _in_order(found: list[Any]) -> list[dict[str, Any]]:
    """Choices by their index, without those that come twice."""
    choices = [one for one in found if isinstance(one, dict)]
    if len(choices) < 2:
        return choices
    unique: list[dict[str, Any]] = []
    seen: dict[Any, list[dict[str, Any]]] = {}
    for one in choices:
        same = seen.setdefault(repr(one.get("index")), [])
        if "index" not in one or one not in same:
            same.append(one)
            unique.append(one)
    if all(type(one.get("index")) is int for one in unique):
        unique.sort(key=lambda one: one["index"])
    return unique


def _choice(one: dict[str, Any]) -> Choice | None:
    """A choice of a chat (``message``) or of a plain completion (``text``); None if malformed."""
    if one.get("error"):
        return None
    message = one.get("message")
    if message is None and isinstance(one.get("text"), str):
        message = {"content": one["text"], **{k: one[k] for k in one if k.startswith("reason")}}
    if not isinstance(message, dict):
        return None
    reason = one.get("finish_reason")
    finish = reason[:REASON] if isinstance(reason, str) and reason else "null"
    content = message.get("content")
    reasoning = of_fields(message)
    if isinstance(content, str):
        if reasoning is None and "</think>" in content:
            reasoning, content = of_tags(content)
        if content:
            return Choice(content, reasoning, finish, _refusal(message))
    elif isinstance(content, list):
        try:
            thought, content = of_parts(content)
        except ValueError:
            return None
        reasoning = reasoning or thought
    elif content is not None or (not message and reason is None):
        return None
    return Choice(content or "", reasoning, finish, _instead(message, content))


def _refusal(message: dict[str, Any]) -> str:
    refusal = message.get("refusal")
    if refusal and isinstance(refusal, str):
        return f"refusal: {refusal[:MESSAGE]}"
    return ""


def _instead(message: dict[str, Any], content: str | None) -> str:
    """What came where a text should be."""
    if said := _refusal(message):
        return said
    calls = message.get("tool_calls") or message.get("function_call")
    if calls:
        return f"tool calls instead of a text: {json.dumps(calls)[:MESSAGE]}"
    return "no content" if content is None else ""
