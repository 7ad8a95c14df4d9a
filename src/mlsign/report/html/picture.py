"""A model as data for the picture: boxes with their places, and lines between them, for each sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlsign.report.html.boxes import Boxes
from mlsign.report.html.document import Plain
from mlsign.report.html.families import FAMILIES, family_of
from mlsign.report.html.layout import ROW, layout
from mlsign.report.html.node_lists import Marks
from mlsign.report.html.sheets import Sheet, Sheets, operator_of
from mlsign.report.html.words import name_of

MAX_EDGES: Final = 60_000
"""Lines that are drawn, of all sheets together."""
MAX_ALL_ENDS: Final = 10_000
"""Inputs, outputs and values from around that are drawn, of all sheets together, and as many of the sheet that takes the last room."""
_CHAR: Final = 8.6
_SMALL_CHAR: Final = 6.4
_DIGIT: Final = 7.2
_MAX_UNDER: Final = 24
_PADDING: Final = 34
_NARROWEST: Final = 80
_WIDEST: Final = 230
_FAMILIES: Final = tuple(FAMILIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the script draws, how many nodes there are of each family, and of folded constants, and how many lines and ends of graphs it
    cannot draw.
    """

    data: Mapping[str, Plain]
    families: Mapping[str, int]
    folded: int
    edges_left_out: int
    ends_left_out: int


def picture_of(sheets: Sheets, marks: Marks) -> Picture:
    """Data for ``graph_model.js``; all of it numbers and short texts."""
    maker = _Maker()
    drawn: list[Plain] = []
    left_out = ends_left_out = 0
    room = MAX_EDGES
    room_of_ends = MAX_ALL_ENDS
    for number, sheet in enumerate(sheets.sheets):
        own = {node: mark for (of, node), mark in marks.items() if of == number} if marks else {}
        boxes = Boxes(sheet, marked=frozenset(own), room=max(room_of_ends, 0))
        room_of_ends -= len(boxes.before) + len(boxes.after)
        ends_left_out += boxes.ends_left_out
        edges: dict[tuple[int, int], None] = {}
        for edge in boxes.edges():
            if len(edges) < room:
                edges[edge] = None
            elif edge not in edges:
                left_out += 1
        left_out += boxes.inputs_left_out
        room -= len(edges)
        drawn.append(maker.draw(sheet, boxes, edges=list(edges), marks=own))
    data: dict[str, Plain] = {
        "row": ROW,
        "operators": list(maker.operators),
        "texts": list(maker.texts),
        "families": list(_FAMILIES),
        "sheets": drawn,
    }
    return Picture(data=data, families=maker.families, folded=maker.folded, edges_left_out=left_out, ends_left_out=ends_left_out)


class _Maker:
    """Words that very many nodes share stand once, and nodes have their numbers."""

    def __init__(self) -> None:
        self.operators: dict[str, int] = {}
        self.texts: dict[str, int] = {"": 0}
        self.families = dict.fromkeys(_FAMILIES, 0)
        self.folded = 0

    def draw(self, sheet: Sheet, boxes: Boxes, *, edges: list[tuple[int, int]], marks: Mapping[int, str]) -> dict[str, Plain]:
        """One sheet: ends are the boxes before and after the nodes, each a kind, a name and a type; nodes are numbers of operators.

        ``weights`` and ``gives`` are numbers of texts; a box without a width is folded into those that take from it.
        """
        first = boxes.first
        labels = [name_of(operator_of(node).name, limit=40) for node in sheet.nodes]
        weights = ["" if index in boxes.folded else boxes.weights(node) for index, node in enumerate(sheet.nodes)]
        families = [family_of(node, opens=index in sheet.opens) for index, node in enumerate(sheet.nodes)]
        widths = [_width(name) for _, name, _ in boxes.before]
        widths += [
            0 if index in boxes.folded else _width(labels[index], node.name, weights[index])
            for index, node in enumerate(sheet.nodes)
        ]
        widths += [_width(name) for _, name, _ in boxes.after]
        for index, family in enumerate(families):
            if index not in boxes.folded:
                self.families[family] += 1
        self.folded += len(boxes.folded)
        x, y = _places(widths, edges)
        return {
            "title": sheet.title,
            "parent": list(sheet.parent) if sheet.parent else None,
            "before": [list(end) for end in boxes.before],
            "after": [list(end) for end in boxes.after],
            "nodes": [self.operators.setdefault(label, len(self.operators)) for label in labels],
            "family": [_FAMILIES.index(family) for family in families],
            "weights": [self._text(words) for words in weights],
            "gives": [self._text(boxes.gives(node)) for node in sheet.nodes],
            "x": x,
            "y": y,
            "w": widths,
            "edges": [end for edge in edges for end in edge],
            "opens": {str(node + first): opened for node, opened in sheet.opens.items()},
            "marks": {str(node + first): mark for node, mark in marks.items()},
            "left": sheet.left_out,
        }

    def _text(self, words: str) -> int:
        return self.texts.setdefault(words, len(self.texts))


def _places(widths: list[int], edges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The middle of each box, and its row; boxes without a width are where the first one is that takes from them."""
    kept = [box for box, width in enumerate(widths) if width]
    number = {box: index for index, box in enumerate(kept)}
    places = layout([widths[box] for box in kept], [(number[a], number[b]) for a, b in edges if a in number and b in number])
    x, y = [0] * len(widths), [0] * len(widths)
    for box, index in number.items():
        x[box], y[box] = places.x[index], places.y[index] // ROW
    for source, target in reversed(edges):
        if not widths[source] and widths[target]:
            x[source], y[source] = x[target], y[target]
    return x, y


def _width(label: str, name: str = "", weights: str = "") -> int:
    """Room for a label, for as much of the small name beneath it as helps to tell nodes apart, and for weights."""
    small = max(min(len(name), _MAX_UNDER) * _SMALL_CHAR, len(weights) * _DIGIT) + _PADDING * 3 / 4
    return round(min(max(len(label) * _CHAR + _PADDING, small, _NARROWEST), _WIDEST))
