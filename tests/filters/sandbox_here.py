"""Whether programs can be run in isolation here; tests that need it say so.

Nothing is started before the first such test runs (fixture ``isolated``, `tests/conftest.py`), and
only a missing sandbox skips: one that breaks is an error.
"""

import pytest

from filters.sandbox.host import SandboxMissing
from filters.sandbox.run import Sandbox

needs_sandbox = pytest.mark.usefixtures("isolated")


def skip_without_isolation() -> None:
    """Runs a program; skips where this machine cannot isolate it."""
    try:
        with Sandbox() as sandbox:
            sandbox.run("pass")
    except SandboxMissing as error:
        pytest.skip(f"no isolation on this machine: {error}")
