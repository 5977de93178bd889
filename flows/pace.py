"""How far a run is: its stage, its counts, and the time left.

Time left is an estimate: within a stage from the stage's own rate, for the run from the stages of
rounds already done, or else from `WEIGHTS`, measured once with the shipped recipe on two cores.
Not covered: the pool grows over rounds, so that later trainings take longer than the last one; the
rest of the set-up before round 1.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rsfactory.records import RoundReport
from rsfactory.words import counted

WEIGHTS = {"sample": 20.0, "verify": 0.5, "rationalize": 5.0, "sft": 52.0, "grpo": 12.0,
           "evaluate": 10.5}  # fmt: skip
"""Stage -> share of a round's time (docs/results.md), used until a round has been measured."""

MEASURED = 0.1
"""Share of a stage after which its rate is believed."""


@dataclass
class Stage:
    """One stage in progress. Times are seconds of a monotonic clock."""

    round: int
    name: str
    total: int
    unit: str
    began: float
    now: Callable[[], float]
    done: int = 0
    tokens: int = 0
    detail: str = ""
    """What else there is to say of it."""
    grows: bool = False
    """Whether its total may still grow, so that the time left is a lower bound."""

    def advance(self, done: int, tokens: int) -> None:
        """Takes absolute numbers."""
        self.done, self.tokens = done, max(tokens, self.tokens)

    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return self.now() - self.began

    def left(self) -> float | None:
        """Estimated seconds until the stage ends; None until a tenth is done.

        The completions of a batch end together, so the first few say nothing.
        """
        if self.total <= 0 or self.done < MEASURED * self.total or not self.done:
            return None
        return max(0.0, self.elapsed() * (self.total - self.done) / self.done)

    def tokens_per_second(self) -> float:
        """Rate of the stage's tokens, 0 before there are any."""
        seconds = self.elapsed()
        return self.tokens / seconds if self.tokens and seconds > 0.5 else 0.0

    def title(self) -> str:
        """``round 2 sample``, or ``setup`` for what comes before round 1."""
        return f"{round_name(self.round)} · {self.name}"


class Tracker:
    """The numbers behind every view: the stage, the round's outcomes, and the time left."""

    def __init__(
        self,
        rounds: int,
        now: Callable[[], float] = time.monotonic,
        weights: Mapping[str, float] = WEIGHTS,
    ) -> None:
        """Takes the run's rounds, a clock, and what a round's stages take; {} says nothing."""
        self.rounds = rounds
        self.weights = weights
        self.now = now
        self.began = now()
        self.current: Stage | None = None
        self.outcomes: Counter[str] = Counter()
        self._counted = 0
        self.spent: dict[int, dict[str, float]] = {}
        """Round -> stage -> seconds, of stages that ended."""

    def begin(self, round: int, name: str, total: int, unit: str) -> Stage:
        """Begins a stage; the counts by outcome are those of its round."""
        if self._counted != round:
            self.outcomes.clear()
        self._counted = round
        self.current = Stage(round, name, total, unit, self.now(), self.now)
        return self.current

    def end(self) -> Stage | None:
        """Ends the current stage and books its time; None when there is none."""
        stage, self.current = self.current, None
        if stage is not None:
            spent = self.spent.setdefault(stage.round, {})
            spent[stage.name] = spent.get(stage.name, 0.0) + stage.elapsed()
        return stage

    def finish_round(self, report: RoundReport) -> None:
        """Takes the round's own figures, which count what earlier processes spent on it too."""
        self.end()
        self.spent[report.round] = json.loads(report.seconds) or self.spent.get(report.round, {})

    def run_left(self) -> float | None:
        """Estimated seconds until the run ends; None while nothing can be said."""
        stage = self.current
        in_stage = stage.left() if stage is not None else None
        if stage is None or in_stage is None:
            return None
        expected = self._expected(stage, stage.elapsed() + in_stage)
        if expected is None:
            return None
        behind = {stage.name, *self.spent.get(stage.round, {})}
        ahead = {} if stage.round < 1 else expected  # what is left of the set-up is not foreseen
        in_round = sum(seconds for name, seconds in ahead.items() if name not in behind)
        rounds_after = max(0, self.rounds - stage.round)
        return in_stage + in_round + rounds_after * sum(expected.values())

    def _expected(self, stage: Stage, stage_seconds: float) -> dict[str, float] | None:
        """Stage -> seconds of a whole round: the last measured one, or the weights scaled.

        None where the set-up has not come to a stage that rounds have too.
        """
        measured = [r for r in self.spent if 0 < r < stage.round and self.spent[r]]
        if measured:
            return self.spent[max(measured)]
        known = {**self.spent.get(stage.round, {}), stage.name: stage_seconds}
        weight = sum(self.weights.get(name, 0.0) for name in known)
        if weight == 0:
            return None
        scale = sum(s for n, s in known.items() if n in self.weights) / weight
        return {name: known.get(name, scale * share) for name, share in self.weights.items()}


def round_name(round: int) -> str:
    """``round 2``, or ``setup`` for what comes before round 1."""
    return f"round {round}" if round > 0 else "setup"


def progress_words(stage: Stage) -> str:
    """How far a stage is, e.g. ``96/384 completions, 201 tokens/s, about 1:10 left``."""
    done = counted(stage.done, stage.unit)
    words = [f"{stage.done}/{counted(stage.total, stage.unit)}" if stage.total else done]
    if rate := stage.tokens_per_second():
        words.append(f"{rate:.0f} tokens/s")
    if (left := stage.left()) is not None:
        words.append(f"{about(stage)} {clock(left)} left")
    return ", ".join(words)


def about(stage: Stage) -> str:
    """How a time left is to be read."""
    return "at least" if stage.grows else "about"


def end_words(track: Tracker, stage: Stage) -> str:
    """What a stage did, e.g. ``384 completions in 1:31, 201 tokens/s``."""
    amount = f"{counted(stage.done, stage.unit)} " if stage.done else ""
    words = [f"{amount}in {clock(stage.elapsed())}"]
    if rate := stage.tokens_per_second():
        words.append(f"{rate:.0f} tokens/s")
    if stage.detail:
        words.append(stage.detail)
    if stage.name == "verify" and track.outcomes:
        words.append(outcome_words(track.outcomes))
    return ", ".join(words)


def outcome_words(outcomes: Counter[str]) -> str:
    """Counts by outcome, the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in outcomes.most_common())


def round_words(report: RoundReport) -> str:
    """A round in one line."""
    share = report.correct / report.sampled if report.sampled else 0.0
    counts = f"{report.sampled} sampled, {share:.0%} correct, {report.selected} selected"
    if report.accuracy is None:
        return f"done: {counts}"
    return (
        f"round {report.round} done: {counts}; held-out accuracy {report.accuracy:.3f} "
        f"({report.low:.3f} to {report.high:.3f}), {report.gate.value}: {report.gate_reason}"
    )


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = round(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
