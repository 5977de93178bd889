"""Keys made of content: the same content has the same key on every machine and in every run."""

import hashlib
import json
from pathlib import Path

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def content_id(prefix: str, *parts: object) -> str:
    """Key of some content: ``prefix-`` and 16 hex digits of the SHA-256 of its canonical JSON.

    Args:
        prefix: One short word that says which record the key belongs to, e.g. ``"c"``.
        *parts: JSON-serialisable values, in an order that is part of the content.
    """
    canonical = _ENCODER.encode(parts)
    return f"{prefix}-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def seed_of(*parts: object) -> int:
    """A 63-bit seed that depends on every part, for torch, numpy and ``random`` alike."""
    canonical = _ENCODER.encode(parts)
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:8], "big") >> 1


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(key: str, asked: str) -> bool:
    """Whether the user's word names this key: whole, without its prefix, or an unambiguous start.

    ``Mbpp/19`` is found by ``19``, ``c-1f00aa..`` by ``1f00aa..`` or by its first digits.
    """
    if key == asked or key.rpartition("/")[2] == asked:
        return True
    bare = key.partition("-")[2]
    return len(asked) >= 6 and (key.startswith(asked) or bare.startswith(asked))
