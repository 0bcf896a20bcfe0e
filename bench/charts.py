"""``line_chart`` and ``bar_chart``: small SVGs for the figures in ``docs/``; no plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import attrs

__all__ = ["Bars", "Chart", "bar_chart", "line_chart"]

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 40, 55
COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#762a83", "#e08214", "#4d4d4d")
MARK_RADIUS = 3.5
BAR_HEIGHT, BAR_GAP = 14, 12
BAR_LEFT, BAR_RIGHT = 90, 60


@attrs.frozen(kw_only=True)
class Chart:
    """What is drawn: ``lines`` maps a name to one value for each of ``steps``, None where there is none.

    ``is_logarithmic`` draws log10(1 + value), so that 0 has a place too.
    """

    title: str
    x_label: str
    y_label: str
    steps: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]
    y_ticks: Sequence[float]
    is_logarithmic: bool = False


@attrs.frozen(kw_only=True)
class Bars:
    """What is drawn: ``groups`` maps a name to one value for each of ``rows``, None where there is none."""

    title: str
    x_label: str
    rows: Sequence[str]
    groups: Mapping[str, Sequence[float | None]]


def bar_chart(bars: Bars) -> str:
    """Return the SVG text: for each row one bar of each group, its value written behind it."""
    step = BAR_HEIGHT * len(bars.groups) + BAR_GAP
    height = TOP + 18 * len(bars.groups) + step * len(bars.rows) + 40
    top = max(value for values in bars.groups.values() for value in values if value is not None)
    plot_width = WIDTH - BAR_LEFT - BAR_RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(BAR_LEFT, TOP - 16, bars.title, "start", 'font-size="14"'),
        _text(BAR_LEFT + plot_width / 2, height - 12, bars.x_label, "middle"),
    ]
    for number, name in enumerate(bars.groups):
        parts.append(_text(BAR_LEFT, TOP + 4 + 18 * number, name, "start", f'fill="{COLOURS[number % len(COLOURS)]}"'))
    for row, label in enumerate(bars.rows):
        y = TOP + 18 * len(bars.groups) + step * row
        parts.append(_text(BAR_LEFT - 8, y + (step - BAR_GAP) / 2 + 4, label, "end"))
        for number, values in enumerate(bars.groups.values()):
            value = values[row]
            if value is None:
                continue
            width, at = plot_width * value / top, y + BAR_HEIGHT * number
            colour = COLOURS[number % len(COLOURS)]
            parts.append(
                f'<rect x="{BAR_LEFT}" y="{at}" width="{width:.1f}" height="{BAR_HEIGHT - 2}" fill="{colour}"/>'
            )
            parts.append(_text(BAR_LEFT + width + 5, at + BAR_HEIGHT - 4, f"{value:.1f}", "start"))
    return "\n".join([*parts, "</svg>", ""])


def line_chart(chart: Chart) -> str:
    """Return the SVG text."""
    scale = _log if chart.is_logarithmic else float
    top = scale(chart.y_ticks[-1])
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x_of(step: int) -> float:
        return LEFT + plot_width * (step + 0.5) / len(chart.steps)

    def y_of(value: float) -> float:
        return TOP + plot_height * (1 - scale(value) / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, TOP - 16, chart.title, "start", 'font-size="14"'),
        _text(LEFT + plot_width / 2, HEIGHT - 12, chart.x_label, "middle"),
        f'<text transform="translate(16 {TOP + plot_height / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(chart.y_label)}</text>",
    ]
    for tick in chart.y_ticks:
        y = y_of(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + plot_width}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:g}", "end"))
    parts += [_text(x_of(step), TOP + plot_height + 18, label, "middle") for step, label in enumerate(chart.steps)]
    for number, (name, values) in enumerate(chart.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x_of(step), y_of(value)) for step, value in enumerate(values) if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{MARK_RADIUS}" fill="{colour}"/>' for x, y in points]
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 16 + 18 * number, name, "start", f'fill="{colour}"'))
    return "\n".join([*parts, "</svg>", ""])


def _log(value: float) -> float:
    return math.log10(1 + value)


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
