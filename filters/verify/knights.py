r"""Knights and knaves: who is a knight (tells the truth) and who is a knave (lies).

An answer is read in the usual phrasings: ``A is a knight, and B is a knave``, numbered lists,
bullets, table rows, ``A: knight``, ``Knights: A, B; knaves: C``, ``A and B are knights``,
``C is no knave``, ``all are knaves``. Everybody has to be named; an answer that says two
different things of one person, hedges (``or``, ``if``, ``either``), denies (``it is false that``)
or asks is not read, and neither is a negation of more than one role (``not both are knights``).

The puzzle's own data: ``names`` and, where the source has them, ``statements``, one a person, as
nested tuples: ``("telling-truth", i)``, ``("lying", i)``, ``("not", s)``, ``("and", s, ...)``,
``("or", s, ...)``, ``("->", s, t)``, ``("<=>", s, t)`` (Xie et al. 2024, "On Memorization of Large
Language Models in Logical Reasoning"). With statements an answer is right if a knight's statement
holds and a knave's does not; so a wrong gold is found too. Without them it has to be the gold.

Not covered: other pairs of words (sages and fools), pronouns ("so is B"), a third kind of person,
words of denial that are not in the lists below.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any

from filters.verify.extract import strong_claims

Assignment = dict[str, bool]
"""Name -> whether a knight."""

LONGEST = 4000
"""Characters of an answer that are read."""
MOST_PEOPLE = 12
"""People in a puzzle at most."""

_LABEL = re.compile(
    r"(?:^|(?<=[\n.]))[\W\d]{0,20}(?:(?:so|thus|therefore|hence)\W+)?(?:the\s+)?(?:final\s+)?"
    r"(?:answer|conclusion|solution)\b[*_]*\s*(?:is|are)?\s*[*_]*:?",
    re.IGNORECASE,
)
_GOLD = re.compile(r"\b([^\W\d_][\w'-]*)\s+is\s+(?:not\s+)?an?\s+(?:knight|knave)\b", re.IGNORECASE)
_HEDGE = frozenset({
    "or", "if", "either", "unless", "maybe", "perhaps", "possibly", "might", "may", "could",
    "would", "were", "unknown", "suppose", "assume", "assuming", "says", "said", "say", "claims",
    "claimed", "told", "tells", "states", "stated", "asserts", "statement", "?",
})  # fmt: skip
"""Words of doubt and of reported speech: with one of them a text states no assignment."""
_DENIAL = frozenset({
    "false", "falsely", "wrong", "wrongly", "untrue", "incorrect", "incorrectly", "mistaken",
    "opposite", "opposites", "reverse", "reversed", "inverse", "converse", "contrary", "swapped",
    "deny", "denies", "denied", "doubt", "doubtful", "unlikely", "impossible", "hardly",
    "lied", "except", "excepting", "excluding", "besides", "apart",
})  # fmt: skip
"""Words that may undo what stands around them, and how much of it cannot be told."""
_ROLE = {
    "knight": True, "knights": True, "knave": False, "knaves": False,
    "truthteller": True, "truthtellers": True, "liar": False, "liars": False,
}  # fmt: skip
_EVERYONE = frozenset({"everyone", "everybody", "all", "both"})
_NOBODY = frozenset({"noone", "nobody", "none", "neither"})
_NOT = frozenset({"not", "isn't", "aren't", "isnt", "arent", "never", "cannot", "can't"})
_TOO_WIDE = frozenset({"true", "right", "correct", "case", "so", "that", "only", *_EVERYONE})
"""Behind a negation they, and a name, say that more than the next role is denied."""
_MARKS = (":", "=", "|", ";", ".", "\n")
_IS = (":", "=", "is", "are")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[:=|;.?\n]")


def from_text(answer: str) -> dict[str, Any] | None:
    """Metadata of a puzzle of which only the gold is known, where it reads ``A is a knight``."""
    names = list(dict.fromkeys(found[1] for found in _GOLD.finditer(answer[:LONGEST])))
    return {"names": names} if len(names) > 1 and read(answer, names) is not None else None


def claimed(text: str, names: Sequence[str]) -> str | None:
    """The part of a visible text that states the answer.

    The last box, tag or ``####`` on; else what follows ``Answer:`` or the like; else the whole of a
    text that names everybody and has no room for much else.
    """
    strong = strong_claims(text)
    if strong:
        last = strong[-1]
        rest = text[last.start :].lstrip("#") if text.startswith("####", last.start) else last.text
        return None if last.text is None else rest
    labels = list(_LABEL.finditer(text[-20_000:]))
    if labels:
        rest = text[-20_000:][labels[-1].end() :].strip()
        first = rest.partition("\n\n")[0]
        return first if len(read(first, names) or ()) == len(names) else rest
    return text if 0 < len(text.strip()) <= 60 * len(names) else None


def read(text: str, names: Sequence[str]) -> Assignment | None:
    """The assignment that a text states; None where it states none, or contradicts itself.

    People whom it does not name are left out.
    """
    words = _words(text[:LONGEST], names)
    if any(word in _HEDGE or word in _DENIAL for word in words):
        return None
    return _Reader(names).read(words)


def gold(answer: str, names: Sequence[str], statements: str | None) -> Assignment:
    """The gold assignment, checked.

    Raises:
        ValueError: It names not everybody, or contradicts the statements.
    """
    if not isinstance(names, list | tuple) or not 1 <= len(names) <= MOST_PEOPLE:
        raise ValueError(f"expected the names of 1 to {MOST_PEOPLE} people")
    if not all(isinstance(name, str) and _WORD.fullmatch(name) for name in names):
        raise ValueError(f"expected names of one word each, got {str(names)[:80]}")
    found = read(answer, names) or {}
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"the gold answer does not say what {', '.join(missing)[:60]} is")
    if statements is not None and not consistent(found, names, statements):
        raise ValueError("the gold answer contradicts the statements")
    return found


def consistent(assignment: Assignment, names: Sequence[str], statements: str) -> bool:
    """Whether each knight's statement holds and each knave's does not.

    Raises:
        ValueError: The statements are not literals of the kind that the module's text names.
    """
    try:
        said = ast.literal_eval(statements[: 5 * LONGEST])
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"the statements are no literal: {error}") from error
    if not isinstance(said, list | tuple) or len(said) != len(names):
        raise ValueError(f"expected {len(names)} statements, one a person")
    knights = [assignment[name] for name in names]
    return all(
        _holds(statement, knights) == knight
        for statement, knight in zip(said, knights, strict=True)
    )


def _holds(statement: Any, knights: Sequence[bool]) -> bool:
    match statement:
        case ("telling-truth", int(person)) if 0 <= person < len(knights):
            return knights[person]
        case ("lying", int(person)) if 0 <= person < len(knights):
            return not knights[person]
        case ("not", inner):
            return not _holds(inner, knights)
        case ("and", *parts):
            return all(_holds(part, knights) for part in parts)
        case ("or", *parts):
            return any(_holds(part, knights) for part in parts)
        case ("->", left, right):
            return _holds(right, knights) or not _holds(left, knights)
        case ("<=>", left, right):
            return _holds(left, knights) == _holds(right, knights)
    raise ValueError(f"the statement {str(statement)[:60]} is not understood")


def _words(text: str, names: Sequence[str]) -> list[str]:
    """Words, names as written in ``names``, and the marks ``: = | ; . ?`` and line ends."""
    text = re.sub(r"\\(?:text\w*|mathrm|mathbf|quad|boxed|begin|end)\b|[*_`~\\{}$]", " ", text)
    text = re.sub(
        r"truth[\s-]+teller", "truthteller", text.replace("\u2019", "'"), flags=re.IGNORECASE
    )
    text = re.sub(r"\bno[\s-]one\b", "noone", text, flags=re.IGNORECASE)
    known = {name.casefold(): name for name in names}
    return [known.get(word.casefold(), word.casefold()) for word in _WORD.findall(text)]


class _Reader:
    """Reads words from left to right: subjects, perhaps a negation, a role."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._found: Assignment = {}
        self._sound = True
        self._subjects: list[str] = []
        self._last: list[str] = []
        self._not = False
        self._denied = False
        """A word of `_NOT` waits for its role."""
        self._but = False
        """A "but" came, and no role since."""
        self._heading: bool | None = None

    def read(self, words: Sequence[str]) -> Assignment | None:
        for place, word in enumerate(words):
            behind = words[place + 1] if place + 1 < len(words) else "."
            heads = behind in _IS
            self._sound &= not (self._denied and (word in self._names or word in _TOO_WIDE))
            if word in self._names:
                self._name(word, heads)
            elif word in _ROLE:
                self._role(_ROLE[word], heads)
            elif word in _NOBODY | _EVERYONE and not self._subjects:
                self._not ^= word in _NOBODY
                if word != "neither" and (word != "both" or len(self._names) == 2):
                    self._subjects = list(self._names)
            elif word in _NOT or word == "no":
                self._deny(word, behind)
            elif word == "but":
                self._sound &= not self._subjects  # "all but Ann are knights"
                self._but = True
            elif word in (".", ";", "\n") and not self._subjects:
                self._not = self._denied = False
        self._sound &= not (self._but and self._subjects)  # "all are knights but Ann"
        return self._found if self._sound and self._found else None

    def _deny(self, word: str, behind: str) -> None:
        """A negation of the next role; "no" is one only right before it (``no knave``)."""
        if behind in _MARKS or behind in self._names:  # "a knight: no", "not Ann"
            self._sound = False
        elif word != "no" or behind in _ROLE:
            self._not, self._denied = not self._not, True

    def _name(self, name: str, heads: bool) -> None:
        if self._heading is None or heads:
            self._heading = None
            self._subjects.append(name)
        else:
            self._say([name], self._heading)
            self._last = [name]

    def _role(self, role: bool, heads: bool) -> None:
        knight = role != self._not
        self._not = self._denied = self._but = False
        if self._subjects:
            self._say(self._subjects, knight)
            self._last, self._subjects, self._heading = self._subjects, [], None
        elif heads:
            self._heading = knight
        else:  # "a knight, not a knave"
            self._say(self._last, knight)

    def _say(self, people: Sequence[str], knight: bool) -> None:
        for name in people:
            self._sound &= self._found.setdefault(name, knight) == knight
