"""Draws what ``soak.py`` has sampled: memory, descriptors and processes, latency, calls and kills, over the time.

python bench/soak_plot.py soak.json docs/soak.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from plot import BLUE, GREEN, GREY, RED, Axis, Box, Line, diagram, picture, text

WIDTH, HEIGHT, LEFT, TOP, GAP = 640, 150, 70, 94, 66
MIB = 1024 * 1024


def main() -> None:
    """Reads the samples, writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    options.picture.write_text(drawn(json.loads(options.samples.read_text(encoding="utf-8"))), encoding="utf-8")


def drawn(result: dict) -> str:
    """The whole picture."""
    samples = result["samples"]
    minutes = [each["seconds"] / 60 for each in samples]

    def line(name: str, colour: str, values: list[float]) -> Line:
        return Line(name=name, colour=colour, points=list(zip(minutes, values, strict=True)), width=1.2, dots=False)

    def column(name: str, unit: float = 1.0) -> list[float]:
        return [each[name] / unit for each in samples]

    def rate(name: str) -> list[float]:
        pairs = zip([{"seconds": 0, name: 0}, *samples], samples, strict=False)
        return [(after[name] - before[name]) / (after["seconds"] - before["seconds"]) for before, after in pairs]

    diagrams = (
        (
            "resident memory (lower while a worker is replaced)",
            Axis(spell="{:g} MiB".format, logarithmic=False),
            [
                line("the program", BLUE, column("parent_bytes", MIB)),
                line("zygote, keepers and workers in sum", RED, column("children_bytes", MIB)),
                line("zygote", GREEN, column("zygote_bytes", MIB)),
            ],
        ),
        (
            "descriptors, processes and threads",
            Axis(logarithmic=False),
            [
                line("descriptors of the program", BLUE, column("descriptors")),
                line("processes below it", RED, column("processes")),
                line("its threads", GREEN, column("threads")),
            ],
        ),
        (
            "latency of a call, waiting included",
            Axis(spell=lambda value: f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"),
            [
                line("worst", GREY, column("worst_ms")),
                line("99 %", RED, column("p99_ms")),
                line("median", BLUE, column("p50_ms")),
            ],
        ),
        (
            "in each second",
            Axis(),
            [
                line("calls", BLUE, rate("calls")),
                line("kills", RED, rate("kills")),
                line("calls that lost their worker", GREEN, rate("errors")),
            ],
        ),
    )
    out = [
        text(LEFT, 18, load_of(result), 'class="title"'),
        text(LEFT, 34, outcome_of(result)),
        text(LEFT, 49, f"{result['machine']}, {result['software']}", f'fill="{GREY}"'),
    ]
    across = Axis(spell=lambda minute: f"{minute:g}" if minute else "0 minutes", logarithmic=False)
    for number, (title, up, lines) in enumerate(diagrams):
        box = Box(x=LEFT, y=TOP + number * (HEIGHT + GAP), width=WIDTH, height=HEIGHT)
        out += diagram(box, title, lines, across=across, up=up, names=True)
    return picture(out, width=LEFT + WIDTH + 30, height=TOP + len(diagrams) * (HEIGHT + GAP))


def load_of(result: dict) -> str:
    minutes = f"{result['seconds'] / 60:.3g} minutes"
    return f"{result['calls']:,} calls to {result['workers']} workers, and {result['kills']:,} kills, in {minutes}"


def outcome_of(result: dict) -> str:
    lost = sum(result["errors"].values())
    problems = f"{len(result['problems'])} problems" if result["problems"] else "nothing wrong, nothing lost"
    return f"{result['right']:,} right answers, {lost:,} typed errors, {problems}"


if __name__ == "__main__":
    main()
