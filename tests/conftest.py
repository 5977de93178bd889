"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
from tiny import make_tiny_model

from tests.filters.sandbox_here import skip_without_isolation


@pytest.fixture(scope="session")
def isolated() -> None:
    """Skips where this machine cannot isolate programs; a sandbox that breaks is an error."""
    skip_without_isolation()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random Llama with a byte tokenizer and ChatML; see `make_tiny_model`."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
