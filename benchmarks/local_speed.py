"""The `local` teacher's engine beside transformers' own `generate`, on the same rows.

    python -m benchmarks.local_speed --threads 2 --repeat 3 [--prefix 400] [--json FILE]
    python -m benchmarks.local_speed --problems 24 --samples 2 --max-tokens 40 --threads 1

Who is measured, each in a fresh process that loads the model before the clock starts:

- ``generate``: batches of ``--batch`` rows in the order of the problems, padded on the left, each
  prompt read whole for each of its samples; a batch goes on until its last row has ended.
- ``generate-shared`` (with ``--prefix`` only): the same with the prefix read once and its keys and
  values copied to the rows of each batch.
- ``local``: the engine of the `LocalTeacher`'s child process.

All have the same tokens, model, data type, threads and environment (`rsfactory.child.MACHINE`),
temperature 0.8, no top-k and no top-p, and stop at the same tokens. The rows are problems of
GSM8K under the model's chat template, so prompts and answers differ in length; ``--prefix N`` puts
solved problems of about N tokens before each. Contenders take turns; medians are shown. Tokens are
those sampled up to and with the stop token (padding is none), so each has its own number of them,
which the table shows; CPU seconds are those of the process while the clock runs.

Not covered: the way through parent and child (a JSON line a batch), GPUs, whether texts are equal
(tests/generators/teachers/test_decoding.py).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from generators.models import resolve
from generators.teachers.local_child import Engine, stop_tokens
from rsfactory.child import MACHINE

MATERIAL = Path(__file__).parents[2] / "shared" / "material" / "problems"
TEMPERATURE = 0.8
NAMES = ("generate", "generate-shared", "local")
TARGET = {False: 1.2, True: 4.0}
"""Least ratio of ``local`` to ``generate``, without and with a prefix."""
Figures = dict[str, Any]


def asked(given: argparse.Namespace, engine: Engine) -> list[dict[str, Any]]:
    """Rows as the teacher's child gets them."""
    shots = _prefix(given, engine)
    questions = [row["question"] for row in _lines(given.material / "gsm8k_test.jsonl")]
    return [
        {
            "messages": [{"role": "user", "content": shots + question}],
            "seed": number * given.samples + sample,
            "temperature": TEMPERATURE,
            "top_p": 1.0,
            "max_tokens": given.max_tokens,
        }
        for number, question in enumerate(questions[: given.problems])
        for sample in range(given.samples)
    ]


def _prefix(given: argparse.Namespace, engine: Engine) -> str:
    """Solved problems, up to the first that takes them past the asked number of tokens."""
    shots, tokens = "", engine.tokenizer
    for row in _lines(given.material / "gsm8k_train.jsonl"):
        if len(tokens(shots)["input_ids"]) >= given.prefix:
            break
        shots += f"Question: {row['question']}\nAnswer: {row['answer']}\n\n"
    return shots


def _lines(file: Path) -> list[dict[str, Any]]:
    with file.open() as lines:
        return [json.loads(line) for line in lines]


def local(given: argparse.Namespace) -> Callable[[], list[int]]:
    """Ours; the function returns how many tokens each row has."""
    engine = _engine(given)
    rows = asked(given, engine)
    return lambda: [row["tokens"] for row in engine.answer(rows, lambda **_: None)]


def generate(given: argparse.Namespace) -> Callable[[], list[int]]:
    """`generate` of transformers, with the prefix read once where the name says so."""
    import torch
    from transformers import AutoModelForCausalLM

    engine = _engine(given)
    prompts = [engine.row(row).tokens for row in asked(given, engine)]
    tokenizer = engine.tokenizer
    del engine  # its model has our attention
    model: Any = AutoModelForCausalLM.from_pretrained(resolve(given.model))
    model.eval()
    torch.manual_seed(0)
    stop = sorted(stop_tokens(model, tokenizer))
    common = _common(prompts) if given.child == "generate-shared" else 0

    def batch(rows: list[list[int]]) -> list[int]:
        width = max(map(len, rows))
        padding = torch.tensor([[width - len(row)] for row in rows])
        # With a shared prefix the padding stands behind it, where the mask hides it too.
        ids = torch.tensor([row[:common] + [0] * (width - len(row)) + row[common:] for row in rows])
        place = torch.arange(width)
        seen = ((place < common) | (place >= common + padding)).long()
        more = {"past_key_values": _copies(model, ids[:1, :common], len(rows))} if common else {}
        output = model.generate(
            ids, attention_mask=seen, max_new_tokens=given.max_tokens, do_sample=True,
            temperature=TEMPERATURE, top_k=0, top_p=1.0, eos_token_id=stop, pad_token_id=0, **more,
        )  # fmt: skip
        return [_length(row, stop) for row in output[:, width:].tolist()]

    def all_batches() -> list[int]:
        cuts = range(0, len(prompts), given.batch)
        return [length for cut in cuts for length in batch(prompts[cut : cut + given.batch])]

    return all_batches


def _copies(model: Any, prefix: Any, rows: int) -> Any:
    """The prefix's keys and values, copied to as many rows."""
    import torch

    with torch.inference_mode():
        cache = model(input_ids=prefix, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(rows)
    return cache


def _common(prompts: list[list[int]]) -> int:
    """How many tokens all prompts begin with."""
    differs = (i for i, column in enumerate(zip(*prompts, strict=False)) if len({*column}) > 1)
    return next(differs)


def _length(tokens: list[int], stop: list[int]) -> int:
    """Tokens up to and with the first that stops."""
    return next((i + 1 for i, token in enumerate(tokens) if token in stop), len(tokens))


def _engine(given: argparse.Namespace) -> Engine:
    return Engine(str(resolve(given.model)), given.threads)


def child(given: argparse.Namespace) -> Figures:
    """One measurement, in this process."""
    run = (local if given.child == "local" else generate)(given)
    began, busy = time.perf_counter(), time.process_time()
    lengths = run()
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    tokens = sum(lengths)
    return {
        "tokens": tokens, "rows": len(lengths), "seconds": seconds, "cpu_seconds": busy,
        "tokens_per_second": tokens / seconds, "tokens_per_cpu_second": tokens / busy,
        "at_limit": sum(length == given.max_tokens for length in lengths),
    }  # fmt: skip


def once(name: str) -> Figures:
    """One measurement, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.local_speed", *sys.argv[1:], "--child", name]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, text=True, env={**MACHINE, **os.environ}
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {figures['tokens_per_second']:.1f} tokens/s", file=sys.stderr)
    return figures


def medians(runs: Iterable[Figures]) -> Figures:
    """The median of every figure."""
    rows = list(runs)
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def table(found: dict[str, Figures], prefix: int) -> str:
    """Who did how well, and the ratio that is asked for."""
    lines = [
        "| | tokens/s | tokens per CPU s | tokens | seconds | rows at the limit | of generate |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, row in found.items():
        ratio = row["tokens_per_second"] / found["generate"]["tokens_per_second"]
        lines.append(
            f"| {name} | {row['tokens_per_second']:.1f} | {row['tokens_per_cpu_second']:.1f} "
            f"| {row['tokens']:.0f} | {row['seconds']:.1f} | {row['at_limit']:.0f} of "
            f"{row['rows']:.0f} | {ratio:.2f} |"
        )
    return "\n".join([*lines, f"target: local at least {TARGET[prefix > 0]} of generate"])


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--material", type=Path, default=MATERIAL, help="folder of GSM8K's files")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--prefix", type=int, default=0, help="tokens of solved problems")
    parser.add_argument("--batch", type=int, default=96, help="rows of generate at a time")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 is all cores")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    given = parse()
    if given.child:
        print(json.dumps(child(given)))
        return
    names = [n for n in NAMES if n in {*given.only, "generate"} and (given.prefix or n != NAMES[1])]
    runs = [{name: once(name) for name in names} for _ in range(given.repeat)]
    found = {name: medians(run[name] for run in runs) for name in names}
    print(table(found, given.prefix))
    if given.json:
        given.json.write_text(json.dumps({"medians": found, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
