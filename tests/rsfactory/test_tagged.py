"""Values that plain JSON would change come back as they were."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfactory import tagged

leaves = st.none() | st.booleans() | st.integers() | st.text() | st.fractions()
values = st.recursive(
    leaves | st.sets(st.integers()),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.text()), inner)
    ),
    max_leaves=20,
)


@given(values)
def test_round_trip(value) -> None:
    back = tagged.loads(tagged.dumps(value))
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, (set, dict, list, tuple))


@pytest.mark.parametrize(
    "value",
    [(1, (2, [3])), {1: "a", "1": "b"}, {"!": 3}, {(0, 1)}, frozenset({2}), Fraction(1, 3),
     Decimal("1.50"), {"plain": [1.5, None, True]}],
)  # fmt: skip
def test_types_are_kept(value) -> None:
    back = tagged.loads(tagged.dumps(value))
    assert (back, type(back)) == (value, type(value))


def test_numpy_and_subclasses_become_plain() -> None:
    back = tagged.loads(tagged.dumps([np.str_("a"), np.int64(3), np.float64(0.5), np.bool_(True)]))
    assert [type(item) for item in back] == [str, int, float, bool]


def test_what_is_not_covered_is_refused() -> None:
    with pytest.raises(TypeError, match="got a object"):
        tagged.dumps({"a": object()})
    with pytest.raises(ValueError, match="one of the tags"):
        tagged.loads('{"!": ["module", "os"]}')
