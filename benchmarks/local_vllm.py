"""The ``vllm:`` teacher against vLLM's own offline ``LLM.chat``, on the same requests.

    python benchmarks/local_vllm.py [--problems 64] [--samples 4] [--model embedded] [--compiled]

Every problem has the same few-shot prefix of about 400 tokens; each completion has 40 to 48 tokens
(a minimum is asked for, so that both sides decode as many), a temperature of 0.7 and a seed of its
own. Each side runs in a fresh process, one after the other, with the same settings of the engine
(`generators.teachers.vllm.command`), and is warm when it is measured: each has answered a few
other problems with the same prefix. Needs vLLM (``factory install vllm``) and an idle machine;
``--repeats`` takes turns. Prints tokens a second of both and the ratio, as JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

MIN_TOKENS, MAX_TOKENS = 40, 48
TEMPERATURE = 0.7
KV_CACHE = "4"
"""GiB on a CPU, for both."""
WARM = 8
FOUND = "found: "
"""What the line with a side's figures begins with."""


def prefix() -> str:
    """Worked sums, about 400 tokens of the embedded model."""
    lines = [f"What is {a} + {7 * a}? The answer is {8 * a}." for a in range(23, 48)]
    return "Here are worked sums.\n" + "\n".join(lines)


def prompts(count: int, first: int = 0) -> list[str]:
    """Problems behind the prefix."""
    return [
        f"{prefix()}\nWhat is {137 * i + 11} + {91 * i + 5}? Think step by step."
        for i in range(first, first + count)
    ]


def settings(compiled: bool) -> list[str]:
    """Further options of both engines."""
    return ["--no-enforce-eager"] if compiled else []


def ours(model: str, problems: int, samples: int, compiled: bool) -> dict[str, float]:
    """Tokens and seconds of the teacher."""
    import shlex

    from generators.teachers.vllm import open_teacher
    from generators.teachers.vllm.command import ARGUMENTS
    from rsfactory.contracts import Completion, Message, Request
    from rsfactory.recipe import EndpointSection

    os.environ[ARGUMENTS] = shlex.join(settings(compiled))
    section = EndpointSection(extra={"min_tokens": MIN_TOKENS})

    def requests(texts: list[str], first: int) -> list[Request]:
        return [
            Request(
                messages=(Message("user", text),),
                seeds=tuple(first + number * samples + i for i in range(samples)),
                temperature=TEMPERATURE,
                top_p=1.0,
                max_tokens=MAX_TOKENS,
            )
            for number, text in enumerate(texts)
        ]

    async def answers(asked: list[Request]) -> list[list[Completion]]:
        return list(await asyncio.gather(*(teacher.complete(request) for request in asked)))

    with tempfile.TemporaryDirectory() as folder:
        teacher = open_teacher(model, Path(folder) / "vllm.log", section)
        try:
            began = time.perf_counter()
            asyncio.run(answers(requests(prompts(WARM, 10_000), 10**6)))
            start = time.perf_counter() - began
            began = time.perf_counter()
            made = asyncio.run(answers(requests(prompts(problems), 0)))
            seconds = time.perf_counter() - began
        finally:
            teacher.close()
    tokens = sum(completion.tokens for group in made for completion in group)
    return {"tokens": tokens, "seconds": seconds, "start": start}


def theirs(model: str, problems: int, samples: int, compiled: bool) -> dict[str, float]:
    """Tokens and seconds of ``LLM.chat``."""
    from generators.models import resolve
    from generators.teachers.vllm import command
    from generators.teachers.vllm.build import needed

    folder, found = resolve(model), needed()
    os.environ.update(command.environment(found, 2**34))
    from vllm import LLM, EngineArgs, SamplingParams
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    # The server's own command line, read by vLLM's own parser: the same settings.
    words = command.server(found, folder, "model", None)[len(command.SERVER) :]
    for option in ("--host", "--served-model-name"):
        del words[words.index(option) : words.index(option) + 2]
    words.remove("--disable-uvicorn-access-log")
    parser = EngineArgs.add_cli_args(FlexibleArgumentParser())
    chosen = vars(parser.parse_args([*words, *settings(compiled)]))
    defaults = vars(parser.parse_args([]))
    llm = LLM(**{key: value for key, value in chosen.items() if value != defaults[key]})

    def answers(texts: list[str], first: int) -> int:
        asked = [[{"role": "user", "content": text}] for text in texts for _ in range(samples)]
        params = [
            SamplingParams(
                temperature=TEMPERATURE,
                min_tokens=MIN_TOKENS,
                max_tokens=MAX_TOKENS,
                seed=first + number,
            )
            for number in range(len(asked))
        ]
        made = llm.chat(asked, params, use_tqdm=False)
        return sum(len(one.outputs[0].token_ids) for one in made)

    answers(prompts(WARM, 10_000), 10**6)
    began = time.perf_counter()
    tokens = answers(prompts(problems), 0)
    return {"tokens": tokens, "seconds": time.perf_counter() - began, "start": 0.0}


def measured(side: str, options: argparse.Namespace) -> dict[str, float]:
    """One side in a process of its own."""
    words = [sys.executable, __file__, "--side", side, "--model", options.model]
    words += ["--problems", str(options.problems), "--samples", str(options.samples)]
    words += ["--compiled"] if options.compiled else []
    env = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    env.setdefault("VLLM_CPU_KVCACHE_SPACE", KV_CACHE)
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=env)
    lines = [line for line in done.stdout.splitlines() if line.startswith(FOUND)]
    found: dict[str, float] = json.loads(lines[-1].removeprefix(FOUND))  # vLLM prints there, too
    return found


def main() -> None:
    """Measures both sides, or one of them for itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--compiled", action="store_true", help="compile, on a CPU too")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = ours if options.side == "ours" else theirs
        found = side(options.model, options.problems, options.samples, options.compiled)
        print(f"\n{FOUND}{json.dumps(found)}")
        return
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    starts = []
    for _ in range(options.repeats):
        for name, rate in rates.items():
            found = measured(name, options)
            rate.append(found["tokens"] / found["seconds"])
            print(f"{name}: {found['tokens']:.0f} tokens, {rate[-1]:.1f}/s", file=sys.stderr)
            starts += [found["start"]] if name == "ours" else []
    middle = {name: statistics.median(rate) for name, rate in rates.items()}
    shown = {f"{name}_tokens_per_second": round(rate, 1) for name, rate in middle.items()}
    ratio = round(middle["ours"] / middle["theirs"], 3)
    print(json.dumps({**shown, "ratio": ratio, "start_seconds": round(starts[0], 1)}))


if __name__ == "__main__":
    main()
