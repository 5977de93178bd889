"""Cost of each verifier and flags of each check, a round, from the shards alone."""

import dataclasses
from pathlib import Path
from typing import Any

import made_run
import pytest

from flows.commands.summary import COUNTS, print_summary
from flows.result import load_result
from flows.tallies import Tally, tallies
from rsfactory.records import Candidate, Flag, Outcome, Verdict
from rsfactory.store import CANDIDATES, FLAGS, VERDICTS, Store


def judged(of: Candidate, seconds: float, reason: str = "because", **changed: Any) -> Verdict:
    outcome = Outcome.UNVERIFIABLE if reason.startswith("timeout") else Outcome.CORRECT
    made = dataclasses.replace(made_run.verdict(of, outcome), reason=reason, seconds=seconds)
    return dataclasses.replace(made, **changed)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = made_run.write_run(tmp_path)
    rows = [made_run.candidate(made_run.P[0], 100 + n, f"text {n}", round=2) for n in range(101)]
    made.write(CANDIDATES, 2, "0", rows)
    verdicts = [judged(c, n / 1000) for n, c in enumerate(rows[:-1])]
    verdicts += [judged(rows[-1], 5.0, "timeout after 5.0 s")]
    verdicts += [judged(rows[0], 0.5, version="2"), judged(rows[1], 0.25, verifier="code")]
    made.write(VERDICTS, 2, "0", verdicts)
    flags = [Flag.make(c.id, "repetition", "so so so") for c in (rows[0], rows[1], rows[-1])]
    made.write(FLAGS, 2, "0", [*flags, flags[0]])
    return made


def test_what_verifiers_cost(store: Store) -> None:
    found = tallies(store)
    assert found[1].verifiers == {
        "math@1": {
            "rows": 6, "seconds": 0.06, "p50": 0.01, "p99": 0.01, "max": 0.01, "cached": 0,
            "timeouts": 0, "faults": 0, "isolation": ["process"],
        }
    }  # fmt: skip
    assert list(found[2].verifiers) == ["code@1", "math@1", "math@2"]
    assert found[2].verifiers["math@1"] == {
        "rows": 101, "seconds": 9.95, "p50": 0.05, "p99": 0.099, "max": 5.0, "cached": 1,
        "timeouts": 1, "faults": 1, "isolation": ["process"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("timeout after 5.0 s", True), ("worker died (signal 9)", True), ("memory limit", True),
        ("ValueError: no verdict", True), ("the gold cannot be read: Error: x", False),
        ("the sandbox failed: gone", False), ("no end within the wall limit", False),
    ],
)  # fmt: skip
def test_faults_are_told_by_their_reasons(tmp_path: Path, reason: str, fault: bool) -> None:
    store = made_run.write_run(tmp_path)
    row = made_run.candidate(made_run.P[0], 100, "text", round=2)
    verdicts = [judged(row, 1.0, reason, verifier="own", outcome=Outcome.UNVERIFIABLE)]
    verdicts += [judged(row, 0.0, reason, verifier="other", outcome=Outcome.UNVERIFIABLE)]
    store.write(CANDIDATES, 2, "0", [row])
    store.write(VERDICTS, 2, "0", verdicts)
    found = tallies(store)[2].verifiers
    assert (found["own@1"]["faults"], found["own@1"]["cached"]) == (int(fault), 0)
    assert (found["other@1"]["faults"], found["other@1"]["cached"]) == (0, 1)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_summary_fits_the_terminal(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, width: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    result = load_result(store)
    result.rounds[0] = dataclasses.replace(
        result.rounds[0], unverifiable=1234, truncated=99999, hinted_sampled=12345
    )
    result.tallies[1].verifiers["math@1"] |= {"cached": 12345, "timeouts": 12, "faults": 300}
    print_summary(result, tmp_path)
    said = capsys.readouterr().out
    tables = [line for line in said.split("change from")[0].splitlines() if line.strip()]
    assert max(map(len, tables)) <= width
    assert "…" not in said
    assert "roun " not in said
    for word in (*COUNTS, "12,345", "p99 ms", "max ms"):
        assert word in said


def test_the_wall_time_is_said_where_it_is_longer(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    result = load_result(store)
    print_summary(result, tmp_path, result.seconds + 1234)
    assert f"took {result.seconds + 1234:,.0f} s" in capsys.readouterr().out
    print_summary(result, tmp_path, 0)
    assert result.seconds == load_result(store).seconds


def test_what_checks_flagged(store: Store) -> None:
    found = tallies(store)
    assert (found[1].flags, found[1].flagged_correct) == ({"wrong_step": 1}, {"wrong_step": 0})
    assert (found[2].flags, found[2].flagged_correct) == ({"repetition": 3}, {"repetition": 2})


def test_a_run_without_verdicts_has_none(tmp_path: Path) -> None:
    store = made_run.write_run(tmp_path, done=False)
    assert tallies(store) == {}
    assert load_result(store).tally(1) == Tally()


def test_json_and_table_say_it(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    result = load_result(store)
    [row] = result.to_json()["rounds"]
    assert row["verifiers"]["math@1"]["rows"] == 6
    assert (row["flags"], row["flagged_correct"]) == ({"wrong_step": 1}, {"wrong_step": 0})
    print_summary(result, tmp_path)
    said = capsys.readouterr().out
    assert "flagged (correct)" in said
    assert "1 (0)" in said
    assert "math@1" in said


@pytest.mark.parametrize(
    ("said", "raised"), [("Query interrupted", KeyboardInterrupt), ("other", RuntimeError)]
)
def test_an_interrupted_query_is_ctrl_c(
    store: Store, monkeypatch: pytest.MonkeyPatch, said: str, raised: type[BaseException]
) -> None:
    def interrupted(_: Store) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("flows.tallies.open_catalog", interrupted)
    with pytest.raises(raised):
        tallies(store)
