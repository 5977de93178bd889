"""What stands behind a label ``Answer:`` at the start of a line, whole.

`filters.verify.extract` reads a value there and ends it with the sentence. Answers that are
sentences, boards or documents are taken whole instead: to the end of the line, or of the text.
"""

import re
from dataclasses import dataclass

from filters.verify.extract import final_claim, strong_claims

_LABEL = re.compile(
    r"^[ \t>*_#]*(?:the[ \t]+)?(?:final[ \t]+)?answer[*_]*[ \t]*(?:is[ \t]*)?:[*_]*",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a text answers, for verifiers that compare text."""

    claim: str | None
    """The last claim (`filters.verify.extract`)."""
    line: str | None
    """The whole line behind the label, where nothing stronger marks an answer."""
    open_end: bool
    """Nothing closes it and the text ends with it."""


def said(text: str) -> Said | None:
    """What visible text answers; None where nothing is marked."""
    claim = final_claim(text)
    line = None if strong_claims(text) else line_behind_label(text)
    if line is None and (claim is None or claim.text is None):
        return None
    ends = line is not None and text.endswith(line) if claim is None else claim.open_end
    return Said(None if claim is None else claim.text, line, ends)


def behind_label(text: str) -> str | None:
    """All that follows the last label; None where there is none. Linear in the text."""
    ends = [label.end() for label in _LABEL.finditer(text)]
    return text[ends[-1] :] if ends else None


def line_behind_label(text: str) -> str | None:
    """The first line with something on it behind the last label; None where there is none."""
    behind = behind_label(text)
    line = "" if behind is None else behind.strip().partition("\n")[0].strip()
    return line or None
