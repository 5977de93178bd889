"""Whether programs can be run safely on this machine; tests that need it say so."""

from functools import cache

import pytest

from filters.sandbox.run import Sandbox
from rsfactory.errors import FactoryError


@cache
def missing() -> str:
    """Why there is no sandbox; empty where there is one."""
    try:
        with Sandbox() as sandbox:
            sandbox.run("pass")
    except FactoryError as error:
        return str(error)
    return ""


needs_sandbox = pytest.mark.skipif(bool(missing()), reason=missing())
