"""The trainer that trains: TRL in a child process, seen from the parent."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from rsfactory.child import Child
from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import InputError

MODULES = {"sft": "trainers.sft", "grpo": "trainers.grpo"}
"""Kind of training -> the module that is run."""


class TrlTrainer:
    """Runs ``python -m trainers.sft JOB.json`` or ``trainers.grpo`` and waits for its result."""

    name = "trl"

    def train(
        self, job: TrainingJob, log: Path, progress: Callable[[int, int], None]
    ) -> TrainingResult:
        """Runs the job to its end; ``progress`` gets steps done and steps in all.

        The child is ended whatever happens here, Ctrl-C included. What it prints goes to ``log``.

        Raises:
            InputError: The job's kind is unknown.
            ChildDied: The training process ended early, or reported an error of its own.
        """
        if job.kind not in MODULES:
            raise InputError(f"no training is called {job.kind!r}; there is: {', '.join(MODULES)}")
        place = write_job(job)
        name = f"{job.kind} training"
        child = Child(MODULES[job.kind], str(place), "--child", log=log, name=name, forked=True)
        try:
            for message in child.messages():
                if "step" in message:
                    progress(message["step"], message["steps"])
            return TrainingResult(
                rows=message["rows"], steps=message["steps"], metrics=message["metrics"]
            )
        finally:
            child.close()
            place.unlink(missing_ok=True)


def write_job(job: TrainingJob) -> Path:
    """Writes a job as JSON beside its output folder; returns the file."""
    output = Path(job.output)
    place = output.with_name(f"{output.name}.job.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(dataclasses.asdict(job), indent=2))
    return place


def read_job(place: Path) -> TrainingJob:
    """The job of a file that `write_job` wrote.

    Raises:
        InputError: The file is missing, is not JSON or is not a job.
    """
    try:
        return TrainingJob(**json.loads(place.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"expected a training job as JSON in {place}: {error}") from error
