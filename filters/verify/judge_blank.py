"""Texts that answer nothing: empty, mere punctuation, or the announcement of an answer.

Judges reward them: a lone ``:``, "Solution", "Thought process:", "Let's solve this problem step by
step." (Zhao et al. 2025, "One Token to Fool LLM-as-a-Judge", arXiv:2507.08794). The rule is about
words, not a list of those keys: a text made of nothing but words that open a solution. Not covered:
announcements in most other languages, and empty talk that is longer than `LONGEST` characters.
"""

import re
import unicodedata

LONGEST = 200
"""Characters of an announcement; a longer text is left to the judge."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_SYMBOLS = "<>|`~^$=+"
_LINES = (
    "solution solutions answer answers final response result results conclusion explanation",
    "thought thoughts think thinking process reasoning analysis proof step steps",
    "let lets let's us we i will can need solve solving find begin start break down work",
    "this the problem question a an it its my here is here's as follows by of and to through out",
    "first okay ok sure so now carefully",
    "respuesta soluci\u00f3n l\u00f6sung antwort r\u00e9ponse",
    "\u89e3 \u89e3\u7b54 \u7b54\u6848 \u304b\u3044\u305b\u3064",
)
_OPENING = frozenset(word for line in _LINES for word in line.split())


def says_nothing(text: str) -> bool:
    """Whether a text has no answer in it, whatever the question was.

    ``7``, ``B``, ``x + y`` and a lone infinity sign say something; ``{``, ``Final answer:`` and
    ``Step by step.`` do not.
    """
    text = text.strip()
    if len(text) > LONGEST:
        return False
    words = [word.replace("\u2019", "'").casefold() for word in _WORD.findall(text)]
    if not words:
        return all(_is_mark(character) for character in text)
    single = len(words) == 1 and len(words[0]) == 1 and words[0].isascii()  # a letter, a digit
    return not single and all(word in _OPENING for word in words)


def _is_mark(character: str) -> bool:
    """White space or punctuation; symbols with a meaning of their own are not."""
    return (
        character.isspace() or character in _SYMBOLS or unicodedata.category(character)[0] in "PCZ"
    )
