import pytest

from rsfactory.words import counted, milliseconds


@pytest.mark.parametrize(
    ("count", "units", "words"),
    [(0, "rounds", "0 rounds"), (1, "rounds", "1 round"), (2, "rounds", "2 rounds"),
     (1, "time-outs", "1 time-out"), (1, "tokens", "1 token")],
)  # fmt: skip
def test_a_count_with_its_unit(count: int, units: str, words: str) -> None:
    assert counted(count, units) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0"), (2e-7, "0"), (1.2e-5, "0.012"), (0.0051, "5.1"), (0.01, "10"), (5.0, "5,000"),
     (0.00999, "10")],
)  # fmt: skip
def test_seconds_as_milliseconds(seconds: float, words: str) -> None:
    assert milliseconds(seconds) == words
