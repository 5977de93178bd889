"""How often a verifier is wrong: on golds it must accept, and on rows somebody labelled.

A false accept is a row labelled wrong and judged correct. A false reject is a row labelled right
with any other outcome but unverifiable, which is our fault and counted on its own. Every rate has
Wilson's 95% interval, per source and over all.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from filters.verify.pool import VerifierPool
from rsfactory.errors import InputError
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.stats import wilson

RIGHT = frozenset({"true", "1", "1.0", "yes", "right", "correct", "pass", "passed", "success"})
WRONG = frozenset({"false", "0", "0.0", "no", "wrong", "incorrect", "fail", "failed", "failure"})


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A completion with the gold it is judged by, and what somebody said about it."""

    row: int
    source: str
    problem: Problem
    candidate: Candidate
    label: bool


def gold_candidate(problem: Problem) -> Candidate:
    """A candidate that answers with the gold itself, marked as an answer."""
    return written(problem, f"<answer>{problem.answer}</answer>", "gold")


def written(problem: Problem, completion: str, teacher: str) -> Candidate:
    """A candidate that nobody sampled."""
    return Candidate(
        id=Candidate.key(problem.id, "", teacher, "{}", problem.row), problem_id=problem.id,
        prompt_id="", teacher=teacher, sampling="{}", index=problem.row, attempt=0, round=0,
        hinted=False, seed=0, max_tokens=0, completion=completion, reasoning=None,
        finish_reason="stop", prompt_tokens=0, tokens=0,
    )  # fmt: skip


def labelled(
    number: int, row: Mapping[str, Any], columns: Mapping[str, str], verifier: str, file: str
) -> Labelled:
    """One row of a labelled file.

    Args:
        number: Its place in the file, from 0.
        row: Columns ``gold``, ``completion``, ``label``; perhaps ``problem``, ``source``,
            ``choices`` and ``domain``.
        columns: Those names -> the file's own, where they differ.
        verifier: Who judges it.
        file: Its source where the row names none.

    Raises:
        InputError: A column is missing, or a label is neither right nor wrong.
    """

    def value(name: str, default: Any = None) -> Any:
        return row.get(columns.get(name, name), default)

    for name in ("gold", "completion", "label"):
        if value(name) is None:
            raise InputError(
                f"{file}, row {number}: expected a column {columns.get(name, name)!r}, found "
                f"{', '.join(map(str, row))}; name it with --map {name}=COLUMN"
            )
    choices = value("choices", [])
    problem = Problem(
        id=Problem.key(file, str(value("problem", number)), str(value("gold"))),
        source=str(value("source", file)), split="audit", domain=str(value("domain", "math")),
        verifier=verifier, prompt=str(value("problem", "")), answer=str(value("gold")),
        choices=[str(choice) for choice in choices], solution=None, row=number,
    )  # fmt: skip
    return Labelled(
        row=number,
        source=problem.source,
        problem=problem,
        candidate=written(problem, str(value("completion")), problem.source),
        label=_label(value("label"), file, number),
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
    whole = {**_counts(rows, verdicts), "rows_per_second": speed, "by_source": counts}
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


def _label(value: Any, file: str, number: int) -> bool:
    word = str(value).strip().casefold()
    if word in RIGHT or word in WRONG:
        return word in RIGHT
    raise InputError(
        f"{file}, row {number}: expected a label that says right or wrong (true, false, pass, "
        f"fail, 1, 0), got {str(value)[:40]!r}; name another column with --map label=COLUMN"
    )
