"""A reasoning field is looked at like a thinking block in the text."""

from filter_rows import candidate, problem

from filters.checks import CHECKS, flags_of


def found(text: str, reasoning: str | None = None) -> dict[str, str]:
    row = candidate(text, reasoning=reasoning)
    return {flag.check: flag.evidence for flag in flags_of(problem("7"), row, CHECKS)}


def test_a_derivation_in_the_field_is_one() -> None:
    assert "no_derivation" in found("Answer: 7")
    assert "no_derivation" not in found("Answer: 7", "3 apples and 4 apples: 3 + 4 = 7")


def test_a_wrong_step_in_the_field_is_seen() -> None:
    assert "wrong_step" in found("Answer: 7", "we have 3 + 4 = 8, so it is 7")


def test_an_empty_field_is_seen() -> None:
    assert "empty_thinking" in found("Answer: 7", " ")


def test_only_what_is_asked_for() -> None:
    assert flags_of(problem("7"), candidate("Answer: 7"), ()) == []
