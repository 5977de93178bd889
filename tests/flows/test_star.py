"""The whole loop in seconds: the scripted teacher with the dry-run trainer, both fakes."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.progress import SilentReporter
from flows.result import RunResult
from flows.star import run_star
from rsfactory.errors import InputError, RecipeChanged, RunLocked, StoreError
from rsfactory.recipe import load
from rsfactory.store import (
    CANDIDATES,
    CHECKPOINTS,
    EVALUATIONS,
    FLAGS,
    PROBLEMS,
    ROUNDS,
    SELECTIONS,
    TRAINING_ROWS,
    VERDICTS,
    Store,
    Table,
)  # fmt: skip

FAST = {
    "model.student": "scripted:0.5",
    "sample.teacher": "scripted:0.5",
    "train.trainer": "dry-run",
    "problems.per_round": 24,
    "sample.shard_size": 10,
    "evaluate.problems": 32,
    "cold_start.traces": 8,
    "rounds": 2,
}


def star(data: Path, name: str | None = None, seed: int = 0, **settings: object) -> RunResult:
    changed = {**FAST, **{k.replace("__", "."): v for k, v in settings.items()}}
    recipe = load("star", changed)
    reporter = SilentReporter()
    return run_star(recipe, seed=seed, data=data, name=name, reporter=reporter, prefect=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return star(tmp_path_factory.mktemp("data"))


def test_counts_add_up(finished: RunResult) -> None:
    document = finished.to_json()
    json.dumps(document)
    assert [row["round"] for row in document["rounds"]] == [1, 2]
    for row in document["rounds"]:
        assert row["sampled"] == sum(row["outcomes"].values())
        assert row["sampled"] == row["selected"] + sum(row["rejected_by"].values())
        assert row["sampled"] == 24 * 2 + row["hinted"]["sampled"]
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert row["pool"] > 0


def test_every_candidate_has_a_verdict_and_a_selection(finished: RunResult) -> None:
    store = Store(finished.folder)
    for round in (1, 2):
        keys = [c.id for c in store.read(CANDIDATES, round)]
        assert len(keys) == len(set(keys))
        assert {v.candidate_id for v in store.read(VERDICTS, round)} == set(keys)
        assert sorted(s.candidate_id for s in store.read(SELECTIONS, round)) == sorted(keys)


def test_held_out_problems_are_never_trained_on(finished: RunResult) -> None:
    store = Store(finished.folder)
    problems = store.read(PROBLEMS)
    held_out = {p.prompt for p in problems if p.split == "held_out"}
    assert len(held_out) == 32
    assert not held_out & {p.prompt for p in problems if p.split != "held_out"}
    trained = {row.problem_id for row in store.read(TRAINING_ROWS)}
    assert not trained & {p.id for p in problems if p.split == "held_out"}


def test_training_rows_never_show_a_hint(finished: RunResult) -> None:
    store = Store(finished.folder)
    rows = {row.candidate_id: row for row in store.read(TRAINING_ROWS)}
    hinted = [c for c in store.read(CANDIDATES) if c.hinted]
    assert hinted
    for candidate in hinted:
        if candidate.id in rows:
            assert rows[candidate.id].prompt_id != candidate.prompt_id
            assert "(The sum is" not in rows[candidate.id].prompt


def test_the_index_goes_on_over_rounds(tmp_path: Path) -> None:
    result = star(tmp_path, problems__limit=12)
    rows = [c for c in Store(result.folder).read(CANDIDATES) if not c.hinted and c.round]
    by_problem: dict[str, set[int]] = {}
    for row in rows:
        by_problem.setdefault(row.problem_id, set()).add(row.index)
    assert len(by_problem) == 12
    assert all(indices == {0, 1, 2, 3} for indices in by_problem.values())


def test_a_finished_run_is_not_done_again(finished: RunResult) -> None:
    store = Store(finished.folder)
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("part-*.parquet")}
    again = star(finished.folder.parent.parent)
    assert {p: p.stat().st_mtime_ns for p in finished.folder.rglob("part-*.parquet")} == before
    assert again.rounds == finished.rounds
    assert len(store.read(ROUNDS)) == 2


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(
    finished: RunResult, tmp_path: Path
) -> None:
    def keys(result: RunResult) -> set[tuple[str, str]]:
        return {(c.id, c.completion) for c in Store(result.folder).read(CANDIDATES)}

    same, other = star(tmp_path / "a"), star(tmp_path / "b", seed=1)
    assert same.run == finished.run != other.run
    assert keys(same) == keys(finished)
    assert not keys(other) & keys(finished)


def test_more_rounds_continue_the_run(tmp_path: Path) -> None:
    first = star(tmp_path, rounds=1)
    second = star(tmp_path, rounds=3)
    assert second.run == first.run
    assert [r.round for r in second.rounds] == [1, 2, 3]
    assert second.rounds[0] == first.rounds[0]


@pytest.mark.parametrize("nth", [2, 5])
@pytest.mark.parametrize("stage", ["sample", "verify", "select", "fit", "evaluate", "gate"])
def test_interrupted_anywhere_the_rerun_ends_the_same(
    finished: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, nth: int
) -> None:
    """The process is interrupted at a stage's nth shard write; what was written stays."""
    tables = {
        "sample": CANDIDATES, "verify": VERDICTS, "select": SELECTIONS, "fit": CHECKPOINTS,
        "evaluate": EVALUATIONS, "gate": ROUNDS,
    }  # fmt: skip
    writes = {"select": 3, "evaluate": 4, "gate": 2}  # in all, where there are fewer than nth
    write, calls = Store.write, []

    def interrupted(self, table, round, part, rows):  # type: ignore[no-untyped-def]
        if table is tables[stage] and not self.has(table, round, part):
            calls.append(part)
            if len(calls) == min(nth, writes.get(stage, nth)):
                raise KeyboardInterrupt
        return write(self, table, round, part, rows)

    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        star(tmp_path)
    monkeypatch.undo()
    result = star(tmp_path)
    ours, theirs = Store(result.folder), Store(finished.folder)
    for table in (CANDIDATES, SELECTIONS, FLAGS, TRAINING_ROWS, CHECKPOINTS):
        assert keys(ours, table) == keys(theirs, table)
        if table is not CHECKPOINTS:  # whose seconds differ
            assert ours.read(table) == theirs.read(table)


def keys(store: Store, table: Table[Any]) -> list[str]:
    return [getattr(row, "id", None) or row.candidate_id for row in store.read(table)]


@pytest.mark.parametrize("stage", ["grpo", "evaluate"])
def test_weights_of_a_round_that_was_interrupted_are_not_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Killed in round 2 after its SFT (or its GRPO): the rerun goes on from those weights."""
    import flows.star
    import flows.train

    fit, evaluate = flows.train.fit, flows.star.evaluate

    def stop_at_grpo(run, round, name, *rest):  # type: ignore[no-untyped-def]
        if stage == "grpo" and (round, name) == (2, "grpo"):
            raise KeyboardInterrupt
        return fit(run, round, name, *rest)

    def stop_at_evaluation(run, checkpoint, round, name):  # type: ignore[no-untyped-def]
        if stage == "evaluate" and round == 2:
            raise KeyboardInterrupt
        return evaluate(run, checkpoint, round, name)

    monkeypatch.setattr(flows.train, "fit", stop_at_grpo)
    monkeypatch.setattr(flows.star, "evaluate", stop_at_evaluation)
    settings = {"problems__per_round": 60, "grpo__steps": 1}
    with pytest.raises(KeyboardInterrupt):
        star(tmp_path, **settings)
    monkeypatch.undo()
    result = star(tmp_path, **settings)
    assert [r.round for r in result.rounds] == [1, 2]
    made = {(c.round, c.stage) for c in Store(result.folder).read(CHECKPOINTS)}
    assert {(2, "sft"), (2, "grpo")} <= made


def test_a_round_that_ended_before_clears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Continuing comes by round 1 again, whose sampler and best are not today's."""
    import flows.finish

    star(tmp_path, rounds=2)
    cleared: list[int] = []
    clear = flows.finish._clear_checkpoints
    folders = SimpleNamespace(rmtree=lambda *_, **__: cleared.append(1))
    monkeypatch.setattr(flows.finish, "shutil", folders)
    monkeypatch.setattr(
        flows.finish,
        "_clear_checkpoints",
        lambda run, ended, sampler: clear(run, ended, sampler) if ended == 1 else None,
    )
    star(tmp_path, rounds=3)
    assert not cleared


def test_nothing_correct_ends_cleanly(tmp_path: Path) -> None:
    result = star(tmp_path, sample__teacher="scripted:0", rationalize__num_samples=0)
    assert [str(r.gate) for r in result.rounds] == ["stop"]
    assert result.rounds[0].selected == 0
    assert "nothing was selected" in result.rounds[0].gate_reason
    stages = {c.stage for c in Store(result.folder).read(CHECKPOINTS)}
    assert "sft" not in stages


def test_a_changed_recipe_is_refused_with_the_difference(tmp_path: Path) -> None:
    star(tmp_path, name="mine", rounds=1)
    with pytest.raises(RecipeChanged, match=r"sample.temperature: 0.7 -> 0.5"):
        star(tmp_path, name="mine", rounds=1, sample__temperature=0.5)
    with pytest.raises(RecipeChanged, match=r"problems.per_round: 24 -> 23"):
        star(tmp_path, name="mine", rounds=1, problems__per_round=23)
    star(tmp_path, name="mine", rounds=2)
    fewer = star(tmp_path, name="mine", rounds=1)
    assert [r.round for r in fewer.rounds] == [1, 2]
    with pytest.raises(InputError, match="--seed 0, got --seed 1"):
        star(tmp_path, name="mine", rounds=2, seed=1)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs" / "mine")
    with store.lock(), pytest.raises(RunLocked, match="another process holds this run"):
        star(tmp_path, name="mine")


def test_a_bad_name_and_a_full_disk_are_found_before_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("../up", "-x", ".x", "ä", ""):
        if name:
            with pytest.raises(InputError, match="a run's name"):
                star(tmp_path, name=name)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(StoreError, match="no disk space"):
        star(tmp_path)
    assert not list(tmp_path.iterdir())


def test_held_when_accuracy_falls() -> None:
    from flows.gate import decide
    from rsfactory.recipe import GateSection
    from rsfactory.records import Gate
    from rsfactory.stats import Interval

    section = GateSection(max_drop=0.02, stop_at=0.9)
    fell, rose = Interval(-0.05, -0.1, 0.0), Interval(0.1, 0.0, 0.2)
    assert decide(section, fell, 0.4, True)[0] is Gate.HOLD
    assert decide(section, rose, 0.5, True)[0] is Gate.ADVANCE
    assert decide(section, Interval(-0.01, -0.05, 0.03), 0.5, True)[0] is Gate.ADVANCE
    assert decide(section, rose, 0.95, True)[0] is Gate.STOP
    assert decide(section, rose, 0.5, False)[0] is Gate.STOP


def test_a_relative_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = star(Path("data"), rounds=1)
    assert [r.round for r in result.rounds] == [1]
    base = next(c for c in Store(result.folder).read(CHECKPOINTS) if c.stage == "base")
    assert base.path == "checkpoints/scripted"


def test_a_model_folder_by_a_relative_path(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model, tmp_path / "my-model")
    monkeypatch.chdir(tmp_path)
    settings = {"model__student": "./my-model", "sample__max_tokens": 2, "rounds": 1}
    result = star(Path("data"), **settings)
    assert [r.round for r in result.rounds] == [1]


def test_shards_that_are_missing_from_a_round_that_ended(tmp_path: Path) -> None:
    result = star(tmp_path, rounds=1)
    Store(result.folder).shards(CANDIDATES, 1)[0].unlink()
    with pytest.raises(
        StoreError, match=r"round 1 ended with \d+ candidates, there are \d+: shards"
    ):
        star(tmp_path, rounds=2)
