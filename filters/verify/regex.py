"""``regex``: the claimed answer matches a pattern from its first to its last character.

The pattern is ``{"pattern": ..., "flags": "is"}`` of the metadata (Python's ``re``; flags of ``i``,
``m``, ``s``, ``x``, ``a``), or else the gold answer itself. With the pattern in the metadata the
answer can be an example of a right one, which ``factory validate`` then checks. The claim is what
`filters.verify.extract` finds, or a line ``Answer: ...`` whole; math signs and bold around it are
not part of it where it matches without them.

A pattern that cannot be compiled is UNVERIFIABLE, and so is one that takes too long: matching runs
in a worker that can be killed. Not covered: a pattern for the whole completion.
"""

import json
import re
import time
from typing import Any

from filters.verify.extract import undecorate, visible
from filters.verify.labels import said
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

LONGEST = 20_000
"""Characters of a claim that is matched."""
_FLAGS = {"i": re.I, "m": re.M, "s": re.S, "x": re.X, "a": re.A}


class RegexVerifier:
    """Text against a pattern."""

    name = "regex"
    version = "1"

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict. Some patterns run for ever: call it in a worker."""
        began = time.monotonic()
        try:
            pattern = _pattern(problem)
        except (ValueError, TypeError, RecursionError, OverflowError, re.error) as error:
            reason = f"the pattern cannot be used: {shorten(str(error), 200)}"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        answer = said(visible(candidate.completion))
        if answer is None:
            return unanswered(self, candidate, "no marked answer", began=began)
        if answer.open_end and candidate.finish_reason == "length":
            return unanswered(self, candidate, "the answer may be cut off", began=began)
        texts = [text for text in (answer.line, answer.claim) if text is not None]
        forms = [form for t in texts if len(t) <= LONGEST for form in (t, undecorate(t))]
        match = next((form for form in forms if pattern.fullmatch(form)), None)
        outcome = Outcome.WRONG if match is None else Outcome.CORRECT
        sign = "does not match" if match is None else "matches"
        shown = texts[0] if match is None else match
        reason = f"{shorten(shown)} {sign} {shorten(pattern.pattern)}"
        return verdict(self, candidate, outcome, reason, extracted=shown, began=began)


def _pattern(problem: Problem) -> re.Pattern[str]:
    """The problem's pattern.

    Raises:
        ValueError, TypeError, re.error: It has none, or one that cannot be compiled.
    """
    asked: dict[str, Any] = json.loads(problem.metadata) if problem.metadata else {}
    if not isinstance(asked, dict):
        raise ValueError("expected metadata with a pattern")
    pattern = asked.get("pattern", problem.answer)
    if not isinstance(pattern, str) or not pattern.strip():
        raise ValueError("it is empty")
    letters = str(asked.get("flags", ""))
    if unknown := set(letters) - set(_FLAGS):
        raise ValueError(f"expected flags of {''.join(_FLAGS)}, got {''.join(sorted(unknown))}")
    flags = re.RegexFlag(0)
    for letter in letters:
        flags |= _FLAGS[letter]
    return re.compile(pattern, flags)
