r"""Signs in front of or behind an answer that make it another: ``\ge 5``, ``5+``, ``5?``.

Only signs that belong to no expression: ``x \ge 5`` and ``5!`` are read elsewhere. ``\approx 5``
and ``= 5`` are 5; ``\sim 5`` is not.
"""

import re

from filters.verify.extract import undecorate

_BEFORE = re.compile(
    r"\s*(?:[<>≤≥≠≪≫∝≲≳¬]|!=|\\(?:leq?|leqslant|geq?|geqslant|lt|gt|neq?|not|neg|lnot|sim|simeq"
    r"|propto|lesssim|gtrsim|ll|gg|nless|ngtr|nleq|ngeq)(?![a-z]))"
)
_AFTER = re.compile(
    r"(?:[-+?*'<>=≤≥≠~…]|\.\.\.|\\[lc]?dots[bc]?"
    r"|\^\s?\{?\s?(?:[-+*']|\\(?:ast|star|prime|pm|dagger))\s?\}?)\s*$"
)


def bounded(text: str) -> bool:
    """Whether a relation or a denial stands in front of an answer, and nothing before it."""
    return _BEFORE.match(undecorate(text)) is not None


def marked(text: str) -> bool:
    """Whether signs around an answer make it another."""
    return bounded(text) or _AFTER.search(undecorate(text)[-40:]) is not None
