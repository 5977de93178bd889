"""`factory plan`: what it says, that nothing of its pilot is asked again, and how it ends."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rsfactory.store import CANDIDATES, Store
from tests.faulty_server import Asked, FaultyServer

ROOT = Path(__file__).parents[3]

Factory = Callable[..., Any]
"""The fixture ``factory``: words in, what was said out (`tests/flows/commands/conftest.py`)."""

ENDPOINT = ("--set", "endpoint.concurrency=8", "--set", "endpoint.n=1")
PRICES = ("--set", "endpoint.price_prompt=100", "--set", "endpoint.price_completion=1000")
SCRIPTED = ("collect", "--teacher", "scripted:0.4", "--set", "problems.per_round=60")
STAR = ("star", "--model", "scripted:0.6", "--rounds", "2", "--set", "train.trainer=dry-run",
        "--set", "evaluate.problems=32", "--set", "problems.per_round=12")  # fmt: skip
NUMBERS = ("requests", "tokens", "prompt_tokens", "completion_tokens", "seconds", "solved")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-a-test")
    with FaultyServer() as served:
        yield served


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Sums that the server solves now and then: it answers with a number below 97."""
    place = tmp_path / "problems.jsonl"
    dice = Random(0)
    rows = [{"problem": f"Which one, {i}?", "answer": str(dice.randrange(97))} for i in range(80)]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def collect(server: FaultyServer, problems: Path, *more: str) -> tuple[str, ...]:
    teacher = f"openai:m@{server.url}"
    return ("collect", "--teacher", teacher, "--problems", str(problems), *ENDPOINT, *more)


def seeds(server: FaultyServer) -> dict[int, int]:
    """How often each seed was asked for."""
    return dict(server.asked)


def candidates(data: Path) -> list[Any]:
    [run] = (data / "runs").iterdir()
    return [row for row in Store(run).read(CANDIDATES) if row.round > 0]


@pytest.mark.parametrize("words", [SCRIPTED, STAR], ids=["collect", "star"])
def test_what_a_plan_says(factory: Factory, words: tuple[str, ...]) -> None:
    made = factory("plan", *words, "--pilot", "8", "--json").json
    for name in NUMBERS:
        assert 0 <= made[name]["low"] <= made[name]["mid"] <= made[name]["high"], name
    assert made["money"] is None
    assert made["pilot"]["problems"] == 8
    assert made["requests"]["mid"] > made["spent"]["requests"] > 0
    assert sum(part["mid"] for part in made["parts"]) == pytest.approx(made["seconds"]["mid"])


def test_a_plan_for_people(factory: Factory) -> None:
    said = factory("plan", *SCRIPTED, *PRICES, "--budget", "1000USD")
    assert said.code == 0
    assert "60 problems, up to 4 samples of each" in said.out
    assert "money (USD)" in said.out
    assert "the budget of 1000 USD is enough" in said.out
    assert "the budget of 1 s" in factory("plan", *SCRIPTED, "--budget", "1s").out


@pytest.mark.parametrize("policy", ["fixed", "correct"])
def test_the_run_asks_exactly_for_the_rest(
    factory: Factory, data: Path, server: FaultyServer, problems: Path, policy: str
) -> None:
    words = collect(server, problems, "--set", f"adaptive.policy={policy}")
    made = factory("plan", *words, "--pilot", "20", "--json").json
    pilot = seeds(server)
    assert len(pilot) == made["pilot"]["candidates"] == made["spent"]["requests"]
    assert factory("plan", *words, "--pilot", "20", "--json").json["spent"]["requests"] == len(
        pilot
    )
    assert seeds(server) == pilot
    ran = factory("run", *words, "--json").json
    assert ran["run"] == made["run"]
    asked = seeds(server)
    assert set(asked.values()) == {1}
    assert set(pilot) < set(asked) == {row.seed for row in candidates(data)}
    low, high = made["requests"]["low"], made["requests"]["high"]
    assert low <= len(asked) <= high


def test_the_pilot_of_a_star_is_its_beginning(factory: Factory, data: Path) -> None:
    made = factory("plan", *STAR, "--pilot", "5", "--json").json
    pilot = candidates(data)
    assert len(pilot) == made["spent"]["requests"] == 10
    ran = factory("run", *STAR, "--json").json
    assert ran["run"] == made["run"]
    rows = candidates(data)
    assert len(rows) == len({row.id for row in rows})
    assert {row.id for row in pilot} < {row.id for row in rows}
    assert [row["sampled"] - row["hinted"]["sampled"] for row in ran["rounds"]] == [24, 24]


def test_less_may_be_run_than_was_planned(factory: Factory) -> None:
    assert factory("plan", *SCRIPTED, "--pilot", "8").code == 0
    [run] = factory("status", "--json").json["runs"]
    assert run["state"] == "planned"
    less = (*SCRIPTED, "--set", "sample.num_samples=2", "--limit", "20")
    ran = factory("run", *less, "--json").json
    assert ran["rounds"][0]["sampled"] == 8 * 4 + 12 * 2
    assert factory("run", *less, "--set", "sample.num_samples=1").code == 2
    assert factory("plan", *less, "--set", "sample.num_samples=3", "--json").code == 0
    assert factory("run", *less, "--json").json["rounds"][-1]["sampled"] >= 56


def test_a_pilot_keeps_to_the_budget(
    factory: Factory, server: FaultyServer, problems: Path
) -> None:
    server.seconds = 0.01
    words = collect(server, problems, *PRICES, "--budget", "0.32USD")  # 0.008 USD an answer
    said = factory("plan", *words)
    assert said.code == 0, said.err
    assert "the pilot ended early: the budget is used up" in said.err
    assert "ends the run at about" in said.out
    assert 35 <= len(seeds(server)) <= 48


def test_a_budget_that_is_spent_at_once_plans_nothing(factory: Factory) -> None:
    assert factory("plan", *SCRIPTED, "--budget", "1tok").code == 0
    assert factory("plan", "collect", "--teacher", "dataset:x.jsonl").code == 2
    assert factory("plan", *SCRIPTED, "--pilot", "1").code == 2


def test_limits_per_minute_make_it_slower(
    factory: Factory, server: FaultyServer, problems: Path
) -> None:
    words = collect(server, problems, "--pilot", "2")
    free = factory("plan", *words, "--json").json["seconds"]
    slow = factory("plan", *words, "--set", "endpoint.requests_per_minute=600", "--json").json
    assert slow["seconds"]["mid"] == pytest.approx(slow["requests"]["mid"] / 10, rel=0.01)
    assert slow["seconds"]["mid"] > free["mid"]


def test_a_server_that_dies_leaves_what_it_answered(
    factory: Factory, data: Path, server: FaultyServer, problems: Path
) -> None:
    def plan(asked: Asked) -> str | None:
        return "status 401" if asked.number >= 30 else None

    server.plan = plan
    words = collect(server, problems)
    assert factory("plan", *words).code == 2
    server.plan = lambda asked: None
    before = seeds(server)
    assert factory("plan", *words).code == 0
    assert max(seeds(server).values()) <= 2
    assert len(candidates(data)) == 128
    assert sum(seeds(server).values()) <= 128 + len(before) - 30 + 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_pilot_goes_on(
    factory: Factory, data: Path, server: FaultyServer, problems: Path, number: signal.Signals
) -> None:
    server.seconds = 0.2
    words = collect(server, problems)
    command = [sys.executable, "-c", "from flows.commands import main; main()", "plan", *words]
    with subprocess.Popen(
        [*command, "--data", str(data)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as child:
        while sum(server.asked.values()) < 24:
            time.sleep(0.02)
        child.send_signal(number)
        said = child.communicate(timeout=60)[1]
    if number is not signal.SIGKILL:
        assert child.returncode == 3
        assert "run the same command to continue" in said
    under_way = 8
    server.seconds = 0.0
    assert factory("plan", *words, "--json").json["pilot"]["candidates"] == 128
    assert len(server.asked) == 128
    assert sum(server.asked.values()) <= 128 + under_way


def test_a_star_with_another_teacher(
    factory: Factory, server: FaultyServer, problems: Path
) -> None:
    """The student's evaluations take time and none of the teacher's money."""
    words = ("star", *collect(server, problems)[1:], *PRICES, *STAR[1:], "--rounds", "1",
             "--set", "cold_start.traces=0", "--set", "rationalize.num_samples=0")  # fmt: skip
    made = factory("plan", *words, "--pilot", "6", "--json").json
    assert len(server.asked) == made["spent"]["requests"] - 32 == 12
    assert made["spent"]["money"] == pytest.approx(12 * 0.008)
    assert {part["name"] for part in made["parts"]} == {"asking", "evaluating"}
    ran = factory("run", *words, "--json").json
    assert set(server.asked.values()) == {1}
    assert made["requests"]["low"] <= len(server.asked) <= made["requests"]["high"]
    cost = sum(row["cost"] for row in ran["rounds"])
    assert made["money"]["low"] <= cost <= made["money"]["high"]


def test_a_majority_is_planned_without_deciding(
    factory: Factory, data: Path, server: FaultyServer, problems: Path
) -> None:
    words = collect(server, problems, "--set", "problems.verifier=majority")
    made = factory("plan", *words, "--pilot", "6", "--json")
    assert made.code == 0, made.err
    ran = factory("run", *words, "--json")
    assert ran.code == 0, ran.err
    assert set(server.asked.values()) == {1}
    assert len(server.asked) == len(candidates(data)) == 320
