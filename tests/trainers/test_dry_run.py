import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from made_rows import row

from rsfactory.contracts import TrainingJob
from rsfactory.ids import file_hash
from trainers import TRAINERS


def test_weights_are_taken_over(make_job: Callable[..., TrainingJob], tmp_path: Path) -> None:
    job = make_job("sft")
    result = TRAINERS["dry-run"]().train(job, tmp_path / "log", lambda *_: None)
    assert (result.steps, result.metrics) == (0, {"dry_run": 1.0})
    names = {f.name for f in Path(job.base).iterdir()}
    assert {f.name for f in Path(job.output).iterdir()} == names
    for name in names:
        assert file_hash(Path(job.output) / name) == file_hash(Path(job.base) / name)
    assert "nothing was trained" in (tmp_path / "log").read_text()


def test_without_weights_the_rows_decide(
    make_job: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    def run(rows: list[object], base: str) -> str:
        job = make_job("sft", rows=rows)
        fake = TrainingJob(
            kind="sft", base=base, output=job.output, rows=job.rows, seed=1, settings={}
        )
        TRAINERS["dry-run"]().train(fake, tmp_path / "log", lambda *_: None)
        assert [f.name for f in Path(job.output).iterdir()] == ["dry_run.json"]
        return job.output

    (tmp_path / "empty").mkdir()
    base = str(tmp_path / "empty")
    first, again, other = run([row(1)], base), run([row(1)], base), run([row(2)], base)
    following = run([row(1)], first)
    marks = [file_hash(Path(f) / "dry_run.json") for f in (first, again, other, following)]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3


def test_links_into_a_hub_cache_become_files(
    make_job: Callable[..., TrainingJob], tmp_path: Path
) -> None:
    job = make_job("sft")
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in Path(job.base).iterdir():
        (snapshot / file.name).symlink_to(os.path.relpath(file, snapshot))
    TRAINERS["dry-run"]().train(replace(job, base=str(snapshot)), tmp_path / "log", lambda *_: None)
    assert all(f.is_file() and not f.is_symlink() for f in Path(job.output).iterdir())
