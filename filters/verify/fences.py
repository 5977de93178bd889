"""Fenced blocks of Markdown, found in one pass over the lines.

A line that begins with three backticks or tildes opens a block, one with nothing else closes it. A
block that is never closed is not a block. Not covered: fences of other lengths, indented code.
"""

_MARKS = ("```", "~~~")


def fenced(text: str) -> list[str]:
    """Contents of the closed blocks, in order, without their fences."""
    found: list[str] = []
    inside: list[str] | None = None
    mark = ""
    for line in text.splitlines():
        bare = line.strip()
        if inside is None:
            if bare.startswith(_MARKS):
                inside, mark = [], bare[:3]
        elif bare == mark:
            found.append("\n".join(inside))
            inside = None
        else:
            inside.append(line)
    return found
