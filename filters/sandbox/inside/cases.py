"""Tests as code, made into cases: each noted for itself.

A case is a statement at the top (of the tests, or of ``check``) that asserts something, or else a
function ``test...`` without parameters, which is called. Coming through is not enough to pass: an
assert must have been reached, or the program asked (what must raise has no assert to reach).
"""

import ast
from types import CodeType

GUARD, RAN = "__guard__", "__ran__"
"""Names that the code of the cases calls: a case's context, and the note of a reached assert."""


def prepare(source: str, entry: str | None) -> tuple[ast.Module, int]:
    """The tests with their cases guarded and their asserts noted; the number of cases."""
    tree = ast.parse(source)
    bodies: list[ast.Module | ast.FunctionDef] = [tree]
    if entry is not None:
        bodies = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    count = 0
    for body in bodies:
        for place, statement in enumerate(body.body):
            if _asserts(statement):
                body.body[place] = _guarded(statement, count)
                count += 1
    if entry is None:
        for part in [p for p in tree.body if isinstance(p, ast.FunctionDef) and _is_test(p)]:
            call = ast.Expr(ast.Call(ast.Name(part.name, ast.Load()), [], []))
            ast.fix_missing_locations(ast.copy_location(call, part))
            tree.body.append(_guarded(call, count))
            count += 1
    return _Noted().visit(tree), count


def names(code: CodeType) -> set[str]:
    """The global names (and attributes) that code uses, in its functions too."""
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*map(names, inner))


def bound(tree: ast.Module) -> set[str]:
    """The names that the top level binds: functions, classes, imports, assignments."""
    found = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            found.update(alias.asname or alias.name.split(".")[0] for alias in statement.names)
        else:
            found.update(
                node.id for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )  # fmt: skip
    return found


def _asserts(statement: ast.stmt) -> bool:
    """Whether running a statement itself may reach an assert; defining a function does not."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    if isinstance(statement, ast.Assert):
        return True
    inner = (node for node in ast.walk(statement) if isinstance(node, ast.Assert))
    return next(inner, None) is not None


def _is_test(part: ast.FunctionDef) -> bool:
    needed = len(part.args.posonlyargs) + len(part.args.args) - len(part.args.defaults)
    return part.name.startswith("test") and needed == 0 and not part.args.kwonlyargs


def _guarded(statement: ast.stmt, number: int) -> ast.stmt:
    """``with __guard__(number): statement``; made by hand, as a parser takes ten times as long."""
    name, value = ast.Name(GUARD, ast.Load()), ast.Constant(number)
    call = ast.Call(name, [value], [])
    guard = ast.With([ast.withitem(call)], [statement])
    for node in (name, value, call, guard):
        ast.copy_location(node, statement)
    return guard


class _Noted(ast.NodeTransformer):
    """Puts ``__ran__()`` before every assert."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        note = ast.Expr(ast.Call(ast.Name(RAN, ast.Load()), [], []))
        return [ast.fix_missing_locations(ast.copy_location(note, node)), node]
