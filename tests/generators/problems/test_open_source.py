from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.problems import open_source
from rsfactory.errors import InputError
from rsfactory.records import Problem


class Mine:
    name = "mine"
    licence = "MIT"

    def problems(self) -> Iterator[Problem]:
        for i in range(10):
            yield Problem(
                id=Problem.key("mine", str(i), "1"), source="mine", split="train", domain="text",
                verifier="exact", prompt=str(i), answer="1", choices=[], solution=None, row=i,
            )  # fmt: skip


def test_the_users_own_source_is_loaded_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "my_problems_code.py").write_text(Path(__file__).read_text())
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source("my_problems_code:Mine", seed=1)
    assert (source.name, source.licence, len(source.held_out(32))) == ("mine", "MIT", 5)
    assert (source.provenance, source.size) == ("unknown", 5)
    assert {p.licence for p in source.train(1, 5)} == {"MIT"}
    told = open_source("my_problems_code:Mine", seed=1, licence="CC0-1.0", provenance="counted")
    assert (told.licence, told.provenance) == ("CC0-1.0", "counted")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("gsm8k", r"give gym:FAMILY\[@LEVEL\], a file"),
        ("", "give gym:FAMILY"),
        ("nowhere:x", "cannot be"),
    ],
)
def test_words_that_name_nothing(spec: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_source(spec, seed=1)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="limit of 1 or more"):
        open_source("gym:basic_arithmetic", seed=1, limit=0)
