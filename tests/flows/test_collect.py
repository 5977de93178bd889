"""`factory run collect` from end to end: scripted, and with a real HTTP server on the loopback."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_server
import polars as pl
import pytest
from faulty_server import Asked, FaultyServer, Json

from flows.collect import run_collect
from flows.export import selected_rows, write_selected
from flows.plan import Planned, run_plan
from flows.progress import LineReporter, SilentReporter
from flows.result import RunResult, load_result
from rsfactory.catalog import open_catalog
from rsfactory.errors import InputError, NoAnswer, Stopped
from rsfactory.recipe import Recipe, load
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
    "right": ("3 and 4 are counted together: 3 + 4 = 7. #### 7", "stop", None),
    "wrong": ("It is eight, as counting shows. #### 8", "stop", None),
    "thought": ("So it is #### 7", "stop", "Let us count: one, two, seven."),
    "right, short": ("It is seven, as counting shows. #### 7", "length", None),
    "short": ("It is, as counting", "length", None),
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
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")


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
    return run_collect(
        recipe_of(server, file, model, settings), seed=0, data=file.parent / "data", name=name,
        reporter=SilentReporter(), prefect=False,
    )  # fmt: skip


def plan(server: FaultyServer, file: Path, *, pilot: int, **settings: Any) -> Planned:
    """The plan of that run."""
    return run_plan(
        recipe_of(server, file, "m", settings), seed=0, data=file.parent / "data", name="c",
        reporter=SilentReporter(), pilot=pilot,
    )  # fmt: skip


def recipe_of(
    server: FaultyServer | None, file: Path, model: str, settings: dict[str, Any]
) -> Recipe:
    return load("collect", {
        "sample.teacher": f"openai:{model}@{server.url}" if server else "scripted:0.5",
        "problems.source": str(file),
        "problems.params": {},
        "sample.num_samples": 4,
        "sample.shard_size": 10,
        "endpoint.n": 1,
        "endpoint.concurrency": 8,
        **{key.replace("__", "."): value for key, value in settings.items()},
    })  # fmt: skip


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
    seeds = Counter(row.seed for row in rows_of(result))
    assert seeds == {asked.seed: asked.n for asked in server.seen}


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
        return "short" if asked.body["max_tokens"] < 100 and number(asked) < 4 else "right"

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


def test_a_run_that_has_nothing_to_take_over_is_told(server: FaultyServer, file: Path) -> None:
    """Another temperature is another question: all is asked again, and paid."""
    collect(server, file, name="first")
    notes: list[str] = []
    settings = {"sample.reuse": ["first"], "sample.temperature": 0.1}
    reporter = SilentReporter()
    reporter.note = notes.append  # type: ignore[method-assign]
    for name in ("other", "same"):
        recipe = recipe_of(server, file, "m", settings if name == "other" else
                           {"sample.reuse": ["first"]})  # fmt: skip
        for _ in range(2):
            run_collect(recipe, seed=0, data=file.parent / "data", name=name, reporter=reporter,
                        prefect=False)  # fmt: skip
    none = [note for note in notes if "nothing to take over" in note]
    assert len(none) == 2
    assert "temperature" in none[0]
    assert sum("answers over" in note for note in notes) == 5  # shards, once


@pytest.mark.parametrize(
    ("name", "outcome", "rule"),
    [("right, short", "truncated", "outcome"), ("short", "truncated", "outcome"),
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
    again = collect(
        server, file, name="again", sample__reuse=["c"],
        select__finish_reasons=["stop", SAID[name][1]],
    )  # fmt: skip
    assert (again.rounds[0].selected > 0) == (outcome == "correct")
    assert len(server.seen) == 48


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
    write_selected(Store(result.folder), [file.parent / "sft.parquet"], chat=True)
    for row in pl.read_parquet(file.parent / "sft.parquet").iter_rows(named=True):
        [said] = row["completion"]
        text, _, thought = SAID["thought"]
        assert said == {"role": "assistant", "content": f"<think>\n{thought}\n</think>\n{text}"}


def test_every_check_is_made_once(server: FaultyServer, file: Path) -> None:
    result = collect(server, file)
    flags = [flag.id for flag in Store(result.folder).read(FLAGS)]
    assert len(flags) == len(set(flags))
    assert {p.id for p in Store(result.folder).read(PROBLEMS)} == {
        row.problem_id for row in rows_of(result)
    }


def test_a_budget_ends_the_run_with_its_files_and_a_higher_one_continues(
    server: FaultyServer, file: Path
) -> None:
    with pytest.raises(Stopped, match="budget is used up"):
        collect(server, file, budget="140tok", endpoint__concurrency=2)
    asked = len(server.seen)
    assert 140 / 17 - 2 <= asked <= 140 / 17 + 3
    cut = load_result(Store(file.parent / "data/runs/c"))
    adds_up(cut, asked)
    assert cut.rounds[0].selected == len((cut.folder / "collected.jsonl").read_text().splitlines())
    result = collect(server, file, budget="1Mtok")
    adds_up(result, 48)
    assert len(server.seen) == 48


RATES = [0.0, 0.2, 0.5, 0.8, 1.0]


def with_rates(asked: Asked) -> str:
    """Problem i is solved in a known share of the seeds."""
    return "right" if asked.seed % 997 < 997 * RATES[number(asked) % len(RATES)] else "wrong"


@pytest.mark.parametrize(
    ("policy", "more", "reasons"),
    [
        ("correct", {}, {"correct", "num_samples"}),
        ("correct", {"adaptive__hopeless": 4}, {"correct", "num_samples", "hopeless"}),
        ("interval", {"adaptive__width": 0.42}, {"interval", "num_samples"}),
        ("difficulty", {"adaptive__correct": 4}, {"difficulty", "num_samples"}),
    ],
)
def test_a_policy_asks_until_it_has_enough(
    server: FaultyServer, tmp_path: Path, policy: str, more: dict[str, Any], reasons: set[str]
) -> None:
    server.plan = with_rates
    file = problems_file(tmp_path / "p.jsonl", 40)
    result = collect(server, file, adaptive__policy=policy, sample__num_samples=12, **more)
    rows = rows_of(result)
    adds_up(result, len(rows))
    assert set(server.asked.values()) == {1}
    store = Store(result.folder)
    rates = store.read(PASS_RATES)
    asked = Counter(row.problem_id for row in rows)
    outcomes = {v.candidate_id: v.outcome for v in store.read(VERDICTS)}
    right = Counter(row.problem_id for row in rows if outcomes[row.id] == "correct")
    assert {rate.problem_id: rate.asked for rate in rates} == dict(asked)
    assert all(rate.correct == right[rate.problem_id] for rate in rates)
    assert all(rate.asked <= 12 and 0 <= rate.low <= rate.high <= 1 for rate in rates)
    assert all(0 <= rate.mean <= 1 for rate in rates)
    assert {rate.stopped_by for rate in rates} <= reasons
    assert len({rate.stopped_by for rate in rates}) > 1
    for rate in rates:
        if rate.stopped_by == "num_samples":
            assert rate.asked == 12
        if rate.stopped_by == "hopeless":
            assert (rate.asked, rate.correct) == (4, 0)
        if rate.stopped_by == "correct":
            assert rate.correct == 1 or (rate.correct and rate.asked > 8)  # docs/adaptive.md
    assert len(rows) < 40 * 12


def test_pass_rates_are_unbiased_under_the_stopping_rule(
    server: FaultyServer, tmp_path: Path
) -> None:
    """600 problems solved in 0.4 of the seeds: the plain share is 0.51 on average."""
    server.plan = by_seed(0.4)
    file = problems_file(tmp_path / "p.jsonl", 600)
    result = collect(
        server, file, adaptive__policy="correct", adaptive__correct=2, sample__num_samples=8,
        sample__shard_size=500, endpoint__concurrency=32,
    )  # fmt: skip
    [report] = result.rounds
    assert report.pass_rate_low < report.pass_rate < report.pass_rate_high
    assert abs(report.pass_rate - 0.4) < 0.06
    rates = Store(result.folder).read(PASS_RATES)
    assert sum(rate.correct / rate.asked for rate in rates) / 600 > 0.46


@pytest.mark.parametrize("policy", ["correct", "interval"])
def test_a_policy_goes_on_behind_its_first_waves(
    server: FaultyServer, file: Path, policy: str
) -> None:
    """A budget ends the run while problems are open; the rerun ends as if it had not."""
    server.plan = with_rates
    settings = {"adaptive__policy": policy, "sample__num_samples": 10}
    with pytest.raises(Stopped):
        collect(server, file, name="x", budget=f"{12 * 17}tok", endpoint__concurrency=1, **settings)
    assert 12 <= len(server.seen) <= 14
    cut = load_result(Store(file.parent / "data/runs/x"))
    adds_up(cut, len(server.seen))
    reasons = {rate.stopped_by for rate in Store(cut.folder).read(PASS_RATES)}
    assert reasons <= {policy, "budget"}
    stopped = collect(server, file, name="x", **settings)
    adds_up(stopped, len(rows_of(stopped)))
    calm = collect(server, file, name="calm", **settings)
    seen = [{(c.id, c.completion) for c in rows_of(run)} for run in (stopped, calm)]
    assert seen[0] == seen[1]
    assert max(server.asked.values()) == 2  # once for each run


def test_more_samples_continue_a_policy(server: FaultyServer, file: Path) -> None:
    server.plan = with_rates
    collect(server, file, adaptive__policy="correct", sample__num_samples=3)
    first = len(server.seen)
    more = collect(server, file, adaptive__policy="correct", sample__num_samples=9)
    adds_up(more, len(rows_of(more)))
    assert set(server.asked.values()) == {1}
    assert len(server.seen) > first
    with open_catalog(Store(more.folder)) as catalog:
        rows = catalog.execute("SELECT asked, correct, stopped_by FROM pass_rates").fetchall()
    assert len(rows) == 12
    assert all(asked == 9 or correct for asked, correct, _ in rows)


def test_failed_problems_are_asked_again_with_the_answer(server: FaultyServer, file: Path) -> None:
    def plan(asked: Asked) -> str:
        hinted = str(GOLD) in asked.body["messages"][-1]["content"].replace("<7>", "")
        return "right" if hinted or number(asked) % 2 else "wrong"

    server.plan = plan
    result = collect(server, file, rationalize__num_samples=2)
    adds_up(result, 48 + 12)
    assert result.rounds[0].hinted_sampled == 12
    assert result.rounds[0].hinted_correct == 12
    rows = [r for r in selected_rows(Store(result.folder)) if r["hinted"]]
    assert rows
    assert all(str(GOLD) not in row["prompt"].replace("<7>", "") for row in rows)
    assert collect(server, file, rationalize__num_samples=2).rounds == result.rounds
    assert len(server.seen) == 60


def test_a_majority_decides_about_a_server(server: FaultyServer, file: Path) -> None:
    server.plan = lambda asked: "right" if asked.seed % 5 else "wrong"
    settings = {"problems__verifier": "majority", "sample__num_samples": 8}
    result = collect(server, file, **settings)
    adds_up(result, 96)
    assert result.rounds[0].correct > result.rounds[0].wrong
    with pytest.raises(InputError, match="--reuse c"):
        collect(server, file, **{**settings, "sample__num_samples": 9})
    more = collect(
        server, file, name="d", sample__reuse=["c"], **{**settings, "sample__num_samples": 9}
    )
    adds_up(more, 108)
    assert len(server.seen) == 108


def test_a_judge_behind_the_server_decides(server: FaultyServer, file: Path) -> None:
    result = collect(
        server, file, problems__verifier="judge", judge__teacher="scripted", judge__votes=1,
        sample__num_samples=2,
    )  # fmt: skip
    adds_up(result, 24)


def test_problems_whose_gold_is_bad_say_so(server: FaultyServer, tmp_path: Path) -> None:
    file = problems_file(tmp_path / "p.jsonl", 3)
    file.write_text(file.read_text().replace('"7"', '"\\\\frac{"', 1))
    settings = {"adaptive__policy": "correct", "sample__num_samples": 10}
    result = collect(server, file, **settings)
    rates = {rate.stopped_by: rate for rate in Store(result.folder).read(PASS_RATES)}
    assert result.rounds[0].unverifiable == 4
    assert rates["unverifiable"].mean is None
    adds_up(result, len(rows_of(result)))


@pytest.mark.parametrize(
    ("plan", "words"),
    [("status 401", "OPENAI_API_KEY"), ("status 404", "model's name"), ("status 403", "may not")],
)
def test_a_refusal_says_why(server: FaultyServer, file: Path, plan: str, words: str) -> None:
    server.plan = lambda asked: plan
    with pytest.raises(InputError, match=words) as error:
        collect(server, file)
    assert "secret" not in str(error.value)
    assert len(server.seen) <= 8
    server.plan = by_seed(0.5)
    adds_up(collect(server, file), 48)


def test_a_prompt_without_an_answer_costs_no_other(server: FaultyServer, file: Path) -> None:
    """What there is is verified, selected and written; the end says what is missing."""
    poison = {3: "status 500"}
    server.plan = lambda asked: poison.get(number(asked), "right" if number(asked) % 2 else "wrong")
    settings = {"endpoint__max_requests": 1, "rationalize__num_samples": 1}
    for hinted, asked in ((6, 48 + 6), (6, 4)):
        before = len(server.seen)
        with pytest.raises(NoAnswer, match="4 requests had no answer"):
            collect(server, file, **settings)
        assert len(server.seen) - before == asked
        cut = load_result(Store(file.parent / "data/runs/c"))
        adds_up(cut, 44 + hinted)
        assert cut.rounds[0].selected == 5
    poison.clear()
    adds_up(collect(server, file, **settings), 48 + 6)


@pytest.mark.parametrize("verifier", ["math", "majority"])
def test_a_server_that_only_fails_leaves_no_files(
    server: FaultyServer, file: Path, verifier: str
) -> None:
    server.plan = lambda asked: "status 500"
    settings = {"endpoint__max_requests": 1, "problems__verifier": verifier}
    with pytest.raises(NoAnswer):
        collect(server, file, **settings)
    assert not list((file.parent / "data/runs/c").glob("collected.*"))
    server.plan = lambda asked: "right"
    adds_up(collect(server, file, **settings), 48)


def test_faults_lose_nothing(server: FaultyServer, tmp_path: Path) -> None:
    file = problems_file(tmp_path / "p.jsonl", 100)
    faulty = faulty_server.mixed(0.1)
    server.plan = lambda asked: faulty(asked) or "right"
    result = collect(server, file, endpoint__concurrency=32)
    adds_up(result, 400)
    assert result.rounds[0].correct == 400
    assert result.rounds[0].requests >= 400


def test_a_quota_that_ends_in_the_middle_leaves_the_data(server: FaultyServer, file: Path) -> None:
    answering = server.plan
    server.plan = lambda asked: "status 402 no money left" if asked.number >= 25 else "right"
    with pytest.raises(InputError, match="no money left"):
        collect(server, file)
    cut = load_result(Store(file.parent / "data/runs/c"))
    adds_up(cut, 25)
    assert cut.rounds[0].selected > 0
    assert "no money left" in cut.rounds[0].stopped
    server.plan = answering
    adds_up(collect(server, file), 48)
    answered = [asked for asked in server.seen if asked.number < 25 or asked.number >= 33]
    assert len(answered) <= 48


def test_what_a_server_teaches_is_said(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SilentReporter", LineReporter)
    with FaultyServer(plan=lambda asked: "right", gives=1, seconds=0.05) as made:
        adds_up(collect(made, file, endpoint__n=4), 48)
    said = capsys.readouterr().err
    assert said.count("about the server: it gives 1 completions a request at most") == 1


def test_a_candidate_without_an_answer_costs_only_itself(server: FaultyServer, file: Path) -> None:
    """The others are selected and exported, and the same command asks for the missing one."""
    unlucky: set[int] = set()

    def plan(asked: Asked) -> str:
        if not unlucky and number(asked) == 3:
            unlucky.add(asked.seed)
        return "html" if asked.seed in unlucky else "right"

    server.plan = plan
    with pytest.raises(NoAnswer, match="1 request had no answer"):
        collect(server, file, endpoint__max_requests=2)
    cut = load_result(Store(file.parent / "data/runs/c"))
    adds_up(cut, 47)
    assert cut.rounds[0].selected > 0
    assert cut.rounds[0].stopped == "1 request had no answer within the bounds"
    server.plan = lambda asked: "right"
    whole = collect(server, file)
    adds_up(whole, 48)
    assert whole.rounds[0].stopped == ""
    assert len(server.seen) == 47 + 2 + 1


def test_a_server_that_dies_and_comes_back(server: FaultyServer, tmp_path: Path) -> None:
    file = problems_file(tmp_path / "p.jsonl", 60)
    server.seconds = 0.02
    timer = threading.Timer(0.6, lambda: (server.stop(), time.sleep(1.5), server.start()))
    timer.start()
    try:
        result = collect(server, file, endpoint__concurrency=4)
    finally:
        timer.join()
    adds_up(result, 240)


def test_a_storm_of_limits(server: FaultyServer, tmp_path: Path) -> None:
    file = problems_file(tmp_path / "p.jsonl", 10)
    server.plan = lambda asked: "right" if asked.times >= 3 else "status 429 after 0.05"
    result = collect(server, file, endpoint__concurrency=16)
    adds_up(result, 40)
    assert result.rounds[0].correct == 40
