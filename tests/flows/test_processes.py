"""Several sampling processes at one address: real children, a real server."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import test_collect
from faulty_server import Asked, FaultyServer, mixed
from test_collect import (
    GOLD,
    adds_up,
    answers,
    by_seed,
    collect,
    number,
    plan,
    problems_file,
    rows_of,
)  # fmt: skip

from flows.progress import SilentReporter
from flows.stream_parts import divided
from generators.problems import open_source
from rsfactory.errors import ChildDied, InputError, Stopped
from rsfactory.recipe import EndpointSection
from rsfactory.store import Store

__all__ = ["answers"]  # a fixture


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(plan=by_seed(0.5), seconds=0.01) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return problems_file(tmp_path / "problems.jsonl", 31)


def test_every_candidate_is_asked_for_once_by_one_of_them(server: FaultyServer, file: Path) -> None:
    result = collect(server, file, sample__processes=3)
    adds_up(result, 124)
    assert set(server.asked.values()) == {1}
    assert server.most <= 3 * (8 // 3)
    assert result.rounds[0].requests == 124
    stages = Store(result.folder).seconds(1)
    assert stages["sample"] < 60
    alone = collect(server, file, name="alone")
    assert {row.id for row in rows_of(result)} == {row.id for row in rows_of(alone)}


def test_faults_lose_and_double_nothing(server: FaultyServer, file: Path) -> None:
    server.plan = mixed(0.1)
    adds_up(collect(server, file, sample__processes=2, endpoint__timeout=2), 124)


def test_only_problems_that_failed_are_hinted(server: FaultyServer, file: Path) -> None:
    def plan(asked: Asked) -> str:
        hinted = str(GOLD) in asked.body["messages"][-1]["content"].replace("<7>", "")
        return "right" if hinted or number(asked) % 4 else "wrong"

    server.plan = plan
    result = collect(server, file, sample__processes=2, rationalize__num_samples=2)
    adds_up(result, 124 + 2 * 8)
    assert result.rounds[0].hinted_sampled == result.rounds[0].hinted_correct == 2 * 8
    assert set(server.asked.values()) == {1}


def test_the_budget_holds_for_all_of_them_together(server: FaultyServer, file: Path) -> None:
    server.seconds = 0.05
    with pytest.raises(Stopped, match="budget is used up"):
        collect(server, file, sample__processes=2, budget="0.5ktok")
    asked = len(server.seen)
    assert 30 <= asked <= 30 + 2  # 17 tokens each
    adds_up(collect(server, file, sample__processes=2, budget="1Mtok"), 124)
    assert set(server.asked.values()) == {1}


def test_what_one_leaves_of_its_share_is_for_the_others(
    server: FaultyServer, tmp_path: Path
) -> None:
    """Of three problems one has two, and needs more than half of a budget that is just enough."""
    file = problems_file(tmp_path / "few.jsonl", 3)
    adds_up(collect(server, file, sample__processes=2, budget=f"{12 * 17}tok"), 12)
    assert len(server.seen) == 12


def test_what_is_shown_is_of_all_of_them(
    server: FaultyServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.seconds = 0.1
    heard = Heard()
    monkeypatch.setattr(test_collect, "SilentReporter", lambda: heard)
    prices = {"endpoint__price_prompt": 100.0, "endpoint__price_completion": 1000.0}
    adds_up(collect(server, file, sample__processes=2, **prices), 124)
    said = " | ".join(heard.said)
    assert "under way of at most 8" in said
    assert "correct/s" in said
    assert f"{124 * (10 * 100 + 7 * 1000) / 1e6:.2f} USD so far" in said


class Heard(SilentReporter):
    """Keeps what is said of a stage, each thing once."""

    def __init__(self) -> None:
        self.said: dict[str, None] = {}

    def detail(self, text: str, *, grows: bool = False) -> None:
        """One more."""
        self.said[text] = None


def test_the_budget_is_kept_to_the_request(server: FaultyServer, file: Path) -> None:
    """Near its end one process asks alone; used up, nobody asks."""
    for count, budget in ((30, "510tok"), (30, "510tok"), (100, "1.7ktok")):
        with pytest.raises(Stopped, match="budget is used up"):
            collect(server, file, sample__processes=2, budget=budget, sample__max_tokens=20)
        assert len(server.seen) == count
    adds_up(collect(server, file, sample__processes=2, budget="1Mtok"), 124)
    assert set(server.asked.values()) == {1}


def test_only_failed_problems_are_asked_again_with_the_answer(
    server: FaultyServer, file: Path
) -> None:
    server.plan = lambda asked: "right" if number(asked) % 4 else "wrong"
    result = collect(server, file, sample__processes=2, rationalize__num_samples=1)
    adds_up(result, 124 + 8)
    assert result.rounds[0].hinted_sampled == 8
    assert len(server.seen) == 124 + 8


def test_a_plan_asks_the_problems_of_its_pilot_only(server: FaultyServer, file: Path) -> None:
    settings = {"sample__processes": 2, "sample__max_tokens": 20}
    with pytest.raises(Stopped):
        collect(server, file, budget="340tok", **settings)
    assert len(server.seen) == 20
    settings["sample__num_samples"] = 5
    plan(server, file, pilot=4, **settings)
    asked = Counter(number(one) for one in server.seen)
    assert sum(count == 5 for count in asked.values()) >= 4
    assert sum(asked.values()) <= 20 + 4 * 5


@pytest.mark.parametrize("budget", ["1.4ktok", "1.4USD", "1h"])
def test_what_one_process_needs_less_goes_to_the_others(
    server: FaultyServer, file: Path, budget: str
) -> None:
    """One has problems with a right answer, which it asks once; the other asks to the end."""
    source = open_source(str(file), seed=0, purpose="train")
    easy = {int(p.prompt.partition("<")[2].partition(">")[0]) for p in source.train(1, 31)[::2]}
    server.plan = lambda asked: "right" if number(asked) in easy else "wrong"
    result = collect(
        server, file, sample__processes=2, budget=budget, sample__max_tokens=9,
        adaptive__policy="correct", endpoint__price_prompt=1000, endpoint__price_completion=1000,
    )  # fmt: skip
    adds_up(result, 16 + 15 * 4)  # 1292 tokens


def test_a_refusal_stops_the_run_and_leaves_no_process(server: FaultyServer, file: Path) -> None:
    server.plan = lambda asked: "status 401"
    with pytest.raises(InputError, match="401"):
        collect(server, file, sample__processes=2)
    assert not _children()


def test_a_killed_child_stops_the_run_which_continues(server: FaultyServer, file: Path) -> None:
    server.seconds = 0.2

    def kill() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and len(server.seen) < 20:
            time.sleep(0.01)
        os.kill(_children()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ChildDied, match="sampling process"):
        collect(server, file, sample__processes=2)
    killer.join()
    assert not _children()
    server.seconds = 0.0
    adds_up(collect(server, file, sample__processes=2), 124)
    assert sum(server.asked.values()) <= 124 + 2 * 4


def test_limits_are_divided() -> None:
    whole = EndpointSection(concurrency=9, requests_per_minute=60)
    part = divided(whole, 2)
    assert (part.concurrency, part.requests_per_minute) == (4, 30)
    assert part.prompt_tokens_per_minute is None


def test_they_are_for_addresses_only(file: Path) -> None:
    with pytest.raises(InputError, match="behind an address"):
        collect(None, file, sample__processes=2)


def _children() -> list[int]:
    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if "flows.stream_child" in " ".join(child.cmdline())
    ]
