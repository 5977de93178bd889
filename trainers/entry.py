"""What the training processes share: their start, their messages, and how they use the machine.

Started by `trainers.process` (``--child``) a training speaks over its standard streams and ends
when its parent is gone. Started by hand (``python -m trainers.sft JOB.json``) or by
``accelerate launch -m trainers.sft JOB.json`` it prints the same messages, one JSON object a line,
from its main process only.
"""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rsfactory.child import Parent
from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import FactoryError, InputError
from trainers.process import read_job

MICRO_TOKENS = 4096
"""Most tokens in one forward pass; a larger batch is made of several (gradient accumulation)."""
LONG_ROW = 2048
"""Rows above this many tokens have their activations recomputed on a GPU."""

OFFLINE = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""Environment that keeps the libraries off the network; read when they are imported."""
PRELOAD = ("datasets", "trl.trainer.sft_trainer", "trl.trainer.grpo_trainer")
"""What a training imports, for a fork server."""


class Send(Protocol):
    """Sends one message of a training to whoever started it."""

    def __call__(self, **message: Any) -> None:
        """Sends the message."""
        ...


Training = Callable[[TrainingJob, Send], TrainingResult]
"""One kind of training: runs a job, sends ``step`` and ``steps`` as it goes."""


def main(train: Training, arguments: list[str]) -> int:
    """Runs one job file; the exit code is 0, or with an ``error`` message the error's own."""
    files = [a for a in arguments if a != "--child"]
    if len(files) != 1:
        print("expected one argument, the training job's JSON file", file=sys.stderr)
        return 2
    send: Send = Parent().send if "--child" in arguments else _print
    quiet()
    try:
        result = train(read_job(Path(files[0])), send)
    except FactoryError as error:
        send(error=str(error), input=isinstance(error, InputError))
        return error.exit_code
    send(done=True, rows=result.rows, steps=result.steps, metrics=result.metrics)
    return 0


def _print(**message: Any) -> None:
    if os.environ.get("RANK", "0") == "0":  # set by accelerate and torchrun
        print(json.dumps(message), flush=True)


def quiet() -> None:
    """Keeps the libraries off the network and off the terminal; call before they are imported.

    A checkpoint is always a local folder here, and TRL would report each run to its makers.
    Torch's threads wait without spinning: beside one busy core a step takes half as long so, and
    on an idle machine as long as before.
    """
    os.environ.update(OFFLINE)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def machine_settings(longest: int) -> dict[str, Any]:
    """Trainer arguments for this machine: float32 on a CPU, bfloat16 where the GPU has it.

    Weights and optimizer stay in float32 on a GPU too (mixed precision): updates of 1e-6 vanish in
    bfloat16. Activations are recomputed (gradient checkpointing) only on a GPU and only for long
    rows; on a CPU it costs a third more time for memory that is not short.

    Args:
        longest: Tokens of the longest row, prompt and completion together.
    """
    import torch

    gpu = torch.cuda.is_available()
    return {
        "use_cpu": not gpu,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "gradient_checkpointing": gpu and longest > LONG_ROW,
        "use_cache": True,  # it goes into the saved config; the training passes ask for none
        "dataloader_pin_memory": gpu,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_steps": 1,
    }


def share_of(batch: int, setting: str) -> int:
    """This process's share of a batch, where accelerate or torchrun started several.

    Raises:
        InputError: The batch cannot be shared evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # set by accelerate and torchrun
    if batch % processes:
        raise InputError(
            f"{setting} = {batch} cannot be shared by {processes} processes; "
            f"give a multiple of {processes}"
        )
    return batch // processes


def micro_batch(batch: int, longest: int) -> int:
    """Rows in one forward pass: the largest divisor of ``batch`` within `MICRO_TOKENS` tokens.

    Args:
        batch: Rows of this process in one optimizer step.
        longest: Tokens of the longest row.
    """
    fitting = (d for d in range(batch, 1, -1) if batch % d == 0 and d * longest <= MICRO_TOKENS)
    return next(fitting, 1)


def step_messages(send: Send) -> Any:
    """A transformers callback that sends steps done and steps in all after every step."""
    from transformers import TrainerCallback

    class StepMessages(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            send(step=state.global_step, steps=state.max_steps)

    return StepMessages()


def save(trainer: Any, output: Path) -> None:
    """Saves weights (safetensors), tokenizer with chat template, and generation config.

    Goes through the trainer, so that sharded weights are gathered; no optimizer state is saved.
    """
    trainer.save_model(str(output))
    (output / "training_args.bin").unlink(missing_ok=True)


def peak_memory_mb() -> float:
    """Peak resident memory of this process in MB (10^6 bytes).

    Read from ``/proc`` where there is one: ``getrusage`` would count what the parent held too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
