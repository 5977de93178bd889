"""How vLLM's server is started: its command line and environment, as values.

Choices, each against the version that `build.VERSION` names:

- ``--generation-config vllm``: a model's generation_config.json would change temperature, top_p,
  top_k and the penalties of requests that do not name them; its stop tokens are still read
- the CPU computes in float32, as the local teacher does there; a GPU in what vLLM takes for the
  model (bfloat16 where it can)
- the CPU does not cut prompts into chunks: with a seed, a chunked prompt ends vLLM's engine there
  ("CPU Generator does not use offset"); and it does not compile, which takes a minute or two for
  each model (docs/experiments.md)
- the context is as long as memory bears, or as `CPU_CONTEXT` on the CPU, where it is read whole
- the CPU's KV cache is a quarter of what is free, 1 to 8 GiB: vLLM wants 92% of the machine's
  memory and takes what it is given at once

What else a machine needs (``--tensor-parallel-size 8``, ``--gpu-memory-utilization 0.5``) is read
from ``RSFACTORY_VLLM_ARGS``; it comes last, so that it wins.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generators.models import checkpoint_id, resolve
from generators.teachers.vllm.build import Build
from rsfactory.child import MACHINE
from rsfactory.errors import InputError

SERVER = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
"""``vllm serve`` looks for a distribution of the name vllm, which the CPU's build does not have."""
ARGUMENTS = "RSFACTORY_VLLM_ARGS"
"""Environment variable with further options of the server."""
MAX_NUM_SEQS = 256
"""Completions decoded together at most."""
CPU_CONTEXT = 16384
"""Tokens of prompt and completion on the CPU at most."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of LoRA adapters that vLLM can be told to make room for."""
ADAPTER = "adapter_config.json"

QUIET = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",  # the model is a folder: nothing is to be fetched
    "TOKENIZERS_PARALLELISM": "false",
}


def locate(name: str) -> tuple[Path, Path | None]:
    """The folder of a model, and that of a LoRA adapter where the name is one's.

    Args:
        name: ``embedded``, a Hub id, a model's folder, or an adapter's, whose
            ``base_model_name_or_path`` is then the model.

    Raises:
        InputError: There is no such model.
    """
    folder = Path(name).expanduser()
    if not (folder / ADAPTER).is_file():
        return resolve(name), None
    base = adapter_config(folder).get("base_model_name_or_path")
    if not base:
        raise InputError(f"{folder / ADAPTER} does not say base_model_name_or_path")
    return resolve(str(base)), folder


def identity(folder: Path, adapter: Path | None) -> str:
    """A teacher's content: the key of its checkpoint, with the adapter's behind it."""
    key = checkpoint_id(folder)
    return key if adapter is None else f"{key}+{checkpoint_id(adapter)}"


def adapter_config(folder: Path) -> dict[str, Any]:
    """An adapter's settings, as peft writes them.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        read = json.loads((folder / ADAPTER).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ADAPTER} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise InputError(f"{folder / ADAPTER} is no JSON object; expected what peft saves")
    return read


def server(build: Build, folder: Path, name: str, adapter: Path | None) -> list[str]:
    """The command line, without the port.

    Args:
        build: Of vLLM.
        folder: The model.
        name: What requests call the model, or the adapter where there is one.
        adapter: Folder of a LoRA adapter over the model.
    """
    words = [*SERVER, "--model", str(folder), "--host", "127.0.0.1"]
    words += ["--generation-config", "vllm", "--max-num-seqs", str(MAX_NUM_SEQS)]
    words += ["--enable-prefix-caching", "--disable-uvicorn-access-log"]
    words += _cpu(folder) if build.cpu else ["--max-model-len", "-1"]
    if adapter is None:
        words += ["--served-model-name", name]
    else:
        words += ["--enable-lora", "--max-loras", "1", "--max-lora-rank", str(_room(adapter))]
        words += ["--served-model-name", f"{name}-base", "--lora-modules", f"{name}={adapter}"]
    return words + shlex.split(os.environ.get(ARGUMENTS, ""))


def _cpu(folder: Path) -> list[str]:
    words = ["--dtype", "float32", "--no-enable-chunked-prefill", "--enforce-eager"]
    return [*words, "--max-model-len", str(min(_context(folder) or CPU_CONTEXT, CPU_CONTEXT))]


def _context(folder: Path) -> int | None:
    """Tokens that the model was made for, where its config says so."""
    config = _json(folder / "config.json")
    text = config.get("text_config") or config
    found = text.get("max_position_embeddings")
    return found if isinstance(found, int) else None


def _room(adapter: Path) -> int:
    """The smallest rank of vLLM's that an adapter fits in."""
    config = adapter_config(adapter)
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    rank = max((r for r in ranks if isinstance(r, int)), default=0)
    if not 0 < rank <= RANKS[-1]:
        raise InputError(
            f"{adapter / ADAPTER} has the rank {rank}; vLLM serves ranks of 1 to {RANKS[-1]}"
        )
    return next(room for room in RANKS if rank <= room)


def environment(build: Build, free: int, user: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the server's environment says where the user's own says nothing else.

    Args:
        build: Of vLLM.
        free: Bytes of memory that are free.
        user: The user's environment.
    """
    wanted = dict(QUIET)
    if build.cpu:
        wanted["VLLM_CPU_KVCACHE_SPACE"] = str(max(1, min(8, free // 4 // 2**30)))
    return {key: value for key, value in wanted.items() if key not in user}


def unset(user: Mapping[str, str] = os.environ) -> list[str]:
    """Settings of our other children that vLLM goes without: it has an allocator of its own."""
    return [key for key in MACHINE if key not in user]


def templated(folder: Path) -> bool:
    """Whether a model has a chat template; one without is asked for plain completions."""
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    return bool(_json(folder / "tokenizer_config.json").get("chat_template"))


def _json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; empty where there is none."""
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
