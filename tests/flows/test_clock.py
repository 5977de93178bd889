"""Seconds of a stage are in the journal, also of one that ended badly or was killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import clock
from rsfactory.store import Store

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys, time
from pathlib import Path
from flows import clock
from rsfactory.store import Store
clock.EVERY = 0.1
with clock.booked(Store(Path(sys.argv[1])), 1, "sample"):
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize("every", [0.02, 10.0])
def test_the_parts_add_up(store: Store, every: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "EVERY", every)
    began = time.monotonic()
    with clock.booked(store, 1, "sample"):
        time.sleep(0.2)
    took = time.monotonic() - began
    assert store.seconds(1)["sample"] == pytest.approx(took, abs=0.1)
    assert (len(list(store.journal_entries())) > 1) == (every < 1)


def test_an_error_loses_no_seconds(store: Store) -> None:
    def interrupted() -> None:
        with clock.booked(store, 1, "sample"):
            time.sleep(0.1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.seconds(1)["sample"] >= 0.1


def test_a_kill_loses_only_the_last_of_them(store: Store) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(store.folder)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert store.seconds(1)["sample"] >= 0.7


def test_a_folder_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyError), clock.booked(Store(tmp_path / "file"), 1, "sample"):
        raise KeyError
