"""The same answer to the same problem is judged once, and nothing else is taken for the same."""

import dataclasses
from pathlib import Path

import pytest
from counting_verifiers import WHOLE
from filter_rows import candidate, problem

from filters.verify.cache import VerdictCache, copied, key_of
from filters.verify.math import MathVerifier
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict
from rsfactory.records import Candidate, Outcome, Problem

MATH = MathVerifier()
COUNTING = "counting_verifiers"


def asked(tmp_path: Path, verifier: str = "WHOLE", id: str = "p-1") -> Problem:
    made = problem("5", verifier=f"{COUNTING}:{verifier}", id=id)
    return dataclasses.replace(made, metadata=str(tmp_path / "calls"))


def calls(tmp_path: Path) -> list[str]:
    place = tmp_path / "calls"
    return place.read_text().split() if place.exists() else []


def candidates(*texts: str) -> list[Candidate]:
    return [candidate(text, id=f"c-{n}") for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("verifier", "texts", "called", "why"),
    [
        ("WHOLE", ["correct a", "correct a", "wrong"], 2, "equal texts"),
        ("WHOLE", ["correct a", "correct b"], 2, "the whole text counts"),
        ("ENDING", ["correct a", "correct b", "wrong c"], 2, "one answer"),
        ("ENDING", ["correct a?", "correct b?"], 2, "it does not say what decides"),
        ("ENDING", ["correct", "correct ?"], 2, "an answer is no whole text"),
    ],
)
def test_equal_rows_of_a_call_are_judged_once(
    tmp_path: Path, verifier: str, texts: list[str], called: int, why: str
) -> None:
    with VerifierPool(workers=2) as pool:
        made = candidates(*texts)
        verdicts = pool.verify([(asked(tmp_path, verifier), c) for c in made])
        [cost] = pool.costs().values()
    assert len(calls(tmp_path)) == called, why
    assert [v.candidate_id for v in verdicts] == [c.id for c in made]
    assert len({v.id for v in verdicts}) == len(made)
    assert [v.outcome.value for v in verdicts] == [text.split()[0].strip("?") for text in texts]
    assert {(v.isolation, v.share, tuple(v.results)) for v in verdicts} == {
        ("full", 1.0, ("passed",))
    }
    assert (cost.rows, cost.cached) == (len(texts), len(texts) - called)


def test_a_later_call_knows_them_and_another_problem_does_not(tmp_path: Path) -> None:
    first, second = candidates("correct a", "correct a")
    with VerifierPool(workers=1) as pool:
        for one in (first, second):
            [known] = pool.verify([(asked(tmp_path), one)])
        assert (known.candidate_id, known.seconds, known.reason) == ("c-1", 0.0, "because")
        pool.verify([(asked(tmp_path, id="p-2"), first)])
        pool.verify([(dataclasses.replace(asked(tmp_path), answer="6"), first)])
    assert calls(tmp_path) == ["c-0"] * 3


def test_faults_are_not_kept(tmp_path: Path) -> None:
    """Equal rows of one call share it, but a later call asks again; UNVERIFIABLE verdicts too."""
    with VerifierPool(workers=1) as pool:
        for _ in range(2):
            pairs = [(asked(tmp_path), c) for c in candidates("crash", "crash", "unverifiable")]
            verdicts = pool.verify(pairs)
            assert {v.outcome for v in verdicts} == {Outcome.UNVERIFIABLE}
            assert verdicts[1].candidate_id == "c-1"
    assert calls(tmp_path) == ["c-0", "c-2"] * 2


def test_without_a_cache_every_row_is_work(tmp_path: Path) -> None:
    with VerifierPool(workers=2, cache=False) as pool:
        pairs = [(asked(tmp_path), c) for c in candidates("correct a", "correct a", "correct a")]
        pool.verify(pairs)
        assert [cost.cached for cost in pool.costs().values()] == [0]
    assert len(calls(tmp_path)) == 3


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"id": "c-9", "problem_id": "p-1", "index": 4, "attempt": 1, "teacher": "k-2"}, True),
        ({"prompt_id": "t-2", "round": 3, "seed": 9, "sampling": "{1}", "max_tokens": 1}, True),
        ({"prompt_tokens": 99}, True),
        ({"completion": "x "}, False),
        ({"finish_reason": "length"}, False),
        ({"reasoning": "so"}, False),
        ({"reasoning": ""}, False),
        ({"tokens": 8}, False),
        ({"hinted": True}, False),
    ],
)
def test_what_of_a_candidate_counts(change: dict[str, object], same: bool) -> None:
    made = candidate("x")
    other = dataclasses.replace(made, **change)
    equal = key_of(WHOLE, problem("5"), made) == key_of(WHOLE, problem("5"), other)
    assert equal is same


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Problem)])
def test_all_of_a_problem_counts(field: str) -> None:
    one = problem("5")
    changed = {"choices": ["a"], "row": 7}.get(field, "other")
    other = dataclasses.replace(one, **{field: changed})
    made = candidate(r"\boxed{x}")
    assert key_of(MATH, one, made) != key_of(MATH, other, made)


def test_a_version_counts() -> None:
    later = MathVerifier()
    later.version = "0"
    made = candidate(r"\boxed{x}")
    assert key_of(MATH, problem("5"), made) != key_of(later, problem("5"), made)


@pytest.mark.parametrize(
    ("completion", "finish", "answer"),
    [
        (r"so \boxed{x + 1}.", "stop", "x + 1"),
        (r"\boxed{2} or rather \boxed{x + 1}", "length", "x + 1"),
        ("the answer is x + 1", "length", None),  # digits may be missing
        ("no idea", "stop", None),
        (r"\boxed{x + 1", "stop", None),
        ("half a pair \ud800", "stop", None),
    ],
)
def test_what_math_decides_on(completion: str, finish: str, answer: str | None) -> None:
    made = candidate(completion, finish_reason=finish)
    assert MATH.decides_on(problem("5"), made) == answer
    assert key_of(MATH, problem("5"), made)


def test_the_least_recently_used_go() -> None:
    cache = VerdictCache(2)
    for name in (b"a", b"b", b"a", b"c"):
        if cache.get(name) is None:
            cache.put(name, verdict(MATH, candidate(""), Outcome.WRONG, name.decode()))
    assert [cache.get(name) is not None for name in (b"a", b"b", b"c")] == [True, False, True]


def test_a_copy_is_the_other_candidates() -> None:
    made = copied(
        verdict(MATH, candidate("", id="c-1"), Outcome.WRONG, "r"), candidate("", id="c-2")
    )
    assert made.id == verdict(MATH, candidate("", id="c-2"), Outcome.WRONG, "r").id
