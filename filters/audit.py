"""How often a verifier is wrong: on golds it must accept, and on rows somebody labelled.

A false accept is a row labelled wrong and judged correct. A false reject is a row labelled right
with any other outcome but unverifiable, which is our fault and counted on its own. Every rate has
Wilson's 95% interval, per source and over all.
"""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from filters.verify.costs import as_json
from filters.verify.pool import VerifierPool
from rsfactory.errors import InputError
from rsfactory.metadata import as_text, decides
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.stats import wilson

RIGHT = frozenset({"true", "1", "1.0", "yes", "right", "correct", "pass", "passed", "success"})
WRONG = frozenset({"false", "0", "0.0", "no", "wrong", "incorrect", "fail", "failed", "failure"})

IDS = ("task_id", "problem_id", "id")
"""Columns that may say which problem a row is about, where none is called ``problem``."""


_TEXTS = ("gold", "problem", "source", "domain", "choices", "metadata")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A completion with the gold it is judged by, and what somebody said about it."""

    row: int
    source: str
    problem: Problem
    candidate: Candidate
    label: bool


def gold_candidate(problem: Problem) -> Candidate:
    """A candidate that answers with the gold itself, marked as an answer.

    Where there is no answer but a worked solution (a program with its tests), that is the gold.
    """
    marked = f"<answer>{problem.answer}</answer>"
    text = marked if problem.answer or problem.solution is None else problem.solution
    return written(problem, text, "gold")


def written(problem: Problem, completion: str, teacher: str, index: int = 0) -> Candidate:
    """A candidate that nobody sampled; ``index`` tells it from others of its problem."""
    return Candidate(
        id=Candidate.key(problem.id, "", teacher, "{}", index), problem_id=problem.id,
        prompt_id="", teacher=teacher, sampling="{}", index=index, attempt=0, round=0,
        hinted=False, seed=0, max_tokens=0, completion=completion, reasoning=None,
        finish_reason="stop", prompt_tokens=0, tokens=0,
    )  # fmt: skip


def labelled(
    number: int,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    verifier: str,
    file: str,
    find: Callable[[str], Problem] | None = None,
) -> Labelled:
    """One row of a labelled file.

    Args:
        number: Its place in the file, from 0.
        row: Columns ``completion`` and ``label``; ``gold``, or else ``problem`` (or one of `IDS`)
            with an id that ``find`` knows; perhaps ``source``, ``choices`` (a list of texts, or
            its JSON), ``domain`` and ``metadata`` (a JSON object or its text), with which ``gold``
            may be missing where the verifier needs none. Half a character (a lone surrogate) in a
            completion is read as the mark for one that is missing.
        columns: Those names -> the file's own, where they differ.
        verifier: Who judges it.
        file: Its source where the row names none.
        find: The problem with an id; raises InputError where there is none.

    Raises:
        InputError: A column is missing, a label is neither right nor wrong, metadata is no
            object, no problem has the id, choices are no list of texts, or half a character is in
            anything but a completion.
    """

    def value(name: str, default: Any = None) -> Any:
        found = row.get(columns.get(name, name))
        return default if found is None else found

    where = f"{file}, row {number}"
    _whole({name: value(name) for name in _TEXTS}, where)
    metadata = _metadata(value("metadata"), where)
    bare = find is None and decides(metadata, verifier)
    problem = _problem(number, value, verifier, file, where, "" if bare else None)
    problem = problem or _found(row, columns, value, find, where)
    for name in ("completion", "label"):
        if value(name) is None:
            raise _missing(name, row, columns, where)
    if metadata:
        problem = replace(problem, metadata=metadata)
    source = str(value("source", file))
    return Labelled(
        row=number,
        source=source,
        problem=problem,
        candidate=written(problem, _mended(str(value("completion"))), source, number),
        label=_label(value("label"), where),
    )


def _metadata(value: Any, where: str) -> str:
    try:
        return as_text(value)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _problem(
    number: int,
    value: Callable[..., Any],
    verifier: str,
    file: str,
    where: str,
    default: str | None,
) -> Problem | None:
    """The problem that a row with a gold (or the default) brings along; None for one without."""
    gold = value("gold", default)
    if gold is None:
        return None
    gold = str(gold)
    return Problem(
        id=Problem.key(file, str(value("problem", number)), gold),
        source=str(value("source", file)), split="audit", domain=str(value("domain", "math")),
        verifier=verifier, prompt=str(value("problem", "")), answer=gold,
        choices=_choices(value("choices"), where), solution=None, row=number,
    )  # fmt: skip


def _choices(given: Any, where: str) -> list[str]:
    """Texts of choices; none where there are none."""
    found = given
    if isinstance(given, str):
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(given or "[]")
    found = [] if found is None else found
    if isinstance(found, list | tuple) and all(isinstance(c, str | int | float) for c in found):
        _whole(found, where)
        return [str(choice) for choice in found]
    raise InputError(
        f"{where}: expected a list of choices' texts, got {str(given)[:40]!r}; write it as "
        'a list, e.g. ["red", "blue"], or name another column with --map choices=COLUMN'
    )


def _mended(text: str) -> str:
    """Text with U+FFFD for each half of a character, as decoders write it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _whole(values: Any, where: str) -> None:
    """Refuses half a character, which can be neither stored nor printed."""
    text = json.dumps(values, ensure_ascii=False, default=str)
    if _mended(text) != text:
        raise InputError(
            f"{where}: expected text, got half a character (a lone surrogate) in {text[:80]!r}; "
            "write the file as UTF-8"
        )


def _found(
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    value: Callable[..., Any],
    find: Callable[[str], Problem] | None,
    where: str,
) -> Problem:
    """The problem that a row without a gold names by id."""
    asked = next((v for v in (value("problem"), *map(row.get, IDS)) if v is not None), None)
    if find is None or asked is None:
        raise _missing("gold" if find is None else "problem", row, columns, where)
    try:
        return find(str(asked).strip())
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _missing(
    name: str, row: Mapping[str, Any], columns: Mapping[str, str], where: str
) -> InputError:
    other = ", or give the problems that rows name by id with --problems FILE"
    return InputError(
        f"{where}: expected a column {columns.get(name, name)!r}, found "
        f"{', '.join(map(str, row))}; name it with --map {name}=COLUMN"
        f"{other if name == 'gold' else ''}"
    )


def audit(
    rows: Sequence[Labelled],
    pool: VerifierPool,
    on_verdict: Callable[[Verdict], None] | None = None,
) -> tuple[dict[str, Any], list[Verdict]]:
    """Counts, rates and speed over all rows and per source; and the verdicts, in order."""
    began = time.monotonic()
    verdicts = pool.verify([(row.problem, row.candidate) for row in rows], on_verdict)
    seconds = time.monotonic() - began
    by_source: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_source.setdefault(row.source, []).append(place)
    counts = {
        source: _counts([rows[i] for i in places], [verdicts[i] for i in places])
        for source, places in sorted(by_source.items())
    }
    speed = round(len(rows) / seconds, 1) if seconds else 0.0
    costs = as_json(pool.costs())
    whole = {
        **_counts(rows, verdicts), "rows_per_second": speed, "by_source": counts, "costs": costs,
    }  # fmt: skip
    return whole, verdicts


def kind_of(row: Labelled, verdict: Verdict) -> str | None:
    """``false_accept``, ``false_reject``, ``unverifiable``; None where label and verdict agree."""
    if verdict.outcome is Outcome.UNVERIFIABLE:
        return "unverifiable"
    accepted = verdict.outcome is Outcome.CORRECT
    if accepted == row.label:
        return None
    return "false_accept" if accepted else "false_reject"


def _counts(rows: Sequence[Labelled], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    kinds = [kind_of(row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
    right = sum(row.label for row in rows)
    accepts, rejects = kinds.count("false_accept"), kinds.count("false_reject")
    return {
        "rows": len(rows),
        "accepted": sum(v.outcome is Outcome.CORRECT for v in verdicts),
        "false_accepts": accepts,
        "false_rejects": rejects,
        "unverifiable": kinds.count("unverifiable"),
        "false_accept_rate": _rate(accepts, len(rows) - right),
        "false_reject_rate": _rate(rejects, right),
    }


def _rate(count: int, of: int) -> dict[str, float] | None:
    """A share with its interval; None where there is nothing that it could be a share of."""
    if not of:
        return None
    share = wilson(count, of)
    return {"rate": share.mean, "low": share.low, "high": share.high}


def _label(value: Any, where: str) -> bool:
    word = str(value).strip().casefold()
    if word in RIGHT or word in WRONG:
        return word in RIGHT
    raise InputError(
        f"{where}: expected a label that says right or wrong (true, false, pass, "
        f"fail, 1, 0), got {str(value)[:40]!r}; name another column with --map label=COLUMN"
    )
