"""Supervised fine-tuning with TRL: full weights, loss on the completion only.

Run as ``python -m trainers.sft JOB.json`` or ``accelerate launch -m trainers.sft JOB.json``.

What was chosen, and why:
- Rows are tokenised here, not by TRL, and come with their labels: the prompt's tokens are masked,
  the completion's tokens and the end-of-text token are trained, nothing stands behind them.
- On a CPU, TRL 1.16 scores every position of a row against the whole vocabulary, and its entropy
  and accuracy too. `completion_loss` scores the completion's positions only; loss and gradients
  are TRL's. On a GPU TRL's own fused kernel runs.
- Batches are made of rows of like length, in an order that the seed decides.
- The learning rate rises for a tenth of the steps and falls to 0: the last steps of a constant one
  decide too much in runs of a dozen steps (docs/experiments.md).

The same job gives the same weights bit for bit on the same machine's CPU. Not covered: another
number of threads, another machine or a GPU, where sums are taken in another order.
"""

import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import InputError
from rsfactory.recipe import SftSection
from rsfactory.records import TrainingRow
from rsfactory.store import from_frame
from trainers.entry import (
    Send,
    machine_settings,
    main,
    micro_batch,
    peak_memory_mb,
    save,
    share_of,
    step_messages,
)
from trainers.template import Tokens, tokenize_all

IGNORED = -100
"""Label of a token that is not trained."""


def train(job: TrainingJob, send: Send) -> TrainingResult:
    """Trains ``job.base`` on the rows of ``job.rows`` into ``job.output``.

    Raises:
        InputError: No rows, or none that can be trained: too long, or a chat template that changes
            what was sampled. Single rows of that kind are left out and counted.
    """
    started = time.monotonic()
    settings = section(job)
    rows = read_rows(Path(job.rows))
    from transformers import AutoTokenizer  # seconds; a job without rows ends before it

    tokenizer = AutoTokenizer.from_pretrained(job.base)
    tokens, left_out = tokenize_all(tokenizer, rows, settings.max_length)
    for reason in left_out:
        print(f"left out: {reason}", file=sys.stderr, flush=True)
    trainer = make_trainer(job, settings, tokenizer, tokens)
    trainer.add_callback(step_messages(send))
    training = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - training
    save(trainer, Path(job.output))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    metrics = {
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "left_out": float(len(left_out)),
        "tokens": float(sum(map(len, tokens))),
        "trained_tokens": float(sum(len(row.completion) for row in tokens)),
        "rows_per_second": round(len(tokens) * settings.epochs / seconds, 3),
        "train_seconds": round(seconds, 2),
        "seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }
    return TrainingResult(rows=len(tokens), steps=trainer.state.global_step, metrics=metrics)


def section(job: TrainingJob) -> SftSection:
    """The job's settings; those of other sections (how many cold-start traces) are left out."""
    known = {k: v for k, v in job.settings.items() if k in SftSection.model_fields}
    return SftSection.model_validate(known)


def read_rows(place: Path) -> list[TrainingRow]:
    """Training rows of a Parquet file, in training order.

    Raises:
        InputError: There is none.
    """
    with place.open("rb") as file:  # by its path polars would read "round=1" as a partition
        rows = from_frame(TrainingRow, pl.read_parquet(file))
    if not rows:
        raise InputError(f"there is no training row in {place}; select some before training")
    return rows


def labelled(tokens: Tokens) -> dict[str, list[int]]:
    """A row's ``input_ids`` and ``labels``: completion and end-of-text are trained."""
    return {
        "input_ids": tokens.prompt + tokens.completion,
        "labels": [IGNORED] * len(tokens.prompt) + tokens.completion,
    }


def make_trainer(
    job: TrainingJob, settings: SftSection, tokenizer: Any, tokens: list[Tokens]
) -> Any:
    """A TRL ``SFTTrainer`` for the tokens of all rows, ready to train."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_config import SFTConfig

    longest = max(map(len, tokens))
    share = share_of(settings.batch_size, "sft.batch_size")
    micro = micro_batch(share, longest)
    arguments = SFTConfig(
        output_dir=job.output,
        seed=job.seed,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,  # of the steps
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        max_length=None,
        train_sampling_strategy="group_by_length",
        dataset_kwargs={"skip_prepare_dataset": True},
        **machine_settings(longest),
    )
    return sft_trainer_class()(
        model=AutoModelForCausalLM.from_pretrained(job.base, dtype=torch.float32),
        args=arguments,
        train_dataset=Dataset.from_list([labelled(row) for row in tokens]),
        processing_class=tokenizer,
    )


def sft_trainer_class() -> Any:
    """TRL's ``SFTTrainer`` with `completion_loss` on a CPU."""
    from trl.trainer.sft_trainer import SFTTrainer

    class CompletionTrainer(SFTTrainer):
        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            if return_outputs or inputs["input_ids"].device.type != "cpu":
                return super().compute_loss(  # type: ignore[no-untyped-call]
                    model, inputs, return_outputs, num_items_in_batch
                )
            loss = completion_loss(model, inputs, num_items_in_batch)
            if self.args.average_tokens_across_devices and num_items_in_batch is not None:
                loss = loss * self.accelerator.num_processes  # the gradients are averaged over them
            return loss

    return CompletionTrainer


def completion_loss(model: Any, inputs: Any, tokens_in_step: Any = None) -> Any:
    """Mean negative log-likelihood of the trained tokens; only their columns reach the head.

    Args:
        model: A causal language model whose forward knows ``logits_to_keep``.
        inputs: ``input_ids``, ``attention_mask`` and ``labels``, each (rows, tokens).
        tokens_in_step: Trained tokens of the whole optimizer step; by default of this batch.
    """
    from torch.nn.functional import cross_entropy

    following = inputs["labels"][:, 1:]  # position i predicts token i + 1
    trained = following != IGNORED
    columns = trained.any(dim=0).nonzero().squeeze(1)
    logits = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        use_cache=False,
        logits_to_keep=columns,
    ).logits
    kept = trained[:, columns]
    total = cross_entropy(logits[kept].float(), following[:, columns][kept], reduction="sum")
    return total / (trained.sum() if tokens_in_step is None else tokens_in_step)


if __name__ == "__main__":
    sys.exit(main(train, sys.argv[1:]))
