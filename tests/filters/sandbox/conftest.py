"""One sandbox for the tests of a file; where there can be none (`isolated`), no tests."""

from collections.abc import Iterator

import pytest
from sandbox_limits import SMALL, children, gone

from filters.sandbox.run import Sandbox


@pytest.fixture(scope="module")
def sandbox(isolated: None) -> Iterator[Sandbox]:
    """A sandbox with small limits; nothing of it is alive after the last test of the file."""
    before = children()
    made = Sandbox(SMALL)
    made.run("pass")  # started here, so that tests see no new processes but a program's
    yield made
    made.close()
    assert gone(lambda: children() - before) == set()
