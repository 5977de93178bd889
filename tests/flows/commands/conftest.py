"""The console script called in the test's own process, on a data folder of its own."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import made_run
import pytest

from flows.commands import main
from rsfactory.store import Store


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Store:
    return made_run.write_run(data)


@pytest.fixture
def factory(data: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: str) -> Said:
        alone = (
            words[0].startswith("-")
            or words[0] in ("validate", "audit", "sandbox", "install")
            or "--data" in words
        )
        where = [] if alone else ["--data", str(data)]
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*words, *where])
        assert isinstance(end.value.code, int)
        return Said(end.value.code, *capsys.readouterr())

    yield call
    signal.signal(signal.SIGTERM, before)
