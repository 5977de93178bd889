"""A judge behind a real server: what it takes is counted, bounded, kept and planned."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faulty_server
import pytest
import test_collect
from faulty_server import Asked, FaultyServer, Json
from test_collect import adds_up, answers, collect, problems_file, rows_of

from flows.plan import run_plan
from flows.progress import SilentReporter
from flows.result import load_result
from generators.teachers import scripted_judge
from rsfactory.errors import FactoryError, Stopped, StoreError
from rsfactory.recipe import load
from rsfactory.store import VERDICTS, Store

__all__ = ["answers"]  # a fixture

EACH = 17
"""Tokens of a request: 10 of its prompt, 7 of its completion."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """Answers as a teacher, and as a judge (who calls all right that ends with the gold)."""
    whole = faulty_server.answer

    def answer(asked: Asked) -> Json:
        said = whole(asked)
        if asked.body["model"] == "judge":
            text = asked.body["messages"][-1]["content"]
            attempt, right = (
                scripted_judge._ATTEMPT.search(text),
                scripted_judge._RIGHT.search(text),
            )
            assert attempt
            assert right
            holds = attempt[2].rstrip().endswith("7")
            letter = right[1] if holds else "AB".replace(right[1], "")
            said["choices"][0]["message"]["content"] = f"VERDICT {attempt[1]}: {letter}"
        return said

    monkeypatch.setattr(faulty_server, "answer", answer)
    plan = test_collect.by_seed(0.5)
    with FaultyServer(
        plan=lambda asked: None if asked.body["model"] == "judge" else plan(asked)
    ) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return problems_file(tmp_path / "problems.jsonl", 12)


def settings(server: FaultyServer, **more: Any) -> dict[str, Any]:
    return {
        "problems__verifier": "judge", "judge__teacher": f"openai:judge@{server.url}",
        "judge__votes": 1, "sample__num_samples": 2, **more,
    }  # fmt: skip


def votes(server: FaultyServer) -> Counter[int]:
    """Seed -> how often a judge was asked with it."""
    return Counter(asked.seed for asked in server.seen if asked.body["model"] == "judge")


def test_what_it_takes_is_on_its_verdicts_and_in_the_cost(server: FaultyServer, file: Path) -> None:
    prices = {
        "endpoint__price_prompt": 100.0, "endpoint__price_completion": 1000.0,
        "judge__price_prompt": 10.0,
    }  # fmt: skip
    result = collect(server, file, **settings(server, **prices))
    adds_up(result, 24)
    assert result.rounds[0].correct > 0
    assert result.rounds[0].wrong > 0
    told = Store(result.folder).read(VERDICTS)
    assert {(v.requests, v.prompt_tokens, v.tokens) for v in told} == {(2, 20, 14)}
    row = result.to_json()["rounds"][0]
    assert row["judge"] == {"requests": 48, "tokens": 48 * EACH}
    assert row["requests"] == 24
    teacher, judge = 24 * (10 * 100 + 7 * 1000), 48 * (10 * 10 + 7 * 1000)
    assert row["cost"] == pytest.approx((teacher + judge) / 1e6)
    assert not list((result.folder / "judged").rglob("*.jsonl"))


def test_the_budget_ends_it_at_a_verdict_and_all_are_kept(server: FaultyServer, file: Path) -> None:
    plain = settings(server)
    budget = (24 + 2 * 10) * EACH
    with pytest.raises(Stopped, match="budget is used up"):
        collect(server, file, budget=f"{budget}tok", **plain)
    asked = votes(server).total()
    assert 20 <= asked <= 22
    cut = load_result(Store(file.parent / "data/runs/c"))
    judged = cut.rounds[0].sampled if cut.rounds else 0
    assert judged in (0, 10)  # whole shards only
    with pytest.raises(Stopped):
        collect(server, file, budget=f"{budget}tok", **plain)
    assert votes(server).total() == asked
    result = collect(server, file, **plain)
    adds_up(result, 24)
    assert set(votes(server).values()) == {1}
    assert votes(server).total() == 48


def test_a_stop_in_the_middle_asks_for_no_verdict_twice(
    server: FaultyServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Store.write

    def broken(self: Store, table: Any, *rest: Any) -> Path:
        if table is VERDICTS:
            raise StoreError("as if killed here")
        return write(self, table, *rest)

    monkeypatch.setattr(Store, "write", broken)
    with pytest.raises(StoreError, match="as if killed"):
        collect(server, file, **settings(server))
    monkeypatch.setattr(Store, "write", write)
    assert votes(server).total() == 48
    result = collect(server, file, **settings(server))
    adds_up(result, 24)
    assert set(votes(server).values()) == {1}
    assert json.loads(result.rounds[0].rejected_by)


def test_shards_do_not_wait_for_each_other(server: FaultyServer, file: Path) -> None:
    """With two candidates in a shard, and two requests for each, eight are under way at once."""
    server.seconds = 0.5
    result = collect(server, file, sample__shard_size=2, **settings(server, problems__limit=4))
    adds_up(result, 8)
    times = sorted(asked.at for asked in server.seen if asked.body["model"] == "judge")
    assert len(times) == 16
    assert times[7] - times[0] < 0.4


def test_a_judge_that_is_not_there_stops_the_run_which_continues(
    server: FaultyServer, file: Path
) -> None:
    plan = server.plan
    server.plan = lambda asked: "status 401" if asked.body["model"] == "judge" else plan(asked)
    with pytest.raises(FactoryError, match=r"the judge failed: .*401"):
        collect(server, file, **settings(server))
    assert votes(server).total() < 20
    server.plan = plan
    adds_up(collect(server, file, **settings(server)), 24)


def test_requests_that_were_not_taken_are_not_judged(server: FaultyServer, file: Path) -> None:
    def plan(asked: Asked) -> str | None:
        first = "<0>" in asked.body["messages"][-1]["content"]
        return "status 400 no" if first and asked.body["model"] != "judge" else None

    server.plan = plan
    result = collect(server, file, **settings(server))
    adds_up(result, 24)
    assert result.rounds[0].unverifiable == 2
    assert votes(server).total() == 44
    assert {row.finish_reason for row in rows_of(result)} == {"stop", "rejected"}


def test_it_is_in_the_plan(server: FaultyServer, tmp_path: Path) -> None:
    file = problems_file(tmp_path / "many.jsonl", 60)
    recipe = load("collect", {
        "sample.teacher": f"openai:m@{server.url}", "problems.source": str(file),
        "problems.params": {}, "endpoint.n": 1, "endpoint.price_prompt": 100.0,
        "endpoint.price_completion": 1000.0,
        **{key.replace("__", "."): value for key, value in settings(server).items()},
    })  # fmt: skip
    made = run_plan(
        recipe, seed=0, data=tmp_path, name=None, reporter=SilentReporter(), pilot=8
    ).to_json()
    assert made["requests"]["low"] <= 3 * 120 <= made["requests"]["high"]
    assert made["tokens"]["low"] <= 3 * 120 * EACH <= made["tokens"]["high"]
    cost = 3 * 120 * (10 * 100 + 7 * 1000) / 1e6
    assert made["money"]["low"] <= cost <= made["money"]["high"]
    assert "judging" in {part["name"] for part in made["parts"]}
