"""math-verify behind two functions: it reads what `filters.verify.expression` does not.

Heavy (sympy, an ANTLR parser) and imported on first need, in a worker. Its own time-outs are off:
they are signals, which work in the main thread only and never stop big-integer work. Only texts
that `filters.verify.bounds` lets through belong here.
"""

import re
from functools import cache, lru_cache
from typing import Any

from filters.verify.bounds import strange
from filters.verify.units import without_unit


@cache
def _math_verify() -> tuple[Any, list[Any]]:
    """The library and how it reads, on first need.

    Its own stripping of units is off: it takes any last letter for a unit and reads ``5t`` as 5.
    """
    import logging

    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # "time-outs are off": yes
    how = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none"
    )
    latex = math_verify.LatexExtractionConfig(boxed_match_priority=-1, normalization_config=how)
    return math_verify, [latex, math_verify.ExprExtractionConfig()]


@lru_cache(1024)
def parsed_gold(text: str) -> list[Any]:
    """What `parse` reads in a gold, which many answers are compared with."""
    return parse(text, trusted=True)


def parse(text: str, *, trusted: bool = False) -> list[Any]:
    """What math-verify reads in an answer: expressions, never mere strings; empty for nothing.

    ``trusted``: it is a gold, whose words at the end are units (`filters.verify.units`).
    """
    if strange(text):
        return []
    library, how = _math_verify()
    read = library.parse(_as_latex(text, trusted), how, parsing_timeout=None)
    return [one for one in read if not isinstance(one, str)]


def _as_latex(text: str, trusted: bool) -> str:
    """An answer as math-verify reads it: in dollars, units off, powers of two digits in braces."""
    bare = without_unit(text, trusted=trusted).replace("**", "^")
    bare = re.sub(r"\^(-?\d{2,}|-\d)", r"^{\1}", bare)
    return bare if re.search(r"(?<!\\)\$", bare) else f"${bare}$"


def equal(gold: list[Any], answer: list[Any]) -> bool:
    """Whether math-verify takes an answer for the gold; both are what `parse` read."""
    library, _ = _math_verify()
    right: bool = library.verify(gold, answer, timeout_seconds=None, raise_on_error=True)
    return right
