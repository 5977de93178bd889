"""How a source is opened: what all kinds of sources are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from generators.problems.origin import UNKNOWN, Origin

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
    """For tables: a name of `generators.problems.formats.FIELDS` -> the column."""
    verifier: str | None = None
    licence: str | None = None
    """What the user says of the source; it comes before what is known of it."""
    provenance: str | None = None
    """How its golds were obtained, as the user says."""
    log: Callable[[str], None] | None = None
    """Is told what a source left out."""
    gold: bool = True
    """For tables: every row needs an answer."""
    limit: int | None = None
    """Bound on the training problems of the whole run."""
    purpose: Purpose = "both"
    """``train`` holds nothing out; ``held_out`` may hold everything out."""

    @property
    def said(self) -> Origin:
        """What the user says of where the golds come from."""
        return Origin(self.licence or UNKNOWN, self.provenance or UNKNOWN)
