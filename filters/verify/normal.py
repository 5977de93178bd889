r"""Exact arithmetic on trees: one normal form for each value, so that equal means equal.

A value is a quotient of two polynomials over the rationals. The generators of their monomials are
letters, pi, e, ``i`` (with i² = -1), roots of primes (``2^{1/2}``; products of different fractional
powers of different primes are linearly independent over Q: Besicovitch 1940) and atoms: a function
of an argument, a root of a sum, a power with letters in the exponent. Two quotients are equal if
and only if their cross products are the same dict, except where atoms occur: those obey laws that
are not known here (sin² + cos² = 1), so different dicts with atoms decide nothing
(`Value.certain`). pi and e are taken for independent, which nobody has proved or refuted.

Everything is bounded: numbers to `MOST_BITS`, sums to `MOST_TERMS`, checked before the work is
done, so ``9^{9^{9^9}}`` and ``(10^8)!`` raise `TooLarge` at once. Letters stand for positive reals
where roots of them are taken, as in Math-Verify, but the root of an even power is not taken.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from filters.verify.expression import Tree

MOST_BITS = 20_000
"""Bits of a number that may come up."""
MOST_TERMS = 400
"""Terms of a sum that may come up."""
MOST_FACTORIAL = 1_500
"""Largest n of n! and of n over k."""
_TRIAL = 1_000
"""Divisors that are tried to write a root by primes."""

Monomial = tuple[tuple[Any, Any], ...]
Poly = dict[Monomial, Fraction]
_ONE: Poly = {(): Fraction(1)}


class TooLarge(Exception):
    """A number or a sum beyond what is computed here."""


class Undefined(Exception):
    """No value: a division by zero."""


class Unknown(Exception):
    """A value, but not one this arithmetic knows."""


@dataclass(frozen=True, slots=True)
class Value:
    """A quotient of polynomials."""

    up: Poly
    down: Poly
    certain: bool = True
    """No atoms: other dicts mean another value."""

    def rational(self) -> Fraction | None:
        """The value where it is a rational number."""
        if len(self.down) == 1 and () in self.down:
            if not self.up:
                return Fraction(0)
            if len(self.up) == 1 and () in self.up:
                return self.up[()] / self.down[()]
        return None


class Arithmetic:
    """The operations, with one budget of work for all of them."""

    def __init__(self, budget: int = 30_000) -> None:
        """``budget``: products of two terms that may be formed, about a microsecond each."""
        self._left = budget

    def value(self, tree: Tree) -> Value:
        """The normal form of a tree.

        Raises:
            TooLarge: It would take too much work.
            Undefined: It has no value.
            Unknown: It is not a number or expression (a tuple, say), or of a kind not known here.
        """
        rule = _RULES.get(tree[0])
        if rule is None:
            raise Unknown(tree[0])
        return rule(self, tree)

    def same(self, a: Value, b: Value) -> bool | None:
        """Whether two values are equal; None where that is not known."""
        if a.down == b.down:
            equal = a.up == b.up
        else:
            equal = self._times(a.up, b.down) == self._times(b.up, a.down)
        if equal:
            return True
        return False if a.certain and b.certain else None

    def proportional(self, a: Value, b: Value) -> bool:
        """Whether one polynomial is the other times a number: ``x - 1 = 0`` is ``2x = 2``."""
        if a.up.keys() != b.up.keys() or not a.up or not a.certain or not b.certain:
            return False
        ratios = {a.up[key] / b.up[key] for key in a.up}
        return len(ratios) == 1 and a.down.keys() == b.down.keys() == _ONE.keys()

    def minus(self, a: Value, b: Value) -> Value:
        """The difference."""
        return self._add(a, self._negative(b))

    def _number(self, tree: Tree) -> Value:
        return constant(_bounded(tree[1]))

    def _variable(self, tree: Tree) -> Value:
        name = tree[1]
        if name == "∞":
            return Value({(("∞", 1),): Fraction(1)}, _ONE, certain=False)
        return Value({((name, 1),): Fraction(1)}, _ONE)

    def _sum(self, tree: Tree) -> Value:
        return reduce(self._add, [self.value(term) for term in tree[1:]])

    def _product(self, tree: Tree) -> Value:
        return reduce(self._multiply, [self.value(factor) for factor in tree[1:]])

    def _quotient(self, tree: Tree) -> Value:
        return self._multiply(self.value(tree[1]), self._inverse(self.value(tree[2])))

    def _minus(self, tree: Tree) -> Value:
        return self._negative(self.value(tree[1]))

    def _power(self, tree: Tree) -> Value:
        base, exponent = self.value(tree[1]), self.value(tree[2])
        n = exponent.rational()
        if n is None:
            if base.rational() == 1:
                return constant(1)
            return _atom("^", base, exponent)
        return self.raised(base, n)

    def _root(self, tree: Tree) -> Value:
        degree = self.value(tree[1]).rational()
        if degree is None or degree.denominator != 1 or not 2 <= degree <= 100:
            raise Unknown("degree of a root")
        return self.raised(self.value(tree[2]), 1 / degree)

    def _factorial(self, tree: Tree) -> Value:
        n = self.value(tree[1]).rational()
        if n is None:
            return _atom("!", self.value(tree[1]))
        if n.denominator != 1 or n < 0:
            raise Unknown("factorial of no natural number")
        if n > MOST_FACTORIAL:
            raise TooLarge(f"{n.numerator.bit_length()} bits, factorial")
        return constant(_bounded(Fraction(math.factorial(int(n)))))

    def _binomial(self, tree: Tree) -> Value:
        n, k = self.value(tree[1]).rational(), self.value(tree[2]).rational()
        if n is None or k is None or n.denominator != 1 or k.denominator != 1 or n < 0 or k < 0:
            raise Unknown("binomial")
        if n > MOST_FACTORIAL:
            raise TooLarge("binomial")
        return constant(math.comb(int(n), int(k)))

    def _function(self, tree: Tree) -> Value:
        arguments = [self.value(argument) for argument in tree[2:]]
        if tree[1] == "abs" and (n := arguments[0].rational()) is not None:
            return constant(abs(n))
        return _atom(tree[1], *arguments)

    def raised(self, base: Value, n: Fraction) -> Value:
        """A value to a rational power."""
        if n < 0:
            return self.raised(self._inverse(base), -n)
        number = base.rational()
        if n.denominator == 1:
            return self._whole_power(base, int(n), number)
        if n.denominator > 100:
            raise TooLarge("root")
        if number is not None:
            return self._number_root(number, n)
        if len(base.up) == 1 and base.down == _ONE:
            [(monomial, factor)] = base.up.items()
            if factor > 0 and all(_rootable(g, power, n) for g, power in monomial):
                raised_letters = tuple((g, power * n) for g, power in monomial)
                letters = Value(
                    {tuple(sorted(raised_letters, key=_order)): Fraction(1)}, _ONE, base.certain
                )
                return self._multiply(self._number_root(factor, n), letters)
        return _atom("^", base, constant(n))

    def _whole_power(self, base: Value, n: int, number: Fraction | None) -> Value:
        if number is not None:
            if abs(number) not in (0, 1):
                bits = max(number.numerator.bit_length(), number.denominator.bit_length())
                if n * bits > MOST_BITS:
                    raise TooLarge("power")
            elif n > 1:
                n = 2 + n % 2
            return constant(number**n if n else Fraction(1))
        if len(base.up) == 1 and base.down == _ONE:
            [(monomial, factor)] = base.up.items()
            return self._monomial_power(monomial, factor, n, base.certain)
        if n > 60:
            raise TooLarge("power of a sum")
        result = constant(1)
        for _ in range(n):
            result = self._multiply(result, base)
        return result

    def _monomial_power(self, monomial: Monomial, factor: Fraction, n: int, certain: bool) -> Value:
        if n.bit_length() > 64:
            raise TooLarge("exponent")
        number = self._whole_power(constant(factor), n, factor)
        letters = _reduce({g: power * n for g, power in monomial})
        return Value(self._times(number.up, letters), _ONE, certain)

    def _number_root(self, number: Fraction, n: Fraction) -> Value:
        """A rational number to a fractional power, by its primes; i for the root of a negative."""
        if number == 0:
            return constant(0)
        if number < 0:
            if n.denominator == 2:
                i: Poly = _reduce({"i": n.numerator})
                root = self._number_root(-number, n)
                return Value(self._times(root.up, i), root.down, root.certain)
            if n.denominator % 2 == 1:
                return self._multiply(self._number_root(-number, n), constant((-1) ** n.numerator))
            raise Unknown("an even root of a negative number")
        powers: dict[Any, Any] = {}
        certain = True
        for whole, sign in ((number.numerator, 1), (number.denominator, -1)):
            primes, sure = _primes(whole)
            certain &= sure
            for prime, count in primes.items():
                powers[prime] = powers.get(prime, 0) + sign * count * n
        return Value(_reduce(powers), _ONE, certain)

    def _add(self, a: Value, b: Value) -> Value:
        certain = a.certain and b.certain
        if a.down == b.down:
            return Value(self._plus(a.up, b.up), a.down, certain)
        up = self._plus(self._times(a.up, b.down), self._times(b.up, a.down))
        return Value(up, self._times(a.down, b.down), certain)

    def _negative(self, a: Value) -> Value:
        return Value({key: -number for key, number in a.up.items()}, a.down, a.certain)

    def _multiply(self, a: Value, b: Value) -> Value:
        return Value(self._times(a.up, b.up), self._times(a.down, b.down), a.certain and b.certain)

    def _inverse(self, a: Value) -> Value:
        if not a.up:
            raise Undefined("division by zero")
        if len(a.up) == 1:  # keep denominators simple: 1/x is x^-1
            [(monomial, factor)] = a.up.items()
            turned = _reduce({g: -power for g, power in monomial})
            return Value(
                self._times(self._times(turned, {(): 1 / factor}), a.down), _ONE, a.certain
            )
        return Value(a.down, a.up, a.certain)

    def _plus(self, a: Poly, b: Poly) -> Poly:
        result = dict(a)
        for key, number in b.items():
            if total := result.get(key, 0) + number:
                result[key] = _bounded(total)
            else:
                result.pop(key, None)
        return self._paid(result, len(b))

    def _times(self, a: Poly, b: Poly) -> Poly:
        if a is _ONE or b is _ONE:
            return b if a is _ONE else a
        self._paid({}, len(a) * len(b))
        result: Poly = {}
        for left, x in a.items():
            for right, y in b.items():
                key, number = self._term(left, right, self._number_times(x, y))
                if total := result.get(key, 0) + number:
                    result[key] = total
                else:
                    result.pop(key, None)
        return self._paid(result, 0)

    def _term(self, left: Monomial, right: Monomial, number: Fraction) -> tuple[Monomial, Fraction]:
        """The product of two monomials, times a number."""
        if not left or not right:
            return left or right, number
        powers = dict(left)
        for generator, power in right:
            powers[generator] = powers.get(generator, 0) + power
        monomial, factor = _reduced(powers)
        return monomial, number if factor == 1 else self._number_times(number, factor)

    def _number_times(self, x: Fraction, y: Fraction) -> Fraction:
        """Their product; the work grows with the square of the length."""
        bits = x.numerator.bit_length() + x.denominator.bit_length()
        bits += y.numerator.bit_length() + y.denominator.bit_length()
        self._paid({}, bits * bits >> 20)
        return _bounded(x * y)

    def _paid(self, result: Poly, work: int) -> Poly:
        self._left -= work
        if self._left < 0 or len(result) > MOST_TERMS:
            raise TooLarge("too much work")
        return result


def constant(number: Fraction | int) -> Value:
    """A rational number."""
    return Value({(): Fraction(number)} if number else {}, _ONE)


def _rootable(generator: Any, power: Any, n: Fraction) -> bool:
    """Whether (g^power)^n is g^(power n): not for the root of a square, nor for i."""
    if not isinstance(generator, str) or generator in ("i", "∞"):
        return False
    return n.denominator % 2 == 1 or (power.denominator == 1 and power % 2 == 1)


def _primes(number: int) -> tuple[dict[int, int], bool]:
    """Prime -> power, and whether the last factor is known to be a prime."""
    if number.bit_length() > 256:
        raise TooLarge("root")
    found: dict[int, int] = {}
    for divisor in range(2, _TRIAL):
        while number % divisor == 0:
            number //= divisor
            found[divisor] = found.get(divisor, 0) + 1
        if divisor * divisor > number:
            break
    if number == 1:
        return found, True
    if (root := math.isqrt(number)) ** 2 == number and root < _TRIAL**2:
        return {**found, root: 2}, True
    return {**found, number: 1}, number < _TRIAL**2


def _atom(name: str, *arguments: Value) -> Value:
    """Something whose laws are not known: equal only to itself."""
    atom = _Atom(name, tuple(frozenset(poly.items()) for a in arguments for poly in (a.up, a.down)))
    return Value({((atom, 1),): Fraction(1)}, _ONE, certain=False)


class _Atom:
    """A generator with its content; its hash and size are computed once, since atoms nest."""

    __slots__ = ("content", "hash", "size")
    size: int

    def __init__(self, name: str, arguments: tuple[frozenset[Any], ...]) -> None:
        self.content = (name, arguments)
        self.hash = hash(self.content)
        self.size = 1 + sum(
            1 + (generator.size if isinstance(generator, _Atom) else 0)
            for poly in arguments
            for monomial, _ in poly
            for generator, _ in monomial or (("", 0),)
        )
        if self.size > MOST_TERMS:
            raise TooLarge("nested functions")

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Atom) and self.content == other.content)


def _reduced(powers: dict[Any, Any]) -> tuple[Monomial, Fraction]:
    """A monomial in normal form and its factor: whole powers of numbers and of i are numbers."""
    factor = Fraction(1)
    rest: list[tuple[Any, Any]] = []
    for generator, power in powers.items():
        if generator == "i":
            turn = power % 4
            factor *= -1 if turn >= 2 else 1
            rest += [(generator, 1)] * (turn % 2)
        elif isinstance(generator, int):
            whole, part = divmod(power, 1)
            if abs(whole) * generator.bit_length() > MOST_BITS:
                raise TooLarge("power of a root")
            factor *= Fraction(generator) ** whole
            rest += [(generator, Fraction(part))] * bool(part)
        elif power:
            rest.append((generator, power))
    return tuple(sorted(rest, key=_order) if len(rest) > 1 else rest), factor


def _reduce(powers: dict[Any, Any]) -> Poly:
    monomial, factor = _reduced(powers)
    return {monomial: factor}


def _order(entry: tuple[Any, Any]) -> tuple[int, Any]:
    generator = entry[0]
    if isinstance(generator, str):
        return 0, generator
    return (1, generator) if isinstance(generator, int) else (2, hash(generator))


def _bounded(number: Fraction) -> Fraction:
    if number.numerator.bit_length() > MOST_BITS or number.denominator.bit_length() > MOST_BITS:
        raise TooLarge("number")
    return number


_RULES: dict[str, Callable[[Arithmetic, Tree], Value]] = {
    "n": Arithmetic._number, "v": Arithmetic._variable, "+": Arithmetic._sum,
    "*": Arithmetic._product, "/": Arithmetic._quotient, "neg": Arithmetic._minus,
    "^": Arithmetic._power, "root": Arithmetic._root, "!": Arithmetic._factorial,
    "binom": Arithmetic._binomial, "fn": Arithmetic._function,
}  # fmt: skip
