"""Reading answers into trees: text, tree, why; and texts that are left to others."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.expression import Tree, read
from filters.verify.tokens import Unreadable


def n(value: int | Fraction, places: int | None = None) -> Tree:
    return ("n", Fraction(value), places)


X, Y, TWO = ("v", "x"), ("v", "y"), n(2)

READ = [
    ("2", n(2), "number"),
    ("2.50", ("n", Fraction(5, 2), 2), "places are kept"),
    ("1.5e3", n(1500), "scientific"),
    ("2e", ("*", TWO, ("v", "e")), "not scientific"),
    ("1,234", n(1234), "thousands"),
    ("(1,234)", ("tuple", "(", ")", n(1), n(234)), "a pair in brackets"),
    ("xy", ("*", X, Y), "letters are factors"),
    ("x_{12}", ("v", "x_12"), "subscript"),
    ("1/2x", ("*", ("/", n(1), TWO), X), "a slash binds its neighbours only"),
    (r"\frac12", ("/", n(1), TWO), "digits as arguments"),
    (r"\dfrac{1}{2}", ("/", n(1), TWO), "the same fraction"),
    (r"1\frac12", n(Fraction(3, 2)), "mixed number"),
    (r"2\frac{x}{2}", ("*", TWO, ("/", X, TWO)), "not mixed"),
    ("-x^2", ("neg", ("^", X, TWO)), "a sign binds less than a power"),
    ("x^y^2", ("^", X, ("^", Y, TWO)), "powers from the right"),
    ("x^12", ("^", X, n(12)), "powers take all digits"),
    ("x - y", ("+", X, ("neg", Y)), "difference"),
    (r"\sqrt[3]{x}", ("root", n(3), X), "root"),
    (r"\sqrt2", ("root", TWO, TWO), "root of a digit"),
    (r"\sin 2x", ("fn", "sin", ("*", TWO, X)), "argument without brackets"),
    (r"\sin x \cos y", ("*", ("fn", "sin", X), ("fn", "cos", Y)), "up to the next function"),
    (r"\sin^2 x", ("^", ("fn", "sin", X), TWO), "power of a function"),
    (r"\log_2 x", ("fn", "log", X, TWO), "base"),
    ("|x|", ("fn", "abs", X), "absolute value"),
    ("5!", ("!", n(5)), "factorial"),
    (r"\binom{5}{2}", ("binom", n(5), TWO), "binomial"),
    ("f(x)", ("fn", "f", X), "a function"),
    ("x(y)", ("*", X, Y), "a product"),
    ("[2,x)", ("tuple", "[", ")", TWO, X), "interval"),
    (r"[2,\infty]", ("tuple", "[", ")", TWO, ("v", "∞")), "open at infinity"),
    (r"\left\{ 2, x \right\}", ("set", TWO, X), "set"),
    ("{2, x}", ("list", TWO, X), "braces that only group"),
    (r"2 \text{ and } x", ("list", TWO, X), "words that join"),
    (r"x \le 2", ("chain", "≤", X, TWO), "inequality"),
    ("x <= 2", ("chain", "≤", X, TWO), "in plain text"),
    (r"(2,x) \cup \{y\}", ("union", ("tuple", "(", ")", TWO, X), ("set", Y)), "union"),
    (r"\begin{pmatrix}2&x\\y&2\end{pmatrix}", ("matrix", (TWO, X), (Y, TWO)), "matrix"),
    (r"x \pm 2", ("+", X, ("±", 1, TWO)), "two values"),
    ("x²", ("^", X, TWO), "Unicode"),
    ("2·x", ("*", TWO, X), "Unicode"),
]  # fmt: skip

LEFT = [
    "", "()", "(x", "x)", "{x", r"\frac{1}{}", r"\frac", "x^", "1 2", "2 + ", "words", "+ x y z)",
    r"\sum_{k=1}^3 k", r"\int x dx", r"\lim_{x \to 0} x", r"5 \pmod{7}", r"\text{eggs}", "50%",
    "a & b", r"\begin{pmatrix}1&2\\3\end{pmatrix}", r"\begin{pmatrix}1", "3:1", r"\sin^{-1} x",
    r"\sin^x", "!", "(1,2,3]", "⟨1,2)", "\u0665", "\x00", "|x",
    "(" * 100 + "x" + ")" * 100, "x" * 30_000,
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree", "why"), READ)
def test_read(text: str, tree: Tree, why: str) -> None:
    assert read(text) == tree, why


@pytest.mark.parametrize("text", LEFT, ids=lambda text: repr(text[:20]))
def test_left_to_others(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


@given(
    st.text(max_size=80) | st.text(r"0123456789xy+-*/^_(){}[]\|,.!=<>&% sqrtfacinp", max_size=80)
)
def test_any_text_is_read_or_left(text: str) -> None:
    with contextlib.suppress(Unreadable):
        read(text)
