r"""Congruences: ``x \equiv 1 \pmod 3`` and its kin, compared by name, residue and modulus.

Residues and moduli that are integers are compared by arithmetic, anything else as it is written.
"""

import re

_SIGN = re.compile(r"\\equiv(?![a-z])|≡")
_MOD = re.compile(r"\(?\s*\\?(?:pmod|bmod|mod)(?![a-z])\s*")
_NOISE = re.compile(r"[\s{}()$]|\\[,;:! ]|\\q?quad")
_INTEGER = re.compile(r"-?\d{1,400}", re.ASCII)


def congruent(gold: str, answer: str) -> bool | None:
    """Whether two congruences are the same; None where one of them is none."""
    a, b = _parts(gold), _parts(answer)
    if a is None or b is None:
        return None
    if a == b:
        return True
    if a[0] != b[0] or a[2] != b[2]:
        return False
    if not all(_INTEGER.fullmatch(part) for part in (a[1], a[2], b[1])) or int(a[2]) == 0:
        return False
    return (int(a[1]) - int(b[1])) % int(a[2]) == 0


def _parts(text: str) -> tuple[str, str, str] | None:
    """Name, residue and modulus, without spaces and brackets."""
    if len(text) > 2000:
        return None
    sides = _SIGN.split(text)
    values = _MOD.split(sides[1]) if len(sides) == 2 else []
    if len(values) != 2:
        return None
    name, residue, modulus = (_NOISE.sub("", part) for part in (sides[0], *values))
    return name, residue, modulus
