"""Where the boxes of a graph stand: in layers from top to bottom, near what they take from and give to.

Longest-path layers, an order within each by the middle of the neighbours, and places that leave the order as it is. Work is
bounded by a few passes over boxes and edges, whatever the graph: nothing is searched for, and edges that lead back, or to
nowhere, move no box. Long layers are broken into rows, so that a picture stays a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isqrt
from typing import Final

ROW: Final = 96
"""From the middle of one row to the middle of the next."""
GAP: Final = 28
_SWEEPS: Final = 4
_MIN_ROW_WIDTH: Final = 2400
_WIDTH_OF_ONE: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The middle of each box."""

    x: tuple[int, ...]
    y: tuple[int, ...]


def layout(widths: Sequence[int], edges: Sequence[tuple[int, int]]) -> Layout:
    """Places for boxes of these widths. ``edges`` are pairs of indexes; those from a lower to a higher one decide about layers."""
    before: list[list[int]] = [[] for _ in widths]
    after: list[list[int]] = [[] for _ in widths]
    for source, target in edges:
        if source < target:
            before[target].append(source)
            after[source].append(target)
    rows = _rows(_ordered(_layers(before, after), before, after), widths)
    x = _places(rows, widths, before, after)
    y = [0] * len(widths)
    for number, row in enumerate(rows):
        for box in row:
            y[box] = number * ROW
    left = min((x[box] - widths[box] / 2 for box in range(len(widths))), default=0)
    return Layout(x=tuple(round(value - left) for value in x), y=tuple(y))


def _layers(before: list[list[int]], after: list[list[int]]) -> list[list[int]]:
    depth = [0] * len(before)
    for box, sources in enumerate(before):
        if sources:
            depth[box] = 1 + max(depth[source] for source in sources)
    for box, sources in enumerate(before):
        if not sources and after[box]:  # what begins somewhere stands right above where it is taken
            depth[box] = min(depth[target] for target in after[box]) - 1
    layers: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    return [layer for layer in layers if layer]


def _ordered(layers: list[list[int]], before: list[list[int]], after: list[list[int]]) -> list[list[int]]:
    place = [0.0] * len(before)

    def number(layer: list[int]) -> None:
        for index, box in enumerate(layer):
            place[box] = (index + 0.5) / len(layer)

    for layer in layers:
        number(layer)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = before if down else after
        for layer in layers if down else reversed(layers):
            wanted = {box: _middle(near[box], place, place[box]) for box in layer}
            layer.sort(key=wanted.__getitem__)
            number(layer)
    return layers


def _rows(layers: list[list[int]], widths: Sequence[int]) -> list[list[int]]:
    widest = max(_MIN_ROW_WIDTH, isqrt(len(widths)) * _WIDTH_OF_ONE)
    rows: list[list[int]] = []
    for layer in layers:
        rows.append([])
        used = 0
        for box in layer:
            used += widths[box] + GAP
            if used > widest and rows[-1]:
                rows.append([])
                used = widths[box] + GAP
            rows[-1].append(box)
    return rows


def _places(rows: list[list[int]], widths: Sequence[int], before: list[list[int]], after: list[list[int]]) -> list[float]:
    x = [0.0] * len(widths)
    for row in rows:
        for box, at in zip(row, _steps(row, widths), strict=True):
            x[box] = at
    # What begins beside a chain is drawn to it, and does not draw the chain aside: that would go on with every step.
    above = [[source for source in sources if before[source]] or sources for sources in before]
    held = [[box for box in row if before[box]] or row for row in rows]
    order = range(len(rows))
    for near, numbers in ((above, order), (after, order[::-1]), (above, order)):
        for number in numbers:
            _place_held(held[number], rows[number], x, widths, near=near)
            _place_loose(set(held[number]), rows[number], x, widths, after=after)
    for number in order:
        _place_loose(set(held[number]), rows[number], x, widths, after=after)
    return x


def _steps(row: list[int], widths: Sequence[int]) -> list[float]:
    """The middle of each box where they stand as near to each other as they may, around 0."""
    at = -sum(widths[box] + GAP for box in row) / 2
    steps = []
    for box in row:
        steps.append(at + widths[box] / 2)
        at += widths[box] + GAP
    return steps


def _place_held(held: list[int], row: list[int], x: list[float], widths: Sequence[int], *, near: list[list[int]]) -> None:
    """Boxes near those above or below, with room between them for the others of their row."""
    steps = dict(zip(row, _steps(row, widths), strict=True))
    wanted = [_middle(near[box], x, x[box]) for box in held]
    apart = [steps[other] - steps[one] for one, other in pairwise(held)]
    # Pushed to the right as far as room asks for, and to the left: the mean of both keeps every distance.
    right, left = list(wanted), list(wanted)
    for index in range(1, len(held)):
        right[index] = max(right[index], right[index - 1] + apart[index - 1])
    for index in range(len(held) - 2, -1, -1):
        left[index] = min(left[index], left[index + 1] - apart[index])
    for index, box in enumerate(held):
        x[box] = (right[index] + left[index]) / 2


def _place_loose(held: set[int], row: list[int], x: list[float], widths: Sequence[int], *, after: list[list[int]]) -> None:
    """The others as near to where they are taken as the room between those that are held allows."""
    steps = _steps(row, widths)
    ends = [inf] * len(row)
    end = inf
    for index in range(len(row) - 1, -1, -1):
        end = x[row[index]] - steps[index] if row[index] in held else end
        ends[index] = end + steps[index]  # as far to the right as leaves room for all before the next that is held
    last: float | None = None
    for index, box in enumerate(row):
        if box not in held:
            wanted = min(_middle(after[box], x, x[box]), ends[index])
            x[box] = wanted if last is None else max(wanted, last + steps[index] - steps[index - 1])
        last = x[box]


def _middle(boxes: list[int], place: list[float], otherwise: float) -> float:
    return sum(place[box] for box in boxes) / len(boxes) if boxes else otherwise
