r"""What a completion says its answer is: ``no_derivation`` and ``several_answers``.

``no_derivation``: the answer comes before any derivation, or without one (fewer than three numbers
or words before it; in mathematics, no number and no sign at all). Such a trace teaches guessing.

``several_answers``: strong claims (``\boxed{}``, ``<answer>``, ``####``) of different answers.
Boxes joined by a comma or "and" are one answer (`filters.verify.extract`), and so are spellings of
one value.

Not covered: answers that are given in words only.
"""

import re

from filters.verify import quantity
from filters.verify.extract import first_claim, strong_claims, unwrap, visible
from rsfactory.records import Candidate, Flag, Problem

REACH = 100_000
"""Characters that are looked at: a longer completion is judged by its beginning."""
FEWEST = 3
"""Numbers and words before the answer below which there is no derivation."""
MOST = 5
"""Different answers that are listed."""

_TOKEN = re.compile(r"\d[\d,.]*|[^\W\d_]+")
_STEP = re.compile(r"\d|[=<>+*/^\\]")


class NoDerivation:
    """``no_derivation``."""

    name = "no_derivation"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag at most; none for a completion that claims no answer at all."""
        text = candidate.completion[:REACH]
        if first_claim(visible(text)) is None:
            return []
        before = before_answer(text)
        if derives(before, problem.domain):
            return []
        shown = " ".join(before.split())
        return [Flag.make(candidate.id, self.name, f"only {shown!r} stands before the answer")]


class SeveralAnswers:
    """``several_answers``."""

    name = "several_answers"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag that lists the different answers in order."""
        claims = strong_claims(visible(candidate.completion[-REACH:]))
        told: list[str] = []
        for claim in claims:
            if claim.text and not any(_same(claim.text, other) for other in told[:MOST]):
                told.append(claim.text)
        if len(told) < 2:
            return []
        listed = ", ".join(text[:40] for text in told[:MOST])
        return [Flag.make(candidate.id, self.name, f"{len(told)} different ones: {listed}")]


def before_answer(text: str) -> str:
    """What a completion says before it first states an answer, thinking included."""
    seen = visible(text)
    claim = first_claim(seen)
    hidden = text[: text.find(seen)] if seen else text
    return hidden + (seen if claim is None else seen[: claim.start])


def derives(before: str, domain: str) -> bool:
    """Whether a text is a derivation, as far as its length and signs tell."""
    if domain == "math" and not _STEP.search(before):
        return False
    return len(_TOKEN.findall(before)) >= FEWEST


def _same(one: str, other: str) -> bool:
    """Whether two answers are spelled differently only."""
    first, second = quantity.read(one), quantity.read(other)
    if first is not None and second is not None:
        return quantity.same(first, second) is True
    bare = (re.sub(r"\s+", "", unwrap(text)).casefold() for text in (one, other))
    return next(bare) == next(bare)
