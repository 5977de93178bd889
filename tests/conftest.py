"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
from tiny import make_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random Llama with a byte tokenizer and ChatML; see `make_tiny_model`."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
