"""Hostile programs, kept as text in ``attacks/``: ``### name | what must come of it``."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "attacks"


@dataclass(frozen=True)
class Attack:
    name: str
    source: str
    ends: tuple[str, ...]
    """Limits it may be killed by; ``any``: how it ends does not matter. Empty: by itself."""

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def attacks(kind: str) -> list[Attack]:
    """All of ``attacks/KIND.txt``."""
    found = []
    for part in (FOLDER / f"{kind}.txt").read_text().split("### ")[1:]:
        head, source = part.split("\n", 1)
        name, _, ends = head.partition(" | ")
        found.append(Attack(name, source, tuple(ends.split())))
    assert len({attack.name for attack in found}) == len(found)
    return found


def prelude() -> str:
    """What programs that try to get out begin with."""
    return (FOLDER / "prelude.txt").read_text()
