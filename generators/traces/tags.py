"""Reasoning that stands in the text of a completion: taken out of its tags.

Tags known: ``<think>``, ``<thinking>``, ``<thought>``, ``<reasoning>``, and those of Sky-T1 and
Bespoke-Stratos (``<|begin_of_thought|>`` ... ``<|end_of_thought|>``, then the answer between
``<|begin_of_solution|>`` and ``<|end_of_solution|>``). They count at the beginning of a text; a
lone closing tag ends a thought that the prompt had opened. What an opening tag or a fence leaves
open at the end of a text was cut off.

Not covered: tags after other text, which stay where they are; texts cut where nothing is open.
"""

import re
from dataclasses import dataclass

_OPEN = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|thought|reasoning)>", re.IGNORECASE)
_THOUGHT, _THOUGHT_END = "<|begin_of_thought|>", "<|end_of_thought|>"
_SOLUTION, _SOLUTION_END = "<|begin_of_solution|>", "<|end_of_solution|>"
_FENCE = re.compile(r"^ {0,3}```", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Split:
    """A completion in its parts."""

    text: str
    """What is said after the reasoning."""
    reasoning: str | None
    """None where no tag marks it."""
    cut: bool
    """Something is left open at the end."""


def split(text: str) -> Split:
    """The parts of a completion; all of it is text where no tag marks reasoning."""
    if text.lstrip().startswith(_THOUGHT):
        inside = text.lstrip().removeprefix(_THOUGHT)
        thought, end, rest = inside.partition(_THOUGHT_END)
        answer, cut = _solution(rest)
        return Split(answer, thought.strip(), cut or not end or _fence_open(answer))
    opened = _OPEN.match(text)
    closed = _CLOSE.search(text, opened.end() if opened else 0)
    if opened and not closed:
        return Split("", text[opened.end() :].strip(), True)
    if closed and (opened or not _OPEN.search(text, 0, closed.start())):
        thought = text[opened.end() if opened else 0 : closed.start()].strip()
        rest = text[closed.end() :].strip()
        return Split(rest, thought, _fence_open(rest))
    answer, cut = _solution(text)
    return Split(answer, None, cut or _fence_open(answer))


def _solution(text: str) -> tuple[str, bool]:
    """The text out of its solution tags, and whether they are left open."""
    before, begin, inside = text.partition(_SOLUTION)
    if not begin or before.strip():
        return text.strip(), False
    answer, end, after = inside.partition(_SOLUTION_END)
    return f"{answer.strip()}\n{after.strip()}".strip(), not end


def _fence_open(text: str) -> bool:
    """Whether a code fence is left open."""
    return len(_FENCE.findall(text)) % 2 == 1
