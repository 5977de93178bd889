"""Keys are content: stable, distinct, and found by what a user types."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfactory.ids import content_id, file_hash, matches, seed_of
from rsfactory.records import Candidate, Problem


def test_a_key_is_the_same_on_every_machine() -> None:
    # printf '["gym:sums","1+1?","2"]' | sha256sum
    assert Problem.key("gym:sums", "1+1?", "2") == "p-f44b87e78b1ff22f"


WORDS = st.text('ab",[]\\é\n', max_size=6)


@given(WORDS, WORDS.filter(bool))
def test_parts_do_not_run_together(left: str, right: str) -> None:
    assert content_id("x", left, right) != content_id("x", left + right, "")


@given(st.lists(st.one_of(st.integers(), WORDS, st.none()), max_size=4))
def test_seeds_fit_63_bits_and_repeat(parts: list[object]) -> None:
    assert 0 <= seed_of(*parts) < 2**63
    assert seed_of(*parts) == seed_of(*parts)


def test_a_candidate_key_knows_index_and_attempt() -> None:
    keys = {Candidate.key("p", "t", "k", "{}", i, a) for i in range(3) for a in range(2)}
    assert len(keys) == 6


@pytest.mark.parametrize(
    ("key", "asked", "found"),
    [
        ("c-1f00aa5213579bdf", "c-1f00aa5213579bdf", True),
        ("c-1f00aa5213579bdf", "1f00aa5213579bdf", True),
        ("c-1f00aa5213579bdf", "1f00aa", True),
        ("c-1f00aa5213579bdf", "c-1f00", True),
        ("c-1f00aa5213579bdf", "1f00", False),  # four digits may be a row number
        ("c-1f00aa5213579bdf", "00aa52", False),
        ("Mbpp/19", "19", True),
        ("Mbpp/19", "9", False),
    ],
)
def test_what_a_word_names(key: str, asked: str, found: bool) -> None:
    assert matches(key, asked) is found


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(tmp_path / "f") == known
