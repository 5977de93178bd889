"""What the trainers' tests share: rows, jobs, and one thread for torch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_rows import grpo_row, row

from rsfactory.contracts import TrainingJob
from rsfactory.records import TrainingRow
from rsfactory.store import to_frame
from trainers.grpo_rows import write_rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One torch thread, here and in children; no telemetry; toy verifiers can be imported."""
    import torch

    monkeypatch.setenv("CI", "1")  # TRL reports nothing then
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{Path(__file__).parent}")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_job(tiny_model: Path, tmp_path: Path) -> Callable[..., TrainingJob]:
    """Makes a job with its rows file; keyword arguments replace what it says."""

    def make(kind: str, rows: list[Any] | None = None, **settings: Any) -> TrainingJob:
        place = tmp_path / "round=1" / f"{kind}.parquet"  # as in a run's folder
        place.parent.mkdir(exist_ok=True)
        if kind == "sft":
            made: pl.DataFrame = to_frame(TrainingRow, rows or [row(i) for i in range(10)])
            with place.open("wb") as file:
                made.write_parquet(file)
        else:
            write_rows(place, rows or [grpo_row(i) for i in range(4)])
        count = len(list(tmp_path.glob("out-*")))
        output = tmp_path / f"out-{count}"
        output.mkdir()
        return TrainingJob(
            kind=kind,
            base=str(tiny_model),
            output=str(output),
            rows=str(place),
            seed=7,
            settings={**({"epochs": 1} if kind == "sft" else {}), **settings},
            verifiers="toy_verifiers:VERIFIERS",
        )

    return make
