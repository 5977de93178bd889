"""Multiple-choice columns: choices with or without labels, and which of them the gold is."""

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from generators.problems.cells import BadRow, shown, unpacked


def read(choices: Any, gold: Any) -> tuple[str, list[str]]:
    """Letter of the gold (letters, joined by commas) and texts of the choices.

    Args:
        choices: In any of the usual shapes.
        gold: A label, a letter, a text or an index from 0; or several.

    Raises:
        BadRow: They are no choices, or the gold is none of them.
    """
    labels, texts = labelled(choices)
    letters = string.ascii_uppercase[: len(texts)]
    if gold is None or not str(gold).strip():
        raise BadRow("it has no gold answer; give a file whose rows all have one")
    names: dict[str, str] = dict(zip(letters, letters, strict=True))
    names |= dict(zip(texts, letters, strict=True))
    if not labels:
        labels = [str(i) for i in range(len(texts))] if isinstance(gold, int) else []
    names |= dict(zip(labels, letters, strict=False))
    golds = gold if isinstance(gold, list) else [gold]
    if len(golds) == 1 and str(golds[0]).strip() not in names:
        golds = re.split(r"\s*[,;]\s*", str(golds[0]).strip())
    found = {names.get(str(one).strip()) for one in golds}
    letter = ", ".join(sorted(name for name in found if name is not None))
    if None in found or not found:
        raise BadRow(f"gold {shown(gold)} is none of the choices {', '.join(labels or letters)}")
    return letter, texts


def listed(texts: Sequence[str]) -> str:
    """Choices as a question shows them."""
    names = string.ascii_uppercase[: len(texts)]
    return "\n".join(f"{name}. {text}" for name, text in zip(names, texts, strict=True))


def labelled(choices: Any) -> tuple[list[str], list[str]]:
    """Labels (perhaps none) and texts of choices in any of the usual shapes.

    Raises:
        BadRow: They are no list of choices, or too few, too many, or without a text.
    """
    choices = unpacked(choices)
    if isinstance(choices, Mapping) and {"label", "text"} <= set(choices):
        if not isinstance(choices["label"], list) or not isinstance(choices["text"], list):
            raise BadRow(f"expected lists of labels and texts, got {shown(choices)}")
        labels, texts = list(map(str, choices["label"])), list(map(str, choices["text"]))
    elif isinstance(choices, list) and all(isinstance(c, Mapping) for c in choices):
        labels = [str(c.get("label", "")) for c in choices]
        texts = [str(c.get("text", "")) for c in choices]
    elif isinstance(choices, list):
        labels, texts = [], [str(c) for c in choices]
    else:
        raise BadRow(f"expected a list of choices, got {shown(choices)}")
    if not 2 <= len(texts) <= len(string.ascii_uppercase) or not all(texts):
        raise BadRow(f"expected 2 to 26 choices with a text, got {shown(choices)}")
    return labels, texts
