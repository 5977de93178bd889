"""A verifier by its name: one of ours, or ``module:name`` from the user's own code.

Behind ``module:name`` may stand

- a function of ``(problem, candidate)``; what it returns becomes the verdict (`FunctionVerifier`);
- an object with ``name``, ``version`` and ``verify`` (`rsfactory.contracts.Verifier`);
- a class of such objects, made without arguments.

A module that only lies in the current folder is found where PYTHONPATH names that folder. What the
user's code raises is left to the pool's worker: UNVERIFIABLE with the exception's name.
"""

import functools
import hashlib
import inspect
import marshal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from filters.verify import VERIFIERS
from filters.verify.alone import refuse_unless_alone
from filters.verify.verdicts import unanswered, verdict
from rsfactory.contracts import Verifier, resolve
from rsfactory.errors import InputError
from rsfactory.records import Candidate, Outcome, Problem, Verdict

_MADE: dict[str, object] = {}
"""Objects of users' classes by their names: a process makes one of each."""
Function = Callable[[Problem, Candidate], object]


class FunctionVerifier:
    """A user's function as a verifier.

    It returns a bool (True is CORRECT; False is WRONG, or TRUNCATED where the completion was cut
    off), an `Outcome`, None (UNVERIFIABLE), or a `Verdict`, of which its own key, name and version
    are replaced. Anything else is UNVERIFIABLE, never right or wrong.

    ``version`` is the function's own attribute of that name where it has one, else a hash of its
    source (of its bytecode where there is no source), so that a change is noticed. Not covered: a
    change in what the function calls, and which of two hashes is the newer; a function with a
    ``version`` that counts up has neither trouble.
    """

    def __init__(self, name: str, function: Function) -> None:
        """``name`` is the function's ``module:function``, which its verdicts are found by."""
        self.name = name
        self.version = _version(function)
        self._function = function

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """What the function says, as a verdict; whatever it raises rises."""
        began = time.monotonic()
        said = self._function(problem, candidate)
        if isinstance(said, Verdict):
            key = Verdict.key(candidate.id, self.name, self.version)
            return replace(
                said, id=key, candidate_id=candidate.id, verifier=self.name, version=self.version
            )
        if said is False and candidate.finish_reason == "length":
            return unanswered(self, candidate, f"{self.name} returned False", began=began)
        outcome, reason = _read(said)
        return verdict(self, candidate, outcome, f"{self.name} {reason}", began=began)


def find_verifier(name: str) -> Verifier:
    """The verifier a name stands for; the same object for the same name in one process.

    Raises:
        InputError: Nothing is called that, or what is there is no verifier; the message says what
            was expected and what was found.
    """
    refuse_unless_alone(name)
    found = resolve(name, VERIFIERS, "verifier")
    return VERIFIERS[name] if name in VERIFIERS else _adopted(name, found)


def _adopted(name: str, found: Any) -> Verifier:
    """A user's object as a verifier."""
    if inspect.isroutine(found):
        return _wrapped(name, found)
    if inspect.isclass(found):
        found = _made(name, found)
    lacks = [word for word in ("name", "version") if not isinstance(getattr(found, word, 0), str)]
    lacks += [] if callable(getattr(found, "verify", None)) else ["verify"]
    if lacks:
        raise InputError(
            f"verifier {name!r}: expected a function of (problem, candidate), or an object (or a "
            "class) with name and version (texts) and verify(problem, candidate), got "
            f"{_kind(found)} without {', '.join(lacks)}"
        )
    verifier: Verifier = found
    return verifier


@functools.cache
def _wrapped(name: str, function: Function) -> FunctionVerifier:
    if inspect.iscoroutinefunction(function):
        raise InputError(f"verifier {name!r}: expected a plain function, got an async one")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise InputError(
            f"verifier {name!r}: expected a function of (problem, candidate), "
            f"got {_kind(function)}{inspect.signature(function)}"
        ) from error
    except ValueError:
        pass  # some functions written in C have no signature to look at
    return FunctionVerifier(name, function)


def _made(name: str, kind: type) -> object:
    if type(_MADE.get(name)) is kind:
        return _MADE[name]
    try:
        _MADE[name] = kind()
    except Exception as error:  # the user's code may raise anything; it rises as their error
        raise InputError(
            f"verifier {name!r}: expected a class that is made without arguments, got "
            f"{type(error).__name__}: {error}; name an object of it instead"
        ) from error
    return _MADE[name]


def _read(said: object) -> tuple[Outcome, str]:
    """Outcome and reason of what a function returned; a verdict is read elsewhere."""
    if isinstance(said, bool):
        return Outcome.CORRECT if said else Outcome.WRONG, f"returned {said}"
    if isinstance(said, Outcome):
        return said, f"returned {said}"
    if said is None:
        return Outcome.UNVERIFIABLE, "returned None"
    return Outcome.UNVERIFIABLE, (
        f"returned {_kind(said)}; expected a bool, an Outcome, a Verdict or None"
    )


def _version(function: Function) -> str:
    """The function's own version, or a hash of its text."""
    own = getattr(function, "version", None)
    if own is not None:
        return str(own)
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = "" if code is None else marshal.dumps(code).hex()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _kind(thing: object) -> str:
    """What a thing is, for a message."""
    if inspect.isroutine(thing):
        return f"the function {getattr(thing, '__name__', '?')}"
    return f"{type(thing).__name__} {str(thing)[:40]!r}"
