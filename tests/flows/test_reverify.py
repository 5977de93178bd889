"""Judging again: only what this version has not judged, and what flipped."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_run
import pytest

from filters.verify import VERIFIERS
from flows.decided import decided
from flows.reverify import verify_again, wanted
from flows.select import _verdicts
from rsfactory.catalog import open_catalog
from rsfactory.errors import InputError, RunLocked
from rsfactory.records import Candidate, Outcome, Problem, Verdict
from rsfactory.store import VERDICTS, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return made_run.write_run(tmp_path)


class Harsh:
    """A later version that finds everything wrong."""

    name = "math"
    version = "10"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        from filters.verify.verdicts import verdict

        return verdict(self, candidate, Outcome.WRONG, "harsh")  # type: ignore[arg-type]

    verify = quick


def again(store: Store, words: str = "math") -> tuple[Any, list[int]]:
    asked: list[int] = []

    def begin(total: int) -> Any:
        asked.append(total)
        return lambda: None

    return verify_again(store, words, begin), asked


def test_a_new_version_judges_all_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {v.candidate_id: v.outcome for v in store.read(VERDICTS)}
    monkeypatch.setitem(VERIFIERS, "math", Harsh())
    found, asked = again(store, "math@10")
    assert asked == [found.candidates]
    right = {key for key, outcome in old.items() if outcome is Outcome.CORRECT}
    assert right <= {flip.candidate_id for flip in found.flipped}
    assert {flip.after for flip in found.flipped} == {Outcome.WRONG}
    repeated, asked_again = again(store)
    assert asked_again == [0]
    assert repeated == found
    with open_catalog(store) as connection:
        [(versions,)] = connection.execute("SELECT list(DISTINCT version) FROM verdicts").fetchall()
        assert "10" in versions


def test_the_newest_version_counts_wherever_a_run_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERIFIERS, "math", Harsh())
    again(store)
    judged = {v.candidate_id for v in store.read(VERDICTS, 1) if v.version == "10"}
    rows = decided(store, 1)
    assert set(rows.filter(rows["id"].is_in(judged))["outcome"]) == {"wrong"}
    run: Any = SimpleNamespace(store=store)
    verdicts = _verdicts(run, 1)
    assert judged
    assert {verdicts[key].outcome for key in judged} == {Outcome.WRONG}


def test_the_installed_version_or_none(store: Store) -> None:
    assert wanted("math") == ("math", VERIFIERS["math"].version)
    with pytest.raises(InputError, match=r"expected verifier math@99, installed is math@"):
        wanted("math@99")
    with pytest.raises(InputError, match="maths"):
        again(store, "maths")


def test_a_run_at_work_is_left_alone(store: Store) -> None:
    with store.lock(), pytest.raises(RunLocked):
        again(store)
