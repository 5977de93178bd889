"""A bare STaR script: one process, everything in memory, nothing kept, nothing shown.

    python benchmarks/bare_star.py --seed 0 --rounds 1

The peer of `benchmarks/overhead.py`. It samples the same completions of the same problems with the
same engine, checks them with the same verifiers and trains the same rows (in another order) with
the same TRL code as `factory run star`, but in one process, with the model loaded once a
checkpoint, no store, no keys kept, no flows, no progress, and no way to continue. Prints seconds
and accuracy as JSON.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsfactory.child import MACHINE

if "GLIBC_TUNABLES" not in os.environ:  # read by the C library when a process starts
    os.execve(sys.executable, [sys.executable, *sys.argv], {**MACHINE, **os.environ})

from dataclasses import asdict

from filters.checks import CHECKS
from filters.select import select_candidates
from filters.verify.pool import VerifierPool
from generators.models import checkpoint_id, resolve
from generators.problems import open_source
from generators.prompts import LENGTHS, pick
from generators.sample import Planned, plan
from generators.teachers.local_child import Engine
from rsfactory.chat import messages
from rsfactory.contracts import TrainingJob
from rsfactory.ids import seed_of
from rsfactory.recipe import load, treatment
from rsfactory.records import Candidate, Outcome, Problem, TrainingRow
from rsfactory.store import to_frame
from trainers import grpo, sft
from trainers.grpo_rows import GrpoRow, write_rows

LIMIT = LENGTHS["sums"]


def ask(
    engine: Engine, name: str, problems: Sequence[Problem], sampling: dict[str, Any],
    num_samples: int, max_tokens: int, round: int, hinted: bool = False,
) -> list[Candidate]:  # fmt: skip
    """Candidates of all problems, in the shards the factory would sample."""
    shards = plan(
        problems, prompt_for=lambda p: pick(None, p, hinted=hinted), teacher=name,
        sampling=json.dumps(sampling), num_samples=num_samples, shard_size=96, round=round,
        hinted=hinted,
    )  # fmt: skip
    made = []
    for shard in shards:
        rows = [
            {
                "messages": [asdict(m) for m in messages(i.prompt, i.problem.prompt, gold(i))],
                "seed": i.seed,
                "temperature": sampling["temperature"],
                "top_p": 1.0,
                "max_tokens": max_tokens,
            }
            for i in shard.items
        ]
        for item, answer in zip(shard.items, engine.answer(rows, lambda **_: None), strict=True):
            made.append(
                Candidate(
                    id=item.id,
                    problem_id=item.problem.id,
                    prompt_id=item.prompt.id,
                    teacher=name,
                    sampling=item.sampling,
                    index=item.index,
                    attempt=0,
                    round=round,
                    hinted=hinted,
                    seed=item.seed,
                    max_tokens=max_tokens,
                    completion=answer["text"],
                    reasoning=None,
                    finish_reason=answer["finish_reason"],
                    prompt_tokens=answer["prompt_tokens"],
                    tokens=answer["tokens"],
                )
            )
    return made


def gold(item: Planned) -> str | None:
    """The answer that a hinted prompt shows."""
    return item.problem.answer if item.hinted else None


def training_row(problem: Problem, completion: str, key: str) -> TrainingRow:
    """A row as the trainer reads it."""
    prompt = pick(None, problem, hinted=False)
    return TrainingRow(
        candidate_id=key, problem_id=problem.id, training_set="bare", prompt_id=prompt.id,
        system=prompt.system, prompt=messages(prompt, problem.prompt)[-1].content,
        completion=completion,
    )  # fmt: skip


def main() -> None:
    """The loop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", default="embedded")
    given = parser.parse_args()
    began = time.monotonic()
    recipe = load("star")
    source = open_source(recipe.problems.source, params=recipe.problems.params, seed=given.seed)
    held_out = source.held_out(recipe.evaluate.problems)
    pool = VerifierPool()
    folder = Path(tempfile.mkdtemp())
    model = resolve(given.model)
    accuracy = []

    def fit(stage: str, round: int, rows: Any, settings: dict[str, Any]) -> Path:
        place, output = folder / f"{stage}-{round}.parquet", folder / f"{stage}-{round}"
        if stage == "grpo":
            write_rows(place, rows)
        else:
            to_frame(TrainingRow, rows).write_parquet(place)
        job = TrainingJob(
            kind="grpo" if stage == "grpo" else "sft", base=str(model), output=str(output),
            rows=str(place), seed=seed_of("train", given.seed, round, stage) % 2**31,
            settings=settings,
        )  # fmt: skip
        (grpo if stage == "grpo" else sft).train(job, lambda **_: None)
        return output

    def evaluate(engine: Engine, name: str) -> None:
        rows = ask(engine, name, held_out, {"temperature": 0.0}, 1, LIMIT, 0)
        verdicts = pool.verify(list(zip(held_out, rows, strict=True)))
        accuracy.append(sum(v.outcome is Outcome.CORRECT for v in verdicts) / len(verdicts))

    evaluate(Engine(str(model), 0), checkpoint_id(model))
    cold = source.cold_start(recipe.cold_start.traces)
    earlier = [training_row(p, p.solution or "", p.id) for p in cold]
    random.Random(seed_of("rows", given.seed, 0)).shuffle(earlier)
    settings = {**recipe.sft.model_dump(), **recipe.cold_start.model_dump()}
    model = fit("cold_start", 0, earlier, settings)
    engine, name = Engine(str(model), 0), checkpoint_id(model)
    evaluate(engine, name)
    for round in range(1, given.rounds + 1):
        problems = source.train(round, recipe.problems.per_round)
        by_id = {p.id: p for p in problems}
        sampling = {"temperature": recipe.sample.temperature, "top_p": 1.0, "seed": given.seed}
        limit = LIMIT
        rows = ask(engine, name, problems, sampling, recipe.sample.num_samples, limit, round)
        verdicts = pool.verify([(by_id[c.problem_id], c) for c in rows])
        right: dict[str, list[bool]] = {}
        for candidate, verdict in zip(rows, verdicts, strict=True):
            outcome = verdict.outcome is Outcome.CORRECT
            right.setdefault(candidate.problem_id, []).append(outcome)
        failed = [p for p in problems if not any(right[p.id])]
        hinted = ask(engine, name, failed, sampling, 1, limit, round, hinted=True)
        verdicts += pool.verify([(by_id[c.problem_id], c) for c in hinted])
        rows += hinted
        flags = [
            f
            for c in rows
            for check in CHECKS.values()
            for f in check.check(by_id[c.problem_id], c)
        ]
        chosen = [
            c
            for c, rejection in select_candidates(
                rows, {v.candidate_id: v for v in verdicts}, flags, earlier=[],
                max_per_problem=recipe.select.max_per_problem,
                reject_flags=[name for name in CHECKS if treatment(recipe, name) == "reject"],
                max_length=recipe.sft.max_length,
            )
            if rejection is None
        ]  # fmt: skip
        fresh = [training_row(by_id[c.problem_id], c.completion, c.id) for c in chosen]
        earlier = [*fresh, *earlier][: recipe.train.max_rows]
        shuffled = random.Random(seed_of("rows", given.seed, round)).sample(earlier, len(earlier))
        del engine
        rate = recipe.sft.learning_rate * recipe.sft.round_decay ** (round - 1)
        model = fit("sft", round, shuffled, {**recipe.sft.model_dump(), "learning_rate": rate})
        uncertain = [by_id[k] for k, group in right.items() if 0 < sum(group) < len(group)]
        asked = [pick(None, p, hinted=False) for p in uncertain]
        grpo_rows = [
            GrpoRow(p, q.system, messages(q, p.prompt)[-1].content)
            for p, q in zip(uncertain, asked, strict=True)
        ][: recipe.grpo.steps * recipe.grpo.prompts]
        if grpo_rows:
            model = fit("grpo", round, grpo_rows, {**recipe.grpo.model_dump(), "max_tokens": LIMIT})
        engine, name = Engine(str(model), 0), checkpoint_id(model)
        evaluate(engine, name)
    pool.close()
    print(json.dumps({"seconds": time.monotonic() - began, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
