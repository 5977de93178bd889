"""`factory run collect` with a policy and a local model: a real child, random weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.collect import run_collect
from flows.progress import SilentReporter
from flows.result import RunResult
from generators.adaptive import Policy
from generators.teachers.local_stream import LocalStream
from rsfactory.contracts import Completion, Request
from rsfactory.errors import ChildDied
from rsfactory.recipe import load
from rsfactory.records import Candidate
from rsfactory.store import CANDIDATES, PASS_RATES, VERDICTS, Store

pytest.importorskip("torch")
PROBLEMS = 6


def collect(tmp_path: Path, model: Path, name: str = "c", **settings: Any) -> RunResult:
    file = tmp_path / "problems.jsonl"
    rows = [{"problem": f"How much is {i} + 1?", "answer": str(i + 1)} for i in range(PROBLEMS)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = load("collect", {
        "sample.teacher": f"local:{model}",
        "problems.source": str(file),
        "problems.params": {},
        "sample.num_samples": 8,
        "sample.max_tokens": 12,
        "adaptive.policy": "interval",
        "adaptive.width": 0.5,
        **{key.replace("__", "."): value for key, value in settings.items()},
    })  # fmt: skip
    return run_collect(
        recipe, seed=0, data=tmp_path / "data", name=name, reporter=SilentReporter(), prefect=False
    )


def rows_of(result: RunResult) -> list[Candidate]:
    rows = Store(result.folder).read(CANDIDATES)
    assert len({row.id for row in rows}) == len(rows)
    return rows


def test_a_policy_asks_a_local_model_wave_by_wave(tmp_path: Path, tiny_model: Path) -> None:
    result = collect(tmp_path, tiny_model)
    policy = Policy(name="interval", num_samples=8, width=0.5)
    enough = next(n for n in range(9) if not policy.wanted(n, 0))  # random weights solve nothing
    assert 1 < enough < 8
    rows = rows_of(result)
    assert len(rows) == PROBLEMS * enough
    assert {verdict.candidate_id for verdict in Store(result.folder).read(VERDICTS)} == {
        row.id for row in rows
    }
    assert {rate.stopped_by for rate in Store(result.folder).read(PASS_RATES)} == {"interval"}
    whole = rows_of(collect(tmp_path, tiny_model, "whole", adaptive__policy="fixed"))
    texts = {(row.problem_id, row.index): row.completion for row in whole}
    same = [row.completion == texts[row.problem_id, row.index] for row in rows]
    assert sum(same) >= len(same) - 1  # the same seeds; one near tie is allowed for


def test_what_was_answered_before_a_death_is_kept(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []
    complete = LocalStream.complete

    async def dying(self: LocalStream, request: Request) -> list[Completion]:
        asked.append(request)
        if len(asked) == 2 * PROBLEMS:
            self._child.kill()
        return await complete(self, request)

    monkeypatch.setattr(LocalStream, "complete", dying)
    with pytest.raises(ChildDied, match="the same command"):
        collect(tmp_path, tiny_model, endpoint__concurrency=1)
    assert len(asked) == 2 * PROBLEMS
    again: list[Request] = []

    async def counting(self: LocalStream, request: Request) -> list[Completion]:
        again.append(request)
        return await complete(self, request)

    monkeypatch.setattr(LocalStream, "complete", counting)
    result = collect(tmp_path, tiny_model, endpoint__concurrency=1)
    assert result.rounds[0].sampled == 4 * PROBLEMS
    assert len(again) == 2 * PROBLEMS + 1  # the one under way
    calm = rows_of(collect(tmp_path, tiny_model, "calm"))
    assert {row.id for row in rows_of(result)} == {row.id for row in calm}
