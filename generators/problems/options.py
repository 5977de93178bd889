"""How a source is opened: what all kinds of sources are told."""

from dataclasses import dataclass, field
from typing import Any, Literal

Purpose = Literal["both", "train", "held_out"]

MAX_HELD_OUT = 256
"""Problems kept apart from training at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked of a source besides its name."""

    seed: int
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of a generated family."""
    columns: dict[str, str] = field(default_factory=dict)
    """For tables: problem, answer, choices, solution, metadata -> the column."""
    verifier: str | None = None
    gold: bool = True
    """For tables: every row needs an answer."""
    limit: int | None = None
    """Bound on the training problems of the whole run."""
    purpose: Purpose = "both"
    """``train`` holds nothing out; ``held_out`` may hold everything out."""
