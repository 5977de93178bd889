"""``exact``: a marked answer whose text is the gold's, apart from case, whitespace and decoration.

Nothing is interpreted: ``1/2`` is not ``0.5`` here. The last claim decides
(`filters.verify.extract`); a line ``Answer: ...`` may also be taken whole, since the text that is
asked for can be a sentence or several. An empty gold is UNVERIFIABLE.
"""

import time
import unicodedata

from filters.verify.extract import final_claim, strong_claims, unwrap, visible
from filters.verify.labels import line_behind_label
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
        text = visible(candidate.completion)
        claim = final_claim(text)
        line = None if strong_claims(text) else line_behind_label(text)
        said = line if claim is None else claim.text
        if said is None:
            return unanswered(self, candidate, "no marked answer", began=began)
        ends = line is not None and text.endswith(line) if claim is None else claim.open_end
        if ends and candidate.finish_reason == "length":
            return unanswered(self, candidate, "the answer may be cut off", began=began)
        if line is not None and normal(line) == gold:
            said = line
        right = normal(said) == gold
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        sign = "is" if right else "is not"
        reason = f"{shorten(said)} {sign} {shorten(problem.answer)}"
        return verdict(self, candidate, outcome, reason, extracted=said, began=began)

    verify = quick


def normal(text: str) -> str:
    """Text as it is compared: decoration off, Unicode NFKC, whitespace collapsed, case folded."""
    return " ".join(unicodedata.normalize("NFKC", unwrap(text)).split()).casefold()
