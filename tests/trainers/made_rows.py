"""Rows the trainers' tests are made of."""

from rsfactory.records import Problem, TrainingRow
from trainers.grpo_rows import GrpoRow


def row(number: int, completion: str | None = None) -> TrainingRow:
    """A training row; they differ in length."""
    steps = "\n".join(f"{number}+{i}={number + i}" for i in range(number % 3 + 1))
    return TrainingRow(
        candidate_id=f"c-{number}",
        problem_id=f"p-{number}",
        training_set="round-1",
        prompt_id="t-1",
        system="" if number % 2 else None,
        prompt=f"Add {number}. ",
        completion=steps if completion is None else completion,
    )


def grpo_row(number: int) -> GrpoRow:
    """A problem with its messages."""
    problem = Problem(
        id=f"p-{number}",
        source="made",
        split="train",
        domain="math",
        verifier="toy",
        prompt=f"Say {number}.",
        answer=str(number),
        choices=[],
        solution=None,
        row=number,
    )
    return GrpoRow(problem, "Be brief.", f"Say {number}.")
