"""What a run has spent, and how its budget ends it: in money, tokens and time, and once more."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from flows.commands import cli
from flows.commands.status import describe
from flows.meter import Meter
from rsfactory.errors import Stopped
from rsfactory.recipe import Recipe, load
from rsfactory.records import Candidate
from rsfactory.store import CANDIDATES, EVALUATION_CANDIDATES, Store
from tests.faulty_server import FaultyServer

PRICES = {"endpoint.price_prompt": 100.0, "endpoint.price_completion": 1000.0}
ANSWER = 10 * 100e-6 + 7 * 1000e-6
"""USD for one answer of the server: 10 tokens of prompt, 7 of completion."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-a-test")
    with FaultyServer() as served:
        yield served


class Command:
    """``factory run collect`` on 60 problems, 4 candidates of each."""

    def __init__(self, teacher: str, folder: Path, *settings: str) -> None:
        self.data = folder / "data"
        dice = Random(0)
        rows = [
            {"problem": f"Which one, {i}?", "answer": str(dice.randrange(97))} for i in range(60)
        ]
        place = folder / "problems.jsonl"
        place.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.words = ["run", "collect", "--teacher", teacher, "--problems", str(place), "--json",
                      "--data", str(self.data), *settings]  # fmt: skip

    def __call__(self, budget: str) -> Any:
        """Result, or the error that ended it."""
        try:
            return CliRunner().invoke(
                cli, [*self.words, "--budget", budget], standalone_mode=False,
                catch_exceptions=False,
            )  # fmt: skip
        except Stopped as error:
            return error

    def rows(self) -> list[Candidate]:
        [run] = (self.data / "runs").iterdir()
        return Store(run).read(CANDIDATES)


def remote(server: FaultyServer, folder: Path, *settings: str) -> Command:
    words = ["endpoint.concurrency=8", "endpoint.n=1"]
    words += [f"{key}={value}" for key, value in PRICES.items()]
    more = [word for setting in (*words, *settings) for word in ("--set", setting)]
    return Command(f"openai:m@{server.url}", folder, *more)


@pytest.mark.parametrize(
    ("budget", "answers", "words"),
    [(f"{100 * ANSWER}USD", 100, "0.8 of 0.8 USD"), ("1.7ktok", 100, "1.7 of 1.7 ktok")],
)
def test_money_and_tokens_end_a_run_at_the_request(
    server: FaultyServer, tmp_path: Path, budget: str, answers: int, words: str
) -> None:
    run = remote(server, tmp_path)
    ended = run(budget)
    assert isinstance(ended, Stopped)
    assert ended.exit_code == 3
    assert words in str(ended)
    assert sum(server.asked.values()) == len(run.rows()) == answers
    assert isinstance(run(budget), Stopped)
    assert sum(server.asked.values()) == answers
    assert run("1Mtok").exit_code == 0
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == len(run.rows()) == 240


def test_time_ends_a_run(server: FaultyServer, tmp_path: Path) -> None:
    server.seconds = 0.3
    run = remote(server, tmp_path)
    assert isinstance(run("2s"), Stopped)
    before = dict(server.asked)
    assert 8 <= len(before) == len(run.rows()) < 240
    assert isinstance(run("2s"), Stopped)
    assert dict(server.asked) == before
    server.seconds = 0.0
    assert run("1h").exit_code == 0
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == 240


def test_a_small_budget_sends_few_at_first(server: FaultyServer, tmp_path: Path) -> None:
    """Nothing is known of what an answer costs, and all places of the server are free."""
    server.seconds = 0.1
    run = remote(server, tmp_path, "endpoint.concurrency=64", "sample.max_tokens=50")
    assert isinstance(run("100tok"), Stopped)
    assert 6 <= sum(server.asked.values()) <= 7  # 17 tokens each


def test_what_there_is_by_then_is_selected(tmp_path: Path) -> None:
    run = Command("scripted:0.5", tmp_path, "--set", "sample.shard_size=20")
    assert isinstance(run("1tok"), Stopped)
    [folder] = (run.data / "runs").iterdir()
    there = (folder / "collected.jsonl").read_text().splitlines()
    assert there
    assert describe(Store(folder))["state"] == "stopped"
    page = (folder / "report.html").read_text()
    assert "Stopped before everything was asked: the budget is used up" in page
    run("1Mtok")
    assert describe(Store(folder))["state"] == "done"
    assert "Stopped before" not in (folder / "report.html").read_text()
    assert len((folder / "collected.jsonl").read_text().splitlines()) > len(there)


def test_a_budget_that_is_just_enough_is_no_end(server: FaultyServer, tmp_path: Path) -> None:
    assert remote(server, tmp_path)(f"{240 * 17}tok").exit_code == 0


@pytest.mark.parametrize("policy", ["fixed", "correct"])
def test_a_local_teacher_ends_between_shards(tmp_path: Path, policy: str) -> None:
    words = ("--set", f"adaptive.policy={policy}", "--set", "sample.shard_size=20")
    run = Command("scripted:0.2", tmp_path, *words)
    assert isinstance(run("1tok"), Stopped)
    first = run.rows()
    assert len(first) == 20
    assert isinstance(run("1tok"), Stopped)
    assert run.rows() == first
    assert run("1Mtok").exit_code == 0
    rows = run.rows()
    assert len(rows) == len({row.id for row in rows})
    assert {row.id for row in first} < {row.id for row in rows}


def candidate(index: int, **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "id": f"c-{index}", "problem_id": "p-1", "prompt_id": "t-1", "teacher": "t",
        "sampling": "{}", "index": index, "attempt": 0, "round": 1, "hinted": False, "seed": 0,
        "max_tokens": 9, "completion": "", "reasoning": None, "finish_reason": "stop",
        "prompt_tokens": 100, "tokens": 1000,
    }  # fmt: skip
    return Candidate(**{**values, **changes})


def recipe(teacher: str, **settings: Any) -> Recipe:
    return load("star", {"sample.teacher": teacher, **PRICES, **settings})


SPENT = [
    ("one request each", [candidate(0), candidate(1)], 2, 200, 2000),
    ("one for both", [candidate(0), candidate(1, prompt_tokens=0)], 1, 100, 2000),
    ("asked again", [candidate(0, requests=3)], 3, 100, 1000),
    ("taken over", [candidate(0, requests=0)], 0, 0, 0),
]


@pytest.mark.parametrize(("rows", "requests", "prompt", "tokens"),
                         [row[1:] for row in SPENT], ids=[row[0] for row in SPENT])  # fmt: skip
def test_all_places_of_answers_count_alike(
    tmp_path: Path, rows: list[Candidate], requests: int, prompt: int, tokens: int
) -> None:
    stores = [Store(tmp_path / name) for name in ("shards", "journal", "now")]
    stores[0].write(CANDIDATES, 1, "x", rows)
    journal = stores[1].answers(1)
    for row in rows:
        journal.add(row)
    journal.cut()
    meters = [Meter(recipe("openai:m"), store) for store in stores]
    for row in rows:
        meters[2].add(row)
    for meter in meters:
        spent = meter.spent
        assert (spent.requests, spent.prompt_tokens, spent.completion_tokens) == (
            requests, prompt, tokens,
        )  # fmt: skip
        assert meter.cost() == pytest.approx(prompt * 1e-4 + tokens * 1e-3)


def test_a_journal_of_a_round_without_shards_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(CANDIDATES, 1, "x", [candidate(0)])
    journal = store.answers(2)
    journal.add(candidate(1, round=2))
    journal.cut()
    assert Meter(recipe("openai:m"), store).spent.tokens == 2 * 1100


@pytest.mark.parametrize(("teacher", "cost"), [("openai:m", 1.01), ("student", 2.02)])
def test_evaluations_cost_money_only_where_the_teacher_is_the_student(
    tmp_path: Path, teacher: str, cost: float
) -> None:
    store = Store(tmp_path)
    store.write(CANDIDATES, 1, "x", [candidate(0)])
    store.write(EVALUATION_CANDIDATES, 0, "x", [candidate(1)])
    for budget in ("1.5USD", "2ktok"):
        meter = Meter(recipe(teacher, budget=budget), store)
        assert meter.cost() == pytest.approx(cost)
        assert meter.spent.tokens == 2200
        assert meter.enough(0) == (budget == "2ktok" or teacher == "student")
    meter = Meter(recipe(teacher), Store(tmp_path / "empty"))
    meter.add(candidate(0), evaluation=True)
    assert meter.cost() == pytest.approx(1.01 if teacher == "student" else 0)


def test_those_under_way_are_foreseen_by_the_mean_of_all_starts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(CANDIDATES, 1, "x", [candidate(0), candidate(1)])
    meter = Meter(recipe("openai:m", budget="5.5ktok"), store)
    assert not meter.enough(2)
    assert meter.enough(3)
