r"""Whether two answers, read as trees, are the same: exactly, or not decided here.

`equal` answers True, False, or None where that needs a computer algebra system. The gold may be
looser than the answer, never the reverse. Choices made here:

- ``x = 5`` answers a gold ``5`` and the other way round; ``x = 5`` is not ``y = 5``. An equation
  that assigns nothing equals another if the two are multiples of each other, and is no answer to a
  gold without an equation.
- Plain numbers of a chain may differ by rounding only: ``x = 8 = 7`` is no answer.
- Several values that are all the same are one value; else a list is not one of its values.
- A list has no order where it may be a set of solutions: any two values, names, or numbers in
  ascending or descending order. Three or more numbers in no such order are a sequence. The
  gold's order decides: a bare ``1, 2, 3`` in a gold is more often a set of roots than a sequence.
- Brackets matter for two values (``(1,2)`` is not ``[1,2)``), not for three or more.
- A list in the gold's order answers a gold tuple, and a tuple a gold list.
- An inequality or ``x \in S`` is its set of values.
- A decimal stands for a value that it cannot write with six places or more
  (`filters.verify.quantity`); a gold may be a decimal of four digits or more.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from filters.verify import numeric
from filters.verify.expression import Tree
from filters.verify.forms import (
    CONTAINERS,
    Region,
    assigned,
    branched,
    contradicts,
    items,
    numbers,
    region,
    rounded,
    sequence,
    simple,
    stands_for,
)
from filters.verify.normal import Arithmetic
from filters.verify.polynomial import TooLarge, Undefined, Unknown

MOST_PAIRS = 2_000
"""Comparisons of one value with another, beyond which a verdict is not worth its time."""


def equal(gold: Tree, answer: Tree) -> bool | None:
    """Whether an answer is the gold's value; None where that is not decided here.

    Raises:
        TooLarge: Numbers or sums are beyond what is computed, and the trees are not identical.
    """
    if gold == answer:
        return True
    return _Comparison().whole(gold, answer)


class _Comparison:
    """One comparison, with one budget of arithmetic and of pairs."""

    def __init__(self) -> None:
        self.arithmetic = Arithmetic()
        self.pairs = MOST_PAIRS

    def whole(self, gold: Tree, answer: Tree) -> bool | None:
        """Two answers, with the names they are assigned to."""
        self.pairs -= 1
        if self.pairs < 0:
            raise TooLarge("too many values")
        if gold == answer:
            return True
        if gold[0] == answer[0] == "chain" and self.multiples(gold, answer):
            return True
        if contradicts(answer):
            return False
        (name, gold), (other, exact) = assigned(gold), assigned(answer)
        if name and other and name[0] == other[0] == "v" and name != other:
            return False
        if gold[0] == "chain" and gold[1] == "=" and answer[0] == "chain":
            return True if self.bare(gold, exact) else None  # to solve it is left to others
        found = self.bare(simple(gold), simple(exact))
        if not found and (last := rounded(answer)) is not None:
            return self.bare(simple(gold), last) or found
        return found

    def bare(self, gold: Tree, answer: Tree) -> bool | None:
        """Two answers without names."""
        a, b = region(gold), region(answer)
        if a is not None and b is not None and "chain" in (gold[0], answer[0]):
            return self.regions(a, b)
        kinds = gold[0], answer[0]
        if "chain" in kinds:
            return self.chains(gold, answer)
        if "union" in kinds:
            return self.unions(gold, answer)
        if "matrix" in kinds:
            return self.matrices(gold, answer)
        if gold[0] == answer[0] == "list" and sequence(items(gold)):
            return self.in_order(items(gold), items(answer))
        gold, answer = branched(gold), branched(answer)
        if gold[0] not in CONTAINERS and answer[0] not in CONTAINERS:
            return self.scalars(gold, answer)
        return self.several(gold, answer)

    def several(self, gold: Tree, answer: Tree) -> bool | None:
        """Tuples, sets and lists, or one of them and a value."""
        if gold[0] not in CONTAINERS or answer[0] not in CONTAINERS:
            container = gold if gold[0] in CONTAINERS else answer
            if container[0] == "tuple" or len(container) == 1:
                return False
            return self.each(items(gold), items(answer))
        if gold[0] == answer[0] == "tuple":
            if len(items(gold)) == 2 and gold[1:3] != answer[1:3]:
                return False
            return self.in_order(items(gold), items(answer))
        if "tuple" in (gold[0], answer[0]):
            return (
                False
                if "set" in (gold[0], answer[0])
                else self.in_order(items(gold), items(answer))
            )
        if gold[0] == answer[0] == "list" and len(gold) != len(answer):
            return False
        return self.as_sets(items(gold), items(answer))

    def each(self, gold: Sequence[Tree], answer: Sequence[Tree]) -> bool | None:
        """Every value on one side is every value on the other."""
        return _all(self.whole, [(g, a) for g in gold for a in answer])

    def in_order(self, gold: Sequence[Tree], answer: Sequence[Tree]) -> bool | None:
        if len(gold) != len(answer):
            return False
        return _all(self.whole, zip(gold, answer, strict=True))

    def as_sets(self, gold: Sequence[Tree], answer: Sequence[Tree]) -> bool | None:
        """Every value of each side is one of the other's."""
        if (a := numbers(gold)) is not None and (b := numbers(answer)) is not None:
            if set(a) == set(b):
                return True
            if len(a) != len(b) or len(a) > 40:
                return False
        if len(gold) * len(answer) > MOST_PAIRS:
            raise TooLarge("too many values")
        table = [[self.whole(g, a) for a in answer] for g in gold]
        found = [*table, *([row[i] for row in table] for i in range(len(answer)))]
        if all(True in line for line in found):
            return True
        return None if any(True not in line and None in line for line in found) else False

    def unions(self, gold: Tree, answer: Tree) -> bool | None:
        """The same parts in any order; other parts may still make the same set."""
        if gold[0] not in CONTAINERS or answer[0] not in CONTAINERS:
            return False
        a, b = (tree[1:] if tree[0] == "union" else (tree,) for tree in (gold, answer))
        return True if len(a) == len(b) and self.as_sets(a, b) else None

    def matrices(self, gold: Tree, answer: Tree) -> bool | None:
        if gold[0] != answer[0]:
            return None if gold[0] in CONTAINERS and answer[0] in CONTAINERS else False
        if [len(row) for row in gold[1:]] != [len(row) for row in answer[1:]]:
            return False
        return _all(self.in_order, zip(gold[1:], answer[1:], strict=True))

    def regions(self, gold: Region, answer: Region) -> bool | None:
        """Two sets of values, each with the name that is in it."""
        if gold[0] and answer[0] and gold[0] != answer[0]:
            return False
        return self.bare(gold[1], answer[1])

    def chains(self, gold: Tree, answer: Tree) -> bool | None:
        """Equations and inequalities that are neither assignments nor sets of values."""
        if gold[0] != "chain":
            return None if set(answer[1]) <= {"=", "≈"} or gold[0] in CONTAINERS else False
        if answer[0] != "chain":
            return None if answer[0] in CONTAINERS else False
        if gold[1] == answer[1] == "≠":
            return self.in_order(gold[2:], answer[2:])
        if gold[1] == answer[1] and self.in_order(gold[2:], answer[2:]):
            return True
        return None

    def multiples(self, gold: Tree, answer: Tree) -> bool:
        """Whether two equations are the same but for a factor: ``2x = 2`` and ``x - 1 = 0``."""
        if gold[1] != "=" or answer[1] != "=":
            return False
        try:
            values = [self.arithmetic.value(side) for side in (*gold[2:], *answer[2:])]
            a, b = (self.arithmetic.minus(*values[i : i + 2]) for i in (0, 2))
        except (Unknown, Undefined):
            return False
        return self.arithmetic.proportional(a, b)

    def scalars(self, gold: Tree, answer: Tree) -> bool | None:
        """Two expressions."""
        try:
            a = self.arithmetic.value(gold)
        except (Unknown, Undefined):
            return None
        try:
            b = self.arithmetic.value(answer)
        except Undefined:
            return False
        except Unknown:
            return None
        same = self.arithmetic.same(a, b)
        if same:
            return True
        if stands_for(answer, gold, 6) or stands_for(gold, answer, 2):
            return True
        return same if same is False else (False if numeric.differ(gold, answer) else None)


def _all(
    decide: Callable[[Any, Any], bool | None], pairs: Iterable[tuple[Any, Any]]
) -> bool | None:
    """True if all pairs are equal, False if one is not, else None."""
    known: bool | None = True
    for pair in pairs:
        found = decide(*pair)
        if found is False:
            return False
        known = None if found is None else known
    return known
