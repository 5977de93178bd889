"""Progress: what is shown, how often, and how the time left is estimated."""

import io

import made_run
import pytest
from rich.console import Console

from flows.pace import Tracker, clock
from flows.progress import LineReporter, LiveReporter, Reporter, SilentReporter, make_reporter
from rsfactory.records import Outcome


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def now() -> Clock:
    return Clock()


def work(reporter: Reporter) -> None:
    """What a run tells its reporter."""
    reporter.note("getting started")
    reporter.stage(0, "evaluate", 2, "completions")
    reporter.advance(2, 30)
    reporter.stage(1, "sample", 4, "completions")
    reporter.advance(4, 100)
    reporter.stage(1, "verify", 1, "shards")
    for outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.CORRECT):
        reporter.outcome(outcome)
    reporter.advance(1)
    reporter.stage(1, "sft", 0, "steps")
    reporter.steps(3, 8)
    reporter.round_done(made_run.report())
    reporter.close()
    reporter.close()


def test_lines_say_begin_end_and_counts() -> None:
    out = io.StringIO()
    work(LineReporter(1, out))
    lines = [line.partition("] ")[2] for line in out.getvalue().splitlines()]
    assert lines[0] == "getting started"
    assert lines[1] == "setup · evaluate: 2 completions"
    assert "round 1 · verify: 1 shard in 0:00, 2 correct, 1 wrong" in lines
    assert lines[-1].startswith("round 1 done: 5 sampled, 60% correct, 2 selected; held-out acc")
    assert lines[-2] == "round 1 · sft: 3 steps in 0:00"


def test_at_most_a_line_every_ten_seconds(now: Clock) -> None:
    out = io.StringIO()
    reporter = LineReporter(1, out, now)
    reporter.stage(1, "sample", 100, "completions")
    for done in range(1, 51):
        now.time += 1
        reporter.advance(done, done * 20)
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + 5
    begun, whole = lines[-1].split(", about 0:50 left, about ")
    assert begun == "[0:50] round 1 · sample: 50/100 completions, 20 tokens/s"
    assert whole.endswith(" for the run")


def test_lines_say_the_rest_too(now: Clock) -> None:
    out = io.StringIO()
    reporter = LineReporter(1, out, now, weights={})
    reporter.detail("nobody hears this")
    reporter.stage(1, "sample", 100, "completions")
    now.time += 10
    reporter.detail("3.1 correct/s, 0.42 USD so far, 64 under way of at most 256", grows=True)
    reporter.advance(50, 1000)
    reporter.detail("3.1 correct/s, 0.84 USD so far")
    reporter.close()
    _, during, end = out.getvalue().splitlines()
    assert during == (
        "[0:10] round 1 · sample: 50/100 completions, 100 tokens/s, at least 0:10 left, "
        "3.1 correct/s, 0.42 USD so far, 64 under way of at most 256"
    )
    assert end == (
        "[0:10] round 1 · sample: 50 completions in 0:10, 100 tokens/s, "
        "3.1 correct/s, 0.84 USD so far"
    )


def test_the_first_line_comes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = make_reporter(json=True, terminal=True)
    reporter.note("here")
    shown = capsys.readouterr()
    assert shown.err == "[0:00] here\n"
    assert shown.out == ""


def test_the_fitting_reporter() -> None:
    assert isinstance(make_reporter(json=False, terminal=False), LineReporter)
    assert isinstance(make_reporter(json=True, terminal=True), LineReporter)
    live = make_reporter(json=False, terminal=True)
    live.close()
    assert isinstance(live, LiveReporter)


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    work(SilentReporter())
    assert capsys.readouterr() == ("", "")


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def test_the_live_view_shows_stage_counts_and_rate() -> None:
    console = terminal()
    reporter = LiveReporter(3, console)
    reporter.stage(2, "sample", 10, "completions")
    reporter.outcome(Outcome.TRUNCATED)
    reporter._track.began -= 61
    reporter._track.current.began -= 20  # type: ignore[union-attr]
    reporter.advance(5, 400)
    shown = terminal()
    shown.print(reporter._view())
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    reporter.close()
    assert "round 2 · sample" in text
    assert "5/10 completions, 20 tokens/s, about 0:20 left" in text
    assert "1:01" in text
    assert "1 truncated" in text


def test_the_live_view_fits_and_says_the_rest_below() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    reporter = LiveReporter(1, console, weights={})
    reporter.stage(1, "sample", 4, "completions")
    reporter._track.current.now = lambda: 120.0  # type: ignore[union-attr]
    reporter._track.current.began = 100.0  # type: ignore[union-attr]
    reporter.detail("12 correct/s, 0.42 USD so far", grows=True)
    reporter.steps(3649, 5872)
    reporter.advance(3649, 206_000)
    shown = Console(file=io.StringIO(), width=80)
    shown.print(reporter._view())
    reporter.close()
    bar, below, detail = shown.file.getvalue().rstrip("\n").split("\n")  # type: ignore[attr-defined]
    assert " ".join(bar.split()) == (
        "round 1 · sample 3649/5872 completions, 10300 tokens/s, at least 0:12 left"
    )
    assert "left" not in below  # one stage is all there is
    assert detail.strip() == "12 correct/s, 0.42 USD so far"


def test_what_the_live_view_leaves_behind() -> None:
    console = terminal()
    work(LiveReporter(1, console))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "getting started" in text
    assert "round 1 · verify: 1 shard in 0:00, 2 correct, 1 wrong" in text
    assert "round 1 done: 5 sampled" in text


def test_counts_begin_again_with_a_round(now: Clock) -> None:
    track = Tracker(2, now)
    track.begin(1, "sample", 1, "completions")
    track.outcomes["correct"] += 1
    track.begin(1, "verify", 1, "shards")
    assert track.outcomes == {"correct": 1}
    track.begin(2, "sample", 1, "completions")
    assert not track.outcomes


def test_nothing_is_said_about_what_is_not_known(now: Clock) -> None:
    track = Tracker(2, now)
    assert track.run_left() is None
    stage = track.begin(1, "sft", 0, "steps")
    assert stage.left() is None
    assert track.run_left() is None
    setup = track.begin(0, "evaluate", 10, "completions")
    now.time += 5
    setup.advance(5, 0)
    assert setup.left() == 5
    left = track.run_left()
    assert left is not None
    assert left > 5  # by what an evaluation takes of a round, measured once


def test_time_left_from_a_round_that_was_measured(now: Clock) -> None:
    track = Tracker(3, now)
    track.finish_round(made_run.report())  # sample 10, verify 1, sft 20, evaluate 4
    stage = track.begin(2, "sample", 10, "completions")
    now.time += 4
    stage.advance(5, 0)
    assert track.run_left() == pytest.approx(4 + 1 + 20 + 4 + 35)


def test_time_left_in_the_first_round_grows_with_the_rounds(now: Clock) -> None:
    def left(rounds: int) -> float:
        track = Tracker(rounds, now)
        stage = track.begin(1, "sample", 10, "completions")
        now.time += 10
        stage.advance(5, 0)
        estimate = track.run_left()
        assert estimate is not None
        return estimate

    assert 10 < left(1) < left(2) < left(3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01"), (-1, "0:00")],
)
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


def test_before_the_first_stage_nothing_is_drawn() -> None:
    """What pip prints while it fetches the model must not be drawn over."""
    console = terminal()
    reporter = LiveReporter(1, console)
    reporter.note("factory run star")
    assert console.file.getvalue() == "factory run star\n"  # type: ignore[attr-defined]
    reporter.stage(0, "evaluate", 2, "completions")
    assert "evaluate" in console.file.getvalue()  # type: ignore[attr-defined]
    reporter.close()
    reporter.close()
