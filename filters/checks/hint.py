"""``leaked_hint``: a hinted completion that shows its hint."""

import re

from filters.checks.answers import REACH, before_answer, derives
from rsfactory.records import Candidate, Flag, Problem

_MENTIONS = re.compile(
    r"\bhint(?:s|ed|ing)?\b"
    r"|\b(?:given|provided|known|supplied|stated|reference|expected|suggested) (?:final |correct )?"
    r"(?:answer|solution|result)\b"
    r"|\bas (?:was )?(?:given|provided|told)\b(?! (?:in|by) (?:the|this) (?:problem|question|text))"
    r"|\b(?:correct |final |right )?answer (?:is|was|has been) (?:already )?"
    r"(?:given|provided|known|told|supplied|stated)\b"
    r"|\b(?:we|i) (?:are|were|was|am|have been|'re) (?:told|given|informed) (?:that )?"
    r"(?:the |its )?(?:final |correct |right )?answer\b"
    r"|\b(?:since|because|as) we (?:already )?know (?:that )?the (?:final |correct )?answer\b"
    r"|\b(?:knowing|already know) (?:that )?the (?:final |correct )?answer\b"
    r"|\byou (?:gave|told|provided|said|mentioned)\b",
    re.IGNORECASE,
)


class LeakedHint:
    """``leaked_hint``: a hinted completion that shows its hint.

    Rationalization (STaR, Zelikman et al. 2022) shows the answer and asks for the way to it; the
    hint is gone in training, so a completion must not lean on it. Flagged are a mention of the hint
    ("the given answer", "we are told that the answer"), and an answer that comes before any
    derivation (fewer than three numbers or words; in mathematics, no number and no sign at all).

    Not covered: a derivation bent to reach the known answer; mentions in other languages. Words of
    the problem itself ("as given in the problem") are let through, "given answer" is not.
    """

    name = "leaked_hint"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag at most; none for a candidate that had no hint."""
        if not candidate.hinted:
            return []
        text = candidate.completion[:REACH]
        found = _MENTIONS.search(text)
        if found:
            around = text[max(0, found.start() - 30) : found.end() + 30]
            return [self._flag(candidate, f"mentions it: {' '.join(around.split())!r}")]
        before = before_answer(text)
        if not derives(before, problem.domain):
            shown = " ".join(before.split())
            return [self._flag(candidate, f"no derivation before the answer, only {shown!r}")]
        return []

    def _flag(self, candidate: Candidate, evidence: str) -> Flag:
        return Flag.make(candidate.id, self.name, evidence)
