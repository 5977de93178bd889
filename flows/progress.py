"""What a run shows while it works: a live view, plain lines, or nothing.

Everything goes to standard error. A stage says what it is and how much there is of it; numbers
given to `advance` are absolute within the stage, so that a repeated call does no harm.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TextIO

from flows.pace import (
    WEIGHTS,
    Tracker,
    about,
    clock,
    end_words,
    outcome_words,
    progress_words,
    round_words,
)
from rsfactory.records import Outcome, RoundReport
from rsfactory.words import counted

LINE_EVERY = 10.0
"""Seconds between two lines of the same stage where there is no terminal."""

NARROWEST = 5
"""Columns of a bar; where fewer are left, there is none."""


class Reporter(Protocol):
    """Who is told what a run does."""

    def stage(self, round: int, name: str, total: int, unit: str) -> None:
        """A stage begins; ``total`` is how much there is of ``unit``, 0 where unknown."""
        ...

    def advance(self, done: int, tokens: int = 0) -> None:
        """How much of the stage is done, and its tokens so far; both absolute."""
        ...

    def steps(self, done: int, total: int) -> None:
        """Like `advance`, for a stage that learns its total on the way (training)."""
        ...

    def detail(self, text: str, *, grows: bool = False) -> None:
        """What else there is to say of the stage, in place of what was said before.

        Args:
            text: A few words.
            grows: The stage's total may still grow: the time left is a lower bound.
        """
        ...

    def outcome(self, outcome: Outcome) -> None:
        """One more candidate of this round was verified."""
        ...

    def note(self, text: str) -> None:
        """A line that stays."""
        ...

    def round_done(self, report: RoundReport) -> None:
        """A round ended."""
        ...

    def close(self) -> None:
        """Nothing more comes. Safe to call twice."""
        ...


class SilentReporter:
    """Shows nothing; for tests and for calls from a program."""

    def stage(self, round: int, name: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, done: int, tokens: int = 0) -> None:
        """Nothing."""

    def steps(self, done: int, total: int) -> None:
        """Nothing."""

    def detail(self, text: str, *, grows: bool = False) -> None:
        """Nothing."""

    def outcome(self, outcome: Outcome) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def round_done(self, report: RoundReport) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _Tracked:
    """What line and live reporter share: the stage under way, the outcomes, the lines that stay."""

    def __init__(
        self,
        rounds: int,
        now: Callable[[], float] = time.monotonic,
        weights: Mapping[str, float] = WEIGHTS,
    ) -> None:
        self._track = Tracker(rounds, now, weights)

    def stage(self, round: int, name: str, total: int, unit: str) -> None:
        """Begins a stage; the one before leaves a line."""
        self._finish_stage()
        self._track.begin(round, name, total, unit)

    def advance(self, done: int, tokens: int = 0) -> None:
        """Notes how far the stage is."""
        if self._track.current is not None:
            self._track.current.advance(done, tokens)

    def steps(self, done: int, total: int) -> None:
        """Notes how far training is."""
        if self._track.current is not None:
            self._track.current.total = total
        self.advance(done)

    def detail(self, text: str, *, grows: bool = False) -> None:
        """Notes what else there is to say."""
        if self._track.current is not None:
            self._track.current.detail, self._track.current.grows = text, grows

    def outcome(self, outcome: Outcome) -> None:
        """Counts; the counts are in the line that ends the stage."""
        self._track.outcomes[outcome.value] += 1

    def note(self, text: str) -> None:
        """A line that stays."""
        raise NotImplementedError

    def round_done(self, report: RoundReport) -> None:
        """Leaves the round in one line."""
        self._finish_stage()
        self._track.finish_round(report)
        self.note(round_words(report))

    def close(self) -> None:
        """Ends the last stage's line."""
        self._finish_stage()

    def _finish_stage(self) -> None:
        stage = self._track.end()
        if stage is not None:
            self.note(f"{stage.title()}: {end_words(self._track, stage)}")


class LineReporter(_Tracked):
    """One line when a stage begins and ends, and one every `LINE_EVERY` seconds between."""

    def __init__(
        self,
        rounds: int = 1,
        out: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
        weights: Mapping[str, float] = WEIGHTS,
    ) -> None:
        """Writes to ``out``, by default standard error."""
        super().__init__(rounds, now, weights)
        self._out = out or sys.stderr
        self._last_line = now()

    def stage(self, round: int, name: str, total: int, unit: str) -> None:
        """Begins a stage with a line of its own."""
        super().stage(round, name, total, unit)
        assert self._track.current is not None
        amount = f": {counted(total, unit)}" if total else ""
        self.note(f"{self._track.current.title()}{amount}")

    def advance(self, done: int, tokens: int = 0) -> None:
        """Says how far the stage is, at most every `LINE_EVERY` seconds."""
        super().advance(done, tokens)
        stage = self._track.current
        if stage is not None and self._track.now() - self._last_line >= LINE_EVERY:
            left = self._track.run_left()
            whole = f", {about(stage)} {clock(left)} for the run" if left is not None else ""
            more = f", {stage.detail}" if stage.detail else ""
            self.note(f"{stage.title()}: {progress_words(stage)}{whole}{more}")

    def note(self, text: str) -> None:
        """Prints the line."""
        self._last_line = self._track.now()
        print(
            f"[{clock(self._track.now() - self._track.began)}] {text}", file=self._out, flush=True
        )


class LiveReporter(_Tracked):
    """A few lines at the terminal's bottom that are drawn again four times a second."""

    def __init__(
        self, rounds: int = 1, console: Any = None, weights: Mapping[str, float] = WEIGHTS
    ) -> None:
        """Draws on ``console`` (rich), by default standard error."""
        from rich.console import Console
        from rich.live import Live

        super().__init__(rounds, weights=weights)
        self._live = Live(
            console=console or Console(stderr=True),
            get_renderable=self._view,
            refresh_per_second=4,
            transient=True,
        )

    def stage(self, round: int, name: str, total: int, unit: str) -> None:
        """Begins a stage; before the first one the terminal is for what fetches the model."""
        super().stage(round, name, total, unit)
        if not self._live.is_started:
            self._live.start(refresh=True)

    def note(self, text: str) -> None:
        """Prints the line above the view."""
        from rich.text import Text

        self._live.console.print(Text(text))

    def close(self) -> None:
        """Takes the view away; what was printed stays."""
        super().close()
        self._live.stop()

    def _view(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        track, stage = self._track, self._track.current
        elapsed = clock(track.now() - track.began)
        if stage is None:
            return Text(f"{elapsed}  {'working' if track.spent else 'getting ready'} ...")
        bar, words = Table.grid(padding=(0, 2)), Text(progress_words(stage), no_wrap=True)
        cells = [Text(stage.title(), style="bold"), words]
        room = self._live.console.width - len(stage.title()) - len(words) - 4
        if room >= NARROWEST:
            done = ProgressBar(total=stage.total or None, completed=stage.done,
                               width=min(30, room), pulse=not stage.total)  # fmt: skip
            bar.add_row(cells[0], done, cells[1])
        else:
            bar.add_row(*cells)
        left = track.run_left()
        whole = f"  {about(stage)} {clock(left)} left" if left is not None else ""
        lines = [Text(f"{elapsed}{whole}   {outcome_words(track.outcomes)}".rstrip())]
        if stage.detail:
            lines.append(Text(f"{'':{len(elapsed)}}   {stage.detail}"))
        return Group(bar, *lines)


def make_reporter(*, json: bool, terminal: bool, rounds: int = 1, trains: bool = True) -> Reporter:
    """The reporter that fits: live on a terminal, lines otherwise; with ``--json`` lines too.

    Without training (``trains``) a run is one stage, whose time left is all there is to say.
    """
    weights = WEIGHTS if trains else {}
    if terminal and not json:
        return LiveReporter(rounds, weights=weights)
    return LineReporter(rounds, weights=weights)
