"""Diagrams as SVG: lines over linear or logarithmic axes, and nothing that the pictures of the benchmarks do not need."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BLUE, RED, GREEN, GREY = "#1b6ca8", "#c8553d", "#4a8c4a", "#777"
TITLE_ABOVE, LEGEND_ABOVE = 10, 14
LETTER = 6.2
"""How wide a letter is, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve: its points from left to right. On a logarithmic axis there is a gap where a value is not above 0."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashes: str = ""
    width: float = 2
    dots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How values lie along one side, and how the round ones are written."""

    spell: Callable[[float], str] = "{:,.12g}".format
    logarithmic: bool = True

    def scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a diagram lies, without its words."""

    x: float
    y: float
    width: float
    height: float


def picture(parts: Sequence[str], *, width: float, height: float) -> str:
    """The whole SVG."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="11">',
        "<style>.grid{stroke:#ddd}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, more: str = "") -> str:
    """Words, of which ``more`` says how they are written."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" {more}" if more else ""}>{words}</text>'


def legend(x: float, y: float, lines: Sequence[Line]) -> list[str]:
    """The names of lines, side by side."""
    out = []
    for line in lines:
        out.append(f'<path d="M{x:.0f} {y - 4}h24" stroke="{line.colour}" stroke-width="2" stroke-dasharray="{line.dashes}"/>')
        out.append(text(x + 29, y, line.name))
        x += 48 + LETTER * len(line.name)
    return out


def diagram(
    box: Box, title: str, lines: Sequence[Line], *, across: Axis, up: Axis, names: bool = False, proportional: bool = False
) -> list[str]:
    """One diagram, under the ``names`` of its lines where they are its own; ``proportional`` draws what is in proportion to the last
    point of each line, which is a straight line when both axes are logarithmic."""
    rows = marks([y for line in lines for _, y in line.points], logarithmic=up.logarithmic)
    columns = marks([x for line in lines for x, _ in line.points], logarithmic=across.logarithmic)
    last = columns[-1] if across.logarithmic else max((x for line in lines for x, _ in line.points), default=1.0)
    low, high, left, right = up.scaled(rows[0]), up.scaled(rows[-1]), across.scaled(columns[0]), across.scaled(last)

    def place(x: float, y: float) -> tuple[float, float]:
        level = (up.scaled(max(y, rows[0])) - low) / (high - low)
        return box.x + (across.scaled(x) - left) / (right - left) * box.width, box.y + box.height * (1 - level)

    out = [text(box.x, box.y - TITLE_ABOVE - (LEGEND_ABOVE if names else 0), title, 'class="title"')]
    out += legend(box.x, box.y - TITLE_ABOVE + 4, lines) if names else []
    for x in (x for x in columns if x <= last):
        at = place(x, rows[0])[0]
        out.append(f'<path d="M{at:.1f} {box.y}v{box.height}" class="grid"/>')
        out.append(text(at, box.y + box.height + 16, across.spell(x), 'text-anchor="middle"'))
    for y in rows:
        at = place(columns[0], y)[1]
        out.append(f'<path d="M{box.x} {at:.1f}h{box.width}" class="grid"/>')
        out.append(text(box.x - 6, at + 4, up.spell(y), 'text-anchor="end"'))
    for line in lines:
        if proportional and line.points:
            out.append(in_proportion(line, place, first=columns[0], lowest=rows[0]))
        out += drawn(line, place, up=up)
    return out


Place = Callable[[float, float], tuple[float, float]]


def drawn(line: Line, place: Place, *, up: Axis) -> list[str]:
    """The line, and a dot for each point where it has them."""
    way, pen, dots = "", "M", []
    for x, y in line.points:
        if up.logarithmic and y <= 0:
            pen = "M"
            continue
        across, level = place(x, y)
        way, pen = f"{way}{pen}{across:.1f} {level:.1f}", "L"
        if line.dots:
            dots.append(f'<circle cx="{across:.1f}" cy="{level:.1f}" r="3" fill="{line.colour}"/>')
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    return [f'<path d="{way}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"{dashes}/>', *dots]


def in_proportion(line: Line, place: Place, *, first: float, lowest: float) -> str:
    """Towards the last point of a line, from the left or from the bottom."""
    x, y = line.points[-1]
    start = max(first, x * lowest / y)
    (x0, y0), (x1, y1) = place(start, y * start / x), place(x, y)
    way = f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"
    return f'<path d="{way}" fill="none" stroke="{line.colour}" stroke-dasharray="2 4" stroke-opacity=".7"/>'


def marks(values: Sequence[float], *, logarithmic: bool) -> list[float]:
    """Round numbers that the values lie between: powers of ten, or some five steps from 0."""
    if logarithmic:
        positive = [value for value in values if value > 0] or [1.0]
        first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    rough = max(*values, 1e-9) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * index for index in range(math.ceil(max(values) / step) + 1)]


def power_of_ten(units: Sequence[tuple[float, str]]) -> Callable[[float], str]:
    """What writes a power of ten in the largest unit that fits; ``units`` from the largest to the smallest."""

    def spell(value: float) -> str:
        factor, name = next((unit for unit in units if value >= 0.99 * unit[0]), units[-1])
        return f"{value / factor:.3g} {name}"

    return spell


SECONDS = power_of_ten(((1, "s"), (1e-3, "ms"), (1e-6, "us")))
BYTES = power_of_ten(((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")))
