"""Values as bytes between a program under test and its tests: data only, never code.

The program's side may send anything, so reading makes nothing but plain values (numbers, text,
bytes, lists, tuples, sets, dicts, and a few of the standard library's, rebuilt from plain parts) or
a handle to an object that stays on the program's side. Subclasses arrive as what they are made of:
an ``int`` whose ``__eq__`` always says yes arrives as an ``int``. No pickle, no marshal.
"""

import base64
import builtins
import collections
import datetime
import decimal
import fractions
import json
import numbers
import socket
import struct
from collections.abc import Callable
from typing import Any

LARGEST = 16 << 20
"""Bytes of one message."""
LONGEST = 10**7
"""Elements of a range, which costs nothing to send and all the time there is to go through."""
DIGITS = 100_000
"""Hexadecimal digits of a fraction's parts: reducing it takes time that grows with their square."""
DEEPEST = 200
"""Levels of nesting in a value."""
_BUILTIN_TYPES = {kind: name for name, kind in vars(builtins).items() if type(kind) is type}


class Unsendable(Exception):
    """A value that cannot travel: too deep, too large, or neither data nor allowed as a handle."""


class Handle:
    """An object that stays where it is, named by a number."""

    def __init__(self, number: int) -> None:
        self.number = number


Keep = Callable[[Any], int]
"""Keeps an object that is no data and says its number."""


def dumps(value: Any, keep: Keep | None = None) -> bytes:
    """A value as bytes.

    Raises:
        Unsendable: It is too deep or too large, or no data and ``keep`` is None.
    """
    try:
        data = json.dumps(_pack(value, keep, 0)).encode()
    except RecursionError as error:
        raise Unsendable("nested too deeply") from error
    if len(data) > LARGEST:
        raise Unsendable(f"larger than {LARGEST} bytes")
    return data


def loads(data: bytes) -> Any:
    """The value; ValueError for bytes that `dumps` does not write."""
    try:
        return _unpack(json.loads(data), 0)
    except (ValueError, TypeError, LookupError, RecursionError, ArithmeticError) as error:
        raise ValueError(f"not a value: {type(error).__name__}") from error


def send(peer: socket.socket, data: bytes) -> None:
    """One message."""
    peer.sendall(struct.pack("!I", len(data)) + data)


def receive(peer: socket.socket) -> bytes:
    """The next message; EOFError when the other side is gone, ValueError when it is too long."""
    (length,) = struct.unpack("!I", _exactly(peer, 4))
    if length > LARGEST:
        raise ValueError(f"a message of {length} bytes")
    return _exactly(peer, length)


def _exactly(peer: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = peer.recv(min(count, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _pack(value: Any, keep: Keep | None, depth: int) -> Any:
    """JSON: text, booleans, None and small integers as they are, all else as ``[tag, content]``."""
    if depth > DEEPEST:
        raise Unsendable("nested too deeply")
    kind: Any = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -(2**53) < value < 2**53 else ["int", hex(value)]
    if kind is float:
        return ["float", value.hex()]
    for tag, base in _COLLECTIONS:
        if isinstance(value, base):
            rows = base.items(value) if tag == "dict" else base.__iter__(value)
            return [tag, [_pack(list(r) if tag == "dict" else r, keep, depth + 1) for r in rows]]
    for tag, base, parts, _ in _VALUES:
        if isinstance(value, base):
            return [tag, parts(value)]
    if kind is Handle:
        return ["handle", value.number]
    if kind is type and _BUILTIN_TYPES.get(value) is not None:
        return ["type", _BUILTIN_TYPES[value]]
    if kind.__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__"):
        return _pack(value.item(), keep, depth + 1)
    if keep is None:
        raise Unsendable(f"a {kind.__name__}, which is no plain data")
    return ["handle", keep(value)]


def _unpack(packed: Any, depth: int) -> Any:
    if depth > 3 * DEEPEST:
        raise ValueError("nested too deeply")
    if not isinstance(packed, list):
        return packed
    tag, content = packed
    if tag == "dict":
        return dict(_unpack(row, depth + 1) for row in content)
    if tag in _MAKERS:
        return _MAKERS[tag](_unpack(row, depth + 1) for row in content)
    if tag == "type":
        return {name: kind for kind, name in _BUILTIN_TYPES.items()}[content]
    if tag == "handle":
        return Handle(int(content))
    return _READERS[tag](content)


def _range(start: int, stop: int, step: int) -> range:
    made = range(start, stop, step)
    if made[LONGEST:]:
        raise ValueError(f"a range of more than {LONGEST} elements")
    return made


def _fraction(above: str, below: str) -> fractions.Fraction:
    if max(len(above), len(below)) > DIGITS:
        raise ValueError(f"a fraction of more than {DIGITS} digits")
    return fractions.Fraction(int(above, 16), int(below, 16))


_COLLECTIONS: tuple[tuple[str, Any], ...] = (
    ("list", list), ("tuple", tuple), ("dict", dict), ("set", set), ("frozenset", frozenset),
    ("deque", collections.deque),
)  # fmt: skip
_MAKERS: dict[str, Callable[[Any], Any]] = {
    tag: base for tag, base in _COLLECTIONS if tag != "dict"
}
_VALUES: tuple[tuple[str, Any, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    ("str", str, lambda v: str.__str__(v), str),
    ("bool", bool, bool, bool),
    ("int", numbers.Integral, lambda v: hex(int(v)), lambda c: int(c, 16)),
    ("fraction", fractions.Fraction, lambda v: [hex(v.numerator), hex(v.denominator)],
     lambda c: _fraction(*c)),
    ("decimal", decimal.Decimal, lambda v: str(v), decimal.Decimal),
    ("float", numbers.Real, lambda v: float(v).hex(), float.fromhex),
    ("complex", numbers.Complex, lambda v: [complex(v).real.hex(), complex(v).imag.hex()],
     lambda c: complex(float.fromhex(c[0]), float.fromhex(c[1]))),
    ("bytes", bytes, lambda v: base64.b64encode(v).decode(), base64.b64decode),
    ("bytearray", bytearray, lambda v: base64.b64encode(v).decode(),
     lambda c: bytearray(base64.b64decode(c))),
    ("range", range, lambda v: [v.start, v.stop, v.step], lambda c: _range(*c)),
    ("datetime", datetime.datetime, lambda v: v.isoformat(), datetime.datetime.fromisoformat),
    ("date", datetime.date, lambda v: v.isoformat(), datetime.date.fromisoformat),
    ("time", datetime.time, lambda v: v.isoformat(), datetime.time.fromisoformat),
    ("timedelta", datetime.timedelta, lambda v: [v.days, v.seconds, v.microseconds],
     lambda c: datetime.timedelta(*map(int, c))),
)  # fmt: skip
_READERS: dict[str, Callable[[Any], Any]] = {tag: read for tag, _, _, read in _VALUES}
