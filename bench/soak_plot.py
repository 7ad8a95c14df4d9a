"""Draws what ``soak.py`` has sampled: memory, descriptors and processes, latency, calls and kills, over the time.

python bench/soak_plot.py soak.json docs/soak.svg
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, GAP = 640, 150, 70, 94, 66
BLUE, RED, GREEN, GREY = "#1b6ca8", "#c8553d", "#4a8c4a", "#777"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve of a diagram."""

    name: str
    colour: str
    values: list[float]


def main() -> None:
    """Reads the samples, writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    options.picture.write_text(picture(json.loads(options.samples.read_text(encoding="utf-8"))), encoding="utf-8")


def picture(result: dict) -> str:
    """The whole SVG."""
    samples = result["samples"]
    minutes = [each["seconds"] / 60 for each in samples]

    def column(name: str, unit: float = 1.0) -> list[float]:
        return [each[name] / unit for each in samples]

    def rate(name: str) -> list[float]:
        pairs = zip([{"seconds": 0, name: 0}, *samples], samples, strict=False)
        return [(after[name] - before[name]) / (after["seconds"] - before["seconds"]) for before, after in pairs]

    diagrams: list[tuple[str, list[Line], bool, Callable[[float], str]]] = [
        (
            "resident memory (lower while a worker is replaced)",
            [
                Line(name="the program", colour=BLUE, values=column("parent_bytes", MIB)),
                Line(name="zygote, keepers and workers in sum", colour=RED, values=column("children_bytes", MIB)),
                Line(name="zygote", colour=GREEN, values=column("zygote_bytes", MIB)),
            ],
            False,
            lambda value: f"{value:g} MiB",
        ),
        (
            "descriptors, processes and threads",
            [
                Line(name="descriptors of the program", colour=BLUE, values=column("descriptors")),
                Line(name="processes below it", colour=RED, values=column("processes")),
                Line(name="its threads", colour=GREEN, values=column("threads")),
            ],
            False,
            lambda value: f"{value:g}",
        ),
        (
            "latency of a call, waiting included",
            [
                Line(name="worst", colour=GREY, values=column("worst_ms")),
                Line(name="99 %", colour=RED, values=column("p99_ms")),
                Line(name="median", colour=BLUE, values=column("p50_ms")),
            ],
            True,
            lambda value: f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s",
        ),
        (
            "in each second",
            [
                Line(name="calls", colour=BLUE, values=rate("calls")),
                Line(name="kills", colour=RED, values=rate("kills")),
                Line(name="calls that lost their worker", colour=GREEN, values=rate("errors")),
            ],
            True,
            lambda value: f"{value:,g}",
        ),
    ]
    height = TOP + len(diagrams) * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" font-family="sans-serif" font-size="11">',
        "<style>.grid{stroke:#ddd}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{LEFT + WIDTH + 30}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" class="title">{load_of(result)}</text>',
        f'<text x="{LEFT}" y="34">{outcome_of(result)}</text>',
        f'<text x="{LEFT}" y="49" fill="{GREY}">{result["machine"]}, {result["software"]}</text>',
    ]
    for row, (title, lines, logarithmic, spell) in enumerate(diagrams):
        out += diagram(TOP + row * (HEIGHT + GAP), title, minutes, lines, logarithmic=logarithmic, spell=spell)
    return "\n".join([*out, "</svg>", ""])


def load_of(result: dict) -> str:
    minutes = f"{result['seconds'] / 60:.3g} minutes"
    return f"{result['calls']:,} calls to {result['workers']} workers, and {result['kills']:,} kills, in {minutes}"


def outcome_of(result: dict) -> str:
    lost = sum(result["errors"].values())
    problems = f"{len(result['problems'])} problems" if result["problems"] else "nothing wrong, nothing lost"
    return f"{result['right']:,} right answers, {lost:,} typed errors, {problems}"


def diagram(
    y: float, title: str, across: list[float], lines: list[Line], *, logarithmic: bool, spell: Callable[[float], str]
) -> list[str]:
    """One diagram: minutes to the right, a line for each curve, names above."""
    ticks = marks([value for line in lines for value in line.values], logarithmic=logarithmic)
    low, high = scale(ticks[0], logarithmic=logarithmic), scale(ticks[-1], logarithmic=logarithmic)
    span = across[-1] if across else 1.0

    def place(minute: float, value: float) -> tuple[float, float]:
        level = (scale(max(value, ticks[0]), logarithmic=logarithmic) - low) / (high - low)
        return LEFT + minute / span * WIDTH, y + HEIGHT - level * HEIGHT

    out = [f'<text x="{LEFT}" y="{y - 20}" class="title">{title}</text>']
    at = float(LEFT)
    for line in lines:
        out.append(f'<path d="M{at:.0f} {y - 9}h18" stroke="{line.colour}" stroke-width="2"/>')
        out.append(f'<text x="{at + 23:.0f}" y="{y - 5}">{line.name}</text>')
        at += 40 + 6.2 * len(line.name)
    for tick in ticks:
        level = place(0, tick)[1]
        out.append(f'<path d="M{LEFT} {level:.1f}H{LEFT + WIDTH}" class="grid"/>')
        out.append(f'<text x="{LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{spell(tick)}</text>')
    for minute in (minute for minute in marks([0.0, span], logarithmic=False) if minute <= span):
        words = f"{minute:g} minutes" if minute == 0 else f"{minute:g}"
        out.append(f'<text x="{place(minute, 0)[0]:.1f}" y="{y + HEIGHT + 16}" text-anchor="middle">{words}</text>')
    for line in lines:
        way, pen = "", "M"
        for minute, value in zip(across, line.values, strict=True):
            if logarithmic and value <= 0:  # nothing happened in this interval: a gap
                pen = "M"
                continue
            across_at, up_at = place(minute, value)
            way, pen = f"{way}{pen}{across_at:.1f} {up_at:.1f}", "L"
        out.append(f'<path d="{way}" fill="none" stroke="{line.colour}" stroke-width="1.2"/>')
    return out


def scale(value: float, *, logarithmic: bool) -> float:
    return math.log10(value) if logarithmic else value


def marks(values: list[float], *, logarithmic: bool) -> list[float]:
    """Round numbers that the values lie between: powers of ten, or some five steps from 0."""
    if logarithmic:
        positive = [value for value in values if value > 0] or [1.0]
        first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    rough = max(*values, 1e-9) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * index for index in range(math.ceil(max(values) / step) + 1)]


if __name__ == "__main__":
    main()
