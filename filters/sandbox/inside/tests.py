"""Tests of a program, in a process that the program cannot reach.

The program runs in another sandbox. What a test calls by the program's names are proxies: the
arguments travel there as data and the result comes back as data, so that ``==`` here compares plain
values and never asks an object of the program's own. An object that is no data stays there behind
a `Remote`, which equals only itself.

Names mean what they mean where the tests were written: a program that defines ``abs`` or ``math``
does not change them for tests of its function (`_taken`). Not covered: tests that ask an object of
the program's own class (``x in f(2)``, ``len``, truth) get that class's answer, and helpers that
the tests take from the program (an encoder for its decoder) are the program's; a helper that comes
with the problem belongs in the setup.

What is a test of its own, and when it has passed, is said in `cases`; what fails does not stop the
next. When the program ends, the rest have not passed. Tests that never ask the program have no
results, and what cannot travel to it (a function, an object of the tests' own) is their fault.
"""

import ast
import builtins
import importlib
import math
import socket
import sys
from collections.abc import Callable
from typing import Any

from filters.sandbox.inside import cases, wire

PASSED = "passed"
NOT_RUN = "not run"
NOT_REACHED = "no assert was reached"
ENDED = "the program ended before it was loaded"
FROM_PROGRAM = "_from_program"
"""Attribute of exceptions that the program raised."""
_KNOWN = frozenset(dir(builtins)) | sys.stdlib_module_names
"""Names that mean something without the program."""


class ProgramEnded(BaseException):
    """The program's process is gone; no test can get an answer any more."""


class OutOfTime(BaseException):
    """The tests are over their own limit of CPU time, mostly by what the program gave them."""


class Unfit(Exception):
    """The tests do what cannot be done from outside the program."""


class ProgramError(Exception):
    """The program raised what has no name among the built-in exceptions."""


class Program:
    """The other side."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self.asked = 0
        """Questions so far."""
        self.loaded, self.problem, self.names = self._read()

    def why(self) -> str:
        """What was raised while it was loaded."""
        parts = self.problem
        return shown((parts[0], parts[-1]) if isinstance(parts, list | tuple) and parts else ())

    def ask(self, what: str, target: Any, values: tuple[Any, ...] = (), named: Any = None) -> Any:
        """One action on the other side; raises what it raised, as a built-in exception."""
        message = [what, _pure(target), [_pure(v) for v in values], _pure(named or {})]
        self.asked += 1
        try:
            wire.send(self._peer, wire.dumps(message))
        except wire.Unsendable as error:
            raise Unfit(f"they hand the program {error}") from error
        except OSError as error:
            raise ProgramEnded from error
        good, result, changed = self._read()
        if isinstance(changed, dict):
            for place, value in changed.items():
                _overwrite(values[place], value)
        if not good:
            raise _exception(*result)
        return _live(result, self)

    def _read(self) -> tuple[bool, Any, Any]:
        try:
            good, result, extra = wire.loads(wire.receive(self._peer))
        except (EOFError, OSError, ValueError, TypeError, MemoryError) as error:
            raise ProgramEnded from error
        return good is True, result, extra


class Remote:
    """An object of the program, which stays there. Equal to itself and to nothing else."""

    def __init__(self, program: Program, number: int) -> None:
        self.__dict__["_at"] = (program, number)

    def __getattr__(self, name: str) -> Any:
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set", name, value)

    def __call__(self, *values: Any, **named: Any) -> Any:  # noqa: D102
        program, number = self.__dict__["_at"]
        return program.ask("call", wire.Handle(number), values, named)

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("setitem", key, value)

    def __iter__(self) -> Any:
        iterator = self._ask("iter")
        return iterator if isinstance(iterator, Remote) else iter(iterator)

    def __next__(self) -> Any:
        return self._ask("next")

    def __contains__(self, value: Any) -> bool:
        return self._ask("contains", value) is True

    def __len__(self) -> int:
        return int(self._ask("len"))

    def __bool__(self) -> bool:
        return self._ask("bool") is True

    def __str__(self) -> str:
        return str(self._ask("str"))

    def __repr__(self) -> str:
        return str(self._ask("repr"))

    def _ask(self, what: str, *values: Any) -> Any:
        program, number = self.__dict__["_at"]
        return program.ask(what, wire.Handle(number), values)


def run(source: str, entry: str | None, setup: str, peer: socket.socket) -> dict[str, Any]:
    """Runs the tests: ``{"loaded": None or what went wrong, "results": [...]}``.

    Args:
        source: The tests: statements with asserts, and with ``entry`` a function ``check``.
        entry: Name of the program's function that ``check`` gets; None where the statements
            call the program by its own names.
        setup: Statements before the first test.
        peer: The program's side.
    """
    try:
        program = Program(peer)
    except ProgramEnded:
        return {"loaded": ENDED, "results": []}
    if not program.loaded:
        return {"loaded": program.why(), "results": []}
    tree, count = cases.prepare(source, entry)
    results = [NOT_RUN] * count
    try:
        _run(tree, setup, entry, program, results)
    except (ProgramEnded, OutOfTime):
        results = results or [NOT_RUN]
    except AssertionError:  # of a function that is called between the cases
        results = ["failed"] * max(1, len(results))
    except NameError as error:  # what the setup or the tests call is not defined by the program
        results = [_error(error)] * max(1, len(results))
    except Exception as error:
        if not hasattr(error, FROM_PROGRAM):
            return {"fault": f"the tests cannot run: {_error(error)}"}
        results = [_error(error)] * max(1, len(results))
    called = program.asked or any(result not in (PASSED, NOT_REACHED) for result in results)
    return {"loaded": None, "results": results if called else []}


class _Guard:
    """Notes how one test went; lets nothing out but the program's end."""

    def __init__(self, results: list[str], number: int, looked: Callable[[], int]) -> None:
        """``looked``: how many asserts were reached and how often the program was asked."""
        self._results = results
        self._number = number
        self._looked = looked

    def __enter__(self) -> None:
        self._before = self._looked()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, Unfit):
            return False
        if error is None:
            reached = self._looked() > self._before
            self._results[self._number] = PASSED if reached else NOT_REACHED
        elif isinstance(error, ProgramEnded):
            self._results[self._number] = "the program ended"
            return False
        elif isinstance(error, OutOfTime):
            self._results[self._number] = "out of time"
            return False
        elif type(error) is AssertionError:
            self._results[self._number] = "failed"
        else:
            self._results[self._number] = _error(error)
        return True


def _run(
    tree: ast.Module,
    setup: str,
    entry: str | None,
    program: Program,
    results: list[str],
) -> None:
    space: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, "__same__": same}
    own = set(program.names) if isinstance(program.names, dict) else set()
    codes = [compile(setup, "setup", "exec"), compile(tree, "tests", "exec")]
    used = set().union(*map(cases.names, codes))
    bound = cases.bound(tree) | cases.bound(ast.parse(setup))
    for name in sorted(_taken(own & (used | {entry or ""}) - bound, entry)):
        if program.names[name] is True:
            space[name] = _function(program, name)
        else:
            space[name] = program.ask("name", name)
    for name in own & used & sys.stdlib_module_names - set(space):
        space[name] = importlib.import_module(name)  # that the program imports it is relied upon
    ran = [0]

    def note() -> None:
        ran[0] += 1

    def looked() -> int:
        return ran[0] + program.asked

    space[cases.GUARD] = lambda number: _Guard(results, number, looked)
    space[cases.RAN] = note
    exec(codes[0], space)
    if entry in own:  # the setup may have had a stub of it
        space[str(entry)] = _function(program, str(entry))
    exec(codes[1], space)
    if entry is None:
        return
    if entry not in own:
        results[:] = [f"NameError: the program does not define {entry}"] * max(1, len(results))
        return
    candidate = space[entry]
    if results:
        space["check"](candidate)
        return
    results.append(NOT_RUN)  # its asserts are in functions of its own: one test
    with _Guard(results, 0, looked):
        space["check"](candidate)


def same(found: Any, expected: Any) -> bool:
    """Whether an answer is what JSON says it should be.

    A tuple is as good as a list (JSON has no other), and floating point numbers are compared to a
    relative 1e-9.
    """
    if isinstance(expected, list) and isinstance(found, list | tuple):
        pairs = zip(found, expected, strict=False)
        return len(found) == len(expected) and all(same(a, b) for a, b in pairs)
    if isinstance(expected, dict) and type(found) is dict:
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    if isinstance(expected, float) and type(found) in (int, float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == expected)


def _taken(wanted: set[str], entry: str | None) -> set[str]:
    """The names that tests get from the program.

    A built-in name or a module's is the program's only where it must be what is tested: as the
    entry, or where tests use no other name of the program's.
    """
    wanted = {name for name in wanted if not (name.startswith("__") and name.endswith("__"))}
    others = {name for name in wanted if name not in _KNOWN or name == entry}
    if others or len(wanted) > 1:
        return others
    return wanted


def _function(program: Program, name: str) -> Callable[..., Any]:
    def call(*values: Any, **named: Any) -> Any:
        return program.ask("call", name, values, named)

    call.__name__ = name if name.isidentifier() else "call"
    return call


def _pure(value: Any) -> Any:
    """A value to send: a remote object goes back as its handle."""
    if isinstance(value, Remote):
        return wire.Handle(value.__dict__["_at"][1])
    if type(value) in (list, tuple):
        return type(value)(_pure(part) for part in value)
    if type(value) is dict:
        return {_pure(k): _pure(v) for k, v in value.items()}
    return value


def _live(value: Any, program: Program) -> Any:
    """A value that came: a handle becomes a remote object."""
    if isinstance(value, wire.Handle):
        return Remote(program, value.number)
    if type(value) in (list, tuple):
        return type(value)(_live(part, program) for part in value)
    if type(value) is dict:
        return {_live(k, program): _live(v, program) for k, v in value.items()}
    return value


def _overwrite(value: Any, now: Any) -> None:
    """An argument that the program changed in its place, changed here as well."""
    if type(value) is type(now) is list:
        value[:] = now
    elif type(value) is type(now) and isinstance(value, dict | set):
        value.clear()
        value.update(now)
    elif type(value) is type(now) is bytearray:
        value[:] = now


def shown(parts: Any) -> str:
    """A name and a text of the program's, as far as they can be shown."""
    try:
        return ": ".join(map(str, parts))[:300]
    except BaseException:  # a number with too many digits, an object that answers no more
        return "something that cannot be shown"


def _error(error: BaseException) -> str:
    return shown((type(error).__name__, error))


def out_of_time(*_: object) -> None:
    """What the signal for the end of CPU time does, so that what was found is still reported."""
    raise OutOfTime


def _exception(name: Any, base: Any, text: Any) -> Exception:
    """What the program raised: of its own name, below the built-in exception it derives from."""
    kind = getattr(builtins, str(base), None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = ProgramError
    made: Exception
    try:
        made = (kind if name == base else type(str(name)[:80], (kind,), {}))(str(text))
    except (TypeError, ValueError):  # UnicodeDecodeError and its like want more
        made = ProgramError(f"{name}: {text}")
    setattr(made, FROM_PROGRAM, True)
    return made
