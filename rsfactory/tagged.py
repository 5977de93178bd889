"""Python values as JSON and back without loss: what plain JSON would change is tagged.

Plain JSON turns tuples into lists, keys into text, and refuses sets and fractions. A tagged value
is an object with the one key ``!`` and a list: the type's name and its parts. Numpy scalars become
plain numbers, and subclasses of ``str`` and ``int`` (enumerations) plain text and numbers. Not
covered: objects of any other class (they are refused), and the identity of shared parts.
"""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

TAG = "!"

_MAKE: dict[str, Any] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "Fraction": lambda parts: Fraction(*parts),
    "Decimal": lambda parts: Decimal(*parts),
}


def dumps(value: Any) -> str:
    """JSON text of a value.

    Raises:
        TypeError: It holds an object of a class that is not covered.
    """
    return json.dumps(_encode(value), ensure_ascii=False)


def loads(text: str) -> Any:
    """The value that `dumps` was given.

    Raises:
        ValueError: It is not JSON, or a tag is not understood.
    """
    return _decode(json.loads(text))


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value) if plain is not str else str.__str__(value)
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        if all(type(key) is str for key in value) and TAG not in value:
            return {key: _encode(item) for key, item in value.items()}
        return {TAG: ["dict", *([_encode(key), _encode(item)] for key, item in value.items())]}
    if isinstance(value, tuple | set | frozenset):
        items = value if isinstance(value, tuple) else sorted(value, key=repr)
        kind = next(k for k in (tuple, frozenset, set) if isinstance(value, k)).__name__
        return {TAG: [kind, *map(_encode, items)]}
    if isinstance(value, Fraction):
        return {TAG: ["Fraction", value.numerator, value.denominator]}
    if isinstance(value, Decimal):
        return {TAG: ["Decimal", str(value)]}
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _encode(value.tolist())
    raise TypeError(f"expected plain values to store as JSON, got a {type(value).__name__}")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {key: _decode(item) for key, item in value.items()}
    tagged = value[TAG]
    if not (isinstance(tagged, list) and tagged and tagged[0] in _MAKE):
        raise ValueError(f"expected one of the tags {', '.join(_MAKE)}, got {str(tagged)[:40]!r}")
    return _MAKE[tagged[0]]([_decode(part) for part in tagged[1:]])
