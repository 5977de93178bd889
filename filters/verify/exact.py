"""``exact``: a marked answer whose text is the gold's, apart from case, whitespace and decoration.

Nothing is interpreted: ``1/2`` is not ``0.5`` here. The last claim decides
(`filters.verify.extract`); an empty gold is UNVERIFIABLE.
"""

import time
import unicodedata

from filters.verify.extract import final_claim, unwrap, visible
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict


class ExactVerifier:
    """Text against text."""

    name = "exact"
    version = "1"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict: all of it is bounded work."""
        began = time.monotonic()
        gold = normal(problem.answer)
        if not gold:
            reason = "the gold answer is empty"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        claim = final_claim(visible(candidate.completion))
        if claim is None or claim.text is None:
            return unanswered(self, candidate, "no marked answer", began=began)
        if claim.open_end and candidate.finish_reason == "length":
            return unanswered(self, candidate, "the answer may be cut off", began=began)
        right = normal(claim.text) == gold
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        sign = "is" if right else "is not"
        reason = f"{shorten(claim.text)} {sign} {shorten(problem.answer)}"
        return verdict(self, candidate, outcome, reason, extracted=claim.text, began=began)

    verify = quick


def normal(text: str) -> str:
    """Text as it is compared: decoration off, Unicode NFKC, whitespace collapsed, case folded."""
    return " ".join(unicodedata.normalize("NFKC", unwrap(text)).split()).casefold()
