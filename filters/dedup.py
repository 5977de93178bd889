"""Exact deduplication: the same trace of the same problem is kept once.

Two traces (reasoning and completion) are the same when their normal forms are: Unicode NFC,
whitespace collapsed, case kept. Not covered: rewordings and reordered steps (near duplicates).
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator

from rsfactory.contracts import Rejection
from rsfactory.records import Candidate


def normal_form(text: str) -> str:
    """A completion as it is compared."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def key(candidate: Candidate) -> bytes:
    """Hash of problem and normal form: 16 bytes a completion, so that all rounds fit in memory."""
    content = f"{candidate.problem_id}\n{normal_form(candidate.trace)}"
    return hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=16).digest()


class ExactDedup:
    """The filter: rejects what it has seen, and remembers what it lets through."""

    def __init__(self, earlier: Iterable[Candidate] = ()) -> None:
        """``earlier``: candidates of rounds before, which must not come again."""
        self._seen: dict[bytes, str] = {key(row): row.id for row in earlier}

    def __call__(self, rows: Iterable[Candidate]) -> Iterator[tuple[Candidate, Rejection | None]]:
        """Every row once, in order; of equal ones the first is kept."""
        for row in rows:
            first = self._seen.setdefault(key(row), row.id)
            same = first != row.id
            reason = f"the same completion as {first}"
            yield row, Rejection(rule="duplicate", reason=reason) if same else None
