r"""What math-verify may be asked about: texts whose parsing and evaluation cannot run away.

Its parser backtracks (tens of seconds for 40 nested brackets) and sympy computes what it is given
(``\sum_{k=1}^{10^{12}}``, ``9^{9^{9^9}}``), so size is judged on the text, before. A text that is
refused is not wrong: it was not compared. Not covered: small texts that sympy happens to be slow
on; the limit of the worker (`MathVerifier.limit`) is for those.
"""

import re

LONGEST = 1_200
"""Characters of a text."""
DEEPEST = 14
"""Levels of brackets."""
MOST_COMMANDS = 60
"""Functions, fractions, roots and bars in it."""
_DIGITS = re.compile(r"\d{40}")
_COMMAND = re.compile(r"\\(?:frac|dfrac|sqrt|sin|cos|tan|ln|log|exp|sec|csc|cot|binom)(?![a-z])|\|")
_BIG = re.compile(r"\\(?:sum|prod|int|iint|iiint|oint|lim|bigcup|bigcap|det)(?![a-z])")
_TALL = re.compile(
    r"\d\s*[})]*\s*\^[^+\-=,;&]{0,40}\d\s*[})]*\s*\^|\^\s?[{(]?[^{}^]{0,20}\^\s?[{(]?[^{}^]{0,20}\^"
)
_LARGE_POWER = re.compile(r"\^\s*[{(]?\s*-?\s*\d{4}|\d(?:\.\d+)?[eE][+-]?\d{4}")
_LARGE_COUNT = re.compile(r"\d{4}\s*[)}]*\s*!|!\s*[)}]*\s*!|\d\s*[)}]+\s*!|binom\s*\{[^{}]*\d{4}")
_LOWER = re.compile(r"_\s*(?:\{[^{}]{0,40}\}|\w)")
_LARGE_LIMIT = re.compile(r"\d{4}|\^\s*\{?\s*\d{3}|(?:sum|prod|int)\s*\^\s*\{[^{}]{0,40}\d\s*\^")
_STRANGE = re.compile(r"[^\s\x20-\x7e\u00a1-\u00ff\u0370-\u03ff\u2010-\u2027\u2030-\u2bff]")
"""Characters that belong to no notation: other scripts, control characters, half surrogates."""


def fits(text: str) -> bool:
    """Whether a text is small in every respect that costs time."""
    if len(text) > LONGEST or _DIGITS.search(text) or _depth(text) > DEEPEST:
        return False
    text = _LOWER.sub("", text)
    if _TALL.search(text) or _LARGE_POWER.search(text) or _LARGE_COUNT.search(text):
        return False
    if sum(1 for _ in _COMMAND.finditer(text)) > MOST_COMMANDS:
        return False
    big = len(_BIG.findall(text))
    return big == 0 or (big <= 2 and not _LARGE_LIMIT.search(text))


def strange(text: str) -> bool:
    """Whether a text has characters that no answer in mathematics has."""
    return _STRANGE.search(text) is not None


def _depth(text: str) -> int:
    """The deepest level of brackets, bars counted as one each."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return max(deepest, text.count("|") // 2)
