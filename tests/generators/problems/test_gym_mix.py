"""Mixes of generated families: shares, levels, what is held out, and what is refused."""

import re
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from generators.problems import family, library, open_source
from generators.problems.gym import Part, parse
from rsfactory.errors import InputError

MIX = "gym:gcd=2,lcm=1,gcd@3=1"
FEW = {"operators": ["+"], "allow_parentheses": False, "allow_negation": False, "min_terms": 2,
       "max_terms": 2, "min_digits": 1, "max_digits": 1}  # fmt: skip
"""121 different sums of two numbers from 0 to 10."""

WORDS = [
    # words, parameters, parts
    ("gcd", {}, [Part("gcd")]),
    ("gcd@2", {}, [Part("gcd", 2)]),
    ("gcd", {"level": 2, "min_numbers": 3}, [Part("gcd", 2, 1.0, {"min_numbers": 3})]),
    ("gcd=2, lcm@1=.5", {}, [Part("gcd", None, 2.0), Part("lcm", 1, 0.5)]),
    ("gcd,lcm", {"lcm": {"weight": 3, "level": 0, "min_numbers": 3}},
     [Part("gcd"), Part("lcm", 0, 3.0, {"min_numbers": 3})]),
    ("gcd@1,gcd@2", {"gcd": {"max_numbers": 9}},
     [Part("gcd", 1, 1.0, {"max_numbers": 9}), Part("gcd", 2, 1.0, {"max_numbers": 9})]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "params", "parts"), WORDS)
def test_words_and_parameters(words: str, params, parts: list[Part]) -> None:
    assert parse(words, params) == parts


REFUSED = [
    ("gcd,", {}, "no generated family is called ''"),
    ("gcd,lcn", {}, "no generated family is called 'lcn'; near it: lcm"),
    ("gcd@x", {}, "expected gym:FAMILY, gym:FAMILY@LEVEL"),
    ("gcd=-1,lcm", {}, "expected gym:FAMILY"),
    ("gcd=0,lcm", {}, "weight 0; leave the part out"),
    ("gcd,gcd", {}, "has a part twice"),
    ("gcd@7", {}, "gym:gcd has the levels 0 to 3, got 7"),
    ("acre@1", {}, "gym:acre has no levels of difficulty; leave @1 away"),
    ("caesar_cipher@3", {}, "gym:caesar_cipher@3 does not take these parameters: rotation"),
    ("gcd@1", {"level": 2}, "name two levels, 1 and 2"),
    ("gcd", {"level": -1}, "level of 0 or above, got -1"),
    ("gcd", {"level": "hard"}, "level of 0 or above, got 'hard'"),
    ("gcd,lcm", {"gcd": {"weight": 0}}, "weight above 0, got 0"),
    ("gcd,lcm", {"min_numbers": 3}, r"problems\.params\.min_numbers: expected a table for each"),
    ("gcd,lcm", {"sudoku": {}}, r"problems\.params\.sudoku: expected a table for each family"),
    ("gcd,lcm", {"gcd": {"seed": 3}}, "seed, which the run decides"),
    ("gcd,rush_hour", {}, "gym:rush_hour gives no problem with a gold answer"),
    ("all@99", {}, "no generated family has a level 99"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "params", "says"), REFUSED)
def test_what_is_refused(words: str, params, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_source(f"gym:{words}", seed=1, params=params)


def test_shares_follow_the_weights_in_every_stretch() -> None:
    source = open_source(MIX, seed=1)
    shares = {"gym:gcd": 2, "gym:lcm": 1, "gym:gcd@3": 1}
    for drawn in (source.train(1, 80), source.held_out(80), list(islice(source.problems(), 80))):
        assert Counter(p.source for p in drawn) == {k: 20 * v for k, v in shares.items()}
        for start in range(0, 80, 8):
            part = Counter(p.source for p in drawn[start : start + 8])
            assert all(abs(part[k] - 2 * v) <= 1 for k, v in shares.items())


def test_same_seed_same_mix_and_rounds_are_fresh() -> None:
    first, again = (open_source(MIX, seed=3) for _ in range(2))
    assert list(first.train(2, 60)) == list(again.train(2, 60))
    assert first.held_out(256) == again.held_out(256)
    assert first.fingerprint() == again.fingerprint()
    other = open_source(MIX, seed=4)
    rounds = [{p.prompt for p in s.train(r, 60)} for s, r in ((first, 1), (first, 2), (other, 1))]
    assert all(len(one & two) < 6 for one, two in pairwise(rounds))


def test_held_out_contents_are_never_given_by_any_part() -> None:
    params = {"basic_arithmetic": FEW}
    source = open_source("gym:basic_arithmetic,gcd,gcd@0=2", seed=1, params=params)
    held_out = {p.prompt for p in source.held_out(256)}
    assert len(held_out) > 150
    given = [p.prompt for r in (1, 2) for p in source.train(r, 300)]
    assert not held_out & set(given)
    assert not held_out & {p.prompt for p in source.cold_start(32)}
    assert len({p.prompt for p in source.train(1, 300)}) == 300


def test_a_part_that_is_used_up_leaves_its_turns() -> None:
    source = open_source("gym:basic_arithmetic,gcd", seed=1, params={"basic_arithmetic": FEW})
    drawn = Counter(p.source for p in source.train(1, 400))
    assert 50 <= drawn["gym:basic_arithmetic"] < 121
    assert sum(drawn.values()) == 400
    assert Counter(p.source for p in source.held_out(256))["gym:basic_arithmetic"] >= 40


def test_a_part_is_drawn_as_it_is_alone() -> None:
    alone = {p.id for p in open_source("gym:lcm", seed=1, purpose="train").train(1, 40)}
    mixed = open_source("gym:gcd=3,lcm", seed=1, purpose="train").train(1, 40)
    ours = [p.id for p in mixed if p.source == "gym:lcm"]
    assert len(ours) == 10
    assert set(ours) <= alone


def test_the_cold_start_takes_the_parts_that_work_out() -> None:
    source = open_source("gym:basic_arithmetic,gcd=9", seed=1, params={"basic_arithmetic": FEW})
    traces = source.cold_start(16)
    assert [p.split for p in traces] == ["cold_start"] * 16
    assert {p.source for p in traces} == {"gym:basic_arithmetic"}


def test_a_limit_makes_a_fixed_pool() -> None:
    source = open_source(MIX, seed=1, limit=20)
    assert source.size == 20
    assert len({p.id for r in (1, 2, 3) for p in source.train(r, 16)}) == 20
    assert open_source(MIX, seed=1).size is None


def test_a_level_sets_the_parameters_and_is_on_the_row() -> None:
    easy, hard = (open_source(f"gym:chain_sum@{n}", seed=1).train(1, 40) for n in (0, 8))
    assert {p.source for p in hard} == {"gym:chain_sum@8"}
    longest = max(p.prompt.count("+") + p.prompt.count("-") for p in easy)
    assert longest < min(p.prompt.count("+") + p.prompt.count("-") for p in hard)
    assert library.level_params("chain_sum", 0) != library.level_params("chain_sum", 8)
    ours = open_source("gym:chain_sum@8", seed=1, params={"min_digits": 1, "max_digits": 1})
    assert all(set(p.prompt) & set("0123456789") for p in ours.train(1, 4))


def test_every_family_has_its_levels_or_none() -> None:
    known = {name: library.highest_level(name) for name in library.names()}
    assert len(known) > 100
    assert [name for name, highest in known.items() if highest is None] == [
        "acre", "gsm_symbolic", "list_functions"]  # fmt: skip
    assert "composite" not in known


def test_licence_and_provenance_are_on_every_row() -> None:
    source = open_source(MIX, seed=1)
    assert source.licence == "Apache-2.0"
    assert "family gcd, computed by" in source.provenance
    for problem in (*source.train(1, 8), *source.held_out(8)):
        name = problem.source.removeprefix("gym:").partition("@")[0]
        assert problem.licence == "Apache-2.0"
        assert problem.provenance == family.provenance(name)
    told = open_source(MIX, seed=1, licence="MIT", provenance="drawn by me")
    assert (told.licence, told.provenance) == ("MIT", "drawn by me")
    assert {(p.licence, p.provenance) for p in told.held_out(9)} == {("MIT", "drawn by me")}
    assert [p.id for p in told.train(1, 9)] == [p.id for p in source.train(1, 9)]
    assert "one of several" in family.provenance("graph_color")


def test_all_families_that_give_something(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(parse("all", {})) > 100
    assert {p.name for p in parse("all@13", {})} == {"leg_counting", "sokoban"}
    few = ["acre", "caesar_cipher", "gcd", "lcm", "rush_hour"]
    monkeypatch.setattr("generators.problems.gym.names", lambda: few)
    source = open_source("gym:all@3", seed=1, params={"lcm": {"weight": 2}})
    assert source.name == "gym:all@3"
    shares = Counter(p.source for p in source.train(1, 30))
    assert shares == {"gym:gcd@3": 10, "gym:lcm@3": 20}
    with pytest.raises(InputError, match="gym:gcd@3 does not take these parameters"):
        open_source("gym:all@3", seed=1, params={"gcd": {"max_number": 2}})


def test_the_documents_name_families_and_levels_that_are_there() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    words = set(re.findall(r"gym:([a-z][a-z0-9_@=,]*)", page))
    assert len(words) >= 5
    for part in (part for word in words for part in parse(word, {})):
        assert part.level is None or part.level <= (library.highest_level(part.name) or 0)
        assert part.name in library.names()
