r"""Answers in LaTeX or plain notation, read into trees: what most golds and answers look like.

`read` covers numbers, letters, sums, products, quotients, powers, roots, the usual functions,
factorials, binomials, absolute values; tuples, intervals, sets, lists, unions, matrices; chains of
``=``, ``<``, ``\le``, ``\in`` and their kin. Nothing is evaluated here and nothing is executed: a
tree is nested tuples, its first entry says what it is (see `Tree`). Choices made here:

- ``1/2x`` is (1/2)x; ``\sin 2x`` is sin(2x); ``1\frac12`` is one and a half; ``xy`` is x times y.
- ``1.5e3`` is 1500, ``2e^3`` is two times e cubed.
- ``f(x)`` and ``g(x)`` are functions, any other letter before a bracket is a factor.
- ``1,234`` outside brackets is a thousand and more; inside them a comma separates.
- ``\pm`` makes two values (`filters.verify.forms.branched`).

Anything else (sums, integrals, limits, congruences, prose) raises `Unreadable`, which leaves the
text to math-verify. Work is linear in the text: at most `tokens.LONGEST` characters and `DEEPEST`
levels.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from filters.verify.tokens import CUP, FUNCTIONS, GROUP_CLOSE, GROUP_OPEN, Unreadable, tokens

Tree = tuple[Any, ...]
"""``("n", value, places)``, ``("v", name)``, ``("+", *terms)``, ``("*", *factors)``,
``("neg", a)``, ``("/", a, b)``, ``("^", a, b)``, ``("root", degree, a)``,
``("fn", name, *arguments)``, ``("!", a)``, ``("binom", n, k)``, ``("±", sign, a)``, and the
containers ``("tuple", open, close, *items)``, ``("set", *items)``, ``("list", *items)``,
``("union", *items)``, ``("matrix", *rows)`` and ``("chain", operators, *operands)``."""

DEEPEST = 30
"""Levels of brackets, roots and powers."""
_RELATIONS = frozenset("=<>≤≥≠≈∈")
_CLOSE = {"(": ")]", "[": ")]", "⟨": "⟩"}


def read(text: str) -> Tree:
    """The tree of an answer.

    Raises:
        Unreadable: The text is not covered; nothing is said about whether it means something.
    """
    tree = _Parser(tokens(text)).whole()
    if _too_high(tree):
        raise Unreadable("too deep")
    return tree


def _too_high(tree: Tree) -> bool:
    """Whether a tree has more levels than recursion over it should go (``1/2/2/2``, ``5!!!``)."""
    level = [tree]
    for _ in range(3 * DEEPEST):
        level = [part for node in level for part in node if isinstance(part, tuple)]
        if not level:
            return False
    return True


class _Parser:
    """Recursive descent over the tokens; ``depth`` bounds the recursion."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, mark: str) -> bool:
        if self.peek() == ("mark", mark):
            self.at += 1
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise Unreadable(f"{mark} expected")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unreadable("too deep")

    def whole(self) -> Tree:
        tree = self.items(("end", ""))
        if self.peek()[0] != "end":
            raise Unreadable(f"{self.peek()[1][:20]} not expected")
        return tree

    def items(self, end: tuple[str, str]) -> Tree:
        """One answer, or several with commas or semicolons between them."""
        found = [self.chain()]
        while self.peek()[1] in (",", ";") and self.peek()[0] == "mark":
            self.take()
            while self.peek()[1] in (",", ";"):  # "a, and b"
                self.take()
            if self.peek() == end:
                break
            found.append(self.chain())
        return found[0] if len(found) == 1 else ("list", *found)

    def chain(self) -> Tree:
        operands, operators = [self.union()], ""
        while self.peek()[0] == "mark" and self.peek()[1] in _RELATIONS:
            operators += self.take()[1]
            operands.append(self.union())
        return ("chain", operators, *operands) if operators else operands[0]

    def union(self) -> Tree:
        parts = [self.sum()]
        while self.accept(CUP):
            parts.append(self.sum())
        return ("union", *parts) if len(parts) > 1 else parts[0]

    def sum(self) -> Tree:
        terms: list[Tree] = []
        first = True
        while True:
            kind, mark = self.peek()
            if kind == "mark" and mark in "+-±∓":
                self.take()
                term = self.product()
                if mark in "±∓":
                    term = ("±", 1 if mark == "±" else -1, term)
                terms.append(("neg", term) if mark == "-" else term)
            elif first:
                terms.append(self.product())
            else:
                return ("+", *terms) if len(terms) > 1 else terms[0]
            first = False

    def product(self) -> Tree:
        """Factors with or without signs of multiplication between them."""
        factors = [self.signed()]
        while True:
            kind, mark = self.peek()
            if kind == "mark" and mark in "*/":
                self.take()
                right = self.signed()
                if mark == "/":
                    factors = [("/", _product(factors), right)]
                else:
                    factors.append(right)
            elif self.starts_factor():
                if kind == "number" and factors[-1][0] == "n":
                    raise Unreadable("two numbers in a row")
                factors.append(self.power())
            else:
                return _product(factors)

    def signed(self) -> Tree:
        negative = False
        while self.peek()[0] == "mark" and self.peek()[1] in "+-":
            negative ^= self.take()[1] == "-"
        return ("neg", self.power()) if negative else self.power()

    def starts_factor(self) -> bool:
        kind, text = self.peek()
        if kind in ("number", "letter", "command"):
            return text != "matrixend"
        return kind == "mark" and text in ("(", "[", "{", "⟨", "π", "∞", GROUP_OPEN)

    def power(self) -> Tree:
        return self.raised(self.atom())

    def raised(self, base: Tree) -> Tree:
        """A base with what stands behind it: ``!``, ``^``, ``_``, ``%``."""
        while self.peek()[0] == "mark":
            mark = self.peek()[1]
            if mark == "!":
                self.take()
                base = ("!", base)
            elif mark == "^":
                self.take()
                self.deeper()
                base = ("^", base, self.exponent())
                self.depth -= 1
            else:
                break
        return base

    def exponent(self) -> Tree:
        """A group, a signed number or letter; ``x^y^z`` is x^(y^z)."""
        negative = self.accept("-")
        tree = self.power()
        return ("neg", tree) if negative else tree

    def atom(self) -> Tree:
        kind, text = self.take()
        self.deeper()
        if kind == "number":
            tree = self.number(text)
        elif kind == "letter":
            tree = self.letter(text)
        elif kind == "command":
            tree = self.command(text)
        else:
            tree = self.bracket(text)
        self.depth -= 1
        return tree

    def number(self, text: str) -> Tree:
        whole, _, places = text.partition(".")
        value = Fraction(Decimal(text))
        tree = ("n", value, len(places) if places.isdecimal() else None)
        if places or not whole or self.peek() != ("command", "frac"):
            return tree
        self.take()
        up, down = self.group(), self.group()
        if up[0] == down[0] == "n" and up[1] < down[1]:
            return ("n", value + up[1] / down[1], None)
        return ("*", tree, self.raised(("/", up, down)))

    def letter(self, name: str) -> Tree:
        if self.accept("_"):
            name = f"{name}_{self.subscript()}"
        while self.accept("'"):
            name += "'"
        if name[0] in "fg" and self.peek() == ("mark", "("):
            return ("fn", name, self.atom())
        return ("v", name)

    def subscript(self) -> str:
        kind, text = self.take()
        if kind in ("number", "letter"):
            return text
        if (kind, text) != ("mark", GROUP_OPEN):
            raise Unreadable("subscript")
        found = ""
        while not self.accept(GROUP_CLOSE):
            kind, text = self.take()
            if kind not in ("number", "letter"):
                raise Unreadable("subscript")
            found += text
        return found

    def command(self, name: str) -> Tree:
        if name == "frac":
            return ("/", self.group(), self.group())
        if name == "binom":
            return ("binom", self.group(), self.group())
        if name == "sqrt":
            degree: Tree = ("n", Fraction(2), None)
            if self.accept("["):
                degree = self.sum()
                self.expect("]")
            return ("root", degree, self.group())
        if name == "matrixbegin":
            return self.matrix()
        if name == "angle":
            return self.angle()
        if name in FUNCTIONS:
            return self.function(name)
        raise Unreadable(f"\\{name[:20]}")

    def angle(self) -> Tree:
        """An angle's name, the same from either side: ABC is CBA."""
        name = ""
        while self.peek()[0] == "letter" and len(name) < 3:
            name += self.take()[1]
        if not name:
            raise Unreadable("angle")
        return ("v", "∠" + min(name, name[::-1]))

    def group(self) -> Tree:
        """An argument in braces, or one digit, letter or command."""
        if self.accept(GROUP_OPEN):
            tree = self.items(("mark", GROUP_CLOSE))
            self.expect(GROUP_CLOSE)
            return tree
        kind, text = self.peek()
        if kind == "number" and text.isdecimal() and len(text) > 1:  # \frac12, \sqrt34
            self.tokens[self.at] = (kind, text[1:])
            return ("n", Fraction(int(text[0])), None)
        return self.atom()

    def function(self, name: str) -> Tree:
        base: tuple[Tree, ...] = ()
        exponent = None
        while self.peek()[1] in ("_", "^") and self.peek()[0] == "mark":
            if self.take()[1] == "^":
                exponent = self.group()
            elif name == "log":
                base = (self.group(),)
            else:
                raise Unreadable("subscript of a function")
        if exponent is not None and exponent[0] != "n":
            raise Unreadable("an inverse function")
        tree: Tree = ("fn", name, self.argument(), *base)
        return ("^", tree, exponent) if exponent else tree

    def argument(self) -> Tree:
        """``(x)`` or ``{x}`` alone, else the factors up to the next sign or function."""
        if self.peek() in (("mark", "("), ("mark", GROUP_OPEN)):
            return self.raised(self.atom()) if self.peek()[1] != "(" else self.atom()
        factors = [self.power()]
        while self.starts_factor() and not (
            self.peek()[0] == "command" and self.peek()[1] in FUNCTIONS
        ):
            factors.append(self.power())
        return _product(factors)

    def bracket(self, mark: str) -> Tree:
        """What an opening mark begins, or a constant of one mark."""
        if mark in ("π", "∞"):
            return ("v", mark)
        if mark == "∅":
            return ("set",)
        if mark == GROUP_OPEN:
            tree = self.items(("mark", GROUP_CLOSE))
            self.expect(GROUP_CLOSE)
            return tree
        if mark == "{":
            if self.accept("}"):
                return ("set",)
            tree = self.items(("mark", "}"))
            self.expect("}")
            return ("set", *_several(tree))
        if mark == "|":
            tree = self.sum()
            self.expect("|")
            return ("fn", "abs", tree)
        if mark in _CLOSE:
            tree = self.items(("end", ""))
            kind, close = self.take()
            if kind != "mark" or close not in _CLOSE[mark]:
                raise Unreadable("bracket never closed")
            if tree[0] != "list" and mark + close == "()":
                return tree
            inside = _several(tree)
            if len(inside) != 2 and mark + close not in ("()", "[]", "⟨⟩"):
                raise Unreadable("brackets of different kinds")
            return ("tuple", *_ends(mark, close, inside), *inside)
        raise Unreadable(f"{mark[:20]!r} not expected")

    def matrix(self) -> Tree:
        r"""``\begin{pmatrix} ... \end{pmatrix}`` and its kin; all rows of one length."""
        rows: list[tuple[Tree, ...]] = []
        while self.peek() != ("command", "matrixend"):
            row = [self.chain()]
            while self.accept("&"):
                row.append(self.chain())
            rows.append(tuple(row))
            if not self.accept("newrow"):
                break
        if self.take() != ("command", "matrixend") or len({len(row) for row in rows}) != 1:
            raise Unreadable("matrix never closed, or rows of different lengths")
        return ("matrix", *rows)


def _several(tree: Tree) -> tuple[Tree, ...]:
    return tree[1:] if tree[0] == "list" else (tree,)


def _ends(left: str, right: str, inside: tuple[Tree, ...]) -> tuple[str, str]:
    """Brackets as they count: an interval is open where it ends at infinity, however written."""
    if len(inside) == 2 and inside[0] == ("neg", ("v", "∞")):
        left = "("
    if len(inside) == 2 and inside[1] == ("v", "∞"):
        right = ")"
    return left, right


def _product(factors: list[Tree]) -> Tree:
    return ("*", *factors) if len(factors) > 1 else factors[0]
