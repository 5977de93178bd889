"""Exact arithmetic: equal values have equal normal forms, others do not; nothing runs away."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from filters.verify import numeric
from filters.verify.expression import Tree, read
from filters.verify.normal import Arithmetic
from filters.verify.polynomial import TooLarge, Undefined, Unknown

EQUAL = [
    (r"\sqrt{12}", r"2\sqrt{3}"),
    (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}"),
    (r"\sqrt{\frac{2}{3}}", r"\frac{\sqrt{6}}{3}"),
    (r"\frac{1}{1+\sqrt{2}}", r"\sqrt{2}-1"),
    (r"\sqrt[3]{16}", r"2\sqrt[3]{2}"),
    ("8^{2/3}", "4"),
    (r"\sqrt{-4}", "2i"),
    ("i^3", "-i"),
    (r"\frac{1}{i}", "-i"),
    ("(x+y)^2", "x^2+2xy+y^2"),
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"\frac{1}{x}+\frac{1}{y}", r"\frac{x+y}{xy}"),
    (r"\sqrt{x}\sqrt{x}", "x"),
    (r"\sqrt[3]{x^2}", "x^{2/3}"),
    (r"\sin(x+x)", r"\sin 2x"),
    (r"2^{x} \cdot 3", r"3 \cdot 2^x"),
    ("5!", "120"),
    (r"\binom{100}{50}", r"\frac{100!}{50!50!}"),
    ("0^0", "1"),
]
DIFFERENT = [
    (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5}"),
    (r"\sqrt{2}", r"\sqrt[3]{2}"),
    (r"\pi", "3.14159265358979"),
    ("e", "2.718281828459045"),
    ("x+y", "xy"),
    ("x", "X"),
    ("2^{100}", "2^{100}+1"),
    ("i", "-i"),
]
UNDECIDED = [
    (r"\sqrt{x^2}", "x"),
    (r"\sin^2x+\cos^2x", "1"),
    (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"),
]
LARGE = [
    "9^{9^{9^9}}", "(10^8)!", "10^8!", "(10^6)!!", r"\binom{10^9}{10^8}", "(a+b+c+d)^{99}",
    "((x+y)^{30}+1)^{30}", "2^{-10^{10}}", r"\sqrt[101]{2}^{10^{10}}", "x^{10^{30}}",
    "+".join(rf"\frac{{1}}{{x+{i}y}}" for i in range(200)), "1e9999",
    r"\sqrt{1+" * 25 + "x" + "}" * 25 + "(x+y+1)^{30}",
]  # fmt: skip


def same(a: str, b: str) -> bool | None:
    arithmetic = Arithmetic()
    return arithmetic.same(arithmetic.value(read(a)), arithmetic.value(read(b)))


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal(a: str, b: str) -> None:
    assert same(a, b) is True


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different(a: str, b: str) -> None:
    assert same(a, b) is False


@pytest.mark.parametrize(("a", "b"), UNDECIDED)
def test_laws_of_functions_are_not_known(a: str, b: str) -> None:
    assert same(a, b) is None


@pytest.mark.parametrize("text", LARGE, ids=lambda text: text[:30])
def test_too_large_at_once(text: str) -> None:
    with pytest.raises((TooLarge, Unknown)):
        Arithmetic().value(read(text))


@pytest.mark.parametrize("text", ["1/0", r"\frac{x}{x-x}", r"\frac{1}{\sqrt{4}-2}", "0^{-1}"])
def test_undefined(text: str) -> None:
    with pytest.raises(Undefined):
        Arithmetic().value(read(text))


def number(value: int) -> Tree:
    return ("neg", ("n", Fraction(-value), None)) if value < 0 else ("n", Fraction(value), None)


leaves = st.integers(-9, 9).map(number) | st.sampled_from(
    [("v", "x"), ("v", "y"), ("v", "π"), ("v", "i"), ("root", number(2), number(6))]
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from(["+", "*", "/"]), inner, inner)
        | st.tuples(st.just("neg"), inner)
        | st.tuples(st.just("^"), inner, st.integers(-2, 3).map(number))
    ),
    max_leaves=10,
)


@given(trees, trees)
def test_agrees_with_floating_point(a: Tree, b: Tree) -> None:
    """What is called equal is close at a point; what surely differs there is not called equal."""
    arithmetic = Arithmetic()
    try:
        equal = arithmetic.same(arithmetic.value(a), arithmetic.value(b))
        (x, error_x), (y, error_y) = numeric.number(a, 1), numeric.number(b, 1)
    except (TooLarge, Undefined, Unknown, numeric.NoNumber):
        return
    if equal:
        assert abs(x - y) <= 1e3 * (error_x + error_y) + 1e-9 * (abs(x) + abs(y))
    assert not (equal and numeric.differ(a, b))


@given(trees, trees, trees)
def test_the_laws_of_a_field(a: Tree, b: Tree, c: Tree) -> None:
    arithmetic = Arithmetic(10**6)
    left, right = ("*", a, ("+", b, c)), ("+", ("*", c, a), ("*", b, a))
    try:
        values = arithmetic.value(left), arithmetic.value(right)
        assert arithmetic.same(*values) is True
    except (TooLarge, Undefined, Unknown):
        assume(False)
