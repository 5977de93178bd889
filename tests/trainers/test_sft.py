import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_rows import row

from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import InputError
from rsfactory.ids import file_hash
from trainers import TRAINERS, sft
from trainers.entry import micro_batch, share_of
from trainers.template import Tokens, decode, tokenize_all

pytestmark = pytest.mark.usefixtures("calm")
MakeJob = Callable[..., TrainingJob]


def run(job: TrainingJob) -> tuple[TrainingResult, list[dict[str, Any]], str]:
    """Trains in this process: the result, what was sent, the hash of the weights."""
    sent: list[dict[str, Any]] = []
    result = sft.train(job, lambda **message: sent.append(message))
    return result, sent, file_hash(Path(job.output) / "model.safetensors")


def test_labels_are_the_completion_and_the_end(tiny_model: Path, make_job: MakeJob) -> None:
    """What TRL hands to the loss, row by row: nothing but completion and end-of-text is trained."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rows = [row(i) for i in range(10)]
    job = make_job("sft", rows=rows, batch_size=4)
    tokens, _ = tokenize_all(tokenizer, rows, 999)
    trainer = sft.make_trainer(job, sft.section(job), tokenizer, tokens)
    trained = []
    for batch in trainer.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            kept = labels != -100
            assert (labels[kept] == ids[kept]).all()
            trained.append(decode(tokenizer, labels[kept].tolist()))
            behind = ids[kept.nonzero().max() + 1 :]
            assert (behind == tokenizer.pad_token_id).all()  # padding only, no newline
    assert sorted(trained) == sorted(r.completion + "<|im_end|>" for r in rows)


def test_loss_and_gradients_are_trls(tiny_model: Path, make_job: MakeJob) -> None:
    """Our loss on the CPU against TRL's own on the same batch."""
    import torch
    from transformers import AutoTokenizer
    from trl.trainer.sft_trainer import SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rows = [row(i, completion="x" * (i + 1)) for i in range(4)]
    job = make_job("sft", rows=rows, batch_size=4)
    tokens, _ = tokenize_all(tokenizer, rows, 999)
    trainer = sft.make_trainer(job, sft.section(job), tokenizer, tokens)
    batch = next(iter(trainer.get_train_dataloader()))
    for count in (None, torch.tensor(17)):
        found = []
        for compute in (
            trainer.compute_loss,
            lambda *a, **k: SFTTrainer.compute_loss(trainer, *a, **k),
        ):
            trainer.model.zero_grad()
            loss = compute(trainer.model, dict(batch), num_items_in_batch=count)
            loss.backward()
            found.append(
                (loss.item(), torch.cat([p.grad.flatten() for p in trainer.model.parameters()]))
            )
        (ours, our_gradient), (theirs, their_gradient) = found
        assert ours == pytest.approx(theirs, rel=1e-5)
        torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-3, atol=1e-6)


def test_training_learns_saves_and_repeats(tiny_model: Path, make_job: MakeJob) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings = {"epochs": 4, "learning_rate": 3e-3, "batch_size": 4, "traces": 10}
    first, again = make_job("sft", **settings), make_job("sft", **settings)
    result, sent, weights = run(first)
    assert (result.rows, result.steps) == (10, 12)
    assert sent == [{"step": i + 1, "steps": 12} for i in range(12)]
    assert result.metrics["loss_last"] < result.metrics["loss_first"] - 0.5
    assert run(again)[2] == weights != file_hash(tiny_model / "model.safetensors")

    output = Path(first.output)
    assert {f.name for f in output.iterdir()} == {f.name for f in tiny_model.iterdir()}
    for name in ("config.json", "chat_template.jinja"):
        assert (output / name).read_text() == (tiny_model / name).read_text(), name
    generation = json.loads((output / "generation_config.json").read_text())
    assert (generation["eos_token_id"], generation["pad_token_id"]) == ([2], 0)
    assert AutoTokenizer.from_pretrained(output).eos_token == "<|im_end|>"
    assert AutoModelForCausalLM.from_pretrained(output).dtype.is_floating_point


def test_another_seed_is_another_training(make_job: MakeJob) -> None:
    job = make_job("sft", batch_size=2)
    other = dataclasses.replace(make_job("sft", batch_size=2), seed=8)
    assert run(job)[2] != run(other)[2]


def test_gradient_accumulation_changes_nothing_but_the_memory(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(make_job("sft", batch_size=10))[0]
    monkeypatch.setattr("trainers.entry.MICRO_TOKENS", 200)
    parts = run(make_job("sft", batch_size=10))[0]
    assert parts.steps == whole.steps == 1
    assert parts.metrics["loss_first"] == pytest.approx(whole.metrics["loss_first"], rel=1e-4)


@pytest.mark.parametrize(
    ("batch", "longest", "expected"), [(8, 70, 8), (8, 1024, 4), (6, 1500, 2), (8, 99_999, 1)]
)
def test_micro_batch(batch: int, longest: int, expected: int) -> None:
    assert micro_batch(batch, longest) == expected


def test_share_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(8, "sft.batch_size") == 8
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"sft.batch_size = 8 cannot be shared by 3 processes"):
        share_of(8, "sft.batch_size")


def test_labelled() -> None:
    assert sft.labelled(Tokens([5, 6], [7, 2])) == {
        "input_ids": [5, 6, 7, 2],
        "labels": [-100, -100, 7, 2],
    }


def test_as_a_child_process(make_job: MakeJob, tmp_path: Path) -> None:
    """The child trains the same weights, reports its steps, and leaves no job file behind."""
    job = make_job("sft", batch_size=5)
    steps: list[tuple[int, int]] = []
    log = tmp_path / "logs" / "sft.log"
    result = TRAINERS["trl"]().train(job, log, lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    assert result.rows == 10
    assert result.metrics["peak_memory_mb"] > 100
    assert (
        file_hash(Path(job.output) / "model.safetensors") == run(make_job("sft", batch_size=5))[2]
    )
    assert not list(tmp_path.glob("*.json"))
    assert "loss" in log.read_text()


def test_a_fault_of_the_rows_ends_the_child_with_its_message(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job("sft")
    frame = pl.read_parquet(Path(job.rows).read_bytes())
    frame.clear().write_parquet(tmp_path / "none.parquet")
    job = dataclasses.replace(job, rows=str(tmp_path / "none.parquet"))
    with pytest.raises(InputError, match=r"sft training failed: there is no training row in"):
        TRAINERS["trl"]().train(job, tmp_path / "log", lambda *_: None)
    assert not list(tmp_path.glob("*.json"))


def test_unknown_kind(make_job: MakeJob, tmp_path: Path) -> None:
    job = dataclasses.replace(make_job("sft"), kind="ppo")
    with pytest.raises(InputError, match=r"'ppo'; there is: sft, grpo"):
        TRAINERS["trl"]().train(job, tmp_path / "log", lambda *_: None)


def test_by_hand(
    make_job: MakeJob,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As ``accelerate launch`` runs it: messages are printed, standard input is left alone."""
    from trainers.entry import main
    from trainers.process import write_job

    monkeypatch.setattr("trainers.entry.quiet", lambda: None)  # it would change our environment
    place = write_job(make_job("sft", batch_size=10))
    assert main(sft.train, [str(place)]) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith('{"')]
    messages = [json.loads(line) for line in lines]
    assert messages[0] == {"step": 1, "steps": 1}
    assert messages[-1]["done"] is True
    assert main(sft.train, [str(tmp_path / "none.json")]) == 2
    assert "expected a training job as JSON" in capfd.readouterr().out
