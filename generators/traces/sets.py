"""A set of traces: its rows read lazily, the problems that it carries, and what could not be read.

Nothing of the rows is kept but counts. Rows that are no trace are counted by reason, with an
example, and told; only where every row is one the set is refused.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from generators.problems import origin
from generators.problems.cells import BadRow
from generators.problems.finite import same_question
from generators.problems.formats import Parts, problem_of
from generators.problems.origin import NOWHERE, Origin
from generators.traces.layouts import FIELDS, Trace, read
from generators.traces.rows import open_rows
from rsfactory.errors import InputError
from rsfactory.records import Problem

KIND = "dataset:"
"""Begins the words for a set of traces."""

Log = Callable[[str], None]


class TraceSet:
    """The traces of a file, a folder or a Hub id."""

    def __init__(
        self, spec: str, *, columns: Mapping[str, str] | None = None, log: Log | None = None
    ) -> None:
        """Opens the set; a row is read when it is asked for.

        Args:
            spec: A JSONL, JSON, CSV or Parquet file, or a folder or Hub id that ``datasets`` reads
                (``owner/name[:config][@split]``); ``dataset:`` before it is left away.
            columns: The user's mapping, a name of `FIELDS` -> the column.
            log: Is told what was left out.

        Raises:
            InputError: It is not there, cannot be read at all, or the mapping is wrong.
        """
        spec = spec.removeprefix(KIND)
        if not spec:
            raise InputError("expected dataset:FILE or dataset:owner/name, got no name")
        self._columns = dict(columns or {})
        if unknown := [name for name in self._columns if name not in FIELDS]:
            raise InputError(
                f"a mapping of traces names {', '.join(FIELDS)}, got {', '.join(unknown)}; "
                "for example --map completion=COLUMN --map problem=COLUMN"
            )
        self._log = log or (lambda _: None)
        self._rows, self.licence = open_rows(spec)
        self._path = spec
        self.name = Path(spec).name if Path(spec).is_file() else spec
        """As a problem source of the same file or id is called."""
        self.malformed: Counter[str] = Counter()
        """Why rows are no traces -> how many; complete after a walk through all `traces`."""

    def __len__(self) -> int:
        """Rows, readable or not."""
        return len(self._rows)

    def read(self, row: int) -> Trace:
        """One row.

        Raises:
            BadRow: It is no trace.
        """
        return read(self._rows.read(row), self._columns)

    def traces(self) -> Iterator[tuple[int, Trace]]:
        """All rows that are traces, each with its number.

        Raises:
            InputError: None is one; the message says why.
        """
        faults: Counter[str] = Counter()
        examples: dict[str, int] = {}
        for row in range(len(self)):
            try:
                trace = self.read(row)
            except BadRow as error:
                faults[str(error)] += 1
                examples.setdefault(str(error), row)
                continue
            yield row, trace
        self.malformed = faults
        bad = faults.total()
        reasons = "; ".join(
            f"{count} (row {examples[reason]} first): {reason}"
            for reason, count in faults.most_common(3)
        )
        if bad and bad == len(self):
            raise InputError(
                f"no row of {self.name} is a trace: {reasons}; name the columns, for example "
                "--map problem=COLUMN --map completion=COLUMN"
            )
        if bad:
            self._log(f"{self.name}: {bad} of {len(self)} rows are no traces: {reasons}")

    def problems(
        self, verifier: str | None = None, *, gold: bool = True, said: Origin = NOWHERE
    ) -> Iterator[Problem]:
        """The problems of rows with a gold of their own, each question once.

        A question that comes again with another gold keeps its first one; it is counted and told.

        Args:
            verifier: Who decides, instead of the one that fits the gold.
            gold: False also gives the questions without a gold, with an empty answer.
            said: What the user says of licence and provenance.

        Raises:
            InputError: No row has a gold, or none is a trace.
        """
        seen: dict[bytes, str] = {}
        without = other = 0
        for row, trace in self.traces():
            if trace.gold is None and gold:
                without += 1
                continue
            key = hashlib.blake2b(same_question(trace.question).encode(), digest_size=8).digest()
            answer = trace.gold or ""
            if key in seen:
                other += seen[key] != answer
                continue
            seen[key] = answer
            yield self._problem(row, trace, verifier, said)
        if not seen:
            raise InputError(
                f"no row of {self.name} has a gold answer of its own (what a completion says is "
                "none); give the problems with --problems FILE, or name the column with "
                "--map answer=COLUMN"
            )
        if without:
            self._log(f"{self.name}: {without} rows have no gold answer and give no problem")
        if other:
            self._log(
                f"{self.name}: {other} rows ask a question again with another gold; "
                "the first one is taken"
            )

    def _problem(self, row: int, trace: Trace, verifier: str | None, said: Origin) -> Problem:
        known = Origin(self.licence)
        if trace.gold is not None:
            known = Origin(self.licence, f"given by the data set, column {trace.gold_column}")
        told = origin.of_row(self._rows.read(row), self._columns)
        parts = Parts(
            prompt=trace.question,
            answer=trace.gold or "",
            math=trace.boxed,
            origin=told.over(said.over(known)),
        )
        return problem_of(parts, self.name, row, verifier)

    def close(self) -> None:
        """Lets go of the file; a temporary copy of it is gone then."""
        self._rows.close()


def fold(digest: "hashlib._Hash", trace: Trace) -> None:
    """Adds a trace to the hash of a set."""
    answers = [[a.text, a.reasoning, a.finish_reason] for a in trace.answers]
    digest.update(json.dumps([trace.question, answers]).encode() + b"\n")


def identity(name: str, digest: "hashlib._Hash") -> str:
    """Who answers, by content."""
    return f"{KIND}{name}#{digest.hexdigest()[:16]}"
