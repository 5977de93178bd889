from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.problems import FiniteSet, Options
from rsfactory.errors import InputError
from rsfactory.records import Problem


def make(prompt: str, answer: str = "1", solution: str | None = None) -> Problem:
    return Problem(
        id=Problem.key("t", prompt, answer), source="t", split="train", domain="math",
        verifier="math", prompt=prompt, answer=answer, choices=[], solution=solution, row=0,
    )  # fmt: skip


def finite(problems, seed: int = 1, **options) -> FiniteSet:
    return FiniteSet("t", problems, Options(seed=seed, **options))


MANY = [make(f"How much is {i}?", str(i), "easy" if i % 2 else None) for i in range(1000)]


def ids(problems) -> list[str]:
    return [problem.id for problem in problems]


def test_repeated_problems_are_told() -> None:
    told: list[str] = []
    assert finite([MANY[0], MANY[1], MANY[0]], log=told.append).size == 1
    assert told == ["1 row of t left out: the same problem came before"]


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 700), st.integers(0, 5), st.sampled_from([None, 1, 40]))
def test_held_out_and_training_problems_are_apart(size: int, seed: int, limit: int | None) -> None:
    source = finite(MANY[:size], seed, limit=limit)
    held_out = source.held_out(1000)
    assert len(held_out) == min(256, size // 2)
    train = [p for r in (1, 2, 3) for p in source.train(r, 64)] + source.cold_start(64)
    assert not set(ids(held_out)) & set(ids(train))
    assert len(set(ids(train))) <= (limit or size)
    assert {p.split for p in held_out} == {"held_out"}


def test_the_split_depends_on_content_alone() -> None:
    mixed = list(MANY)
    Random(0).shuffle(mixed)
    first, second = finite(MANY), finite(mixed, seed=2, limit=7)
    assert ids(first.held_out(100)) == ids(second.held_out(100))
    assert ids(first.train(1, 50)) == ids(finite(mixed).train(1, 50))
    assert ids(first.train(1, 50)) != ids(finite(MANY, seed=2).train(1, 50))
    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != finite(MANY[1:]).fingerprint()


def test_copies_of_a_question_never_end_up_on_both_sides() -> None:
    copies = [make(p.prompt.upper() + "  ", "other") for p in MANY]
    source = finite([*MANY, *copies, *MANY])
    assert len(list(source.problems())) == 2000
    held_out = {p.prompt.strip().casefold() for p in source.held_out(256)}
    train = {p.prompt.strip().casefold() for p in source.train(1, 2000)}
    assert len(held_out) == 256
    assert not held_out & train


def test_rounds_go_through_everything_before_they_begin_again() -> None:
    source = finite(MANY[:100])
    rounds = [ids(source.train(r, 20)) for r in range(1, 6)]
    assert sum(map(len, rounds)) == 100
    assert len({i for r in rounds[:2] for i in r}) == 40
    assert len({i for r in rounds for i in r}) == 50
    assert all(len(set(r)) == 20 for r in rounds)
    assert list(source.train(1, 20)) == list(source.train(1, 20))
    assert len(source.train(1, 500)) == 50


def test_a_higher_limit_adds_problems() -> None:
    small, large = (set(ids(finite(MANY, limit=n).train(1, 900))) for n in (10, 30))
    assert (len(small), len(large)) == (10, 30)
    assert small < large


def test_cold_start_takes_solved_problems_that_rounds_reach_last() -> None:
    source = finite(MANY)
    cold = source.cold_start(16)
    assert len(cold) == 16
    assert all(p.solution == "easy" and p.split == "cold_start" for p in cold)
    assert not set(ids(cold)) & set(ids(source.train(1, 500)))


def test_a_set_for_one_purpose_keeps_nothing_for_the_other() -> None:
    assert len(finite(MANY, purpose="train").train(1, 5000)) == 1000
    assert finite(MANY, purpose="train").held_out(10) == []
    assert len(finite(MANY[:40], purpose="held_out").held_out(64)) == 40


@pytest.mark.parametrize("problems", [[], MANY[:1], [MANY[0], MANY[0]]])
def test_too_few_problems_are_refused(problems) -> None:
    with pytest.raises(InputError):
        finite(problems)
