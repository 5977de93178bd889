"""A problem's metadata as a user's table gives it: its text, whom it names, what it makes needless.

What each verifier reads is in docs/verifiers.md. Not covered: whether a verifier can use what is
there; it says so itself (`unverifiable`), and `factory validate` shows it.
"""

import json
from collections.abc import Mapping
from typing import Any

PUZZLES = {"countdown": {"numbers", "target"}, "knights_and_knaves": {"names"},
           "gym": {"family", "entry"}}  # fmt: skip
"""Kind of puzzle -> what its metadata must have."""
DECIDES = {
    "code": ("asserts", "calls", "check", "stdio"),
    "format": ("format",),
    "json-schema": ("schema",),
    "regex": ("pattern",),
}
"""Verifier -> entries of which one is enough to decide without a gold answer."""


def as_text(value: Any) -> str:
    """JSON text of a cell; empty where it holds nothing.

    An object's entries without a value are left out: columnar files have every row's entries in
    each row.

    Raises:
        ValueError: It is neither an object nor the JSON text of one.
    """
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, Mapping):
        there = {str(key): inner for key, inner in value.items() if inner is not None}
        try:
            return json.dumps(there, ensure_ascii=False) if there else ""
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"expected metadata that JSON can say: {error}") from error
    if isinstance(value, str) and not value.strip():
        return ""
    found = _parsed(value) if isinstance(value, str) else value
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"expected metadata as a JSON object, got {str(value)[:60]!r}")
    return str(value) if found else ""


def named(text: str) -> str | None:
    """The verifier that metadata names by its form; None where it could be anybody's."""
    asked = _parsed(text) if text else {}
    kind = asked.get("kind")
    if isinstance(kind, str) and asked.keys() >= PUZZLES.get(kind, {kind}):
        return "puzzle"
    lists = (isinstance(asked.get(key), list) and asked[key] for key in ("asserts", "stdio"))
    called = isinstance(asked.get("entry"), str) and (
        isinstance(asked.get("check"), str) or isinstance(asked.get("calls"), list)
    )
    return "code" if called or any(lists) else None


def decides(text: str, verifier: str | None) -> bool:
    """Whether metadata leaves a verifier (None: whom it names) no need of a gold answer.

    A verifier of the user's own (``module:name``) knows itself what it needs.
    """
    if not text:
        return False
    verifier = verifier or named(text) or ""
    asked = _parsed(text)
    if verifier == "puzzle":
        return named(text) == "puzzle" and asked["kind"] != "knights_and_knaves"
    return ":" in verifier or any(key in asked for key in DECIDES.get(verifier, ()))


def fitting(text: str) -> list[str]:
    """Verifiers that could decide by metadata alone."""
    return [name for name in DECIDES if decides(text, name)]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"expected metadata as a JSON object, got {text[:60]!r}: {error}"
        ) from None
