"""The vLLM teacher with the real server and the embedded model.

Skipped where vLLM is not installed; with RSFACTORY_NEEDS_VLLM=1 (as in .ci/run) that is a failure.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from generators.models import resolve
from generators.teachers import LocalTeacher
from generators.teachers.vllm import VllmTeacher, installed, open_teacher
from generators.teachers.vllm.command import ARGUMENTS
from rsfactory.contracts import Completion, Message, Request
from rsfactory.errors import ChildDied
from rsfactory.recipe import EndpointSection

CONTEXT = 256
NEEDED = os.environ.get("RSFACTORY_NEEDS_VLLM") == "1"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        installed() is None and not NEEDED, reason="vLLM is not installed: factory install vllm"
    ),
]


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmTeacher]:
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv(ARGUMENTS, f"--max-model-len {CONTEXT}")
        opened = open_teacher("embedded", log, EndpointSection())
    with contextlib.closing(opened):
        yield opened


def request(number: int, *seeds: int, temperature: float = 0.7, max_tokens: int = 24) -> Request:
    question = f"What is {37 * number + 4} + {91 * number + 3}?"
    return Request(
        messages=(Message("user", question),), seeds=seeds, temperature=temperature, top_p=0.95,
        max_tokens=max_tokens,
    )  # fmt: skip


def ask(teacher: Any, *requests: Request) -> list[list[Completion]]:
    async def all_at_once() -> list[list[Completion]]:
        return list(await asyncio.gather(*(teacher.complete(r) for r in requests)))

    return asyncio.run(all_at_once())


def family(teacher: VllmTeacher) -> list[psutil.Process]:
    assert teacher._child is not None
    keeper = psutil.Process(teacher._child.pid)
    return [keeper, *keeper.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_eight_problems_twice_each_by_their_seeds(teacher: VllmTeacher) -> None:
    asked = [request(number, 2 * number, 2 * number + 1) for number in range(8)]
    answers = [c for group in ask(teacher, *asked) for c in group]
    assert len(answers) == 16
    for completion in answers:
        assert completion.text
        assert completion.finish_reason in ("stop", "length")
        assert 0 < completion.tokens <= 24
        assert (completion.tokens == 24) == (completion.finish_reason == "length")
        assert completion.requests == 1
        assert not completion.note
    assert len({c.text for c in answers}) > 8
    again = [c for group in ask(teacher, *asked) for c in group]
    alike = sum(a.text == b.text for a, b in zip(answers, again, strict=True))
    assert alike >= 14  # logits move with the batch in the fifth digit


def test_it_reads_the_same_prompts_as_the_local_teacher(
    teacher: VllmTeacher, tmp_path: Path
) -> None:
    asked = [request(n, 1, temperature=0.0, max_tokens=32) for n in range(32)]
    with contextlib.closing(LocalTeacher(resolve("embedded"), "k", tmp_path / "log")) as local:
        ours = [one for [one] in ask(local, *asked)]
    theirs = [one for [one] in ask(teacher, *asked)]
    assert [c.prompt_tokens for c in theirs] == [c.prompt_tokens for c in ours]
    alike = sum(a.text == b.text for a, b in zip(ours, theirs, strict=True))
    print(f"greedy answers alike: {alike} of 32")
    assert alike >= 28
    ended = [
        (a.finish_reason, a.tokens) == (b.finish_reason, b.tokens)
        for a, b in zip(ours, theirs, strict=True)
    ]
    assert sum(ended) >= 28


def test_a_limit_beyond_the_context_is_cut_to_it(teacher: VllmTeacher) -> None:
    long = Request(
        messages=(Message("user", "What is 1 + 1? " * 3),), seeds=(1,), temperature=0.0, top_p=1.0,
        max_tokens=100_000,
    )  # fmt: skip
    [[completion]] = ask(teacher, long)
    assert completion.finish_reason in ("stop", "length")
    assert 0 < completion.tokens < CONTEXT - completion.prompt_tokens + 1


def test_a_prompt_that_is_too_long_is_a_completion_that_says_so(teacher: VllmTeacher) -> None:
    long = Request(
        messages=(Message("user", "one two " * CONTEXT),), seeds=(1,), temperature=0.0, top_p=1.0,
        max_tokens=8,
    )  # fmt: skip
    [[completion]] = ask(teacher, long)
    assert completion.finish_reason == "rejected"
    assert completion.note


def made_adapter(folder: Path, base: Path) -> Path:
    """A LoRA adapter with random weights over the attention's projections, as peft saves one."""
    import torch
    from safetensors.torch import save_file

    config = json.loads((base / "config.json").read_text())
    size, rank = config["hidden_size"], 8
    made = torch.Generator().manual_seed(0)
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        place = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{place}.lora_A.weight"] = torch.randn(rank, size, generator=made) / 8
        weights[f"{place}.lora_B.weight"] = torch.randn(size, rank, generator=made) / 8
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": rank,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def test_an_adapter_changes_the_answers(teacher: VllmTeacher, tmp_path: Path) -> None:
    asked = [request(n, 1, temperature=0.0) for n in range(4)]
    base = ask(teacher, *asked)
    folder = made_adapter(tmp_path / "adapter", resolve("embedded"))
    adapted = open_teacher(str(folder), tmp_path / "log", EndpointSection())
    assert adapted.identity.startswith(
        open_teacher("embedded", tmp_path / "l", EndpointSection()).identity + "+k-"
    )
    with contextlib.closing(adapted):
        answers = ask(adapted, *asked)
    assert [c.prompt_tokens for [c] in answers] == [c.prompt_tokens for [c] in base]
    assert sum(a.text != b.text for [a], [b] in zip(answers, base, strict=True)) >= 3


@pytest.mark.parametrize("who", ["keeper", "server"])
def test_nothing_is_left_when_a_process_of_it_is_killed(tmp_path: Path, who: str) -> None:
    opened = open_teacher("embedded", tmp_path / "log", EndpointSection())
    with contextlib.closing(opened):
        ask(opened, request(1, 1))
        processes = family(opened)
        assert len(processes) >= 3
        processes[0 if who == "keeper" else 1].send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, 30)
        with pytest.raises(ChildDied):
            ask(opened, request(2, 2))
    assert not alive(processes)


def test_nothing_is_left_at_the_end(teacher: VllmTeacher) -> None:
    ask(teacher, request(1, 1))
    processes = family(teacher)
    memory = sum(p.memory_info().rss for p in processes)
    print(f"{len(processes)} processes, {memory / 1e9:.1f} GB")
    teacher.close()
    assert not alive(processes)
