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
from fractions import Fraction
from functools import reduce
from typing import Any

from filters.verify.expression import Tree
from filters.verify.polynomial import (
    MOST_BITS,
    MOST_TERMS,
    ONE,
    Monomial,
    Poly,
    TooLarge,
    Undefined,
    Unknown,
    Value,
    atom,
    bounded,
    constant,
    monomial_of,
    primes,
    reduced,
    rootable,
)

MOST_FACTORIAL = 1_500
"""Largest n of n! and of n over k."""


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
        return len(ratios) == 1 and a.down.keys() == b.down.keys() == ONE.keys()

    def minus(self, a: Value, b: Value) -> Value:
        """The difference."""
        return self._add(a, self._negative(b))

    def _number(self, tree: Tree) -> Value:
        return constant(bounded(tree[1]))

    def _variable(self, tree: Tree) -> Value:
        name = tree[1]
        if name == "∞":
            return Value({(("∞", 1),): Fraction(1)}, ONE, certain=False)
        return Value({((name, 1),): Fraction(1)}, ONE)

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
            return atom("^", base, exponent)
        return self.raised(base, n)

    def _root(self, tree: Tree) -> Value:
        degree = self.value(tree[1]).rational()
        if degree is None or degree.denominator != 1 or not 2 <= degree <= 100:
            raise Unknown("degree of a root")
        return self.raised(self.value(tree[2]), 1 / degree)

    def _factorial(self, tree: Tree) -> Value:
        n = self.value(tree[1]).rational()
        if n is None:
            return atom("!", self.value(tree[1]))
        if n.denominator != 1 or n < 0:
            raise Unknown("factorial of no natural number")
        if n > MOST_FACTORIAL:
            raise TooLarge(f"{n.numerator.bit_length()} bits, factorial")
        return constant(bounded(Fraction(math.factorial(int(n)))))

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
        return atom(tree[1], *arguments)

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
        if len(base.up) == 1 and base.down == ONE:
            [(monomial, factor)] = base.up.items()
            if factor > 0 and all(rootable(g, power, n) for g, power in monomial):
                powers = {generator: power * n for generator, power in monomial}
                letters = Value(monomial_of(powers), ONE, base.certain)
                return self._multiply(self._number_root(factor, n), letters)
        return atom("^", base, constant(n))

    def _whole_power(self, base: Value, n: int, number: Fraction | None) -> Value:
        if number is not None:
            if abs(number) not in (0, 1):
                bits = max(number.numerator.bit_length(), number.denominator.bit_length())
                if n * bits > MOST_BITS:
                    raise TooLarge("power")
            elif n > 1:
                n = 2 + n % 2
            return constant(number**n if n else Fraction(1))
        if len(base.up) == 1 and base.down == ONE:
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
        letters = monomial_of({g: power * n for g, power in monomial})
        return Value(self._times(number.up, letters), ONE, certain)

    def _number_root(self, number: Fraction, n: Fraction) -> Value:
        """A rational number to a fractional power, by its primes; i for the root of a negative."""
        if number == 0:
            return constant(0)
        if number < 0:
            if n.denominator == 2:
                i: Poly = monomial_of({"i": n.numerator})
                root = self._number_root(-number, n)
                return Value(self._times(root.up, i), root.down, root.certain)
            if n.denominator % 2 == 1:
                return self._multiply(self._number_root(-number, n), constant((-1) ** n.numerator))
            raise Unknown("an even root of a negative number")
        powers: dict[Any, Any] = {}
        certain = True
        for whole, sign in ((number.numerator, 1), (number.denominator, -1)):
            found, sure = primes(whole)
            certain &= sure
            for prime, count in found.items():
                powers[prime] = powers.get(prime, 0) + sign * count * n
        return Value(monomial_of(powers), ONE, certain)

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
            turned = monomial_of({g: -power for g, power in monomial})
            return Value(self._times(self._times(turned, {(): 1 / factor}), a.down), ONE, a.certain)
        return Value(a.down, a.up, a.certain)

    def _plus(self, a: Poly, b: Poly) -> Poly:
        result = dict(a)
        for key, number in b.items():
            if total := result.get(key, 0) + number:
                result[key] = bounded(total)
            else:
                result.pop(key, None)
        return self._paid(result, len(b))

    def _times(self, a: Poly, b: Poly) -> Poly:
        if a is ONE or b is ONE:
            return b if a is ONE else a
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
        monomial, factor = reduced(powers)
        return monomial, number if factor == 1 else self._number_times(number, factor)

    def _number_times(self, x: Fraction, y: Fraction) -> Fraction:
        """Their product; the work grows with the square of the length."""
        bits = x.numerator.bit_length() + x.denominator.bit_length()
        bits += y.numerator.bit_length() + y.denominator.bit_length()
        self._paid({}, bits * bits >> 20)
        return bounded(x * y)

    def _paid(self, result: Poly, work: int) -> Poly:
        self._left -= work
        if self._left < 0 or len(result) > MOST_TERMS:
            raise TooLarge("too much work")
        return result


_RULES: dict[str, Callable[[Arithmetic, Tree], Value]] = {
    "n": Arithmetic._number, "v": Arithmetic._variable, "+": Arithmetic._sum,
    "*": Arithmetic._product, "/": Arithmetic._quotient, "neg": Arithmetic._minus,
    "^": Arithmetic._power, "root": Arithmetic._root, "!": Arithmetic._factorial,
    "binom": Arithmetic._binomial, "fn": Arithmetic._function,
}  # fmt: skip
