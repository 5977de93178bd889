"""``repetition``: a completion that goes round in circles.

Two signs, either is enough: the same line or sentence several times in a row, or a long text in
which most runs of eight words occurred before. A compression ratio says the same of texts without
spaces between words. A short answer repeated once is none of these.

Not covered: paraphrased loops.
"""

import re
import zlib

from rsfactory.records import Candidate, Flag, Problem

REACH = 100_000
"""Characters that are looked at, from the end: a loop never ends."""
RUN = 3
"""Equal lines or sentences in a row that are a loop; shorter ones than `LINE` do not count."""
LINE = 8
"""Characters."""
WORDS = 8
"""Length of the runs of words that are counted (n-grams)."""
SHARE = 0.5
"""Share of those runs that occurred before."""
LONG = 60
"""Words below which a text is not judged by its runs."""
PACKED = 0.12
"""Compressed length over length below which a text of `LONG_TEXT` characters is a loop."""
LONG_TEXT = 1500

_PIECES = re.compile(r"[^\n.!?;]+[\n.!?;]*")


class Repetition:
    """``repetition``."""

    name = "repetition"

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """One flag at most, with what is repeated or how much."""
        why = loop(candidate.completion[-REACH:])
        return [Flag.make(candidate.id, self.name, why)] if why else []


def loop(text: str) -> str | None:
    """Why a text is a loop, or None."""
    before, count = "", 1
    for piece in _PIECES.findall(text):
        bare = " ".join(piece.split())
        if len(bare) < LINE:
            continue
        count = count + 1 if bare == before else 1
        before = bare
        if count == RUN:
            return f"{RUN} times in a row: {bare[:80]!r}"
    words = text.split()
    if len(words) >= LONG:
        runs = [tuple(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)]
        share = 1 - len(set(runs)) / len(runs)
        if share > SHARE:
            return f"{share:.0%} of its runs of {WORDS} words occurred before"
    if len(text) >= LONG_TEXT:
        data = text.encode()
        packed = len(zlib.compress(data, 6)) / len(data)
        if packed < PACKED:
            return f"compresses to {packed:.0%}"
    return None
