"""``dataset:FILE-or-Hub-id``: traces that exist already, as candidates for their problems.

No request is made and nothing is sampled: a problem's candidates are the rows whose question it is
(`generators.traces.match`), in the order of the set, and there are as many as there are. Seeds,
temperature and length limit mean nothing here, and ``requests`` and the numbers of tokens are 0: no
tokenizer is at hand that counted them.

The finish reason is the set's own where it says one. Else it is ``dataset``, which counts as
complete, unless the text shows that it was cut off (a thought, a solution or a fence that is opened
and never closed, or a row marked as incomplete): that is ``length``.

One pass over the set when it is opened gives its identity (name and a hash of all questions and
answers, so that the same set as another kind of file is the same but for its name) and an index of
its questions, 16 bytes for each form of a question; rows are read again when they are asked for.
"""

import hashlib
from collections.abc import Iterator, Mapping

from generators.problems.cells import BadRow
from generators.problems.origin import NOWHERE, Origin
from generators.traces.layouts import Answer
from generators.traces.match import QuestionIndex, templates
from generators.traces.sets import Log, TraceSet, fold, identity
from rsfactory.contracts import Completion
from rsfactory.errors import InputError
from rsfactory.records import Problem

MANY = 20_000
"""Rows from which on it is told that they are read: it takes a second for 5,000 to 10,000."""
LOOKED_AT = 1000
"""Rows, spread over the set, among which templates are looked for."""


class DatasetTeacher:
    """Answers problems with the traces of a published set."""

    def __init__(
        self, spec: str, *, columns: Mapping[str, str] | None = None, log: Log | None = None
    ) -> None:
        """Reads the set once; what is left out of it is told to ``log``.

        Args:
            spec: As of `TraceSet`, with ``dataset:`` before it or without.
            columns: The user's mapping, a name of `generators.traces.FIELDS` -> the column.
            log: Is told what was left out.

        Raises:
            InputError: It is not there, cannot be read, or no row of it is a trace.
        """
        self._set = TraceSet(spec, columns=columns, log=log)
        if log is not None and len(self._set) > MANY:
            log(f"{self._set.name}: reading {len(self._set):,} rows")
        self.name, self.licence = self._set.name, self._set.licence
        self.completions = 0
        """Of all rows."""
        try:
            self._index, self.identity = self._read_through()
        except BaseException:
            self.close()
            raise
        self.malformed: Mapping[str, int] = self._set.malformed
        """Why rows are no traces -> how many."""

    def _read_through(self) -> tuple[QuestionIndex, str]:
        """The index of all questions, and who answers."""
        index = QuestionIndex(templates(self._some_questions()))
        digest = hashlib.sha256()
        for row, trace in self._set.traces():
            index.add(row, trace.question)
            self.completions += len(trace.answers)
            fold(digest, trace)
        return index, identity(self.name, digest)

    @property
    def ambiguous(self) -> int:
        """Rows given to no problem so far, since their question could be another one."""
        return len(self._index.ambiguous)

    def traces(self, problem: Problem) -> list[Completion]:
        """All completions of the rows whose question is the problem's, in the order of the set.

        Raises:
            InputError: The set is not what it was when it was opened.
        """
        try:
            rows = self._index.find(problem.prompt, lambda row: self._set.read(row).question)
            return [_completion(answer) for row in rows for answer in self._set.read(row).answers]
        except BadRow as error:
            raise InputError(
                f"{self.name} changed while it was read ({error}); leave it alone, and run again"
            ) from error

    def problems(
        self, verifier: str | None = None, *, gold: bool = True, said: Origin = NOWHERE
    ) -> Iterator[Problem]:
        """The problems that the set's own golds make, as `TraceSet.problems`."""
        return self._set.problems(verifier, gold=gold, said=said)

    def close(self) -> None:
        """Lets go of the file; a temporary copy of it is gone then. Safe to call twice."""
        self._set.close()

    def _some_questions(self) -> Iterator[str]:
        for row in range(0, len(self._set), max(1, len(self._set) // LOOKED_AT)):
            try:
                yield self._set.read(row).question
            except BadRow:
                continue  # counted when all rows are read


def _completion(answer: Answer) -> Completion:
    return Completion(
        text=answer.text,
        reasoning=answer.reasoning,
        finish_reason=answer.finish_reason,
        prompt_tokens=0,
        tokens=0,
        requests=0,
    )
