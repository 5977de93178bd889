"""Fenced blocks of Markdown: the one reader of them.

A line that begins with three or more backticks or tildes opens a block, a line of exactly the same
marks closes it; one that is never closed reaches to the end and says so. Not covered: a closing
fence longer than the opening one, code that is only indented.
"""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    """In lower case; empty where the fence names none."""
    text: str
    """What stands between the fences, with its last line's end."""
    closed: bool


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order."""
    found, place = [], 0
    while opening := _FENCE.search(text, place):
        closing = re.compile(rf"^[ \t]*{re.escape(opening[1])}[ \t]*$", re.MULTILINE)
        end = closing.search(text, opening.end())
        stop = end.start() if end else len(text)
        found.append(Block(opening[2].lower(), text[opening.end() : stop], end is not None))
        place = end.end() if end else len(text)
    return found


def fenced(text: str) -> list[str]:
    """Contents of the closed blocks, in order, without their last line's end."""
    return [block.text.removesuffix("\n") for block in blocks(text) if block.closed]
