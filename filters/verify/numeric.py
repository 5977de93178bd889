"""Trees as floating-point numbers with an error bound: enough to say that two values differ.

Letters get fixed positive values, two sets of them. `differ` answers True only where the difference
at some set is far beyond the accumulated rounding error, and None otherwise: that two numbers are
close proves nothing here (`filters.verify.normal` decides what is equal).
"""

import cmath
import math
import random
from collections.abc import Callable
from functools import lru_cache

from filters.verify.expression import Tree

Number = tuple[complex, float]
"""A value and a bound of its absolute error, to first order."""
_ROUND = 4e-16
_SAFE = 1e3
"""How many times the error bound a difference must have."""


class NoNumber(Exception):
    """The tree has no value here: not a number, a pole, or beyond floating point."""


def differ(a: Tree, b: Tree) -> bool | None:
    """True if two trees surely have different values at some choice of letters, else None."""
    for seed in (1, 2):
        try:
            (x, error_x), (y, error_y) = number(a, seed), number(b, seed)
        except NoNumber:
            return None
        if abs(x - y) > _SAFE * (error_x + error_y + _ROUND * (abs(x) + abs(y))):
            return True
    return None


def number(tree: Tree, seed: int = 0) -> Number:
    """The value of a tree.

    Raises:
        NoNumber: It has none that floating point can hold.
    """
    rule = _RULES.get(tree[0])
    if rule is None:
        raise NoNumber(tree[0])
    try:
        value, error = rule(tree, seed)
        if cmath.isfinite(value) and math.isfinite(error):
            return value, error + _ROUND * abs(value)
    except (OverflowError, ZeroDivisionError, ValueError):
        pass
    raise NoNumber("no finite value")


def real(tree: Tree) -> float | None:
    """The value of a tree without letters, where it is real."""
    if letters(tree) - {"π", "e"}:
        return None
    try:
        value, error = number(tree)
    except NoNumber:
        return None
    return value.real if abs(value.imag) <= _SAFE * error and error < 1e-9 * abs(value) else None


def letters(tree: Tree) -> set[str]:
    """All letters of a tree, functions that are letters included."""
    if tree[0] == "v":
        return {tree[1]}
    found = {tree[1]} if tree[0] == "fn" and tree[1][0] in "fg" else set()
    for part in tree[1:]:
        if isinstance(part, tuple):
            found |= letters(part)
    return found


@lru_cache(1024)
def _letter(name: str, seed: int) -> float:
    return random.Random(f"{name} {seed}").uniform(0.6, 2.3)


def _constant(tree: Tree, _: int) -> Number:
    return complex(float(tree[1])), 0.0


def _variable(tree: Tree, seed: int) -> Number:
    name = tree[1]
    if name == "∞":
        raise NoNumber(name)
    known = {"π": complex(math.pi), "e": complex(math.e), "i": 1j}
    return known.get(name) or complex(_letter(name[:40], seed)), 0.0


def _sum(tree: Tree, seed: int) -> Number:
    parts = [number(part, seed) for part in tree[1:]]
    return sum(value for value, _ in parts), sum(e + _ROUND * abs(v) for v, e in parts)


def _product(tree: Tree, seed: int) -> Number:
    value, error = complex(1), 0.0
    for part in tree[1:]:
        x, e = number(part, seed)
        value, error = value * x, error * abs(x) + e * abs(value)
    return value, error


def _quotient(tree: Tree, seed: int) -> Number:
    (x, e), (y, f) = number(tree[1], seed), number(tree[2], seed)
    return x / y, (e + f * abs(x / y)) / abs(y)


def _minus(tree: Tree, seed: int) -> Number:
    value, error = number(tree[1], seed)
    return -value, error


def _power(tree: Tree, seed: int) -> Number:
    return _raised(number(tree[1], seed), number(tree[2], seed))


def _root(tree: Tree, seed: int) -> Number:
    (degree, _), base = number(tree[1], seed), number(tree[2], seed)
    if base[0].real < 0 and abs(base[0].imag) <= base[1] and degree.real % 2 == 1:
        value, error = _raised((-base[0], base[1]), (1 / degree, 0.0))
        return -value, error
    return _raised(base, (1 / degree, 0.0))


def _raised(base: Number, exponent: Number) -> Number:
    (x, e), (n, f) = base, exponent
    if x == 0:
        if n.real <= 0:
            raise NoNumber("0 to a power that is not positive")
        return complex(0), e ** min(1.0, n.real) if e else 0.0
    if abs(e) > 0.01 * abs(x):
        raise NoNumber("unsure of a base")
    value = x**n
    return value, abs(value) * (abs(n) * e / abs(x) + f * abs(cmath.log(x)))


def _factorial(tree: Tree, seed: int) -> Number:
    value, error = number(tree[1], seed)
    if value.imag or value.real < 0 or error > 1e-9:
        raise NoNumber("factorial")
    found = math.gamma(value.real + 1)
    return complex(found), 1e-14 * found


def _binomial(tree: Tree, seed: int) -> Number:
    (n, _), (k, _) = number(tree[1], seed), number(tree[2], seed)
    if n.imag or k.imag or n.real != int(n.real) or k.real != int(k.real) or abs(n) > 1000:
        raise NoNumber("binomial")
    return complex(float(math.comb(int(n.real), int(k.real)))), 0.0


_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "sinh": cmath.sinh, "cosh": cmath.cosh,
    "tanh": cmath.tanh, "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan,
    "ln": cmath.log, "exp": cmath.exp, "cot": lambda x: 1 / cmath.tan(x),
    "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x),
}  # fmt: skip


def _function(tree: Tree, seed: int) -> Number:
    name, (x, error) = tree[1], number(tree[2], seed)
    if name == "abs":
        return complex(abs(x)), error
    if name in ("log", "lg"):
        base = number(tree[3], seed)[0] if len(tree) > 3 else 10
        value = cmath.log(x) / cmath.log(base)
    elif name in _FUNCTIONS:
        value = _FUNCTIONS[name](x)
    else:
        raise NoNumber(name)
    step = max(error, 1e-12 * abs(x))  # how much the value moves is measured, not derived
    moved = _FUNCTIONS.get(name, cmath.log)(x + step) - _FUNCTIONS.get(name, cmath.log)(x)
    return value, 2 * abs(moved) + 1e-15


_RULES: dict[str, Callable[[Tree, int], Number]] = {
    "n": _constant, "v": _variable, "+": _sum, "*": _product, "/": _quotient, "neg": _minus,
    "^": _power, "root": _root, "!": _factorial, "binom": _binomial, "fn": _function,
}  # fmt: skip
