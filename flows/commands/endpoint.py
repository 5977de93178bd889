"""What `factory doctor` says about a teacher behind an address: its key, its address, its model.

Nothing is asked of a server that nobody named: by `--teacher`, by ``OPENAI_BASE_URL``, or by a key,
which means OpenAI's own. A key is never shown, and no completion is paid for.
"""

import os
from collections.abc import Iterator

from flows.commands.finding import Finding
from rsfactory.errors import InputError
from rsfactory.machine import OPENAI_KEY as KEY

BASE_URL = "OPENAI_BASE_URL"


def endpoint(teacher: str | None) -> Iterator[Finding]:
    """The key, and each address.

    Args:
        teacher: ``openai:MODEL[@URL,...]``, or None where the environment says what there is.

    Raises:
        InputError: The teacher is another one, or its address is not valid.
    """
    key = os.environ.get(KEY) or None
    named = teacher is not None or bool(os.environ.get(BASE_URL)) or key is not None
    if not named:
        found = f"not used (no --teacher openai:MODEL, {BASE_URL} or {KEY})"
        yield Finding(name="endpoint", ok=True, found=found, required=False)
        return
    found = f"{KEY} is {'set' if key else 'not set'}"
    advice = "" if key else f"needed unless the server is one of your own: export {KEY}=..."
    yield Finding(name="key", ok=key is not None, found=found, advice=advice, required=False)
    yield from _addresses(teacher, key)


def _addresses(teacher: str | None, key: str | None) -> Iterator[Finding]:
    from generators.teachers.api import parse, probe

    try:
        model, addresses = parse(teacher or "openai:any")
    except InputError as error:
        if teacher is not None:
            raise
        found = str(error).rpartition("; ")[2]  # the address comes from the environment
        yield Finding(name="endpoint", ok=False, found=found, advice=f"correct {BASE_URL}")
        return
    for address in addresses:
        seen = probe(model if teacher else None, address, key)
        yield Finding(
            name="endpoint", ok=seen.ok, found=f"{address}: {seen.found}", advice=seen.advice,
            required=teacher is not None,
        )  # fmt: skip
