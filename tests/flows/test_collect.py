"""`factory run collect` from end to end: scripted, and with a real HTTP server on the loopback."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_server
import polars as pl
import pytest
from faulty_server import Asked, FaultyServer, Json

from flows.collect import run_collect
from flows.export import selected_rows
from flows.progress import SilentReporter
from flows.result import RunResult
from rsfactory.catalog import open_catalog
from rsfactory.errors import InputError, Stopped
from rsfactory.recipe import load
from rsfactory.records import Candidate, newest
from rsfactory.store import (
    CANDIDATES,
    FLAGS,
    PASS_RATES,
    PROBLEMS,
    SELECTIONS,
    VERDICTS,
    Store,
)  # fmt: skip

GOLD = 7
SAID = {
    "right": ("It is seven, as counting shows. #### 7", "stop", None),
    "wrong": ("It is eight, as counting shows. #### 8", "stop", None),
    "thought": ("So it is #### 7", "stop", "Let us count: one, two, seven."),
    "right, cut": ("It is seven, as counting shows. #### 7", "length", None),
    "cut": ("It is, as counting", "length", None),
    "filtered": ("It is seven, as counting shows. #### 7", "content_filter", None),
    "strange": ("It is seven, as counting shows. #### 7", "eos", None),
    "nothing": ("", "stop", None),
}
"""Name -> text, finish reason and reasoning of an answer."""


def _said(name: str) -> Callable[[Json], Json]:
    text, finish, reasoning = SAID[name]

    def change(said: Json) -> Json:
        for choice in said["choices"]:
            choice["finish_reason"] = finish
            choice["message"]["content"] = text
            if reasoning:
                choice["message"]["reasoning_content"] = reasoning
        return said

    return change


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        faulty_server, "CHANGED", {**faulty_server.CHANGED, **{n: _said(n) for n in SAID}}
    )
    monkeypatch.setenv("OPENAI_API_KEY", "a key")


def number(asked: Asked) -> int:
    """Which problem is asked about."""
    text = asked.body["messages"][-1]["content"]
    return int(text.partition("<")[2].partition(">")[0])


def by_seed(right: float) -> Callable[[Asked], str]:
    """Right in that share of seeds."""
    return lambda asked: "right" if asked.seed % 1000 < 1000 * right else "wrong"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(plan=by_seed(0.5)) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return problems_file(tmp_path / "problems.jsonl", 12)


def problems_file(path: Path, count: int, **more: object) -> Path:
    rows = [{"problem": f"How much is <{i}>?", "answer": str(GOLD), **more} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def collect(
    server: FaultyServer | None, file: Path, *, name: str = "c", model: str = "m", **settings: Any
) -> RunResult:
    """One run of the recipe, in the folder of the file."""
    recipe = load("collect", {
        "sample.teacher": f"openai:{model}@{server.url}" if server else "scripted:0.5",
        "problems.source": str(file),
        "problems.params": {},
        "sample.num_samples": 4,
        "sample.shard_size": 10,
        "endpoint.n": 1,
        "endpoint.concurrency": 8,
        **{key.replace("__", "."): value for key, value in settings.items()},
    })  # fmt: skip
    return run_collect(
        recipe, seed=0, data=file.parent / "data", name=name, reporter=SilentReporter(),
        prefect=False,
    )  # fmt: skip


def rows_of(result: RunResult) -> list[Candidate]:
    return Store(result.folder).read(CANDIDATES)


def adds_up(result: RunResult, sampled: int) -> None:
    """What must hold of every run that ended."""
    store = Store(result.folder)
    rows = store.read(CANDIDATES)
    keys = [row.id for row in rows]
    assert len(keys) == len(set(keys))
    decided = [verdict.candidate_id for verdict in store.read(VERDICTS)]
    assert sorted(decided) == sorted(keys)
    [row] = result.to_json()["rounds"]
    assert row["sampled"] == sampled == len(newest(rows))
    assert row["sampled"] == sum(row["outcomes"].values())
    assert row["sampled"] == row["selected"] + sum(row["rejected_by"].values())
    assert not list((result.folder / "answers").rglob("*.jsonl"))
    with open_catalog(store) as catalog:
        [(seen, distinct, chosen)] = catalog.execute(
            "SELECT count(*), count(DISTINCT candidate_id), count(*) FILTER (selected) FROM lineage"
        ).fetchall()
    assert (seen, distinct, chosen) == (sampled, sampled, row["selected"])
    for name in ("collected.parquet", "collected.jsonl"):
        assert str(result.folder / name) in result.to_json()["files"]
    exported = pl.read_parquet(result.folder / "collected.parquet")
    lines = (result.folder / "collected.jsonl").read_text().splitlines()
    assert len(exported) == len(lines) == row["selected"]


def test_the_scripted_teacher_collects(file: Path) -> None:
    result = collect(None, file)
    adds_up(result, 48)
    assert 0 < result.rounds[0].selected < 48
    rates = Store(result.folder).read(PASS_RATES)
    assert len(rates) == 12
    assert {rate.stopped_by for rate in rates} == {"num_samples"}
    assert sum(rate.correct for rate in rates) == result.rounds[0].correct


@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_server_is_asked_for_every_candidate_once(
    server: FaultyServer, file: Path, n: int
) -> None:
    result = collect(server, file, endpoint__n=n)
    adds_up(result, 48)
    assert set(server.asked.values()) == {1}
    assert sum(asked.n for asked in server.seen) == 48
    assert result.rounds[0].prompt_tokens == 10 * len(server.seen)


def test_a_finished_run_asks_for_nothing(server: FaultyServer, file: Path) -> None:
    first = collect(server, file)
    stamps = {p: p.stat().st_mtime_ns for p in first.folder.rglob("part-*.parquet")}
    again = collect(server, file)
    assert again.rounds == first.rounds
    assert {p: p.stat().st_mtime_ns for p in first.folder.rglob("part-*.parquet")} == stamps
    assert len(server.seen) == 48


def test_more_samples_ask_for_the_rest_and_select_anew(server: FaultyServer, file: Path) -> None:
    first = collect(server, file)
    more = collect(server, file, sample__num_samples=7, select__max_per_problem=4)
    adds_up(more, 84)
    assert set(server.asked.values()) == {1}
    assert len(server.seen) == 84
    assert more.rounds[0].sampled > first.rounds[0].sampled
    kept = {row.id for row in rows_of(first)}
    assert kept <= {row.id for row in rows_of(more)}
    assert len(Store(more.folder).shards(SELECTIONS)) == 2


def test_more_problems_are_added(server: FaultyServer, file: Path) -> None:
    collect(server, file, problems__limit=5)
    more = collect(server, file, problems__limit=9)
    adds_up(more, 36)
    assert len(server.seen) == 36


def test_a_higher_limit_redoes_only_what_was_cut(server: FaultyServer, file: Path) -> None:
    def plan(asked: Asked) -> str:
        return "cut" if asked.body["max_tokens"] < 100 and number(asked) < 4 else "right"

    server.plan = plan
    first = collect(server, file, sample__max_tokens=50, select__max_per_problem=4)
    adds_up(first, 48)
    assert first.rounds[0].truncated == 16
    before = {row.id: row for row in rows_of(first)}
    again = collect(server, file, sample__max_tokens=200, select__max_per_problem=4)
    adds_up(again, 48)
    assert len(server.seen) == 48 + 16
    redone = [row for row in rows_of(again) if row.id not in before]
    assert [row.attempt for row in redone] == [1] * 16
    places = {(row.problem_id, row.index): row.seed for row in before.values()}
    assert all(places[row.problem_id, row.index] == row.seed for row in redone)
    assert again.rounds[0].truncated == 0
    assert again.rounds[0].correct == 48
    assert again.rounds[0].tokens == 7 * 64
    assert again.rounds[0].pass_rate == 1.0
    ids = {row["id"] for row in selected_rows(Store(again.folder))}
    cut = {row.id for row in before.values() if row.finish_reason == "length"}
    assert not ids & cut
    third = collect(server, file, sample__max_tokens=400, select__max_per_problem=4)
    assert third.rounds == again.rounds
    assert len(server.seen) == 64


def test_another_teacher_keeps_the_answers_of_the_first(server: FaultyServer, file: Path) -> None:
    collect(server, file)
    both = collect(server, file, model="other")
    adds_up(both, 96)
    assert Counter(row.teacher for row in rows_of(both)) == {
        f"openai:m@{server.url}": 48, f"openai:other@{server.url}": 48,
    }  # fmt: skip
    back = collect(server, file)
    assert len(server.seen) == 96
    assert back.rounds == both.rounds


def test_answers_of_another_run_are_taken_over(server: FaultyServer, file: Path) -> None:
    collect(server, file, name="first")
    half = problems_file(file.parent / "more.jsonl", 20)
    second = collect(server, file, name="second", sample__num_samples=6, sample__reuse=["first"])
    adds_up(second, 72)
    assert len(server.seen) == 72
    assert second.rounds[0].requests == 24
    assert second.rounds[0].tokens == 7 * 24
    assert second.tokens == 7 * 24
    assert half.exists()
    with pytest.raises(InputError, match="no run to reuse answers of is called 'absent'"):
        collect(server, file, name="third", sample__reuse=["absent"])


@pytest.mark.parametrize(
    ("name", "outcome", "rule"),
    [("right, cut", "truncated", "outcome"), ("cut", "truncated", "outcome"),
     ("filtered", "correct", "finish"), ("strange", "correct", "finish"),
     ("nothing", "unparsed", "outcome")],
)  # fmt: skip
def test_unfinished_answers_are_kept_and_not_selected(
    server: FaultyServer, file: Path, name: str, outcome: str, rule: str
) -> None:
    server.plan = lambda asked: name
    result = collect(server, file)
    adds_up(result, 48)
    assert {row.finish_reason for row in rows_of(result)} == {SAID[name][1]}
    assert getattr(result.rounds[0], outcome) == 48
    assert json.loads(result.rounds[0].rejected_by) == {rule: 48}


def test_the_files_have_licence_provenance_and_reasoning(server: FaultyServer, file: Path) -> None:
    server.plan = lambda asked: "thought"
    result = collect(server, file, problems__licence="MIT", problems__provenance="counted by hand")
    frame = pl.read_parquet(result.folder / "collected.parquet")
    assert set(frame["licence"]) == {"MIT"}
    assert set(frame["provenance"]) == {"counted by hand"}
    assert set(frame["reasoning"]) == {SAID["thought"][2]}
    assert set(frame["teacher"]) == {f"openai:m@{server.url}"}
    lines = (result.folder / "collected.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == frame["id"].to_list()
    assert all(f"<{row['row']}>" in row["prompt"] for row in frame.iter_rows(named=True))


def test_every_check_is_made_once(server: FaultyServer, file: Path) -> None:
    result = collect(server, file)
    flags = [flag.id for flag in Store(result.folder).read(FLAGS)]
    assert len(flags) == len(set(flags))
    assert {p.id for p in Store(result.folder).read(PROBLEMS)} == {
        row.problem_id for row in rows_of(result)
    }


def test_a_budget_ends_the_run_and_a_higher_one_continues(server: FaultyServer, file: Path) -> None:
    with pytest.raises(Stopped, match="budget is used up"):
        collect(server, file, budget="140tok", endpoint__concurrency=2)
    asked = len(server.seen)
    assert 140 / 17 - 2 <= asked <= 140 / 17 + 3
    result = collect(server, file, budget="1Mtok")
    adds_up(result, 48)
    assert len(server.seen) == 48
