"""Lines and bars as inline SVG, drawn by hand: no script, no network, colours from the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 14, 34


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value with its interval (None: no interval is known)."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named series; ``colour`` is a CSS class of the page."""

    name: str
    colour: str
    points: Sequence[Point]


def plot(labels: Sequence[str], lines: Sequence[Line], *, title: str) -> str:
    """An SVG with one place on the x axis for every label; values are shares from 0 to 1.

    A point is placed by its label, so that a line may begin later than another. Hovering a point
    shows its value (an SVG title, no script).
    """
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(_grid_line(tick / 5) for tick in range(6)),
        *(_label(labels, label) for label in labels),
        *(part for line in lines for part in _line(labels, line)),
        "</svg>",
        _legend(lines),
    ]
    return "\n".join(parts)


@dataclass(frozen=True)
class Bar:
    """A count with its name."""

    label: str
    count: int


def bars(shown: Sequence[Bar], *, title: str, colour: str) -> str:
    """An SVG with one bar for every count, the count above it; the highest fills the height.

    Args:
        shown: From left to right.
        title: For readers who do not see it.
        colour: A CSS class of the page.
    """
    most = max([bar.count for bar in shown] + [1])
    step = (WIDTH - 2 * RIGHT) / max(1, len(shown))
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for place, bar in enumerate(shown):
        left, top = RIGHT + step * place, _y(0.92 * bar.count / most)
        middle = left + step / 2
        parts += [
            f'<rect class="{colour}" x="{left + 0.12 * step:.1f}" y="{top:.1f}" '
            f'width="{0.76 * step:.1f}" height="{_y(0) - top:.1f}"/>',
            f'<text x="{middle:.1f}" y="{top - 5:.1f}" text-anchor="middle">{bar.count:,}</text>',
            f'<text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle">'
            f"{escape(bar.label)}</text>",
        ]
    return "\n".join([*parts, "</svg>"])


def _x(labels: Sequence[str], label: str) -> float:
    step = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    return LEFT + step * (labels.index(label) + 0.5)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, share)))


def _grid_line(share: float) -> str:
    y = _y(share)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    )


def _label(labels: Sequence[str], label: str) -> str:
    every = -(-len(labels) // 12)  # at most 12 words on the axis
    shown = label if labels.index(label) % every == 0 else ""
    x = _x(labels, label)
    return f'<text x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(shown)}</text>'


def _line(labels: Sequence[str], line: Line) -> list[str]:
    spots = [(_x(labels, p.label), _y(p.value), p) for p in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in spots)
    drawn = [f'<polyline class="{line.colour}" points="{path}"/>'] if len(spots) > 1 else []
    return drawn + [part for x, y, p in spots for part in _point(x, y, p, line)]


def _point(x: float, y: float, point: Point, line: Line) -> list[str]:
    text = f"{line.name}, {point.label}: {point.value:.3f}"
    bars = []
    if point.low is not None and point.high is not None:
        text += f" ({point.low:.3f} to {point.high:.3f})"
        top, bottom = _y(point.high), _y(point.low)
        whisker = f"M{x - 5:.1f} {top:.1f}H{x + 5:.1f}M{x - 5:.1f} {bottom:.1f}H{x + 5:.1f}"
        bars = [f'<path class="{line.colour}" d="M{x:.1f} {top:.1f}V{bottom:.1f}{whisker}"/>']
    dot = f'<circle class="{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="4">'
    return [*bars, f"{dot}<title>{escape(text)}</title></circle>"]


def _legend(lines: Sequence[Line]) -> str:
    keys = "".join(
        f'<span><i class="{line.colour}"></i>{escape(line.name)}</span>' for line in lines
    )
    return f'<p class="legend">{keys}</p>'
