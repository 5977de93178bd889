"""What stands behind a label ``Answer:`` at the start of a line, whole.

`filters.verify.extract` reads a value there and ends it with the sentence. Answers that are
sentences, boards or documents are taken whole instead: to the end of the line, or of the text.
"""

import re

_LABEL = re.compile(
    r"^[ \t>*_#]*(?:the[ \t]+)?(?:final[ \t]+)?answer[*_]*[ \t]*(?:is[ \t]*)?:[*_]*",
    re.IGNORECASE | re.MULTILINE,
)


def behind_label(text: str) -> str | None:
    """All that follows the last label; None where there is none. Linear in the text."""
    ends = [label.end() for label in _LABEL.finditer(text)]
    return text[ends[-1] :] if ends else None


def line_behind_label(text: str) -> str | None:
    """The first line with something on it behind the last label; None where there is none."""
    behind = behind_label(text)
    line = "" if behind is None else behind.strip().partition("\n")[0].strip()
    return line or None
