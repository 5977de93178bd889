r"""The shapes answers come in: assignments, intervals, inequalities, lists, two values in one ±.

Each function looks at a tree (`filters.verify.expression`) and rewrites its outermost shape; values
inside are not computed, apart from `stands_for`, which compares a decimal with what it rounds.
"""

from collections.abc import Sequence
from fractions import Fraction

from filters.verify import numeric
from filters.verify.expression import Tree

CONTAINERS = frozenset({"tuple", "set", "list", "union", "matrix", "chain"})
"""Trees that are no single value."""
Region = tuple[Tree | None, Tree]
"""The name that is in a set of values, if any, and the set."""
_MIRRORED = str.maketrans("<>≤≥", "><≥≤")
_INFINITY: Tree = ("v", "∞")


def stands_for(decimal: Tree, exact: Tree, places: int) -> bool:
    """Whether a decimal is the rounded form of a value without letters that it cannot write.

    Args:
        decimal: A tree; only a number with places, perhaps with a sign, can stand for another.
        exact: What it may stand for; not itself a decimal.
        places: Places it must have, beside four digits in all.
    """
    sign, number = (-1, decimal[1]) if decimal[0] == "neg" else (1, decimal)
    if number[0] != "n" or not places <= (number[2] or 0) <= 12 or exact[0] == "n":
        return False
    if places < 6 and _adds_decimal(exact):
        return False
    value = numeric.real(exact)
    scale = 10.0 ** number[2]
    if value is None or not 1000 <= abs(number[1]) * scale < 10**13:
        return False
    unwritable = abs(value * scale - round(value * scale)) > 1e-6
    off = abs(sign * float(number[1]) - value) * scale
    return bool(unwritable and off < (1 if places > 5 else 0.5))


def _adds_decimal(tree: Tree) -> bool:
    """Whether a decimal is added to something: ``100/7 + 0.001`` is rounded from nothing exact."""
    parts = [part for part in tree[1:] if isinstance(part, tuple)]
    if tree[0] == "+":
        plain = [part[1] if part[0] == "neg" else part for part in parts]
        if any(part[0] == "n" and part[2] for part in plain):
            return True
    return any(_adds_decimal(part) for part in parts)


def assigned(tree: Tree) -> tuple[Tree | None, Tree]:
    """The name and the value of ``x = 2 + 3 = 5`` or ``f(x) ≈ 1.3``; None without a name.

    The value is the last one, or the one before the first ``≈``.
    """
    name, values, operators = _equated(tree)
    at = operators.find("≈")
    return name, values[at] if at >= 0 else values[-1]


def rounded(tree: Tree) -> Tree | None:
    """The last value of ``x = 22/7 ≈ 3.14``, where it is the exact one rounded."""
    _, values, operators = _equated(tree)
    if "≈" not in operators:
        return None
    exact = numeric.real(values[operators.find("≈")])
    return values[-1] if exact is not None and _near(exact, values[-1]) else None


def contradicts(tree: Tree) -> bool:
    """Whether plain numbers in a chain differ by more than rounding: ``x = 8 = 7``."""
    _, values, operators = _equated(tree)
    plain = [value for value in values if numbers([value]) is not None]
    if len(plain) < 2:
        return False
    finest = min(plain, key=_grain)
    found = numbers([finest]) or [Fraction(0)]
    return not all(
        value == finest
        or numbers([value]) == found
        or (("≈" in operators or _grain(value) < 1) and _near(float(found[0]), value))
        for value in plain
    )


def _near(exact: float, tree: Tree) -> bool:
    """Whether a plain number is an exact one rounded to the places it has."""
    last = numbers([tree])
    if last is None:
        return numeric.real(tree) is not None and abs(exact - (numeric.real(tree) or 0)) < 1e-6
    return abs(exact - float(last[0])) <= 0.5 * _grain(tree) * (1 + 1e-9)


def _grain(tree: Tree) -> float:
    """The unit of a plain number's last place that is not a zero before the point."""
    number = tree[1] if tree[0] == "neg" else tree
    if number[2]:
        return float(10.0 ** -min(number[2], 300))
    whole = str(abs(int(number[1])))[:300]
    return float(10.0 ** (len(whole) - len(whole.rstrip("0") or "0")))


def _equated(tree: Tree) -> tuple[Tree | None, tuple[Tree, ...], str]:
    """Name, values and what stands between the values; the tree alone where nothing is assigned."""
    if tree[0] != "chain" or set(tree[1]) - {"=", "≈"}:
        return None, (tree,), ""
    operators, operands = tree[1], tree[2:]
    if _is_name(operands[0]):
        return operands[0], operands[1:], operators[1:]
    if len(operands) == 2 and _is_name(operands[1]) and not numeric.letters(operands[0]):
        return operands[1], operands[:1], ""
    if any(numeric.letters(operand) - {"π", "e"} for operand in operands):
        return None, (tree,), ""
    return None, operands, operators


def simple(tree: Tree) -> Tree:
    """``[5]`` and a list of one value as that value."""
    while (tree[0] == "tuple" and tree[1:3] in (("[", "]"), ("(", ")")) and len(tree) == 4) or (
        tree[0] == "list" and len(tree) == 2
    ):
        tree = tree[-1]
    return tree


def items(tree: Tree) -> tuple[Tree, ...]:
    """What a container holds; a value holds itself."""
    if tree[0] not in CONTAINERS:
        return (tree,)
    return tree[3:] if tree[0] == "tuple" else tree[1:]


def region(tree: Tree) -> Region | None:
    r"""The values that an interval, a union, ``x \in S`` or an inequality says, with their name."""
    if tree[0] in ("union", "set") or (tree[0] == "tuple" and len(tree) == 5):
        return None, tree
    if tree[0] != "chain":
        return None
    operators, operands = tree[1], tree[2:]
    if operators == "∈" and operands[1][0] in ("tuple", "union", "set"):
        return operands[0], operands[1]
    backwards = _is_name(operands[1]) if len(operators) == 1 else operators[0] in ">≥"
    if backwards:
        operators, operands = operators.translate(_MIRRORED)[::-1], operands[::-1]
    if len(operators) == 2 and set(operators) <= set("<≤") and _is_name(operands[1]):
        ends = "[" if operators[0] == "≤" else "(", "]" if operators[1] == "≤" else ")"
        return operands[1], ("tuple", *ends, operands[0], operands[2])
    return _beyond(operators, operands)


def _beyond(operators: str, operands: tuple[Tree, ...]) -> Region | None:
    """``x < a`` as an interval that begins or ends at infinity."""
    if len(operators) != 1 or not _is_name(operands[0]) or operators not in "<≤>≥":
        return None
    name, end = operands
    if operators in "<≤":
        close = "]" if operators == "≤" else ")"
        return name, ("tuple", "(", close, ("neg", _INFINITY), end)
    return name, ("tuple", "[" if operators == "≥" else "(", ")", end, _INFINITY)


def _is_name(tree: Tree) -> bool:
    """A letter, several (``AB``), ``f(x)``, ``|AB|``, or a tuple of letters."""
    if tree[0] == "v":
        return tree[1] not in ("π", "∞")
    if tree[0] == "fn":
        return (tree[1][0] in "fg" and tree[2][0] in ("v", "n")) or (
            tree[1] == "abs" and _is_name(tree[2])
        )
    if tree[0] == "*" or (tree[0] == "tuple" and tree[1:3] == ("(", ")")):
        parts = tree[1:] if tree[0] == "*" else tree[3:]
        return all(part[0] == "v" and _is_name(part) for part in parts)
    return False


def branched(tree: Tree) -> Tree:
    """A value or container with each ± written as two values."""
    if not _has_sign(tree) or tree[0] == "tuple":
        return tree
    kind = tree[0] if tree[0] in ("set", "list") else "list"
    return (kind, *(branch for item in items(tree) for branch in _branches(item)))


def _branches(tree: Tree) -> list[Tree]:
    """Both values of a tree with ±; the signs of one tree go together."""
    return [_with_sign(tree, 1), _with_sign(tree, -1)] if _has_sign(tree) else [tree]


def _has_sign(tree: Tree) -> bool:
    return tree[0] == "±" or any(_has_sign(part) for part in tree[1:] if isinstance(part, tuple))


def _with_sign(tree: Tree, sign: int) -> Tree:
    if tree[0] == "±":
        inner = _with_sign(tree[2], sign)
        return inner if tree[1] * sign > 0 else ("neg", inner)
    return tuple(_with_sign(part, sign) if isinstance(part, tuple) else part for part in tree)


def numbers(trees: Sequence[Tree]) -> list[Fraction] | None:
    """The values of plain numbers with or without a sign, None if there is anything else."""
    found = []
    for tree in trees:
        number = tree[1] if tree[0] == "neg" else tree
        if number[0] != "n":
            return None
        found.append(-number[1] if tree[0] == "neg" else number[1])
    return found


def sequence(trees: Sequence[Tree]) -> bool:
    """Three or more numbers that neither rise nor fall throughout."""
    found = numbers(trees)
    if found is None or len(found) < 3:
        return False
    return found not in (sorted(found), sorted(found, reverse=True))
