"""Asserts that need no process of their own: calls of the program, compared with literals.

Most tests of HumanEval and MBPP are of that kind. They are judged here, in the trusted process, and
without being executed: the expression is walked, and only what `_WALKED` knows is done. The program
answers calls with data from its cell (`inside.wire`). What is not understood, and an answer that is
not made of numbers, text, lists, tuples, sets and dicts, goes to a process of its own
(`inside.tests`); the results are the same, it only takes longer.
"""

import ast
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filters.sandbox.inside import cases
from filters.sandbox.inside.tests import NOT_RUN, PASSED, Program, ProgramEnded, Unfit, same, shown

LARGEST = 2**64
"""Integers beyond this are compared, but not calculated with."""
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "dict": dict, "float": float, "int": int,
    "len": len, "list": list, "max": max, "min": min, "round": round, "set": set,
    "sorted": sorted, "str": str, "sum": sum, "tuple": tuple, "__same__": same,
}  # fmt: skip
_MATH: dict[str, Callable[..., Any]] = {
    "fabs": math.fabs, "isclose": math.isclose, "floor": math.floor, "ceil": math.ceil,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b, ast.GtE: lambda a, b: a >= b,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Is: lambda a, b: a is b, ast.IsNot: lambda a, b: a is not b,
}  # fmt: skip
_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b,
}  # fmt: skip
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: lambda a: -a, ast.UAdd: lambda a: +a, ast.Not: lambda a: not a,
}  # fmt: skip
_CONTAINERS = (list, tuple, set, frozenset, dict)
_NUMBERS = (int, float, bool)


class NotPlain(Exception):
    """The tests need a process of their own after all."""


@dataclass(frozen=True)
class Asserts:
    """Asserts that can be judged by walking them."""

    tests: list[ast.expr]
    called: frozenset[str]
    """Names of the program's that they call."""
    aliases: dict[str, str]
    """Other names for one of those: ``candidate``."""


def read(source: str, entry: str | None, setup: str) -> Asserts | None:
    """The asserts of tests, or None where they are not all plain.

    Args:
        source: As in `filters.sandbox.run.Tests`.
        entry: The same.
        setup: The same; what it defines must not be needed.
    """
    try:
        body, before = ast.parse(source).body, ast.parse(setup).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    aliases: dict[str, str] = {}
    if entry is not None:
        checks = [part for part in body if isinstance(part, ast.FunctionDef)]
        if len(checks) != 1 or len(checks[0].args.args) != 1 or checks[0].name != "check":
            return None
        before, body = [*before, *(part for part in body if part is not checks[0])], checks[0].body
        aliases = {checks[0].args.args[0].arg: entry}
    elif before:
        return None
    else:
        before = [part for part in body if isinstance(part, ast.Import)]
        body = [part for part in body if not isinstance(part, ast.Import)]
    if not all(_harmless(part, entry) for part in before):
        return None
    tests = [part.test for part in body if isinstance(part, ast.Assert)]
    idle = [part for part in body if not isinstance(part, ast.Assert)]
    if not tests or not all(isinstance(p, ast.Pass) or _is_text(p) for p in idle):
        return None
    called: set[str] = set()
    if not all(_walkable(test, called, 0) for test in tests):
        return None
    bound = cases.bound(ast.Module(before, [])) - {entry}
    if called & (bound - {*aliases, "math"}) or ("math" in called and "math" not in bound):
        return None  # a helper of the tests' own, or a module that only the program may have
    called.discard("math")
    named = {aliases.get(name, name) for name in called}
    if not named or entry not in (None, *named):
        return None  # tests that never ask the program say nothing
    return Asserts(tests, frozenset(named), aliases)


def results_of(asserts: Asserts, program: Program) -> list[str]:
    """How each assert went, as `inside.tests.run` says it.

    Raises:
        NotPlain: The program's own names or answers are not plain.
    """
    defined = program.names if isinstance(program.names, dict) else {}
    if set(defined) & {*_FUNCTIONS, "math"} or not asserts.called <= set(defined):
        raise NotPlain
    results: list[str] = []
    for test in asserts.tests:
        try:
            results.append(PASSED if _value(test, asserts, program) else "failed")
        except ProgramEnded:
            left = len(asserts.tests) - len(results) - 1
            return [*results, "the program ended", *[NOT_RUN] * left]
        except (NotPlain, Unfit) as error:  # the other way says what is wrong with the tests
            raise NotPlain from error
        except AssertionError:
            results.append("failed")
        except Exception as error:  # whatever the program raised, or comparing its answer did
            results.append(shown((type(error).__name__, error)))
    return results


def _harmless(part: ast.stmt, entry: str | None) -> bool:
    """Whether a statement beside the asserts can be left out: it binds no name they could mean."""
    if isinstance(part, ast.Import | ast.ImportFrom):
        bound = {alias.asname or alias.name.partition(".")[0] for alias in part.names}
        plain = isinstance(part, ast.Import) and all(a.asname is None for a in part.names)
        of = [a.name for a in part.names] if isinstance(part, ast.Import) else [part.module or ""]
        if not {name.partition(".")[0] for name in of} <= sys.stdlib_module_names:
            return False  # it may not be there
        return not bound & {*_FUNCTIONS, "*"} and ("math" not in bound or plain)
    if isinstance(part, ast.FunctionDef):  # HumanEval's prompt: a stub of the entry
        return part.name == entry
    if isinstance(part, ast.Assign):
        names = [target.id for target in part.targets if isinstance(target, ast.Name)]
        return len(names) == len(part.targets) and not set(names) & {*_FUNCTIONS, "math"}
    return _is_text(part)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def _walkable(node: ast.expr, called: set[str], depth: int) -> bool:
    """Whether an expression is made of what `_value` knows; notes the program's names in called."""
    if depth > 100 or not isinstance(node, _WALKED):
        return False
    if isinstance(node, ast.Call):
        if any(keyword.arg is None for keyword in node.keywords):
            return False
        if isinstance(node.func, ast.Name):
            if node.func.id not in _FUNCTIONS:
                called.add(node.func.id)
        elif _is_math(node.func):
            called.add("math")
        else:
            return False
        if _names_places(node):
            return False
        inner = [*node.args, *(keyword.value for keyword in node.keywords)]
    elif isinstance(node, ast.Dict):
        if None in node.keys:
            return False
        inner = [part for part in (*node.keys, *node.values) if part is not None]
    elif isinstance(node, ast.Subscript):
        inner = [node.value, node.slice]
    else:
        inner = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    if isinstance(node, ast.BinOp) and type(node.op) not in _SUMS:
        return False
    if isinstance(node, ast.UnaryOp) and type(node.op) not in _SIGNS:
        return False
    return all(_walkable(part, called, depth + 1) for part in inner)


def _names_places(node: ast.Call) -> bool:
    """Whether it rounds to a number of places that is not written in the test."""
    if not isinstance(node.func, ast.Name) or node.func.id != "round":
        return False
    return bool(node.keywords) or any(
        not isinstance(part, ast.Constant) and not isinstance(part, ast.UnaryOp)
        for part in node.args[1:]
    )


def _is_math(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        and node.value.id == "math" and node.attr in _MATH
    )  # fmt: skip


def _value(node: ast.expr, asserts: Asserts, program: Program) -> Any:
    """What an expression comes to."""

    def of(part: ast.expr) -> Any:
        return _value(part, asserts, program)

    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [of(part) for part in node.elts]
        case ast.Tuple():
            return tuple(of(part) for part in node.elts)
        case ast.Set():
            return {of(part) for part in node.elts}
        case ast.Dict():
            keys = (of(key) for key in node.keys if key is not None)
            return dict(zip(keys, map(of, node.values), strict=True))
        case ast.UnaryOp():
            return _SIGNS[type(node.op)](of(node.operand))
        case ast.BinOp():
            return _sum(node.op, of(node.left), of(node.right))
        case ast.BoolOp():
            value: Any = None
            for part in node.values:
                value = of(part)
                if bool(value) is isinstance(node.op, ast.Or):
                    break
            return value
        case ast.Subscript():
            return of(node.value)[of(node.slice)]
        case ast.Compare():
            return _compared(node, of)
        case ast.Call():
            return _called(node, asserts, program)
    raise NotPlain


def _compared(node: ast.Compare, of: Callable[[ast.expr], Any]) -> bool:
    left = of(node.left)
    for kind, part in zip(node.ops, node.comparators, strict=True):
        right = of(part)
        if not _COMPARISONS[type(kind)](left, right):
            return False
        left = right
    return True


def _sum(kind: ast.operator, left: Any, right: Any) -> Any:
    """A sum of two numbers of ordinary size; text and lists are for a process with limits."""
    for value in (left, right):
        if type(value) not in _NUMBERS or (type(value) is int and abs(value) > LARGEST):
            raise NotPlain
    return _SUMS[type(kind)](left, right)


def _called(node: ast.Call, asserts: Asserts, program: Program) -> Any:
    values = [_value(part, asserts, program) for part in node.args]
    named = {k.arg: _value(k.value, asserts, program) for k in node.keywords if k.arg}
    if isinstance(node.func, ast.Attribute):
        return _MATH[node.func.attr](*values, **named)
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](*values, **named)
    answer = program.ask("call", asserts.aliases.get(name, name), tuple(values), named)
    _refuse_other_kinds(answer)
    return answer


def _refuse_other_kinds(value: Any) -> None:
    """NotPlain for an answer with anything in it that is no plain number, text or container."""
    left = [value]
    while left:
        part = left.pop()
        if type(part) in _CONTAINERS:
            left += [*part, *part.values()] if type(part) is dict else part
        elif part is not None and type(part) not in (*_NUMBERS, str, complex, bytes):
            raise NotPlain


_WALKED = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.Call, ast.Subscript,
)  # fmt: skip
