"""Training: this round's selected rows and the pool become a checkpoint, SFT first, then GRPO.

Rows are written down before training (`training_rows`), so that what a checkpoint saw can be read
later and a repeated training sees the same. A checkpoint's folder appears whole, its record after
it; between the two a kill costs one more training, never a wrong checkpoint.
"""

import json
import random
from pathlib import Path
from typing import Any

from flows.context import Run, training_set
from flows.tasks import log, shard_task
from generators.models import checkpoint_id
from generators.prompts import pick
from rsfactory.chat import messages
from rsfactory.contracts import TrainingJob, resolve
from rsfactory.errors import StoreError
from rsfactory.ids import file_hash, seed_of
from rsfactory.records import Candidate, Checkpoint, Outcome, Problem, TrainingRow
from rsfactory.store import (
    CANDIDATES,
    CHECKPOINTS,
    PROBLEMS,
    SELECTIONS,
    TRAINING_ROWS,
    VERDICTS,
    need_disk,
    write_folder,
)  # fmt: skip
from trainers import TRAINERS
from trainers.grpo_rows import GrpoRow, write_rows


def train(run: Run, round: int, sampler: Checkpoint, start: Checkpoint) -> Checkpoint:
    """The round's checkpoint; the sampler itself where nothing was selected."""
    if not any(s.selected for s in run.store.read(SELECTIONS, round)):
        run.reporter.note(f"round {round}: nothing was selected, nothing is trained")
        return sampler
    done = _record(run, round, "grpo")
    if done:
        return done
    run.release()
    parent = start if run.recipe.train.restart == "base" else sampler
    training_rows(run, round)
    sft = run.recipe.sft
    rate = sft.learning_rate * sft.round_decay ** (round - 1)
    checkpoint = fit(run, round, "sft", parent, {**sft.model_dump(), "learning_rate": rate})
    if not run.recipe.grpo.steps:
        return checkpoint
    problems = _uncertain(run, round)
    if not problems:
        run.reporter.note(f"round {round}: no problem was solved only sometimes, so no GRPO")
        return checkpoint
    write_rows(_grpo_rows(run, round), [_grpo_row(run, problem) for problem in problems])
    section = run.recipe.grpo
    settings = {**section.model_dump(), "max_tokens": section.max_tokens or run.student_tokens()}
    return fit(run, round, "grpo", checkpoint, settings)


def training_rows(run: Run, round: int) -> list[TrainingRow]:
    """The rows of a round's SFT: this round's, and of earlier rounds the newest that fit.

    The order is fixed here by the run's seed; `train.max_rows` bounds it.
    """
    if not run.store.has(TRAINING_ROWS, round, "sft"):
        pooled = run.recipe.train.pool == "all"
        rounds = range(round, -1, -1) if pooled else [round]
        rows = [row for r in rounds for row in _selected_rows(run, r, training_set(run, round))]
        rows = rows[: run.recipe.train.max_rows]
        random.Random(seed_of("rows", run.seed, round)).shuffle(rows)
        run.store.write(TRAINING_ROWS, round, "sft", rows)
    return run.store.read(TRAINING_ROWS, round)


def _selected_rows(run: Run, round: int, target: str) -> list[TrainingRow]:
    selected = {s.candidate_id for s in run.store.read(SELECTIONS, round) if s.selected}
    problems = {p.id: p for p in run.store.read(PROBLEMS, round)}
    candidates = [c for c in run.store.read(CANDIDATES, round) if c.id in selected]
    return [_row(run, target, c, problems[c.problem_id]) for c in candidates]


def _row(run: Run, target: str, candidate: Candidate, problem: Problem) -> TrainingRow:
    prompt = pick(run.recipe.sample.template, problem, hinted=False)  # the hint is never trained
    turns = messages(prompt, problem.prompt)
    return TrainingRow(
        candidate_id=candidate.id,
        problem_id=problem.id,
        training_set=target,
        prompt_id=prompt.id,
        system=prompt.system,
        prompt=turns[-1].content,
        completion=candidate.trace,
    )


def _uncertain(run: Run, round: int) -> list[Problem]:
    """Problems with a pass rate between 0 and 1 in this round: only they carry a GRPO signal."""
    outcomes = {v.candidate_id: v.outcome for v in run.store.read(VERDICTS, round)}
    right: dict[str, list[bool]] = {}
    for candidate in run.store.read(CANDIDATES, round):
        if not candidate.hinted and outcomes[candidate.id] is not Outcome.UNVERIFIABLE:
            right.setdefault(candidate.problem_id, []).append(
                outcomes[candidate.id] is Outcome.CORRECT
            )
    problems = {p.id: p for p in run.store.read(PROBLEMS, round)}
    chosen = [problems[key] for key, group in right.items() if 0 < sum(group) < len(group)]
    random.Random(seed_of("grpo", run.seed, round)).shuffle(chosen)
    return chosen[: run.recipe.grpo.steps * run.recipe.grpo.prompts]


def weights_id(folder: Path) -> str:
    """Key of a checkpoint: the content of its weights, or of what a fake left in their place."""
    for fake in ("dry_run.json", "scripted.json"):
        if (folder / fake).exists() and not any(folder.glob("*.safetensors")):
            return f"k-{file_hash(folder / fake)[:16]}"
    return checkpoint_id(folder)


def _record(run: Run, round: int, stage: str) -> Checkpoint | None:
    """The checkpoint a stage of a round made, if it is done."""
    found = [c for c in run.store.read(CHECKPOINTS, round) if c.stage == stage]
    return found[0] if found else None


def _weights(folder: Path) -> int:
    """Bytes of a checkpoint's files.

    Raises:
        StoreError: The folder is gone.
    """
    if not folder.is_dir():
        raise StoreError(
            f"the checkpoint {folder} is not there any more; put it back, or remove the run "
            "(factory rm RUN) and start again"
        )
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _grpo_rows(run: Run, round: int) -> Path:
    return run.store.folder / "grpo_rows" / f"round={round}.parquet"


def _grpo_row(run: Run, problem: Problem) -> GrpoRow:
    prompt = pick(run.recipe.sample.template, problem, hinted=False)
    return GrpoRow(problem, prompt.system, messages(prompt, problem.prompt)[-1].content)


@shard_task("train")
def fit(
    run: Run, round: int, stage: str, parent: Checkpoint, settings: dict[str, Any]
) -> Checkpoint:
    """One training in a child process, from a parent checkpoint to a new one."""
    done = _record(run, round, stage)
    if done:
        return done
    run.release()
    trainer = resolve(run.recipe.train.trainer, TRAINERS, "trainer")()
    base = run.folder_of(parent)
    grpo = stage == "grpo"
    rows = _grpo_rows(run, round) if grpo else run.store.path(TRAINING_ROWS, round, "sft")
    need_disk(run.store.folder, 2 * _weights(base), "a checkpoint")
    place = run.store.folder / "checkpoints" / f"round-{round}-{stage}"
    with run.stage(round, stage, 0, "steps"), write_folder(place) as output:
        job = TrainingJob(
            kind="grpo" if grpo else "sft",
            base=str(base.resolve()),
            output=str(output.resolve()),
            rows=str(rows.resolve()),
            seed=seed_of("train", run.seed, round, stage) % 2**31,
            settings=settings,
        )
        where = run.log_file(f"round-{round}-{stage}")
        result = trainer.train(job, where, run.reporter.steps)
    if left_out := result.metrics.get("left_out"):
        run.reporter.note(f"{left_out:.0f} rows could not be trained on; why is in {where}")
    checkpoint = Checkpoint(
        id=weights_id(place),
        parent=parent.id,
        run=run.name,
        round=round,
        stage=stage,
        training_set=training_set(run, round),
        path=run.path_of(place),
        trainer=trainer.name,
        rows=result.rows,
        steps=result.steps,
        seconds=run.store.seconds(round).get(stage, 0.0),
        metrics=json.dumps(result.metrics),
    )
    run.store.write(CHECKPOINTS, round, stage, [checkpoint])
    log(f"trained {checkpoint.id} on {result.rows} rows in {result.steps} steps")
    return checkpoint
