"""A few steps of policy optimisation with TRL's GRPO, rewarded by the factory's own verifiers.

Run as ``python -m trainers.grpo JOB.json`` or ``accelerate launch -m trainers.grpo JOB.json``.

What was chosen, and why:
- Prompts are rendered and tokenised as for sampling; the rewards are made of verdicts, in one
  function (`trainers.rewards`). An unverifiable completion is None and moves nothing.
- One update for each batch of completions: on policy, so the ratio is 1 and nothing is clipped.
- A truncated completion counts 0 in its group and is itself left out of the loss.
- The rest is TRL 1.16's default: advantages divided by the sample deviation of the group, loss
  averaged over tokens (DAPO), no reference model unless ``beta`` asks for one.
- On a CPU only the completions' positions are scored (see `trainers.sft`).

Not covered: vLLM as sampler (completions come from transformers' ``generate``), tools, images.
Under several processes the counts in the metrics are the main process's share.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsfactory.chat import render
from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import InputError
from rsfactory.recipe import GrpoSection
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
from trainers.grpo_rows import read_rows
from trainers.scorer import Scorer, open_pool
from trainers.template import prompt_ids


def train(job: TrainingJob, send: Send) -> TrainingResult:
    """Trains ``job.base`` on the problems of ``job.rows`` into ``job.output``.

    Where there are fewer problems than a step asks for, a step has fewer; where the steps ask for
    more than there are, the problems come again.

    Raises:
        InputError: No problems, no steps, or a verifier pool that cannot be loaded.
    """
    started = time.monotonic()
    known = {k: v for k, v in job.settings.items() if k in GrpoSection.model_fields}
    settings = GrpoSection.model_validate(known)
    if not settings.steps:
        raise InputError("grpo.steps is 0, which leaves GRPO out; give at least 1")
    rows = read_rows(Path(job.rows))
    with open_pool(job.verifiers) as pool:
        scorer = Scorer(rows, pool, settings, frozenset())
        trainer = make_trainer(job, scorer)
        scorer.stops = frozenset(trainer.eos_token_ids)
        trainer.add_callback(step_messages(send))
        trainer.train()
    save(trainer, Path(job.output))
    metrics = {
        **scorer.metrics(),
        "seconds": round(time.monotonic() - started, 2),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }
    return TrainingResult(rows=len(rows), steps=trainer.state.global_step, metrics=metrics)


def make_trainer(job: TrainingJob, scorer: Scorer) -> Any:
    """A TRL ``GRPOTrainer`` whose rewards the scorer gives, ready to train."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.grpo_config import GRPOConfig

    settings = scorer.settings
    tokenizer = AutoTokenizer.from_pretrained(job.base)
    prompts = [render(tokenizer, row.turns) for row in scorer.rows]
    longest = max(len(prompt_ids(tokenizer, p)) for p in prompts) + scorer.max_tokens
    in_step = min(settings.prompts, len(prompts))
    share = share_of(in_step, "grpo.prompts") * settings.num_generations
    micro = micro_batch(share, longest)
    arguments = GRPOConfig(
        output_dir=job.output,
        seed=job.seed,
        max_steps=settings.steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        num_generations=settings.num_generations,
        max_completion_length=scorer.max_tokens,
        temperature=settings.temperature,
        beta=settings.beta,
        mask_truncated_completions=True,
        shuffle_dataset=False,
        **machine_settings(longest),
    )
    return grpo_trainer_class()(
        model=AutoModelForCausalLM.from_pretrained(job.base, dtype=torch.float32),
        reward_funcs=scorer.rewards,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": prompts, "row": list(range(len(prompts)))}),
        processing_class=tokenizer,
    )


def grpo_trainer_class() -> Any:
    """TRL's ``GRPOTrainer`` with our prompt tokens, and `completion_logps` on a CPU."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    class PolicyTrainer(GRPOTrainer):
        def _tokenize_prompts(self, prompts: list[str]) -> Any:
            return [prompt_ids(self.processing_class, text) for text in prompts], None, {}

        def _get_per_token_logps_and_entropies(
            self,
            model: Any,
            input_ids: Any,
            attention_mask: Any,
            logits_to_keep: int,
            **others: Any,
        ) -> Any:
            if input_ids.device.type != "cpu":
                return super()._get_per_token_logps_and_entropies(
                    model, input_ids, attention_mask, logits_to_keep, **others
                )
            size = others.get("batch_size") or len(input_ids)
            batches = zip(input_ids.split(size), attention_mask.split(size), strict=True)
            parts = [
                completion_logps(model, ids, mask, logits_to_keep, self.temperature)
                for ids, mask in batches
            ]
            logps, entropies = (_cat(part) for part in zip(*parts, strict=True))
            return logps, entropies if others.get("compute_entropy") else None, None

    return PolicyTrainer


def completion_logps(
    model: Any, input_ids: Any, attention_mask: Any, completion: int, temperature: float
) -> tuple[Any, Any]:
    """Log-probability and entropy of the last ``completion`` tokens, each (rows, completion).

    Only these positions reach the model's head. Values at padding mean nothing; the loss masks
    them.
    """
    logits = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        use_cache=False,
        logits_to_keep=completion + 1,
    ).logits[:, :-1]
    all_logps = (logits.float() / temperature).log_softmax(dim=-1)
    chosen = input_ids[:, -completion:].unsqueeze(-1)
    detached = all_logps.detach()
    return all_logps.gather(-1, chosen).squeeze(-1), -(detached.exp() * detached).sum(dim=-1)


def _cat(parts: Sequence[Any]) -> Any:
    import torch

    return torch.cat(list(parts))


if __name__ == "__main__":
    sys.exit(main(train, sys.argv[1:]))
