"""Numbers with their units, as people read them."""


def counted(count: int, units: str) -> str:
    """``1 round``, ``2 rounds``; the unit is given in the plural that an ``s`` makes."""
    return f"{count} {units.removesuffix('s') if count == 1 else units}"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, without the unit: two digits that count, no exponent."""
    value = 1000 * seconds
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.001 else "0"
