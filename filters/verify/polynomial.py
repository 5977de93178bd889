r"""Polynomials with rational factors, and what their monomials are made of.

A monomial is a sorted tuple of (generator, power). A generator is a letter, ``i``, a prime (its
power a fraction between 0 and 1: a root) or an `Atom`. The bounds that keep exact arithmetic
(`filters.verify.normal`) short are here.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

MOST_BITS = 20_000
"""Bits of a number that may come up."""
MOST_TERMS = 400
"""Terms of a sum that may come up."""
_TRIAL = 1_000
"""Divisors that are tried to write a root by primes."""

Monomial = tuple[tuple[Any, Any], ...]
Poly = dict[Monomial, Fraction]
ONE: Poly = {(): Fraction(1)}


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


def constant(number: Fraction | int) -> Value:
    """A rational number."""
    return Value({(): Fraction(number)} if number else {}, ONE)


def rootable(generator: Any, power: Any, n: Fraction) -> bool:
    """Whether (g^power)^n is g^(power n): not for the root of a square, nor for i."""
    if not isinstance(generator, str) or generator in ("i", "∞"):
        return False
    return n.denominator % 2 == 1 or (power.denominator == 1 and power % 2 == 1)


def primes(number: int) -> tuple[dict[int, int], bool]:
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


def atom(name: str, *arguments: Value) -> Value:
    """Something whose laws are not known: equal only to itself."""
    polynomials = (poly for argument in arguments for poly in (argument.up, argument.down))
    generator = Atom(name, tuple(frozenset(poly.items()) for poly in polynomials))
    return Value({((generator, 1),): Fraction(1)}, ONE, certain=False)


class Atom:
    """A generator with its content; its hash and size are computed once, since atoms nest."""

    __slots__ = ("content", "hash", "size")
    size: int

    def __init__(self, name: str, arguments: tuple[frozenset[Any], ...]) -> None:
        self.content = (name, arguments)
        self.hash = hash(self.content)
        self.size = 1 + sum(
            1 + (generator.size if isinstance(generator, Atom) else 0)
            for poly in arguments
            for monomial, _ in poly
            for generator, _ in monomial or (("", 0),)
        )
        if self.size > MOST_TERMS:
            raise TooLarge("nested functions")

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Atom) and self.content == other.content)


def reduced(powers: dict[Any, Any]) -> tuple[Monomial, Fraction]:
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


def monomial_of(powers: dict[Any, Any]) -> Poly:
    """The polynomial that has these powers of generators as its only term."""
    monomial, factor = reduced(powers)
    return {monomial: factor}


def _order(entry: tuple[Any, Any]) -> tuple[int, Any]:
    generator = entry[0]
    if isinstance(generator, str):
        return 0, generator
    return (1, generator) if isinstance(generator, int) else (2, hash(generator))


def bounded(number: Fraction) -> Fraction:
    """The number itself.

    Raises:
        TooLarge: It has more than `MOST_BITS`.
    """
    if number.numerator.bit_length() > MOST_BITS or number.denominator.bit_length() > MOST_BITS:
        raise TooLarge("number")
    return number
