"""Selection: which candidates go to training, and for every other one the rule that kept it out.

Rules in order, the first that applies is the reason: ``outcome`` (only correct ones), ``finish``
(only whole ones: not cut, not filtered, not ended for an unknown reason), ``flag`` (one of
``reject_flags``), ``length`` (longer than training takes), ``duplicate`` (of this round
or an earlier selection), ``max_per_problem`` (the first ones by index; a hinted one only where no
candidate without a hint was correct).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from filters.dedup import ExactDedup
from rsfactory.contracts import Filter, Rejection
from rsfactory.records import Candidate, Flag, Outcome, Verdict

Decided = Iterator[tuple[Candidate, Rejection | None]]


def select_candidates(
    candidates: Sequence[Candidate],
    verdicts: Mapping[str, Verdict],
    flags: Iterable[Flag],
    *,
    earlier: Iterable[Candidate] = (),
    max_per_problem: int,
    reject_flags: Collection[str],
    max_length: int | None = None,
    finish_reasons: Collection[str] = ("stop",),
) -> Decided:
    """Every candidate once, in the order given, with None (selected) or why it is rejected.

    The decision does not depend on that order: among a problem's candidates those without a hint
    come first, then the lower index.

    Args:
        candidates: All candidates of a round.
        verdicts: The verdict that decides, by candidate key; every candidate needs one.
        flags: What the checks found.
        earlier: Candidates selected in earlier rounds; their texts are not selected again.
        max_per_problem: Distinct correct candidates of a problem that are kept.
        reject_flags: Checks whose flags keep a candidate out.
        max_length: Tokens of prompt and completion together that training takes; as counted by the
            teacher, so worked solutions, which nobody sampled, count 0.
        finish_reasons: Those of whole completions.

    Raises:
        ValueError: A candidate has no verdict.
    """
    missing = [c.id for c in candidates if c.id not in verdicts]
    if missing:
        raise ValueError(
            f"{len(missing)} candidates have no verdict, e.g. {missing[0]}; verify first"
        )
    rules: list[Filter] = [
        _Correct(verdicts),
        _Whole(finish_reasons),
        _Unflagged(flags, reject_flags),
        _Short(max_length),
        ExactDedup(earlier),
        _Bound(candidates, verdicts, max_per_problem),
    ]
    left = sorted(candidates, key=lambda c: (c.problem_id, c.hinted, c.index, c.attempt, c.id))
    rejected: dict[str, Rejection] = {}
    for rule in rules:
        decided = list(rule(left))
        rejected |= {row.id: why for row, why in decided if why is not None}
        left = [row for row, why in decided if why is None]
    for candidate in candidates:
        yield candidate, rejected.get(candidate.id)


class _Correct:
    """``outcome``: only candidates judged correct."""

    def __init__(self, verdicts: Mapping[str, Verdict]) -> None:
        self._verdicts = verdicts

    def __call__(self, rows: Iterable[Candidate]) -> Decided:
        for row in rows:
            verdict = self._verdicts[row.id]
            right = verdict.outcome is Outcome.CORRECT
            why = Rejection(rule="outcome", reason=f"{verdict.outcome}: {verdict.reason}")
            yield row, None if right else why


class _Whole:
    """``finish``: completions that came to their own end."""

    def __init__(self, whole: Collection[str]) -> None:
        self._whole = whole

    def __call__(self, rows: Iterable[Candidate]) -> Decided:
        for row in rows:
            ended = row.finish_reason in self._whole
            reason = f"finish_reason {row.finish_reason!r} is not one of a whole completion"
            yield row, None if ended else Rejection(rule="finish", reason=reason)


class _Unflagged:
    """``flag``: nothing found that the recipe rejects."""

    def __init__(self, flags: Iterable[Flag], reject: Collection[str]) -> None:
        self._found: dict[str, list[Flag]] = defaultdict(list)
        for flag in flags:
            if flag.check in reject:
                self._found[flag.candidate_id].append(flag)

    def __call__(self, rows: Iterable[Candidate]) -> Decided:
        for row in rows:
            found = self._found.get(row.id, [])
            reason = "; ".join(f"{flag.check}: {flag.evidence}" for flag in found)
            yield row, Rejection(rule="flag", reason=reason) if found else None


class _Short:
    """``length``: short enough for training, which cuts nothing."""

    def __init__(self, most: int | None) -> None:
        self._most = most

    def __call__(self, rows: Iterable[Candidate]) -> Decided:
        for row in rows:
            length = row.prompt_tokens + row.tokens
            long = self._most is not None and length > self._most
            reason = f"{length} tokens with its prompt, more than sft.max_length = {self._most}"
            yield row, Rejection(rule="length", reason=reason) if long else None


class _Bound:
    """``max_per_problem``: the first ones of each problem; hinted ones only where needed."""

    def __init__(
        self, candidates: Iterable[Candidate], verdicts: Mapping[str, Verdict], most: int
    ) -> None:
        self._most = most
        self._solved = {
            c.problem_id
            for c in candidates
            if not c.hinted and verdicts[c.id].outcome is Outcome.CORRECT
        }

    def __call__(self, rows: Iterable[Candidate]) -> Decided:
        kept: dict[str, int] = defaultdict(int)
        for row in rows:
            reason = None
            if row.hinted and row.problem_id in self._solved:
                reason = "hinted, and the problem was solved without a hint"
            elif kept[row.problem_id] >= self._most:
                reason = f"the problem already has {self._most} selected"
            else:
                kept[row.problem_id] += 1
            yield row, None if reason is None else Rejection(rule="max_per_problem", reason=reason)
