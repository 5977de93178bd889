import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_rows import grpo_row

from rsfactory.contracts import TrainingJob, TrainingResult
from rsfactory.errors import InputError
from rsfactory.ids import file_hash
from rsfactory.recipe import GrpoSection
from trainers import grpo
from trainers.grpo_rows import read_rows, write_rows
from trainers.rewards import group_advantages, token_objective
from trainers.scorer import Scorer, open_pool

MakeJob = Callable[..., TrainingJob]
SETTINGS = {"steps": 2, "prompts": 2, "num_generations": 4, "max_tokens": 24, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def stopping_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with more tokens that end a completion, so that a random one ends soon."""
    folder = tmp_path_factory.mktemp("stopping") / "model"
    shutil.copytree(tiny_model, folder)
    place = folder / "generation_config.json"
    config = json.loads(place.read_text())
    place.write_text(json.dumps({**config, "eos_token_id": [2, *range(100, 120)]}))
    return folder


@pytest.fixture
def make_grpo(make_job: Callable[..., TrainingJob], stopping_model: Path) -> MakeJob:
    def make(**keywords: Any) -> TrainingJob:
        return dataclasses.replace(
            make_job("grpo", **{**SETTINGS, **keywords}), base=str(stopping_model)
        )

    return make


def run(job: TrainingJob) -> tuple[TrainingResult, list[dict[str, Any]], str]:
    sent: list[dict[str, Any]] = []
    result = grpo.train(job, lambda **message: sent.append(message))
    return result, sent, file_hash(Path(job.output) / "model.safetensors")


def test_rows_come_back(tmp_path: Path) -> None:
    rows = [grpo_row(i) for i in range(3)]
    write_rows(tmp_path / "round=1" / "rows.parquet", rows)
    assert read_rows(tmp_path / "round=1" / "rows.parquet") == rows
    write_rows(tmp_path / "none.parquet", [])
    with pytest.raises(InputError, match="no problem for GRPO"):
        read_rows(tmp_path / "none.parquet")


@pytest.mark.usefixtures("calm")
def test_steps_counts_and_repeats(make_grpo: MakeJob, tiny_model: Path) -> None:
    result, sent, weights = run(make_grpo())
    assert (result.rows, result.steps) == (4, 2)
    assert sent == [{"step": 1, "steps": 2}, {"step": 2, "steps": 2}]
    metrics = result.metrics
    names = ("correct", "wrong", "unparsed", "truncated", "unverifiable")
    assert metrics["sampled"] == 2 * 2 * 4 == sum(metrics[name] for name in names)
    assert metrics["correct"] > 0
    assert metrics["wrong"] > 0
    assert metrics["unverifiable"] > 0  # problem 3
    assert 0 <= metrics["zero_signal_share"] < 1
    assert weights != file_hash(tiny_model / "model.safetensors")
    again, _, same = run(make_grpo())
    assert same == weights
    timing = {"seconds", "peak_memory_mb"}
    assert {k: v for k, v in again.metrics.items() if k not in timing} == {
        k: v for k, v in metrics.items() if k not in timing
    }


@pytest.mark.usefixtures("calm")
def test_unknown_moves_nothing(make_grpo: MakeJob, tiny_model: Path) -> None:
    """Problem 3 is always unverifiable: None is not zero, and the weights stay as they were."""
    job = make_grpo(rows=[grpo_row(3)], steps=1, max_tokens=100)
    result, _, weights = run(job)
    assert result.metrics["unverifiable"] == result.metrics["sampled"] == 4
    assert result.metrics["zero_signal_share"] == 1.0
    assert weights == file_hash(tiny_model / "model.safetensors")


@pytest.mark.usefixtures("calm")
def test_completions_reach_the_pool_whole() -> None:
    """Candidates carry text without the end token, and who was cut off is told apart."""
    import toy_verifiers

    seen: list[Any] = []

    class Recorder:
        def verify(self, pairs: Any) -> Any:
            seen.extend(pairs)
            return toy_verifiers.ToyPool().verify(pairs)

    rows = [grpo_row(i) for i in range(4)]
    settings = GrpoSection(**{**SETTINGS, "steps": 1})
    scorer = Scorer(rows, Recorder(), settings, frozenset({2}))
    made = scorer.rewards(
        completions=["ab", "abc", "abcd", "a"],
        completion_ids=[[7, 8, 2], [7, 8, 9, 2], [7, 8, 9, 9], [7, 2]],
        row=[0, 0, 1, 3],
        prompts=["ignored"],
    )
    assert made == [1.0, 0.0, 0.0, None]
    assert [c.finish_reason for _, c in seen] == ["stop", "stop", "length", "stop"]
    assert [p.id for p, _ in seen] == ["p-0", "p-0", "p-1", "p-3"]
    assert len({c.id for _, c in seen}) == 4
    assert scorer.tokens == 13


@pytest.mark.usefixtures("calm")
def test_against_trl(make_grpo: MakeJob) -> None:
    """Prompt tokens, log-probabilities, advantages and loss: ours and TRL's are the same."""
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

    job = make_grpo(temperature=0.7, beta=0.04)
    settings = GrpoSection(**job.settings)
    fixed = [1.0, 0.0, 0.5, None, 1.0, 1.0, 0.0, 0.1]
    scorer = Scorer(read_rows(Path(job.rows)), None, settings, frozenset())  # type: ignore[arg-type]
    trainer = grpo.make_trainer(job, scorer)
    trainer.reward_funcs = [lambda **_: fixed]
    batch = next(iter(trainer.get_train_dataloader()))
    assert [b["row"] for b in batch] == [0, 0, 0, 0, 1, 1, 1, 1]  # whole groups, in order
    made = trainer._generate_and_score_completions(batch)
    expected = group_advantages(fixed[:4]) + group_advantages(fixed[4:])
    assert made["advantages"].tolist() == pytest.approx(expected, abs=1e-3)

    ids = torch.cat([made["prompt_ids"], made["completion_ids"]], dim=1)
    mask = torch.cat([made["prompt_mask"], made["completion_mask"]], dim=1)
    length = made["completion_ids"].size(1)
    text = trainer.processing_class.decode(made["prompt_ids"][0][made["prompt_mask"][0] == 1])
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay 0.<|im_end|>\n" \
        "<|im_start|>assistant\n"  # fmt: skip
    ours = trainer._get_per_token_logps_and_entropies(
        trainer.model, ids, mask, length, compute_entropy=True
    )
    theirs = GRPOTrainer._get_per_token_logps_and_entropies(
        trainer, trainer.model, ids, mask, length, compute_entropy=True
    )
    kept = made["completion_mask"] == 1
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(a[kept], b[kept], rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("calm")
def test_worked_example_through_trl(make_grpo: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """RECIPES' example (advantages 1.22, -1.22, 0) through TRL's loss and through ours."""
    import torch

    job = make_grpo(num_generations=3, prompts=1, beta=0.04)
    scorer = Scorer(read_rows(Path(job.rows)), None, GrpoSection(**job.settings), frozenset())  # type: ignore[arg-type]
    trainer = grpo.make_trainer(job, scorer)
    trainer.current_gradient_accumulation_steps = 1
    trainer.loss_type = "grpo"
    advantages = group_advantages([1.0, 0.0, 0.5], sample=False)
    before, now = [0.10, 0.10, 0.10], [0.111, 0.09, 0.10]
    logs = torch.tensor([now]).log().T
    monkeypatch.setattr(
        trainer, "_get_per_token_logps_and_entropies", lambda *_, **__: (logs, logs * 0, None)
    )
    inputs = {
        "prompt_ids": torch.ones(3, 1, dtype=torch.long),
        "prompt_mask": torch.ones(3, 1, dtype=torch.long),
        "completion_ids": torch.ones(3, 1, dtype=torch.long),
        "completion_mask": torch.ones(3, 1, dtype=torch.long),
        "advantages": torch.tensor(advantages),
        "old_per_token_logps": torch.tensor([before]).log().T,
        "ref_per_token_logps": torch.tensor([before]).log().T,
        "num_items_in_batch": torch.tensor(3),
    }
    loss = trainer._compute_loss(trainer.model, inputs).item()
    ours = [
        token_objective(b, n, b, a, clip=0.2, beta=0.04)
        for b, n, a in zip(before, now, advantages, strict=True)
    ]
    assert ours[0] == pytest.approx(1.3498, abs=0.011)  # the example rounds before it multiplies
    assert ours[1] == pytest.approx(-1.1000, abs=0.003)
    assert ours[2] == 0
    assert loss == pytest.approx(-sum(ours) / 3, abs=1e-5)
    assert loss == pytest.approx(-0.0833, abs=0.004)


@pytest.mark.usefixtures("calm")
def test_pools_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import toy_verifiers

    before = toy_verifiers.ToyPool.closed
    with open_pool("toy_verifiers:ToyPool") as pool:
        assert pool.verify([]) == []
    assert toy_verifiers.ToyPool.closed == before + 1
    with open_pool("toy_verifiers:VERIFIERS") as pool:
        assert pool.verify([]) == []
    with pytest.raises(InputError, match="cannot be loaded"), open_pool("toy_verifiers:NONE"):
        pass


def test_no_steps(make_grpo: MakeJob) -> None:
    with pytest.raises(InputError, match=r"grpo\.steps is 0"):
        grpo.train(make_grpo(steps=0), lambda **_: None)
