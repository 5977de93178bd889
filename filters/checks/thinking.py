"""Checks on the thinking itself.

``empty_thinking``: a thinking block, or a reasoning field, with nothing in it.
``copied_prompt``: the problem's text again, word for word (problems of at least `FEWEST` words).
``language_change``: words in a script that the problem does not use (Latin and Greek letters are
everywhere in mathematics and never count).
``self_correction``: the writer goes back on something ("wait", "let me check again"). That is a
feature of good reasoning and no fault; it is counted so that one can see it grow.

Not covered: a change between languages of one script.
"""

import re
import unicodedata
from collections import Counter

from rsfactory.records import Candidate, Flag, Problem

REACH = 100_000
"""Characters that are looked at."""
FEWEST = 12
"""Words of a problem whose repetition is a copy."""
LETTERS = 8
"""Letters of a foreign script that are a change of language."""

_THINKING = re.compile(r"<(think|thinking|reasoning)>\s*</\1>", re.IGNORECASE)
_BACK = re.compile(
    r"\b(?:wait|hold on|hmm+|on second thought|scratch that|let me (?:re-?(?:check|consider|think"
    r"|examine|compute|calculate|do)|check (?:that|this|again)|double[- ]check|try again)"
    r"|(?:that|this) (?:is|was|can)(?:n't| not) (?:right|correct|be right)"
    r"|i made (?:a|an) (?:mistake|error)|actually, (?:no|that|it|i|we)|correction:"
    r"|let's (?:double[- ])?check)\b",
    re.IGNORECASE,
)
_SHARED = frozenset({"LATIN", "GREEK", "MATHEMATICAL", "DOUBLE", "SCRIPT", "BLACK", "PLANCK",
                     "MICRO", "OHM", "KELVIN", "ANGSTROM", "FEMININE", "MASCULINE", "MODIFIER",
                     "SUPERSCRIPT", "FULLWIDTH"})  # fmt: skip
"""First words of the names of letters that every mathematical text may have."""


class EmptyThinking:
    """``empty_thinking``."""

    name = "empty_thinking"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag at most."""
        if candidate.reasoning is not None and not candidate.reasoning.strip():
            return [Flag.make(candidate.id, self.name, "the reasoning field is empty")]
        found = _THINKING.search(candidate.completion[:REACH])
        return [Flag.make(candidate.id, self.name, found[0])] if found else []


class CopiedPrompt:
    """``copied_prompt``."""

    name = "copied_prompt"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag at most."""
        asked = _words(problem.prompt)
        if len(asked) < FEWEST or " ".join(asked) not in " ".join(_words(candidate.completion)):
            return []
        return [Flag.make(candidate.id, self.name, " ".join(asked)[:80])]


class LanguageChange:
    """``language_change``."""

    name = "language_change"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag that names the scripts and quotes the first letters."""
        if candidate.completion.isascii():
            return []  # shared by all scripts; most completions are, and end here
        known = _scripts(problem.prompt) | _scripts(problem.answer)
        foreign: Counter[str] = Counter()
        quoted = ""
        for letter in candidate.completion[:REACH]:
            script = _script(letter)
            if script and script not in known:
                foreign[script] += 1
                quoted += letter if len(quoted) < 20 else ""
        if foreign.total() < LETTERS:
            return []
        names = ", ".join(f"{count} {name.lower()}" for name, count in foreign.most_common(3))
        return [Flag.make(candidate.id, self.name, f"{names} letters: {quoted}")]


class SelfCorrection:
    """``self_correction``."""

    name = "self_correction"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag that counts the places and quotes the first."""
        text = candidate.completion[:REACH]
        found = list(_BACK.finditer(text))
        if not found:
            return []
        first = " ".join(text[max(0, found[0].start() - 20) : found[0].end() + 30].split())
        times = "once" if len(found) == 1 else f"{len(found)} times"
        return [Flag.make(candidate.id, self.name, f"{times}, first: {first!r}")]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text[:REACH].casefold())


def _scripts(text: str) -> set[str]:
    return {script for letter in text[:REACH] if (script := _script(letter))}


def _script(letter: str) -> str | None:
    """The script of a letter, by the first word of its name; None for shared ones and others."""
    if letter.isascii() or not letter.isalpha():
        return None
    script = unicodedata.name(letter, "").partition(" ")[0]
    return None if script in _SHARED else script or None
