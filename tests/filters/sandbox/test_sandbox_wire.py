"""Values between a program and its tests: what is sent arrives, and nothing else can be made."""

import collections
import datetime
import decimal
import fractions
import json
import math
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.sandbox.inside import wire

PLAIN = {
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset,
    collections.deque, range, fractions.Fraction, decimal.Decimal, datetime.datetime,
    datetime.date, datetime.time, datetime.timedelta, wire.Handle, type,
}  # fmt: skip

KEYS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.fractions()
    | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False) | st.dates()
    | st.datetimes() | st.times() | st.timedeltas() | st.decimals(allow_nan=False)
)  # fmt: skip
VALUES = st.recursive(
    KEYS | st.builds(range, st.integers(0, 9), st.integers(0, 99), st.integers(1, 9))
    | st.binary().map(bytearray) | st.sets(KEYS) | st.frozensets(KEYS),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner)
    | st.lists(inner).map(collections.deque),
    max_leaves=20,
)  # fmt: skip


def kinds(value: Any) -> set[type]:
    """The types of a value and of all in it."""
    found = {type(value)}
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        parts = list(value)
    else:
        parts = []
    return found.union(*(kinds(part) for part in parts))


@given(VALUES)
def test_values_arrive_as_they_were(value: Any) -> None:
    found = wire.loads(wire.dumps(value))
    assert (found, repr(found)) == (value, repr(value)) or found == value
    assert type(found) is type(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from([*wire._READERS, *wire._MAKERS, "dict", "type", "handle"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner)
    | st.tuples(
        st.sampled_from([*wire._READERS, *wire._MAKERS, "dict", "type", "handle"]), inner
    ).map(list),
    max_leaves=12,
)  # fmt: skip


@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_plain_values_or_refused(data: bytes) -> None:
    try:
        found = wire.loads(data)
    except ValueError:
        return
    assert kinds(found) <= PLAIN


REFUSED = {
    "nothing": b"", "no JSON": b"\xff\xfe", "unknown kind": b'["object", 1]', "no pair": b"[1]",
    "three": b'["list", [], []]', "number": b'["int", "x"]', "handle": b'["handle", "x"]',
    "endless handle": b'["handle", Infinity]', "nested": b"[" * 100_000,
    "nested pairs": b'["list",[' * 900 + b"]]" * 900, "list in a set": b'["set", [["list", []]]]',
    "huge range": b'["range", [0, 1000000000000, 1]]', "no step": b'["range", [0, 1, 0]]',
    "long fraction": b'["fraction", ["0x' + b"1" * 200_000 + b'", "0x3"]]',
    "fraction of nothing": b'["fraction", ["0x1", "0x0"]]', "digits": b"1" * 5000,
    "date": b'["date", "2026-13-01"]', "span": b'["timedelta", [1e400, 0, 0]]',
    "bytes": b'["bytes", "x"]', "decimal": b'["decimal", "1x"]', "pairs": b'["dict", [1]]',
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_value_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a value"):
        wire.loads(REFUSED[name])


class Same(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Lying(list[int]):
    def __iter__(self) -> Any:
        return iter([5])


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Same(7), 7), ([Same(7)], [7]), ({Same(7): 1}, {7: 1}), (Lying([1]), [1]),
        (collections.Counter("aab"), {"a": 2, "b": 1}), (collections.OrderedDict(a=1), {"a": 1}),
        (collections.namedtuple("P", "x")(3), (3,)), (True, True), (2**200, 2**200), (-0.0, -0.0),
        (math.inf, math.inf), ("\ud800", "\ud800"), (int, int), (b"\0", b"\0"),
    ],
)  # fmt: skip
def test_subclasses_arrive_as_what_they_are_made_of(value: Any, arrives: Any) -> None:
    found = wire.loads(wire.dumps(value))
    assert found == arrives
    assert type(found) is type(arrives)


def test_what_is_no_data_becomes_a_handle_or_is_refused() -> None:
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    found = wire.loads(wire.dumps([object, Same, lambda: 1], keep))
    assert found[0] is object
    assert [type(part) for part in found[1:]] == [wire.Handle, wire.Handle]
    assert kept[0] is Same
    with pytest.raises(wire.Unsendable, match="no plain data"):
        wire.dumps(Same)


def test_too_deep_or_too_large_is_not_sent() -> None:
    deep: list[Any] = []
    for _ in range(wire.DEEPEST + 1):
        deep = [deep]
    round_about: list[Any] = []
    round_about.append(round_about)
    for value, why in ((deep, "deep"), (round_about, "deep"), ("x" * (17 << 20), "larger")):
        with pytest.raises(wire.Unsendable, match=why):
            wire.dumps(value)


def test_messages_have_a_length_that_is_believed_only_so_far() -> None:
    one, other = socket.socketpair()
    with one, other:
        wire.send(one, b"text")
        assert wire.receive(other) == b"text"
        one.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(ValueError, match="4294967295 bytes"):
            wire.receive(other)
        one.sendall(b"\0\0\0\x09text")
        one.close()
        with pytest.raises(EOFError):
            wire.receive(other)
