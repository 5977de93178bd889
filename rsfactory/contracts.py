"""What the parts promise each other: Protocols of one method, and the values they exchange.

No base classes and no registration by import: a name becomes an object through one plain dict per
folder (``VERIFIERS``, ``CHECKS``, ``SOURCES``), or through ``module:name`` (see `resolve`).
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rsfactory.errors import InputError
from rsfactory.records import Candidate, Flag, Problem, Verdict


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt to be answered once for every seed."""

    messages: tuple[Message, ...]
    seeds: tuple[int, ...]
    """One seed a completion; ``n`` is their number."""
    temperature: float
    """0 is greedy."""
    top_p: float
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a teacher answered to one seed of a request."""

    text: str
    finish_reason: str
    """``stop``, ``length``, or whatever the server said; never guessed."""
    prompt_tokens: int
    tokens: int
    """Of the completion, reasoning included."""
    reasoning: str | None = None
    requests: int = 1
    """Requests that it took until one was answered."""
    seconds: float = 0.0
    """Wall time of the request that was answered."""
    seed: int | None = None
    """What it was sampled with, where that is not its own seed: that of the first completion of
    its request, or as many bits of its own as the server takes."""
    note: str = ""
    """What the server said instead of a text: a refusal, why it did not take the request."""


Progress = Callable[[int, int], None]
"""Called while a teacher works: completions finished so far, tokens sampled so far."""


class Teacher(Protocol):
    """Who answers. ``identity`` is its content: a checkpoint's key, or model and address."""

    identity: str

    async def complete(self, request: Request) -> list[Completion]:
        """One completion for every seed of the request, in the order of the seeds.

        What a server answers instead of a text (a refusal, a filter, a prompt that is too long) is
        a completion too, with the reason in ``finish_reason`` and ``note``.

        Raises:
            ChildDied: The process behind the teacher ended.
            NoAnswer: Nothing was had within the bounds; other requests may go on.
            EndpointRefused: Nobody who asks like this will be answered: stop asking.
        """
        ...

    def close(self) -> None:
        """Frees what the teacher holds (processes, memory, sockets). Safe to call twice."""
        ...


class ProblemSource(Protocol):
    """Where problems come from."""

    name: str
    licence: str
    """SPDX name where known, else ``unknown``."""

    def problems(self) -> Iterator[Problem]:
        """The problems in the source's own order, each with the same key every time."""
        ...


class Verifier(Protocol):
    """Decides whether a candidate is right. Pure; never raises for model output.

    What the pool (`filters.verify.pool`) looks for besides, all of it optional:

    - ``quick(problem, candidate) -> Verdict | None``: the verdict of ``verify``, found by bounded,
      exact work alone; asked for in the calling process, None leaves the row to a worker
    - ``decides_on(problem, candidate) -> str | None``: the answer that alone decides, by which
      equal rows are judged once; None where more of the completion counts
    - ``limit: float``, wall seconds of a verdict, and ``memory: int``, bytes of its worker's
      address space, instead of the pool's own
    - ``prepare()`` and ``close()``: called in a worker before its first row and when it ends
      normally; what ``prepare`` raises stops the work, since no row is at fault
    """

    name: str
    version: str

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict; a fault of ours (bad gold) is UNVERIFIABLE, never WRONG."""
        ...


class GroupVerifier(Protocol):
    """Decides about all candidates of a problem together (self-consistency)."""

    name: str
    version: str

    def verify_group(self, problem: Problem, group: Sequence[Candidate]) -> list[Verdict]:
        """A verdict for each candidate of the problem, in their order; pure."""
        ...


class Judge(Protocol):
    """Decides by asking a teacher, which the caller opens and closes."""

    name: str

    async def judge(self, problem: Problem, candidate: Candidate, teacher: Teacher) -> Verdict:
        """The verdict; what the teacher fails at is UNVERIFIABLE, never WRONG, and never raises."""
        ...


class Check(Protocol):
    """Looks for something in a candidate's reasoning."""

    name: str

    def check(self, problem: Problem, candidate: Candidate) -> list[Flag]:
        """What was found; an empty list when nothing was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a filter keeps a row out."""

    rule: str
    reason: str


class Filter(Protocol):
    """Yields every row in order, with None (kept) or the reason it is rejected."""

    def __call__(self, rows: Iterable[Candidate]) -> Iterator[tuple[Candidate, Rejection | None]]:
        """Every row comes out once, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """All a trainer's process needs, by name: it is sent as JSON and resolved there."""

    kind: str
    """``sft`` or ``grpo``."""
    base: str
    """Folder of the checkpoint to start from."""
    output: str
    """Folder to write the new checkpoint to; written whole or not at all by the caller."""
    rows: str
    """Parquet file: training rows for SFT; problems with prompts for GRPO."""
    seed: int
    settings: dict[str, Any]
    """The recipe's section for this kind of training, as plain values."""
    verifiers: str = "filters.verify.pool:VerifierPool"
    """Where GRPO's rewards find their verifiers: ``module:attribute`` of a pool or of a dict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a trainer did."""

    rows: int
    steps: int
    metrics: dict[str, float] = field(default_factory=dict)


class Trainer(Protocol):
    """Trains from one checkpoint folder into another."""

    name: str

    def train(
        self, job: TrainingJob, log: Path, progress: Callable[[int, int], None]
    ) -> TrainingResult:
        """Runs the job to its end; ``progress`` gets steps done and steps in all.

        Raises:
            ChildDied: The training process ended early; the message has its last lines.
        """
        ...


def resolve(name: str, known: dict[str, Any], what: str) -> Any:
    """The object a name stands for: an entry of ``known``, or ``module:attribute``.

    Raises:
        InputError: The name is neither; the message lists what there is.
    """
    if name in known:
        return known[name]
    module, colon, attribute = name.partition(":")
    if colon and module.replace(".", "").replace("_", "").isalnum():
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # the user's module may raise anything while it is imported
            raise InputError(f"{what} {name!r} cannot be loaded: {_fault(error)}") from error
    there = ", ".join(sorted(known))
    raise InputError(f"no {what} is called {name!r}; there is: {there}; or give module:name")


def _fault(error: Exception) -> str:
    """What went wrong with a module, and what to do where it was not found."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; if it lies in this folder, set PYTHONPATH=."
    if isinstance(error, ImportError | AttributeError):
        return str(error)
    return f"{type(error).__name__}: {error}"
