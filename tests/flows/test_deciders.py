"""Runs that a judge or a majority decides, with fakes for teacher, judge and trainer."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from filters.verify.judge_prompt import sheets
from flows.deciders import check
from flows.progress import SilentReporter
from flows.result import RunResult
from flows.reverify import wanted
from flows.star import run_star
from rsfactory.errors import ChildDied, FactoryError, InputError
from rsfactory.recipe import load
from rsfactory.records import Outcome, Problem
from rsfactory.store import CANDIDATES, EVALUATION_VERDICTS, PROBLEMS, SELECTIONS, VERDICTS, Store

FAST: dict[str, Any] = {
    "model.student": "scripted:0.6",
    "train.trainer": "dry-run",
    "problems.params": {},
    "problems.per_round": 20,
    "sample.shard_size": 7,
    "evaluate.problems": 32,
    "grpo.steps": 0,
    "rounds": 1,
}
MAJORITY = {"problems.verifier": "majority", "sample.num_samples": 5}
JUDGE = {"problems.verifier": "judge", "judge.teacher": "scripted:1"}


class Notes(SilentReporter):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def problem(answer: str, *, verifier: str) -> Problem:
    return Problem(
        id="p-1", source="test", split="train", domain="text", verifier=verifier, prompt="Q",
        answer=answer, choices=[], solution=None, row=0,
    )  # fmt: skip


def rows(file: Path, count: int, *, gold: bool, first: int = 0, worked: bool = False) -> str:
    """A file of sums; the question numbers start at ``first``."""
    lines = []
    for n in range(first, first + count):
        row: dict[str, Any] = {"question": f"What is {n} + {n + 1}?"}
        row |= {"answer": str(2 * n + 1)} if gold else {}
        row |= {"solution": f"{n} + {n + 1} = {2 * n + 1}"} if worked else {}
        lines.append(json.dumps(row))
    file.write_text("\n".join(lines))
    return str(file)


def star(data: Path, source: str, held_out: str | None, **settings: Any) -> RunResult:
    changed = {**FAST, "problems.source": source, "problems.held_out": held_out}
    changed |= {key.replace("__", "."): value for key, value in settings.items()}
    reporter = settings.pop("reporter", None) or SilentReporter()
    changed.pop("reporter", None)
    recipe = load("star", changed)
    return run_star(recipe, seed=0, data=data, name=None, reporter=reporter, prefect=False)


def majority(tmp_path: Path, **settings: Any) -> RunResult:
    source = rows(tmp_path / "asked.jsonl", 30, gold=False)
    held_out = rows(tmp_path / "golds.jsonl", 40, gold=True, first=1000)
    return star(tmp_path / "data", source, held_out, **{**MAJORITY, **settings})


def judge(tmp_path: Path, **settings: Any) -> RunResult:
    source = rows(tmp_path / "train.jsonl", 30, gold=True)
    held_out = rows(tmp_path / "golds.jsonl", 40, gold=True, first=1000)
    return star(tmp_path / "data", source, held_out, **{**JUDGE, **settings})


def verdicts(result: RunResult) -> dict[str, Any]:
    return {v.candidate_id: v for v in Store(result.folder).read(VERDICTS, 1)}


def test_a_majority_where_there_is_no_gold(tmp_path: Path) -> None:
    notes = Notes()
    result = majority(tmp_path, reporter=notes)
    store = Store(result.folder)
    problems = {p.id: p for p in store.read(PROBLEMS, 1)}
    assert len(problems) == 20
    assert {p.answer for p in problems.values()} == {""}
    decided = verdicts(result)
    groups: dict[str, list[Any]] = {}
    for candidate in store.read(CANDIDATES, 1):
        groups.setdefault(candidate.problem_id, []).append(decided[candidate.id])
    assert {len(group) for group in groups.values()} == {5}
    kinds = Counter()
    for group in groups.values():
        right = {v.extracted for v in group if v.outcome is Outcome.CORRECT}
        kinds[len(right)] += 1
        agreed = [v for v in group if v.outcome is Outcome.CORRECT]
        assert not right or len(agreed) >= 3
        assert all(v.verifier == "majority" and "(no gold)" in v.reason for v in agreed)
        for verdict in group:
            assert verdict.outcome is not Outcome.WRONG or right
            assert verdict.outcome is not Outcome.UNVERIFIABLE or not right
    assert set(kinds) == {0, 1}, "some problems with, some without a majority, none with two"
    assert result.rounds[0].selected > 0
    assert not any(c.hinted for c in store.read(CANDIDATES))
    assert any("no answer of theirs is known" in note for note in notes.notes) or kinds[0] == 0
    assert f"round 1: {kinds[1]} of 20 problems have a majority (no gold is used)" in notes.notes


def test_groups_span_shards_and_every_shard_has_its_verdicts(tmp_path: Path) -> None:
    store = Store(majority(tmp_path).folder)
    shards = store.shards(CANDIDATES, 1)
    assert len(shards) == 5 * 3
    assert [s.name for s in store.shards(VERDICTS, 1)] == [s.name for s in shards]


@pytest.mark.parametrize("nth", [1, 4, 15])
def test_interrupted_between_verdict_shards_the_rerun_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    whole = majority(tmp_path)
    write, calls = Store.write, []

    def interrupted(self, table, round, part, rows):  # type: ignore[no-untyped-def]
        if table is VERDICTS and round == 1 and not self.has(table, round, part):
            calls.append(part)
            if len(calls) == nth:
                raise KeyboardInterrupt
        return write(self, table, round, part, rows)

    (tmp_path / "again").mkdir()
    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        majority(tmp_path / "again")
    monkeypatch.undo()
    result = majority(tmp_path / "again")
    was, now = verdicts(whole), verdicts(result)
    assert {k: (v.outcome, v.reason, v.share) for k, v in was.items()} == {
        k: (v.outcome, v.reason, v.share) for k, v in now.items()
    }
    whole_rows, rows_now = (Store(r.folder).read(SELECTIONS) for r in (whole, result))
    assert [(s.candidate_id, s.reason) for s in whole_rows] == [
        (s.candidate_id, s.reason) for s in rows_now
    ]


def test_held_out_problems_are_measured_with_golds(tmp_path: Path) -> None:
    result = majority(tmp_path)
    told = Store(result.folder).read(EVALUATION_VERDICTS)
    assert {v.verifier for v in told} == {"math"}
    assert {v.outcome for v in told} >= {Outcome.CORRECT, Outcome.WRONG}


def test_a_majority_over_a_source_with_golds_measures_with_them(tmp_path: Path) -> None:
    source = rows(tmp_path / "all.jsonl", 100, gold=True)
    result = star(tmp_path / "data", source, None, **MAJORITY)
    assert {v.verifier for v in Store(result.folder).read(EVALUATION_VERDICTS)} == {"math"}
    assert {v.verifier for v in verdicts(result).values()} == {"majority"}


@pytest.mark.parametrize("verifier", ["majority", "judge"])
def test_held_out_problems_without_golds_are_refused(tmp_path: Path, verifier: str) -> None:
    source = rows(tmp_path / "asked.jsonl", 100, gold=False)
    settings = {**MAJORITY, **JUDGE, "problems.verifier": verifier}
    with pytest.raises(InputError, match=r"32 of 32 held-out problems .* have no gold answer"):
        star(tmp_path / "data", source, None, **settings)
    held_out = rows(tmp_path / "other.jsonl", 40, gold=False, first=1000)
    with pytest.raises(InputError, match=r"32 of 32 held-out problems of other.jsonl have no gold"):
        star(tmp_path / "data", source, held_out, **settings)
    assert not (tmp_path / "data").exists()


def test_tests_are_a_gold_too() -> None:
    """Programs without a model solution have no answer, and tests in their metadata."""
    program = problem("", verifier="code")
    check(load("star"), [program], [replace(program, metadata='{"asserts": ["assert f()"]}')])
    for other in ("", '{"level": 5}'):
        with pytest.raises(InputError, match="1 of 1 held-out problems"):
            check(load("star"), [program], [replace(program, metadata=other)])


def test_what_is_no_verifier_is_refused_before_work() -> None:
    asked = [problem("5", verifier="json:dumps"), problem("5", verifier="json:decoder")]
    for one in asked:
        with pytest.raises(InputError, match="expected a function of"):
            check(load("star"), [one], [])


def test_rows_without_golds_are_refused_for_other_verifiers(tmp_path: Path) -> None:
    source = rows(tmp_path / "asked.jsonl", 100, gold=False)
    with pytest.raises(InputError, match="not understood"):
        star(tmp_path / "data", source, None)


REFUSED = [
    ({"grpo__steps": 2}, "GRPO's rewards come from verifiers of one row, not from judge"),
    ({"judge__teacher": None}, "needs to know who judges"),
    ({"judge__teacher": "nobody"}, "no teacher is called 'nobody'"),
    ({"judge__teacher": "scripted:2"}, "a skill from 0 to 1"),
    ({"judge__temperature": 0}, "3 votes at judge.temperature = 0 are one vote"),
    ({"judge__rubric": "profo"}, "no rubric is called 'profo'; there is: proof, science"),
    ({"judge__agreement": 0.5}, "greater than 0.5"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_a_judge_that_cannot_work_is_refused_before_work(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        judge(tmp_path, **settings)
    assert not (tmp_path / "data").exists()


def test_a_majority_that_cannot_be_reached_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs as many samples, got sample\.num_samples = 2"):
        majority(tmp_path, **{"sample.num_samples": 2})
    with pytest.raises(InputError, match=r"not from majority; set grpo\.steps = 0"):
        majority(tmp_path, grpo__steps=1)


def test_a_judge_decides_rounds_and_held_out_problems(tmp_path: Path) -> None:
    result = judge(tmp_path)
    told = verdicts(result)
    assert {v.verifier for v in told.values()} == {"judge"}
    assert {v.verifier for v in Store(result.folder).read(EVALUATION_VERDICTS)} == {"judge"}
    store = Store(result.folder)
    problems = {p.id: p for p in store.read(PROBLEMS, 1)}
    outcomes = Counter(v.outcome for v in told.values())
    assert outcomes[Outcome.CORRECT] > 0
    assert outcomes[Outcome.WRONG] > 0
    for candidate in store.read(CANDIDATES, 1):
        verdict, gold = told[candidate.id], problems[candidate.problem_id].answer
        if verdict.outcome is Outcome.CORRECT:
            assert candidate.completion.endswith(gold)
            assert verdict.results == ["correct"] * 3
        if verdict.outcome is Outcome.WRONG:
            assert not candidate.completion.endswith(gold)
    assert result.rounds[0].selected > 0


def test_the_seconds_of_a_judge_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates that wait for one batch together do not each count all of it."""
    from generators.teachers import ScriptedJudge

    complete = ScriptedJudge.complete

    async def slowly(self: Any, request: Any) -> Any:
        await asyncio.sleep(0.2)
        return await complete(self, request)

    monkeypatch.setattr(ScriptedJudge, "complete", slowly)
    began = time.monotonic()
    told = verdicts(judge(tmp_path))
    assert sum(v.seconds for v in told.values()) < time.monotonic() - began


def test_a_judge_that_errs_makes_no_verdict_alone(tmp_path: Path) -> None:
    """With a skill of 0.7 the two layouts and the votes disagree now and then."""
    result = judge(tmp_path, judge__teacher="scripted:0.7")
    told = [v for v in verdicts(result).values() if v.results]
    assert any("contradicts itself" in v.results for v in told)
    for verdict in told:
        share = max(verdict.results.count(word) for word in ("correct", "wrong")) / 3
        assert verdict.share == pytest.approx(share)
        assert (verdict.outcome is Outcome.UNVERIFIABLE) == (share < 0.6)


def test_the_same_judge_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, two = judge(tmp_path), judge(tmp_path / "b")
    assert {k: (v.outcome, v.results, v.version) for k, v in verdicts(one).items()} == {
        k: (v.outcome, v.results, v.version) for k, v in verdicts(two).items()
    }


def test_proofs_without_an_answer_have_the_worked_proof_as_reference(tmp_path: Path) -> None:
    source = rows(tmp_path / "proofs.jsonl", 100, gold=False, worked=True)
    result = star(tmp_path / "data", source, None, **JUDGE, judge__rubric="proof")
    problems = Store(result.folder).read(PROBLEMS, 1)
    assert all(p.answer == "" and p.solution for p in problems)
    outcomes = {v.outcome for v in verdicts(result).values()}
    assert outcomes <= {Outcome.UNVERIFIABLE, Outcome.UNPARSED, Outcome.TRUNCATED}, (
        "the fake judge knows answers only, and what it does not know is not wrong"
    )
    assert not any(c.hinted for c in Store(result.folder).read(CANDIDATES))


def test_a_judge_that_answers_nobody_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generators.teachers import ScriptedJudge

    async def dies(self: Any, request: Any) -> Any:
        raise ChildDied("local teacher died (signal 9)")

    monkeypatch.setattr(ScriptedJudge, "complete", dies)
    with pytest.raises(FactoryError, match=r"the judge failed: local teacher died .* continues"):
        judge(tmp_path)
    monkeypatch.undo()
    assert judge(tmp_path).rounds


def test_old_verdicts_of_a_judge_are_not_asked_again_alone() -> None:
    for name in ("judge", "majority@1"):
        with pytest.raises(InputError, match="decides with a run's recipe"):
            wanted(name)


def test_a_real_model_as_judge(tmp_path: Path, tiny_model: Path) -> None:
    """Random weights through the local teacher: nothing readable, so nothing decided or wrong."""
    pytest.importorskip("torch")
    source = rows(tmp_path / "train.jsonl", 4, gold=True)
    held_out = rows(tmp_path / "golds.jsonl", 32, gold=True, first=1000)
    settings = {**JUDGE, "judge.teacher": f"local:{tiny_model}", "judge.max_tokens": 4}
    settings |= {
        "judge.votes": 1,
        "judge.rubric": "The last number is the sum.",
        "problems.per_round": 2,
        "cold_start.traces": 0,
    }
    result = star(tmp_path / "data", source, held_out, **settings)
    told = [v for v in verdicts(result).values() if v.results]
    problem = Store(result.folder).read(PROBLEMS, 1)[0]
    [sheet, _] = sheets(problem, "Here it is.\nAnswer: 12345", str(settings["judge.rubric"]))
    assert len(sheet.text.encode()) < 1900, "the tiny model reads 2048 bytes"
    assert {v.outcome for v in told} == {Outcome.UNVERIFIABLE}
    assert {r for v in told for r in v.results} <= {"cut off", "unreadable (no verdict line)"}
    assert all(v.version.startswith("1+") for v in told)
