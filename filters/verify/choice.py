r"""``choice``: the letter of a multiple-choice answer.

A claim names a letter as ``B``, ``(B)``, ``B.``, ``B: text``, ``option B``, ``\boxed{\text{B}}`` or
by the exact text of one choice. Without a marked claim, a line of its own (``B.``, ``(B) text``)
counts if no other line names another letter. Guessing must not pay, so the rule is stricter than
for numbers: all claims of the strongest kind must name the same letter. Two letters, a letter that
is not among the choices, and a letter next to the text of another choice are UNPARSED.

The gold is a letter among the choices or the text of one; anything else is UNVERIFIABLE. A problem
without choices takes any letter. Not covered: numbered choices ("option 2").
"""

import re
import string
import time
from collections.abc import Sequence

from filters.verify.exact import normal
from filters.verify.extract import Claim, strong_claims, unwrap, visible, weak_claims
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

_ALONE = re.compile(r"(?:(?:option|choice|letter|answer)\s+)?[(\[{]?([A-Za-z])[)\]}]?[.:,]?", re.I)
_WITH_TEXT = re.compile(
    r"(?:(?:option|choice)\s+)?(?:\(([A-Za-z])\)|([A-Z])[.):])[\s:.-]*(\S.*)", re.S
)
_NAMED = re.compile(r"(?:option|choice|letter)\s+\(?([A-Z])\)?\b", re.I)
_SEVERAL = re.compile(r"\(?\b[A-Z]\b\)?(?:\s*(?:,|/|&|and|or)\s*\(?\b[A-Z]\b\)?)+")
_LONGEST = 2000
"""Characters of a claim or line that are looked at."""
HEDGE = "?"
"""Stands for a claim that names more than one letter, or contradicts itself."""


class ChoiceVerifier:
    """One letter among choices."""

    name = "choice"
    version = "1"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict: all of it is bounded work."""
        began = time.monotonic()
        gold = _gold(problem)
        if gold is None:
            reason = f"the gold answer {shorten(problem.answer)!r} is none of the choices"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        named = _letters(visible(candidate.completion), problem.choices)
        if not named:
            return unanswered(self, candidate, "no letter is claimed", began=began)
        extracted = "".join(sorted(named))
        letter = named.pop()
        if named or letter == HEDGE:
            reason = "more than one letter is claimed, or a letter with another choice's text"
        elif letter not in _allowed(problem.choices):
            reason = f"{letter} is not among the choices"
        else:
            outcome = Outcome.CORRECT if letter == gold else Outcome.WRONG
            sign = "is" if letter == gold else "is not"
            reason = f"{letter} {sign} {gold}"
            return verdict(self, candidate, outcome, reason, extracted=letter, began=began)
        return verdict(self, candidate, Outcome.UNPARSED, reason, extracted=extracted, began=began)

    verify = quick


def _allowed(choices: Sequence[str]) -> str:
    return string.ascii_uppercase[: len(choices)] if choices else string.ascii_uppercase


def _gold(problem: Problem) -> str | None:
    """The gold's letter, or None where it names no choice."""
    found = _ALONE.fullmatch(unwrap(problem.answer))
    if found and found[1].upper() in _allowed(problem.choices):
        return found[1].upper()
    return _by_text(problem.answer, problem.choices)


def _by_text(text: str, choices: Sequence[str]) -> str | None:
    """Letter of the one choice with exactly this text."""
    hits = [i for i, choice in enumerate(choices) if normal(choice) == normal(text) != ""]
    return string.ascii_uppercase[hits[0]] if len(hits) == 1 and hits[0] < 26 else None


def _letters(text: str, choices: Sequence[str]) -> set[str]:
    """Letters that the claims of the strongest kind name."""
    strong = strong_claims(text)
    if strong and strong[-1].text is None:
        return set()
    for claims in (strong, weak_claims(text, short_label=False)):
        if named := _named(claims, choices):
            return named
    return _own_lines(text, choices)


def _named(claims: Sequence[Claim], choices: Sequence[str]) -> set[str]:
    letters = (_letter(claim.text, choices) for claim in claims if claim.text is not None)
    return {letter for letter in letters if letter is not None}


def _letter(claim: str, choices: Sequence[str]) -> str | None:
    """The letter one claim names, `HEDGE` for several, None for none."""
    text = unwrap(claim[:_LONGEST])
    if by_text := _by_text(text, choices):
        return by_text
    if several := _SEVERAL.match(text):
        letters = set(re.findall(r"\b[A-Z]\b", several[0]))
        return HEDGE if len(letters) > 1 else letters.pop()
    if found := _ALONE.fullmatch(text):
        return found[1].upper()
    if found := _WITH_TEXT.match(text):
        letter = (found[1] or found[2]).upper()
        other = _by_text(found[3], choices)
        return HEDGE if other is not None and other != letter else letter
    if found := _NAMED.match(text):
        return found[1].upper()
    return None


def _own_lines(text: str, choices: Sequence[str]) -> set[str]:
    """The letter of lines that are nothing but a choice; several letters are a mere list."""
    lines = [line.strip() for line in text[-_LONGEST:].splitlines()]
    marked = (line for line in lines if _ALONE.fullmatch(line) or _WITH_TEXT.match(line))
    named = {_letter(line, choices) for line in marked if not re.fullmatch(r"[a-z]|I", line)}
    if not named and len(lines) == 1:
        named = {_by_text(text, choices)}
    return {letter for letter in named if letter is not None} if len(named) == 1 else set()
