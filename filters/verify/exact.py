"""``exact``: a marked answer whose text is the gold's, apart from case, whitespace and decoration.

Nothing is interpreted: ``1/2`` is not ``0.5`` here. The last claim decides
(`filters.verify.extract`); a line ``Answer: ...`` may also be taken whole, since the text that is
asked for can be a sentence or several. An empty gold is UNVERIFIABLE.
"""

import time
import unicodedata

from filters.verify.extract import unwrap, visible
from filters.verify.labels import said
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class ExactVerifier:
    """Text against text."""

    name = "exact"
    version = "2"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict: all of it is bounded work."""
        began = time.monotonic()
        gold = normal(problem.answer)
        if not gold:
            reason = "the gold answer is empty"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        answer = said(visible(candidate.completion))
        if answer is None:
            return unanswered(self, candidate, "no marked answer", began=began)
        if answer.open_end and candidate.finish_reason == "length":
            return unanswered(self, candidate, "the answer may be cut off", began=began)
        texts = [text for text in (answer.claim, answer.line) if text is not None]
        match = next((text for text in texts if normal(text) == gold), None)
        outcome = Outcome.WRONG if match is None else Outcome.CORRECT
        sign = "is not" if match is None else "is"
        shown = texts[0] if match is None else match
        reason = f"{shorten(shown)} {sign} {shorten(problem.answer)}"
        return verdict(self, candidate, outcome, reason, extracted=shown, began=began)

    verify = quick


def normal(text: str) -> str:
    """Text as it is compared: decoration off, Unicode NFKC, whitespace collapsed, case folded."""
    return " ".join(unicodedata.normalize("NFKC", unwrap(text)).split()).casefold()
