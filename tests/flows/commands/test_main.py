"""The command line: exit codes, help, one JSON document, messages that say what to do."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.commands import COMMANDS, main
from rsfactory.store import Store

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(factory: Factory, name: str) -> None:
    said = factory("--help")
    assert said.code == 0
    assert f"factory {name}" in said.out.partition("Examples:")[2]
    own = factory(name, "--help")
    assert own.code == 0
    assert f"Example: factory {name}" in own.out
    assert "--json" in own.out


def test_version(factory: Factory) -> None:
    assert factory("--version").out == "factory, version 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stauts"], "Did you mean 'status'?"),
        (["run", "star", "--ronds", "3"], "'--rounds'"),
        (["run", "star", "--rounds", "three"], "'three' is not a valid integer"),
        (["run", "collect", "--num-samples", "8"], "--set sample.num_samples=VALUE"),
        (["run", "collect", "--teacher", "gpt-4"], "did you mean openai:gpt-4"),
        (["run"], "Missing argument 'RECIPE'"),
        (["run", "stra"], "did you mean 'star'?"),
        (["run", "star", "--rounds", "0"], "rounds: input should be greater than 0, got 0"),
        (["run", "star", "--set", "sft.epoch=2"], "did you mean 'epochs'?"),
        (["run", "star", "--set", "sft.epochs"], "expected --set section.key=value"),
        (["run", "star", "--map", "problem"], "expected --map name=column"),
        (["run", "star", "--problems", "no/such/file.jsonl"], "file.jsonl"),
        (["run", "star", "--model", "no/such/model/here"], "no/such/model"),
        (["why", "none", "0"], "no run is called 'none'"),
        (["export-data", "none", "--out", "x.csv"], ".jsonl, .parquet"),
    ],
)
def test_wrong_input_is_2_with_a_message_and_nothing_written(
    factory: Factory, data: Path, words: list[str], expected: str
) -> None:
    plain, as_json = factory(*words), factory(*words, "--json")
    assert plain.code == as_json.code == 2
    assert plain.out == ""
    assert plain.err.startswith("error: ") or "\nerror: " in plain.err
    assert expected in plain.err
    assert as_json.json["exit"] == 2
    assert expected in as_json.json["error"]
    assert "Traceback" not in plain.err
    assert not data.exists()


def test_a_fault_of_ours_shows_its_traceback_and_keeps_json_json(
    factory: Factory,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: Store) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("flows.commands.status.describe", fail)
    with pytest.raises(ZeroDivisionError):
        factory("status", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said == {"error": "ZeroDivisionError: ours", "exit": 1}


def test_ctrl_c_is_3(factory: Factory, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Store) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("flows.commands.status.describe", interrupt)
    said = factory("status", "--json")
    assert said.code == said.json["exit"] == 3
    assert said.err.strip() == "stopped; nothing was written"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "star"], "nothing is lost; run the same command to continue: factory run star"),
        (["verify", "r"], "nothing is lost; run the same command to continue: factory verify r"),
        (["audit", "math", "f.jsonl", "--out", "v.jsonl"], "nothing was written"),
        (["validate", "f.jsonl"], "nothing was written"),
        (["rm", "r", "--yes"], ""),  # it may have removed one of several
    ],
)
def test_a_stopped_command_says_what_is_left(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.commands.cli.main", interrupt)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main(words)
    signal.signal(signal.SIGTERM, before)
    assert end.value.code == 3
    assert capsys.readouterr().err.strip() == ("stopped; " + says if says else "stopped")


def test_a_file_where_a_folder_is_meant_and_the_other_way_round(
    factory: Factory, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for words in (["status"], ["run", "star"]):
        said = factory(*words, "--data", str(tmp_path / "file"))
        assert said.code == 2
        assert "is a file" in said.err
    said = factory("report", "made-1", "--out", str(tmp_path))
    assert said.code == 2
    assert "is a directory" in said.err
