r"""A row of a published reasoning set as a question with its answers, whatever its layout.

Recognised by the row's own columns, so that rows of a mixed set may differ:

- a question (`QUESTIONS`; Alpaca's ``instruction`` with ``input``) beside completions, one text or
  a list of them (`COMPLETIONS`, `PAIRS`, numbered ones such as ``r1_solution_1``)
- ``conversations`` or ``messages`` with one question and one answer, ``role``/``content`` or
  ShareGPT's ``from``/``value``; a prompt or a completion may be such a list too
- reasoning in a column or in a field of the message (`REASONING`), or in tags in the text
- ``finish_reasons`` or ``finish_reason``, and ``is_reasoning_complete`` of OpenR1

What tells the completion from the gold: a solution is the completion where nothing else is (as in
NuminaMath), else a reference; likewise ``answer``. A gold is never taken from the completion. A
mapping (`FIELDS`) comes before all of this, name by name.

Column names are those of OpenR1-Math-220k, OpenThoughts (both configs), Bespoke-Stratos, s1K and
s1K-1.1, NuminaMath-CoT, Magpie-Reasoning, DeepMath, OpenMathReasoning, OpenCodeReasoning and
dolphin-r1.
Not covered: conversations of several turns, multiple choice in columns of its own, tests of
programs (give the problems with ``--problems``), system prompts, which are not kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generators.problems.cells import BadRow, Row, columns_of, get, shown, unpacked
from generators.problems.formats import last_box, mathematical
from generators.traces.tags import split

FIELDS = ("problem", "completion", "reasoning", "answer", "finish_reason", "licence", "provenance")
"""What a mapping may name."""

QUESTIONS = ("problem", "question", "prompt", "instruction", "query", "input")
COMPLETIONS = (
    "completion", "completions", "generation", "generations", "generated_solution", "response",
    "responses", "llm_response", "output", "outputs",
)  # fmt: skip
PAIRS = {
    "deepseek_solution": "deepseek_reasoning",
    "attempt": "thinking_trajectories",
    "deepseek_attempt": "deepseek_thinking_trajectory",
    "gemini_attempt": "gemini_thinking_trajectory",
}
"""Column of a completion -> column of its reasoning."""
REASONING = (
    "reasoning", "reasoning_content", "thinking", "thought", "thoughts", "think", "think_content",
)  # fmt: skip
GOLDS = (
    "answer", "expected_answer", "final_answer", "gold", "gold_answer", "ground_truth",
    "reference_answer", "correct_answer", "reward_model.ground_truth",
)  # fmt: skip
SOLUTIONS = (
    "solution", "reference_solution", "ground_truth_solution", "gold_standard_solution",
)  # fmt: skip
LISTS = frozenset({
    "conversations", "messages", "completions", "generations", "responses", "outputs",
    "thinking_trajectories", "finish_reasons", "is_reasoning_complete",
})  # fmt: skip
"""Columns that are lists, which a CSV file holds as text."""
FINISHES = ("finish_reason", "finish_reasons", "stop_reason")
COMPLETE = "dataset"
"""Finish reason of a trace whose set does not say one, and that is not evidently cut."""
NO_GOLD = frozenset({"", "none", "null", "n/a", "na", "proof", "notfound", "not found", "unknown"})
"""What sets write where a row has no gold."""

_NUMBERED = re.compile(r"(\w+_)?(solution|generation|completion|response|output)_?\d+")
_FLAGS = frozenset({"on", "off", "true", "false", "yes", "no"})
_ROLES = {
    "human": "user", "user": "user", "prompter": "user", "gpt": "assistant", "model": "assistant",
    "assistant": "assistant", "bot": "assistant", "chatgpt": "assistant",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One trace: what was answered."""

    text: str
    reasoning: str | None
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A row: a question and its answers."""

    question: str
    answers: tuple[Answer, ...]
    gold: str | None
    """The row's own gold answer."""
    gold_column: str
    """Where it stands; empty where there is none."""
    boxed: bool
    r"""The gold was in a ``\boxed{}``."""


def read(row: Row, columns: Mapping[str, str]) -> Trace:
    """A row as a trace.

    Args:
        row: The row.
        columns: The user's mapping, a name of `FIELDS` -> the column (``+`` joins columns of a
            question, a dot reaches into a nested one).

    Raises:
        BadRow: It has no question or no completion, or they are not texts.
    """
    row = {k: unpacked(v) if k in LISTS else v for k, v in row.items()}
    chat = _chat(next((row[name] for name in ("conversations", "messages") if row.get(name)), None))
    question = _question(row, columns, chat)
    used, texts, own = _completions(row, columns, chat)
    reasonings = _aligned(own or _reasoning(row, columns, used), len(texts))
    finishes = _aligned(_first(row, _names(columns, "finish_reason", FINISHES))[1], len(texts))
    wholes = _aligned(row.get("is_reasoning_complete"), len(texts))
    parts = zip(texts, reasonings, finishes, wholes, strict=True)
    said = (_answer(*part) for part in parts)
    answers = tuple(answer for answer in said if answer.text or answer.reasoning)
    if not answers:
        raise BadRow("its completion is empty")
    gold, column, boxed = _gold(row, columns, used, texts)
    for part in (question, gold or "", *(a.text + (a.reasoning or "") for a in answers)):
        if not part.isascii() and any("\ud800" <= letter <= "\udfff" for letter in part):
            raise BadRow("it has half a character (a lone surrogate)")
    return Trace(question, answers, gold, column, boxed)


def _answer(text: str, reasoning: Any, finish: Any, whole: Any) -> Answer:
    """A completion with its reasoning apart; what the set says of its end comes first."""
    parts = split(text)
    thought = reasoning if isinstance(reasoning, str) and reasoning.strip() else None
    cut = whole is False or (parts.cut and thought is None) or (parts.cut and bool(parts.text))
    said = finish.strip() if isinstance(finish, str) else ""
    return Answer(
        text=parts.text,
        reasoning=parts.reasoning if thought is None else thought.strip(),
        finish_reason=said or ("length" if cut else COMPLETE),
    )


def _question(row: Row, columns: Mapping[str, str], chat: Sequence[tuple[str, Row]]) -> str:
    if "problem" in columns:
        parts = [_text(get(row, column)) for column in columns["problem"].split("+")]
        question = " ".join(part for part in parts if part)
    else:
        name, value = _first(row, QUESTIONS)
        question = _text(value)
        more = row.get("input") if name == "instruction" else None
        if isinstance(more, str) and more.strip():
            question = f"{question}\n{more.strip()}"
    asked = [_text(message) for role, message in chat if role == "user"]
    if not question and len(asked) > 1:
        raise BadRow("its conversation has several questions; a trace is one with its answer")
    question = question or (asked[0] if asked else "")
    if not question:
        raise BadRow(f"no question is found in the columns {columns_of(row)[:200]}")
    return question


def _completions(
    row: Row, columns: Mapping[str, str], chat: Sequence[tuple[str, Row]]
) -> tuple[tuple[str, ...], list[str], list[Any]]:
    """Columns that are used, texts, and reasonings where the completions bring their own."""
    if "completion" in columns:
        name = columns["completion"]
        return (name,), _texts(get(row, name)), _thoughts(get(row, name))
    pairs = [name for name, thought in PAIRS.items() if row.get(name) and thought in row]
    if pairs:
        texts = [text for name in pairs for text in _texts(row[name])]
        thoughts = [
            thought
            for name in pairs
            for thought in _aligned(row[PAIRS[name]], len(_texts(row[name])))
        ]
        return tuple(pairs), texts, thoughts
    name, value = _first(row, COMPLETIONS)
    if name:
        return (name,), _texts(value), _thoughts(value)
    numbered = [name for name in row if _NUMBERED.fullmatch(name) and row[name]]
    if numbered:
        return tuple(numbered), [text for name in numbered for text in _texts(row[name])], []
    said = [message for role, message in chat if role == "assistant"]
    if len(said) > 1:
        raise BadRow("its conversation has several answers; a trace is a question with one")
    if said:
        return (), [_text(said[0])], _thoughts([said[0]])
    name, value = _first(row, ("solution", "answer"))
    if name and _text(value):
        return (name,), _texts(value), []
    raise BadRow(f"no completion is found in the columns {columns_of(row)[:200]}")


def _reasoning(row: Row, columns: Mapping[str, str], used: Sequence[str]) -> Any:
    """A row's own column of reasoning: a text or a list of them; None where it has none."""
    value = _first(row, _names(columns, "reasoning", REASONING), skip=used)[1]
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return None  # a switch: whether the model was to reason
    return value


def _gold(
    row: Row, columns: Mapping[str, str], used: Sequence[str], texts: Sequence[str]
) -> tuple[str | None, str, bool]:
    r"""The gold, its column, and whether it stood in a ``\boxed{}``."""
    for name in _names(columns, "answer", GOLDS):
        value = get(row, name)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if name in used or isinstance(value, list | Mapping | bool):
            continue
        text = str(value).strip() if value is not None and value == value else ""
        text = text.rpartition("####")[2].strip()
        boxed = last_box(text)
        if (boxed or text).casefold() not in NO_GOLD:
            return boxed or text, name, boxed is not None
    for name in SOLUTIONS if "answer" not in columns else ():
        text = _text(row.get(name)) if name not in used else ""
        if text in texts:
            continue  # the completion once more, as in NuminaMath
        boxed = last_box(text)
        if boxed or (text and len(text) <= 40 and mathematical(text)):
            return boxed or text, name, boxed is not None
    return None, "", False


def _names(columns: Mapping[str, str], field: str, known: Sequence[str]) -> Sequence[str]:
    return (columns[field],) if field in columns else known


def _first(row: Row, names: Sequence[str], skip: Sequence[str] = ()) -> tuple[str, Any]:
    """The first of the columns that has something in it, and what."""
    for name in names:
        value = get(row, name) if name not in skip else None
        if value is not None and value != "" and value != []:
            return name, value
    return "", None


def _chat(value: Any) -> list[tuple[str, Row]]:
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


def _texts(value: Any) -> list[str]:
    """The texts of one or several completions."""
    if isinstance(value, list) and not _is_chat(value):
        return [_text(one) for one in value]
    return [_text(value)]


def _thoughts(value: Any) -> list[Any]:
    """The reasoning that messages have in a field of their own, one for each; empty without."""
    if _is_chat(value):
        value = [message for role, message in _chat(value) if role == "assistant"][-1:]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        return []
    found = [_first(one, REASONING)[1] for one in value]
    return found if any(found) else []


def _is_chat(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and ("role" in one or "from" in one) for one in value)
    )


def _text(value: Any) -> str:
    """A text: itself, that of a message, its parts, or the last turn of a conversation."""
    if isinstance(value, str):
        return value.strip()
    if _is_chat(value):
        turns = _chat(value)
        role = "assistant" if turns[-1][0] == "assistant" else "user"
        said = [message for who, message in turns if who == role]
        return _text(said[-1]) if said else ""
    if isinstance(value, Mapping):
        keys = ("content", "value", "text", "completion", "generated_text")
        return next((_text(value[key]) for key in keys if value.get(key)), "")
    if isinstance(value, list):
        return "\n".join(filter(None, map(_text, value)))
    return "" if value is None or value != value or isinstance(value, bool) else str(value)


def _aligned(value: Any, count: int) -> list[Any]:
    """One value for each completion: those of a list in order, or the one there is for all."""
    if not isinstance(value, list):
        return [value] * count
    return [*value[:count], *[None] * (count - len(value))]
