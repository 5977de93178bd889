"""What ``module:name`` may stand for: a user's function, object or class; and what is refused."""

import dataclasses
import importlib
import sys
from pathlib import Path

import own_verifiers
import pytest
from filter_rows import candidate, problem

from filters.verify import VERIFIERS
from filters.verify.named import find_verifier
from filters.verify.pool import VerifierPool
from rsfactory.errors import InputError
from rsfactory.records import Outcome, Verdict

SAYS = "own_verifiers:says"


def judged(pool: VerifierPool, name: str, text: str, *, finish: str = "stop") -> Verdict:
    made = dataclasses.replace(candidate(text), finish_reason=finish)
    [found] = pool.verify([(problem("5", verifier=name), made)])
    assert found.candidate_id == made.id
    return found


@pytest.mark.parametrize(
    ("text", "finish", "outcome", "why"),
    [
        ("true", "stop", Outcome.CORRECT, "returned True"),
        ("false", "stop", Outcome.WRONG, "returned False"),
        ("true", "length", Outcome.CORRECT, "an answer that was there before the cut"),
        ("false", "length", Outcome.TRUNCATED, "cut off"),
        *((str(one), "stop", one, f"returned {one}") for one in Outcome),
        ("wrong", "length", Outcome.WRONG, "an outcome is taken as it is"),
        ("nothing", "stop", Outcome.UNVERIFIABLE, "returned None"),
        ("half", "stop", Outcome.UNVERIFIABLE, "returned float '0.5'; expected a bool"),
        ("word", "stop", Outcome.UNVERIFIABLE, "a text is no outcome"),
        ("raise", "stop", Outcome.UNVERIFIABLE, "LookupError: no such word"),
    ],
)
def test_what_a_function_returns(
    pool: VerifierPool, text: str, finish: str, outcome: Outcome, why: str
) -> None:
    found = judged(pool, SAYS, text, finish=finish)
    assert found.outcome is outcome
    assert why in found.reason or "returned" not in why
    assert (found.verifier, found.isolation) == (SAYS, "process")
    assert found.version == find_verifier(SAYS).version


def test_a_verdict_is_filed_under_the_functions_name(pool: VerifierPool) -> None:
    found = judged(pool, "own_verifiers:whole", "x")
    assert (found.verifier, found.version) != ("another", "7")
    assert (found.verifier, found.share, found.results) == ("own_verifiers:whole", 0.25, ["no"])
    assert found.id == Verdict.key(found.candidate_id, found.verifier, found.version)


def test_objects_and_classes(pool: VerifierPool) -> None:
    assert find_verifier("own_verifiers:OBJECT") is own_verifiers.OBJECT
    for name in ("own_verifiers:OBJECT", "own_verifiers:Kind"):
        assert find_verifier(name) is find_verifier(name)
        assert judged(pool, name, "x").outcome is Outcome.CORRECT
    assert find_verifier("math") is VERIFIERS["math"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own_verifiers:NUMBER", "got int '5' without name, version, verify"),
        ("own_verifiers:PARTLY", "without name, version"),
        ("own_verifiers:Nameless", "without name, version"),
        ("own_verifiers:Picky", "made without arguments"),
        ("own_verifiers:later", "got an async one"),
        ("own_verifiers:alone", r"got the function alone\(candidate"),
        ("own_verifiers:missing", "cannot be loaded"),
        ("nowhere_at_all:f", r"PYTHONPATH=\."),
        ("maths", "there is: .*math"),
    ],
)
def test_what_is_no_verifier_is_refused(pool: VerifierPool, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_verifier(name)
    with pytest.raises(InputError, match=words):
        judged(pool, name, "x")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path / "changing_verifier.py"


def version_of(place: Path, source: str) -> str:
    place.write_text(source)
    sys.modules.pop(place.stem, None)
    importlib.invalidate_caches()
    try:
        return find_verifier(f"{place.stem}:f").version
    finally:
        sys.modules.pop(place.stem, None)


def test_the_version_changes_with_the_function_alone(written: Path) -> None:
    source = "def f(problem, candidate):\n    return True\n"
    first = version_of(written, source)
    assert first == version_of(written, f"# a comment above\n{source}")
    assert first != version_of(written, source.replace("True", "False # not"))


def test_a_function_may_say_its_version() -> None:
    assert find_verifier("own_verifiers:counted").version == "3"


def test_a_module_that_cannot_be_imported_is_the_users_error(written: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded: SyntaxError"):
        version_of(written, "def f(:\n")
    with pytest.raises(InputError, match="cannot be loaded: ZeroDivisionError"):
        version_of(written, "1 / 0\n")
