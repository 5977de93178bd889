r"""The words of an answer's notation: LaTeX and plain text as one sequence of tokens.

What says the same in several ways comes out as one: spacing commands and ``\left`` are left out,
``\dfrac`` is ``\frac``, ``\le``, ``<=`` and ``≤`` are one mark, ``\mathrm{x}`` is x. A run of up to
three letters is a product of letters, unless it is the name of a function; longer ones are prose.
Text in ``\text{}`` is read only if it is a letter, "and" or "or".
"""

import re

LONGEST = 20_000
"""Characters of an answer that is read."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _words("sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan ln log lg exp")
GREEK = _words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi "
    "Omega ell"
)
CUP = "\u222a"
_SYMBOLS = {
    r"\cdot": "*", r"\times": "*", r"\ast": "*", r"\div": "/", r"\pm": "±", r"\mp": "∓",
    r"\le": "≤", r"\leq": "≤", r"\leqslant": "≤", r"\ge": "≥", r"\geq": "≥", r"\geqslant": "≥",
    r"\lt": "<", r"\gt": ">", r"\ne": "≠", r"\neq": "≠", r"\approx": "≈", r"\in": "∈",
    r"\newrow": "newrow", r"\cup": CUP, r"\infty": "∞", r"\pi": "π", r"\{": "{", r"\}": "}",
    r"\lbrace": "{", r"\rbrace": "}", r"\lbrack": "[", r"\rbrack": "]",
    r"\langle": "⟨", r"\rangle": "⟩", r"\vert": "|", r"\mid": "|", r"\lvert": "|",
    r"\rvert": "|", r"\emptyset": "∅",
    r"\varnothing": "∅", "×": "*", "·": "*", "÷": "/", "⋅": "*", "−": "-", "–": "-", "<=": "≤",
    ">=": "≥", "!=": "≠", "==": "=", "**": "^",
}  # fmt: skip
GROUP_OPEN, GROUP_CLOSE = "\\{group", "\\}group"
"""Braces that only group, apart from those of a set."""
_ENVIRONMENT = re.compile(
    r"\\(begin|end)\s?\{\s?(?:[pbB]?matrix|smallmatrix|array)\*?\s?\}(?:\s?\{[clr| ]{0,40}\})?"
)
_DETERMINANT = re.compile(r"\\begin\s?\{vmatrix\}((?:(?!\\begin|\\end).)*)\\end\s?\{vmatrix\}")

_REPLACE = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\{,\}|\\!\s?,\s?|,\s?\\!|(?<=\d)\\,(?=\d{3})", ","),
        (r"\\left(?![a-z])|\\right(?![a-z])|\\[bB]igg?[lr]?(?![a-z])|\\displaystyle|\\limits", " "),
        (r"\\(?:quad|qquad|hspace\{[^{}]{0,9}\}|[!,;: ])|~|&nbsp;|[\u00a0\u202f]", " "),
        (r"\\[dtc]frac(?![a-z])", r"\\frac"),
        (r"\\[dt]binom(?![a-z])", r"\\binom"),
        (r"\\(?:mathrm|mathbf|mathit|boldsymbol|mathsf|operatorname)\s?\{([A-Za-z]{1,6})\}", r"\1"),
        (r"\\(?:text|textbf|textit|mbox|textrm)\s?\{\s?,?\s?(and|or)\s?\}", r" \1 "),
        (r"\\(?:text|textbf|textit|mbox|textrm)\s?\{\s?\(?([A-Za-z])\)?\s?\}", r" \1 "),
        (r"\^\s?\{?\s?\\circ\s?\}?|\u00b0|\\degree", ""),
        (r"√", r"\\sqrt"),
        (r"²", "^2"),
        (r"³", "^3"),
    )
)
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])", re.ASCII)
_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,4}(?![\w.^]))?)|(?P<command>\\(?:[A-Za-z]+|[^\sA-Za-z]))"
    r"|(?P<word>[A-Za-z]+)|(?P<two><=|>=|!=|==|\*\*)|(?P<one>\S)",
    re.ASCII,
)


class Unreadable(Exception):
    """The text is not in this notation (it may be in another)."""


def tokens(text: str) -> list[tuple[str, str]]:
    """Kind (number, letter, command or mark) and text of each token.

    Raises:
        Unreadable: There is prose in it, or it is too long.
    """
    if len(text) > LONGEST:
        raise Unreadable("too long")
    text = " ".join(text.split())
    text = _DETERMINANT.sub(r"|\\begin{matrix}\1\\end{matrix}|", text)
    text = _ENVIRONMENT.sub(r" \\matrix\1 ", text)
    text = text.replace("\\\\", r" \newrow " if "matrixbegin" in text else "\\")
    for pattern, replacement in _REPLACE:
        text = pattern.sub(replacement, text)
    if not any(mark in text for mark in "([{"):
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    result: list[tuple[str, str]] = []
    for found in _TOKEN.finditer(text):
        kind, token = found.lastgroup or "", found[0]
        if kind == "word":
            result += _letters(token)
        else:
            result.append((kind, token) if kind == "number" else _mark(token))
    return result


def _mark(token: str) -> tuple[str, str]:
    if token in _SYMBOLS:
        return "mark", _SYMBOLS[token]
    if token[0] == "\\":
        name = token[1:]
        return ("letter", name) if name in GREEK else ("command", name)
    if token in "{}":
        return "mark", GROUP_OPEN if token == "{" else GROUP_CLOSE
    return "mark", token


def _letters(word: str) -> list[tuple[str, str]]:
    """A run of letters: a known name, or one variable a letter."""
    if word in FUNCTIONS or word in ("sqrt", "frac"):
        return [("command", word)]
    if word in ("and", "or"):
        return [("mark", ",")]
    if word == "pi":
        return [("mark", "π")]
    if word in ("oo", "inf", "infinity"):
        return [("mark", "∞")]
    if len(word) > 3 or word.lower() in ("mod", "gcd", "lcm", "min", "max", "det", "lim", "not"):
        raise Unreadable(word[:20])
    return [("letter", letter) for letter in word]
