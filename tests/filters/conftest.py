"""Fixtures of the filters' tests. Its place also makes `filter_rows` importable."""

from collections.abc import Iterator

import pytest

from filters.verify.pool import VerifierPool


@pytest.fixture(scope="session")
def pool() -> Iterator[VerifierPool]:
    """One pool for all tests that only need verdicts: its workers load math-verify once."""
    with VerifierPool(workers=1, limit=20.0) as made:
        yield made
