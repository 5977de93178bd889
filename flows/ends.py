"""A server whose word for a whole answer is not known: said while it is asked, not at the end.

Completions count as whole by their finish reason (`select.finish_reasons`), and an unknown one is
never taken for whole. Some servers say ``eos_token`` or nothing where others say ``stop``: all they
answer would be paid for and rejected.
"""

from collections import Counter
from collections.abc import Collection, Iterable

SEEN = 50
"""Answers after which it is said; fewer are looked at when sampling ends."""
KNOWN = ("length", "content_filter", "tool_calls", "function_call", "rejected")
"""Reasons that do say why a completion is not whole."""


class Ends:
    """Finish reasons of a stage."""

    def __init__(self, whole: Collection[str], run: str) -> None:
        """Takes the reasons of whole completions, and the name of the run."""
        self._whole, self._run = tuple(whole), run
        self._counts: Counter[str] = Counter()
        self._told = False

    def count(self, reasons: Iterable[str], *, last: bool = False) -> str:
        """What is to be said now, mostly nothing; ``last`` where no answer comes any more."""
        self._counts.update(reasons)
        total = self._counts.total()
        if self._told or not total or (total < SEEN and not last):
            return ""
        strange = Counter({r: n for r, n in self._counts.items() if not self._is_known(r)})
        if 2 * strange.total() <= total:
            return ""
        self._told = True
        [(reason, _)] = strange.most_common(1)
        wanted = ", ".join(f'"{one}"' for one in (*self._whole, reason))
        return (
            f"answers end with finish_reason {reason!r}, which select.finish_reasons does not "
            "have, so they will not be selected; if it means a whole answer, start again with "
            f"--run NAME --reuse {self._run} --set 'select.finish_reasons=[{wanted}]', which keeps "
            "the answers"
        )

    def _is_known(self, reason: str) -> bool:
        return reason in self._whole or reason in KNOWN
