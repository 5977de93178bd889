import re
from itertools import islice

import pytest

from generators.problems import open_source
from generators.prompts import final_line
from rsfactory import tagged
from rsfactory.errors import InputError

SUMS = {
    "operators": ["+"], "allow_parentheses": False, "allow_negation": False,
    "min_terms": 5, "max_terms": 5, "min_digits": 1, "max_digits": 1,
}  # fmt: skip
FEW = {**SUMS, "min_terms": 2, "max_terms": 2}
"""121 different sums of two numbers from 0 to 10."""


def prompts(problems) -> list[str]:
    return [problem.prompt for problem in problems]


def test_same_seed_same_problems_and_another_seed_others() -> None:
    first, again = (open_source("gym:basic_arithmetic", seed=3, params=SUMS) for _ in range(2))
    other = open_source("gym:basic_arithmetic", seed=4, params=SUMS)
    assert list(first.train(2, 50)) == list(again.train(2, 50))
    assert first.held_out(64) == again.held_out(64)
    assert len(set(prompts(first.train(1, 100))) & set(prompts(other.train(1, 100)))) < 5


def test_rounds_are_fresh_and_never_give_held_out_contents() -> None:
    source = open_source("gym:basic_arithmetic", seed=1, params=SUMS)
    held_out = set(prompts(source.held_out(256)))
    assert len(held_out) == 256
    rounds = [prompts(source.train(r, 300)) for r in (1, 2)]
    assert all(len(set(r)) == 300 for r in rounds)
    assert len(set(rounds[0]) & set(rounds[1])) < 10
    assert not held_out & {*rounds[0], *rounds[1], *prompts(source.cold_start(64))}
    assert not held_out & set(prompts(islice(source.problems(), 500)))


def test_a_small_family_is_shared_out_without_overlap() -> None:
    source = open_source("gym:basic_arithmetic", seed=1, params=FEW)
    held_out, train = prompts(source.held_out(256)), prompts(source.train(1, 300))
    assert 50 <= len(held_out) <= 60
    assert len(train) >= 55
    assert not set(held_out) & set(train)
    assert len(open_source("gym:basic_arithmetic", seed=1, params=FEW, purpose="held_out")
               .held_out(256)) > 100  # fmt: skip


def test_limit_bounds_the_training_problems_of_all_rounds() -> None:
    source = open_source("gym:basic_arithmetic", seed=1, params=SUMS, limit=20)
    given = [p for r in (1, 2, 3) for p in prompts(source.train(r, 16))]
    assert len(set(given)) == 20
    assert set(prompts(source.cold_start(5))) <= set(given)
    more = open_source("gym:basic_arithmetic", seed=1, params=SUMS, limit=40)
    assert set(given) <= set(prompts(more.train(1, 40)))


def test_worked_solutions_are_right_and_end_with_the_final_line() -> None:
    source = open_source("gym:basic_arithmetic", seed=1, params=SUMS)
    assert source.domain == "sums"
    for problem in source.cold_start(32):
        assert problem.split == "cold_start"
        assert problem.verifier == "math"
        terms = [int(term) for term in re.findall(r"\d+", problem.prompt)]
        assert problem.solution is not None
        *steps, last = problem.solution.split("\n")
        assert last == final_line(str(sum(terms))) == final_line(problem.answer)
        assert len(steps) == len(terms) - 1
        for step in steps:
            left, _, right = step.partition("=")
            assert sum(map(int, left.split("+"))) == int(right)


def test_other_families_have_no_solutions() -> None:
    mixed = open_source("gym:basic_arithmetic", seed=1, params={**SUMS, "operators": ["+", "-"]})
    assert mixed.domain == "math"
    assert mixed.cold_start(8) == []
    words = open_source("gym:caesar_cipher", seed=1)
    assert {p.verifier for p in words.train(1, 5)} == {"exact"}
    assert words.domain == "text"


@pytest.mark.parametrize(
    ("family", "verifier", "kind"),
    [("gcd", "math", None), ("chain_sum", "math", None), ("rectangle_count", "math", None),
     ("game_of_life_halting", "exact", None), ("syllogism", "exact", None),
     ("sudoku", "puzzle", "gym"), ("rotate_matrix", "puzzle", "gym"),
     ("shortest_path", "puzzle", "gym"), ("graph_color", "puzzle", "gym"),
     ("rubiks_cube", "puzzle", "gym"), ("propositional_logic", "puzzle", "gym"),
     ("puzzle24", "puzzle", "countdown"), ("countdown", "puzzle", "countdown")],
)  # fmt: skip
def test_who_decides(family: str, verifier: str, kind: str | None) -> None:
    problems = open_source(f"gym:{family}", seed=1, limit=3).train(1, 3)
    assert {p.verifier for p in problems} == {verifier}
    for problem in problems:
        metadata = tagged.loads(problem.metadata) if problem.metadata else {}
        assert metadata.get("kind") == kind
        if kind == "gym":
            assert metadata["family"] == family
            assert str(metadata["entry"]["answer"]).strip() in (problem.answer, "None")
            assert "difficulty" not in metadata["entry"]["metadata"]


def test_the_users_verifier_and_parameters_travel_along() -> None:
    source = open_source("gym:decimal_arithmetic", seed=1, params={"max_num_decimal_places": 3})
    (problem,) = source.train(1, 1)
    assert tagged.loads(problem.metadata)["params"] == {"max_num_decimal_places": 3}
    plain = open_source("gym:decimal_arithmetic", seed=1, verifier="math").train(1, 1)
    assert {p.verifier for p in plain} == {"math"}


def test_a_composite_names_the_family_of_each_item() -> None:
    parts = [{"name": "gcd"}, {"name": "sudoku", "weight": 2.0, "config": {"max_empty": 40}}]
    problems = open_source("gym:composite", seed=1, params={"datasets": parts}).train(1, 12)
    found = {p.verifier: p.metadata for p in problems}
    assert set(found) == {"math", "puzzle"}
    metadata = tagged.loads(found["puzzle"])
    assert (metadata["family"], metadata["params"]) == ("sudoku", {"max_empty": 40})


def test_what_the_library_prints_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    open_source("gym:bf", seed=1).train(1, 2)
    assert capsys.readouterr().out == ""


def test_fingerprint_follows_the_parameters_not_the_limit() -> None:
    first = open_source("gym:basic_arithmetic", seed=1, params=SUMS)
    assert first.fingerprint() == open_source(
        "gym:basic_arithmetic", seed=1, params=SUMS, limit=9).fingerprint()  # fmt: skip
    assert first.fingerprint() != open_source(
        "gym:basic_arithmetic", seed=1, params=FEW).fingerprint()  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "params", "says"),
    [
        ("gym:basic_aritmetic", {}, "basic_arithmetic"),
        ("gym:", {}, "no generated family"),
        ("gym:basic_arithmetic", {"min_term": 3}, "min_term"),
        ("gym:basic_arithmetic", {"min_terms": 9}, "max_terms must be >= min_terms"),
        ("gym:basic_arithmetic", {"operators": ["%"]}, "unsupported operator"),
        ("gym:basic_arithmetic", {"seed": 3}, "seed, which the run decides"),
        ("gym:rush_hour", {}, "no problem with a gold answer"),
    ],
)
def test_wrong_families_and_parameters_are_refused(spec: str, params, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_source(spec, seed=1, params=params)
