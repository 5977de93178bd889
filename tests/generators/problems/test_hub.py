from pathlib import Path

import polars as pl
import pytest

from generators.problems import hub, open_source
from rsfactory.errors import InputError


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("openai/gsm8k", ("openai/gsm8k", None, "train")),
        ("openai/gsm8k:main", ("openai/gsm8k", "main", "train")),
        ("openai/gsm8k:main@test", ("openai/gsm8k", "main", "test")),
        ("owner/name@train[:10%]", ("owner/name", None, "train[:10%]")),
    ],
)
def test_ids_have_config_and_split(spec: str, parts) -> None:
    assert hub.parse(spec) == parts


@pytest.fixture
def datasets_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    import huggingface_hub.constants as constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("datasets_offline")
def test_a_data_set_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"nobody/nothing.*a file or a local folder"):
        open_source("nobody/nothing", seed=1)


@pytest.mark.usefixtures("datasets_offline")
def test_a_local_folder_goes_the_same_way(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"question": f"{i}?", "answer": f"so\n#### {i}"} for i in range(8)]
    pl.DataFrame(rows).write_parquet(folder / "train.parquet")
    source = open_source(str(folder), seed=1)
    assert [p.answer for p in source.problems()] == [str(i) for i in range(8)]
    assert len(source.held_out(32)) == 4


@pytest.mark.usefixtures("datasets_offline")
@pytest.mark.parametrize(
    ("card", "licence"),
    [("---\nlicense: cc-by-4.0\n---\n# Set\n", "CC-BY-4.0"), ("# Set\n", "unknown"),
     ("---\nlicense:\n- mit\n- odc-by\n---\n", "MIT, ODC-By-1.0"), (None, "unknown")],
)  # fmt: skip
def test_the_card_says_the_licence(tmp_path: Path, card: str | None, licence: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"question": f"{i}?", "answer": f"so\n#### {i}"} for i in range(8)]
    pl.DataFrame(rows).write_parquet(folder / "train.parquet")
    if card is not None:
        (folder / "README.md").write_text(card)
    source = open_source(str(folder), seed=1)
    assert {p.licence for p in source.problems()} == {source.licence} == {licence}
    assert source.provenance == "worked out by people (format of GSM8K)"
    assert open_source(str(folder), seed=1, licence="MIT").licence == "MIT"


@pytest.mark.usefixtures("datasets_offline")
def test_an_unknown_split_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    pl.DataFrame({"question": ["a", "b"], "answer": ["1", "2"]}).write_csv(folder / "train.csv")
    with pytest.raises(InputError, match=r"check the id, config and split"):
        hub.open_set(f"{folder}@nope", open_options())


def open_options():
    from generators.problems import Options

    return Options(seed=1)
