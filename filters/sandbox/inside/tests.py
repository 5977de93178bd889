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

Each top-level ``assert`` of a test function is a test of its own, and so is each statement that
contains one; what fails does not stop the next. When the program ends, the rest have not passed.
"""

import ast
import builtins
import importlib
import socket
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from filters.sandbox.inside import wire

PASSED = "passed"
ENDED = "the program ended before it was loaded"
_KNOWN = frozenset(dir(builtins)) | sys.stdlib_module_names
"""Names that mean something without the program."""


class ProgramEnded(BaseException):
    """The program's process is gone; no test can get an answer any more."""


class OutOfTime(BaseException):
    """The tests are over their own limit of CPU time, mostly by what the program gave them."""


class ProgramError(Exception):
    """The program raised what has no name among the built-in exceptions."""


class Program:
    """The other side."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self.loaded, self.problem, self.names = self._read()

    def ask(self, what: str, target: Any, values: tuple[Any, ...] = (), named: Any = None) -> Any:
        """One action on the other side; raises what it raised, as a built-in exception."""
        message = [what, _pure(target), [_pure(v) for v in values], _pure(named or {})]
        try:
            wire.send(self._peer, wire.dumps(message))
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
        return {"loaded": shown(program.problem), "results": []}
    results: list[str] = []
    try:
        _run(_whole(source, entry, results), setup, entry, program, results)
    except (ProgramEnded, OutOfTime):
        results = results or ["not run"]
    except Exception as error:
        results.append(f"the tests cannot run: {shown((type(error).__name__, error))}")
    return {"loaded": None, "results": results}


def _whole(source: str, entry: str | None, results: list[str]) -> ast.Module:
    """The tests with every statement that asserts something guarded; counts them in results."""
    tree = ast.parse(source)
    bodies: list[ast.Module | ast.FunctionDef] = [tree]
    if entry is not None:
        bodies = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    for body in bodies:
        for place, statement in enumerate(body.body):
            if any(isinstance(node, ast.Assert) for node in ast.walk(statement)):
                body.body[place] = _guarded(statement, len(results))
                results.append("not run")
    return tree


def _guarded(statement: ast.stmt, number: int) -> ast.stmt:
    """``with __guard__(number): statement``; made by hand, as a parser takes ten times as long."""
    name, value = ast.Name("__guard__", ast.Load()), ast.Constant(number)
    call = ast.Call(name, [value], [])
    guard = ast.With([ast.withitem(call)], [statement])
    for node in (name, value, call, guard):
        ast.copy_location(node, statement)
    return guard


class _Guard:
    """Notes how one test went; lets nothing out but the program's end."""

    def __init__(self, results: list[str], number: int) -> None:
        self._results = results
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if error is None:
            self._results[self._number] = PASSED
        elif isinstance(error, ProgramEnded):
            self._results[self._number] = "the program ended"
            return False
        elif isinstance(error, OutOfTime):
            self._results[self._number] = "out of time"
            return False
        elif type(error) is AssertionError:
            self._results[self._number] = "failed"
        else:
            self._results[self._number] = shown((type(error).__name__, error))
        return True


def _run(
    tree: ast.Module, setup: str, entry: str | None, program: Program, results: list[str]
) -> None:
    space: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
    own = set(program.names) if isinstance(program.names, dict) else set()
    codes = [compile(setup, "setup", "exec"), compile(tree, "tests", "exec")]
    used = set().union(*map(_names, codes))
    bound = _bound(tree) | _bound(ast.parse(setup))
    for name in sorted(_taken(own & (used | {entry or ""}) - bound, entry)):
        if program.names[name] is True:
            space[name] = _function(program, name)
        else:
            space[name] = program.ask("name", name)
    for name in own & used & sys.stdlib_module_names - set(space):
        space[name] = importlib.import_module(name)  # that the program imports it is relied upon
    space["__guard__"] = lambda number: _Guard(results, number)
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
    results.append("not run")  # its asserts are in functions of its own: one test
    with _Guard(results, 0):
        space["check"](candidate)


def _names(code: CodeType) -> set[str]:
    """The global names (and attributes) that code uses, in its functions too."""
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _bound(tree: ast.Module) -> set[str]:
    """The names of functions, classes and imports at the top level."""
    bound = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            bound.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            bound.update(alias.asname or alias.name.split(".")[0] for alias in statement.names)
    return bound


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


def out_of_time(*_: object) -> None:
    """What the signal for the end of CPU time does, so that what was found is still reported."""
    raise OutOfTime


def _exception(name: Any, text: Any) -> Exception:
    kind = getattr(builtins, str(name), None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(str(text))
        except TypeError:  # UnicodeDecodeError and its like want more
            pass
    return ProgramError(f"{name}: {text}")
