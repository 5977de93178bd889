"""A synthetic run written through the store: three problems, one round, every kind of record.

Problem ``p0`` is solved, ``p1`` is wrong and then rationalized, ``p2`` is cut off and redone with
more tokens; ``h0`` and ``h1`` are held out. Nothing here ran a model.
"""

import json
from pathlib import Path

from rsfactory.recipe import load
from rsfactory.records import (
    Candidate,
    Checkpoint,
    Evaluation,
    Flag,
    Gate,
    Outcome,
    Problem,
    Prompt,
    RoundReport,
    Selection,
    TrainingRow,
    Verdict,
)  # fmt: skip
from rsfactory.store import (
    CANDIDATES,
    CHECKPOINTS,
    EVALUATION_CANDIDATES,
    EVALUATION_VERDICTS,
    EVALUATIONS,
    FLAGS,
    PROBLEMS,
    PROMPTS,
    ROUNDS,
    SELECTIONS,
    TRAINING_ROWS,
    VERDICTS,
    Store,
)  # fmt: skip

NAME = "made-1"
PLAIN = Prompt.make("math", 1, None, "{problem}\nWork it out.")
HINTED = Prompt.make("math_hinted", 1, None, "{problem}\nThe answer is {answer}. Say why.")
SAMPLING = json.dumps({"temperature": 0.9})


def problem(name: str, split: str, row: int) -> Problem:
    text = f"What is {row} + <{row}>?"
    return Problem(
        id=Problem.key("gym:sums", text, name), source="gym:sums", split=split, domain="math",
        verifier="math", prompt=text, answer=str(2 * row), choices=[], solution=None, row=row,
    )  # fmt: skip


P = [problem(f"p{i}", "train", i) for i in range(3)]
H = [problem(f"h{i}", "held_out", 100 + i) for i in range(2)]


def checkpoint(name: str, round: int, stage: str, parent: str | None) -> Checkpoint:
    return Checkpoint(
        id=f"k-{name * 16}"[:18], parent=parent, run=NAME, round=round, stage=stage,
        training_set=None if parent is None else f"{NAME}/round-{round}",
        path=f"checkpoints/{stage}", trainer="dry-run", rows=2, steps=1, seconds=1.0,
        metrics=json.dumps({"loss": 0.5}),
    )  # fmt: skip


BASE = checkpoint("a", 0, "base", None)
START = checkpoint("b", 0, "cold_start", BASE.id)
LAST = checkpoint("c", 1, "sft", START.id)


def candidate(
    of: Problem,
    index: int,
    text: str,
    *,
    prompt: Prompt = PLAIN,
    attempt: int = 0,
    teacher: str = START.id,
    finish: str = "stop",
    round: int = 1,
) -> Candidate:
    key = Candidate.key(of.id, prompt.id, teacher, SAMPLING, index, attempt)
    return Candidate(
        id=key, problem_id=of.id, prompt_id=prompt.id, teacher=teacher, sampling=SAMPLING,
        index=index, attempt=attempt, round=round, hinted=prompt is HINTED, seed=7 + index,
        max_tokens=32, completion=text, reasoning=None, finish_reason=finish, prompt_tokens=5,
        tokens=len(text.split()),
    )  # fmt: skip


def verdict(of: Candidate, outcome: Outcome, version: str = "1") -> Verdict:
    extracted = of.completion.split()[-1] if outcome in (Outcome.CORRECT, Outcome.WRONG) else None
    return Verdict(
        id=Verdict.key(of.id, "math", version), candidate_id=of.id, verifier="math",
        version=version, outcome=outcome, extracted=extracted, reason=f"it is {outcome}",
        seconds=0.01, isolation="process",
    )  # fmt: skip


def selection(of: Candidate, rule: str | None) -> Selection:
    target = f"{NAME}/round-1"
    return Selection(
        id=Selection.key(of.id, target), candidate_id=of.id, training_set=target, round=1,
        selected=rule is None, rejected_by=rule, reason=f"because of {rule or 'nothing'}",
    )  # fmt: skip


SOLVED = candidate(P[0], 0, "0 and <0> make 0")
AGAIN = candidate(P[0], 1, "0 and <0> make 0")
MISSED = candidate(P[1], 0, "it must be 3")
EXPLAINED = candidate(P[1], 0, "1 and 1 make 2", prompt=HINTED)
CUT = candidate(P[2], 0, "well, let us", finish="length")
REDONE = candidate(P[2], 0, "well, let us see: no", attempt=1)
CANDIDATES_MADE = [SOLVED, AGAIN, MISSED, EXPLAINED, CUT, REDONE]
WORDS = [verdict(SOLVED, Outcome.CORRECT), verdict(AGAIN, Outcome.CORRECT),
         verdict(MISSED, Outcome.WRONG), verdict(EXPLAINED, Outcome.CORRECT),
         verdict(CUT, Outcome.TRUNCATED), verdict(REDONE, Outcome.UNPARSED)]  # fmt: skip


def evaluation(of: Checkpoint, stage: str, right: int) -> Evaluation:
    outcomes = ["correct"] * right + ["wrong"] * (2 - right)
    return Evaluation(
        id=Evaluation.key(of.id, "b"), checkpoint_id=of.id, benchmark="b", round=of.round,
        stage=stage, accuracy=right / 2, low=max(0.0, right / 2 - 0.3),
        high=min(1.0, right / 2 + 0.3), problem_ids=[h.id for h in H], outcomes=outcomes,
    )  # fmt: skip


def report(round: int = 1) -> RoundReport:
    return RoundReport(
        id=f"d-{round}", run=NAME, round=round, sampler=START.id, checkpoint_id=LAST.id,
        problems=3, sampled=5, correct=3, wrong=1, unparsed=1, truncated=0, unverifiable=0,
        hinted_sampled=1, hinted_correct=1, selected=2,
        rejected_by=json.dumps({"outcome": 2, "duplicate": 1}), pool=2, tokens=25, accuracy=1.0,
        low=0.7, high=1.0, change=0.5, change_low=0.1, change_high=0.9, gate=Gate.ADVANCE,
        gate_reason="accuracy changed by +0.500", grpo=json.dumps({"reward": 0.5}),
        seconds=json.dumps({"sample": 10.0, "verify": 1.0, "sft": 20.0, "evaluate": 4.0}),
    )  # fmt: skip


def training_row(of: Candidate, problem: Problem) -> TrainingRow:
    return TrainingRow(
        candidate_id=of.id, problem_id=problem.id, training_set=f"{NAME}/round-1",
        prompt_id=PLAIN.id, system=None, prompt=f"{problem.prompt}\nWork it out.",
        completion=of.completion,
    )  # fmt: skip


RESULT = {
    "run": NAME, "recipe": "star", "folder": "", "base": {"accuracy": 0.0, "low": 0.0, "high": 0.3},
    "start": {"accuracy": 0.5, "low": 0.2, "high": 0.8}, "rounds": [{"round": 1}],
    "change": {"mean": 0.5, "low": 0.1, "high": 0.9, "problems": 2}, "seconds": 35.0, "tokens": 25,
}  # fmt: skip


def write_run(data: Path, *, done: bool = True, rounds: int = 1) -> Store:
    """Writes the run under ``data/runs``; without ``done`` as a killed process leaves it."""
    store = Store(data / "runs" / NAME)
    store.write(PROBLEMS, 0, "held_out", H)
    store.write(PROBLEMS, 1, "train", P)
    store.write(PROMPTS, 0, PLAIN.id, [PLAIN])
    store.write(PROMPTS, 1, HINTED.id, [HINTED])
    store.write(CHECKPOINTS, 0, "base", [BASE])
    store.write(CHECKPOINTS, 0, "cold_start", [START])
    store.write(EVALUATIONS, 0, "base", [evaluation(BASE, "base", 0)])
    store.write(EVALUATIONS, 0, "start", [evaluation(START, "start", 1)])
    store.write(CANDIDATES, 1, "0", CANDIDATES_MADE[:3])
    store.write(CANDIDATES, 1, "1", CANDIDATES_MADE[3:])
    recipe = load("star", {"rounds": rounds})
    store.write_json("run.json", {"run": NAME, "recipe": recipe.model_dump(mode="json"),
                                  "seed": 3, "versions": {"rsfactory": "0.1.0"},
                                  "created": "2026-11-21T12:00:00+0000"})  # fmt: skip
    if done:
        _finish(store)
    return store


def _finish(store: Store) -> None:
    store.write(VERDICTS, 1, "0", WORDS)
    store.write(FLAGS, 1, "0", [Flag.make(MISSED.id, "wrong_step", "1 + 1 = 3")])
    rules = [(SOLVED, None), (AGAIN, "duplicate"), (MISSED, "outcome"), (EXPLAINED, None),
             (REDONE, "outcome")]  # fmt: skip
    store.write(SELECTIONS, 1, "round", [selection(c, rule) for c, rule in rules])
    rows = [training_row(SOLVED, P[0]), training_row(EXPLAINED, P[1])]
    store.write(TRAINING_ROWS, 1, "sft", rows)
    store.write(CHECKPOINTS, 1, "sft", [LAST])
    greedy = [candidate(h, 0, "greedy 200", teacher=LAST.id) for h in H]
    store.write(EVALUATION_CANDIDATES, 1, "0", greedy)
    store.write(EVALUATION_VERDICTS, 1, "0", [verdict(c, Outcome.CORRECT) for c in greedy])
    store.write(EVALUATIONS, 1, "round", [evaluation(LAST, "round", 2)])
    store.write(ROUNDS, 1, "report", [report()])
    store.write_json("result.json", {**RESULT, "folder": str(store.folder)})
