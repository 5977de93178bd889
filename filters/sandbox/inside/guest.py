"""The program under test, in the process that was made for it: runs it, or answers calls to it.

Nothing here needs protection from the program: expected values, tests and verdicts are elsewhere,
and what leaves this process is data (`wire`) that a wrong program could return as well.
"""

import ast
import atexit
import builtins
import contextlib
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any

from filters.sandbox.inside import wire

MEMORY_NOTE = b"memory"
"""What a program leaves in its report when it ended for want of memory."""


def run(source: str, name: str, report: int) -> int:
    """Runs a program to its end as ``__main__``; its exit status, as the interpreter would say."""
    status = _status(lambda: exec(_compiled(source, name), _main_module(name)), report)
    finishing: Callable[[], None] = getattr(threading, "_shutdown", lambda: None)
    later = _status(finishing, report)
    _status(atexit._run_exitfuncs, report)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 120  # as the interpreter does
    return status or later


def serve(source: str, name: str, peer: socket.socket, report: int) -> int:
    """Loads a program as a module, then answers calls to what it defines until the peer leaves.

    Asserts of the program's own at its top level are left out: they are a model's examples.
    """
    space = _main_module(name)
    space["__name__"] = "solution"  # what stands under ``if __name__ == "__main__"`` is no part
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    loaded = _attempt(lambda: exec(_without_asserts(source, name), space), report)
    names = {key: callable(value) for key, value in list(space.items()) if type(key) is str}
    _answer(peer, loaded, names, None)
    while True:
        try:
            call = _restore(wire.loads(wire.receive(peer)), kept)
        except (EOFError, OSError):
            return 0
        _reply(peer, call, space, keep, report)


def _reply(peer: socket.socket, call: Any, space: dict[str, Any], keep: Any, report: int) -> None:
    """One call and its answer: the result, and the arguments that the call changed in place."""
    values = call[2]
    before = [_snapshot(value) for value in values]
    done = _attempt(lambda: _act(space, *call), report)
    changed = {
        i: value
        for i, value in enumerate(values)
        if before[i] is not None and _snapshot(value) != before[i]
    }
    _answer(peer, done, changed, keep)


def _act(space: dict[str, Any], what: str, target: Any, values: list[Any], named: Any) -> Any:
    if what == "call":
        return (space[target] if isinstance(target, str) else target)(*values, **named)
    if what == "name":
        return space[target]
    return _ACTIONS[what](target, *values)


_ACTIONS: dict[str, Callable[..., Any]] = {
    "get": getattr, "set": setattr, "item": lambda o, k: o[k], "len": len, "iter": iter,
    "next": next, "str": str, "repr": repr, "bool": bool, "contains": lambda o, v: v in o,
    "setitem": lambda o, k, v: o.__setitem__(k, v),
}  # fmt: skip


def _attempt(work: Callable[[], Any], report: int) -> tuple[bool, Any]:
    """``(True, result)``, or ``(False, (name, text))`` of whatever was raised."""
    try:
        return True, work()
    except BaseException as error:
        if isinstance(error, MemoryError):
            _note(report)
        return False, (type(error).__name__, str(error)[:300])


def _answer(peer: socket.socket, done: tuple[bool, Any], extra: Any, keep: Any) -> None:
    try:
        data = wire.dumps([*done, extra], keep)
    except wire.Unsendable as error:
        data = wire.dumps([False, ("Unsendable", str(error)), {}])
    except BaseException as error:  # the program's own objects may do anything when looked at
        data = wire.dumps([False, (type(error).__name__, "while its result was read"), {}])
    wire.send(peer, data)


def _snapshot(value: Any) -> bytes | None:
    """What a value that calls may change looks like; None for all others."""
    if type(value) not in (list, dict, set, bytearray):
        return None
    try:
        return wire.dumps(value)
    except wire.Unsendable:
        return None


def _restore(value: Any, kept: list[Any]) -> Any:
    """A call with its handles replaced by the objects they stand for."""
    if isinstance(value, wire.Handle):
        return kept[value.number]
    if type(value) in (list, tuple):
        return type(value)(_restore(part, kept) for part in value)
    if type(value) is dict:
        return {_restore(k, kept): _restore(v, kept) for k, v in value.items()}
    return value


def _status(work: Callable[[], Any], report: int) -> int:
    try:
        work()
    except SystemExit as leaving:
        return _exit_code(leaving.code)
    except BaseException as error:
        if isinstance(error, MemoryError):
            _note(report)
        _show(error)
        return 1
    return 0


def _exit_code(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    """A traceback from the program's first line on."""
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace, limit=40)
    except BaseException:
        print(type(error).__name__, file=sys.stderr)


def _note(report: int) -> None:
    with contextlib.suppress(OSError):
        os.write(report, MEMORY_NOTE)


def _without_asserts(source: str, name: str) -> CodeType:
    tree = ast.parse(source, name)
    tree.body = [part for part in tree.body if not isinstance(part, ast.Assert)]
    return compile(tree, name, "exec", dont_inherit=True)


def _compiled(source: str, name: str) -> CodeType:
    return compile(source.removeprefix("\ufeff"), name, "exec", dont_inherit=True)


def _main_module(name: str) -> dict[str, Any]:
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    sys.argv = [name]
    module.__dict__.update(__builtins__=builtins, __file__=name)
    return module.__dict__
