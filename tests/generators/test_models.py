import hashlib
import shutil
from pathlib import Path

import pytest

from generators import models
from rsfactory.errors import InputError


def test_a_folder_is_itself_and_its_key_is_the_hash_of_the_weights(tiny_model: Path) -> None:
    assert models.resolve(str(tiny_model)) == tiny_model
    expected = hashlib.sha256((tiny_model / "model.safetensors").read_bytes()).hexdigest()[:16]
    assert models.checkpoint_id(tiny_model) == f"k-{expected}"


def test_several_weight_files_count_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, content in (("b", b"2"), ("a", b"1")):
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    assert models.checkpoint_id(tmp_path) == f"k-{hashlib.sha256(b'12').hexdigest()[:16]}"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "no config.json"),
        ("tokenizer", "no tokenizer.json"),
        ("model", "no weights"),
    ],
)
def test_a_folder_that_lacks_something_says_what(
    tiny_model: Path, tmp_path: Path, missing: str, says: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    for file in folder.glob(f"{missing}*"):
        file.unlink()
    with pytest.raises(InputError, match=says):
        models.resolve(str(folder))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("embeded", "did you mean 'embedded'"),
        ("nothing", "give embedded, a folder, or a Hub id"),
        ("./nowhere", "does not exist"),
        ("", "give embedded"),
    ],
)
def test_names_that_are_no_model(name: str, says: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        models.resolve(name)


def test_a_hub_id_without_a_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"nobody/nothing.*--model FOLDER"):
        models.resolve("nobody/nothing")


@pytest.mark.parametrize(
    ("own", "general", "expected"),
    [("/a", "/b", "/a"), (None, "/b", "/b/rsfactory"), (None, None, "/home/x/.cache/rsfactory")],
)
def test_where_the_cache_is(own, general, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    for name, value in (("RSFACTORY_CACHE", own), ("XDG_CACHE_HOME", general)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    assert models.cache_folder() == Path(expected)
