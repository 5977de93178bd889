"""Recomputed steps: text, the wrong steps, why."""

import pytest
from filter_rows import candidate, problem
from hypothesis import given
from hypothesis import strategies as st

from filters.checks import CHECKS
from filters.checks.arithmetic import steps

TABLE = [
    ("3+4=7", [], "a right step"),
    ("3+4=8", ["3+4 = 8"], "a wrong one"),
    ("3 + 4 = 7\n7+9=15", ["7+9 = 15"], "only the second"),
    ("2+3=5+1=6", [], "a chain"),
    ("2+3=5+1=7", ["5+1 = 7"], "a chain with a wrong end"),
    ("48/2 = <<48/2=24>>24 clips", [], "calculator marks"),
    ("48/2 = <<48/2=25>>25 clips", ["48/2 = 25", "48/2 = 25"], "wrong calculator marks"),
    ("so 12 * 3 = 36 apples", [], "words around it"),
    ("so 12 * 3 = 35 apples.", ["12 * 3 = 35"], "words around a wrong one"),
    (r"$12 \times 3 = 35$", ["12 * 3 = 35"], "LaTeX"),
    (r"\frac{1}{2} + \frac{1}{3} = \frac{5}{6}", [], "fractions"),
    (r"\frac{1}{2} + \frac{1}{3} = \frac{2}{5}", ["((1)/(2)) + ((1)/(3)) = ((2)/(5))"], "wrong"),
    ("$1,200 + $300 = $1,500", [], "money and thousands marks"),
    ("$1,200 + $300 = $1,600", ["1200 + 300 = 1600"], "wrong money"),
    ("22/7 = 3.14", [], "rounded"),
    ("22/7 = 3.142", [], "cut or rounded at another digit"),
    ("22/7 = 3.15", ["22/7 = 3.15"], "not rounded, wrong"),
    ("10/3 = 3", ["10/3 = 3"], "an integer is exact"),
    ("10/3 ≈ 3", [], "unless it says about"),
    (r"10/3 \approx 5", ["10/3 ≈ 5"], "about, and still wrong"),
    ("x = 3 + 4 = 8", ["3 + 4 = 8"], "a name in front"),
    ("2x + 3 = 9", [], "letters are not read"),
    ("x + 3 + 4 = 9", [], "an operator in front of what is read"),
    ("3 + 4 = 9x", [], "a letter behind"),
    ("3 x 4 = 12, 3x4=11", ["3*4 = 11"], "x between numbers"),
    ("520 x (1 + 0.18) = 613.6", [], "x before a bracket"),
    ("20% of 50 = 10", [], "percent"),
    ("50 - 10% = 45", [], "percent behind"),
    ("2^10 = 1024 and 2**3 = 9", ["2^3 = 9"], "powers"),
    ("(3 + 4) * 2 = 14", [], "brackets"),
    ("(3 + 4 = 8)", ["3 + 4 = 8"], "in brackets"),
    ("2(3+4) = 14", [], "a number before a bracket"),
    ("1 1/2 + 1 = 3", [], "a mixed number is not read"),
    ("3 + 4 = 7 (the sum)", [], "a remark behind"),
    ("-3 + 5 = 2", [], "a sign"),
    ("5 − 8 = −3", [], "typographic minus"),
    ("3 + 4 == 8, 3 + 4 != 8, 3 + 4 >= 8, a := 3 + 4", [], "other signs"),
    ("1. 3 + 4 = 7\n2. 7 + 5 = 12", [], "a numbered list"),
    ("5 - 3 = 2. So 2 + 2 = 4.", [], "full stops"),
    ("Total = 5 + 6 = 12", ["5 + 6 = 12"], "a word in front"),
    ("4/0 = 0", [], "no value"),
    ("9" * 40 + " + 1 = 3", [], "too long to judge"),
    ("2^999999999 = 4", [], "too large to judge"),
    ("3.5 * 2 = 7", [], "a decimal"),
    ("= 5", [], "nothing in front"),
    ("5 = 5", [], "nothing to compute"),
    (r"1\frac{1}{2} + 1 = \frac{5}{2}", [], "a mixed number"),
    ("- 63 = 60 + 3", [], "a bullet"),
    ("11/18*162 = 99.00000000000001", [], "a computer's rounding"),
    ("18 * 3.14159 ≈ 56.5", [], "about"),
    ("8 = 3 + 4", ["8 = 3 + 4"], "the other way round"),
    (r"f\left(\frac{1}{6}\right) = 4", [], "a function of a number is no product"),
    (r"6 \star 5 = (6+5)(6-5)", [], "an operation of the problem's own"),
    (r"\frac{7}{12} \dagger \frac{8}{3} = 14", [], "another"),
    (r"3 \& 5 = \frac{(3+5)}{2}", [], "and another"),
    (r"\sin 30 + 5 = 5.5", [], "a function by name"),
    (r"\Rightarrow 3 + 4 = 8", ["3 + 4 = 8"], "an arrow in front"),
    (r"\therefore 3 + 4 = 8", ["3 + 4 = 8"], "a word's sign in front"),
    (r"\left(3 + 4\right) \cdot 2 = 15", ["(3 + 4) * 2 = 15"], "brackets that grow"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrong", "why"), TABLE)
def test_wrong_steps(text: str, wrong: list[str], why: str) -> None:
    assert [step.text for step in steps(text) if not step.right] == wrong, why
    flags = CHECKS["wrong_step"].check(problem("1"), candidate(text))
    assert bool(flags) == bool(wrong)


def test_the_evidence_says_what_it_should_be() -> None:
    [flag] = CHECKS["wrong_step"].check(problem("1"), candidate("3+4=8\n1/3=1\n1+1=3\n2+2=5"))
    assert flag.evidence == (
        "3+4 = 8 (it is 7); 1/3 = 1 (it is 0.333333); 1+1 = 3 (it is 2); 1 more"
    )


@given(st.text(alphabet="0123456789+-*/^()=≈. x\\{}frac%$,<>\n", max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    for step in steps(text):
        assert isinstance(step.right, bool)


@given(st.lists(st.integers(0, 999), min_size=2, max_size=6))
def test_right_sums_are_right_and_wrong_ones_wrong(terms: list[int]) -> None:
    left = " + ".join(map(str, terms))
    assert all(step.right for step in steps(f"{left} = {sum(terms)}"))
    assert not any(step.right for step in steps(f"{left} = {sum(terms) + 1}"))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    ["=" * 100_000, "1+" * 50_000 + "=1", "(" * 50_000 + "=1", "2^" * 150 + "2=1", "1=" * 50_000],
)
def test_hostile_text_is_cheap(text: str) -> None:
    list(steps(text))
