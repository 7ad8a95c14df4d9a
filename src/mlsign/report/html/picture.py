"""A model as data for the picture: boxes with their places, and lines between them, for each sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mlsign.errors import shown
from mlsign.interface import TypeSpec
from mlsign.report.html.document import Plain
from mlsign.report.html.layout import ROW, layout
from mlsign.report.html.node_lists import Marks
from mlsign.report.html.sheets import Sheet, Sheets, operator_of
from mlsign.report.html.words import name_of, type_words

MAX_EDGES: Final = 60_000
"""Lines that are drawn, of all sheets together."""
_MAX_ENDS: Final = 2_000
"""Inputs, and outputs, of a sheet that are drawn, and of a node that lines are looked for from."""
_CHAR: Final = 8.6
_SMALL_CHAR: Final = 6.4
_MAX_UNDER: Final = 22
_PADDING: Final = 30
_NARROWEST: Final = 76
_WIDEST: Final = 230


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the script draws, and how many lines it cannot."""

    data: Mapping[str, Plain]
    edges_left_out: int


def picture_of(sheets: Sheets, marks: Marks) -> Picture:
    """Data for ``graph_model.js``; all of it numbers and short texts."""
    operators: dict[str, int] = {}
    drawn: list[Plain] = []
    room = MAX_EDGES
    left_out = 0
    for number, sheet in enumerate(sheets.sheets):
        boxes = _Boxes(sheet)
        edges: dict[tuple[int, int], None] = {}
        for edge in boxes.edges():
            if len(edges) < room:
                edges[edge] = None
            elif edge not in edges:
                left_out += 1
        left_out += boxes.inputs_left_out
        room -= len(edges)
        drawn.append(_drawn(sheets, number, boxes=boxes, edges=list(edges), operators=operators, marks=marks))
    data: dict[str, Plain] = {"row": ROW, "operators": list(operators), "sheets": drawn}
    return Picture(data=data, edges_left_out=left_out)


def _drawn(
    sheets: Sheets, number: int, *, boxes: _Boxes, edges: list[tuple[int, int]], operators: dict[str, int], marks: Marks
) -> dict[str, Plain]:
    """One sheet: ends are the boxes before and after the nodes, each a kind, a name and a type; nodes are numbers of operators."""
    sheet = sheets.sheets[number]
    labels = [name_of(operator_of(node).name, limit=40) for node in sheet.nodes]
    widths = [_width(name) for _, name, _ in boxes.before]
    widths += [_width(label, under=node.name) for label, node in zip(labels, sheet.nodes, strict=True)]
    widths += [_width(name) for _, name, _ in boxes.after]
    places = layout(widths, edges)
    first = len(boxes.before)
    return {
        "title": sheet.title,
        "parent": list(sheet.parent) if sheet.parent else None,
        "before": [list(end) for end in boxes.before],
        "after": [list(end) for end in boxes.after],
        "nodes": [operators.setdefault(label, len(operators)) for label in labels],
        "x": places.x,
        "y": [y // ROW for y in places.y],
        "w": widths,
        "edges": [end for edge in edges for end in edge],
        "opens": {str(node + first): opened for node, opened in sheet.opens.items()},
        "marks": {str(node + first): mark for (own, node), mark in marks.items() if own == number},
        "left": sheet.left_out,
    }


class _Boxes:
    """Boxes of a sheet: what comes in, then the nodes, then what goes out."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        made = {name for node in sheet.nodes for name in node.outputs[:_MAX_ENDS]}
        self._inputs = list(dict.fromkeys(sheet.inputs))[:_MAX_ENDS]
        self.inputs_left_out = sum(max(0, len(node.inputs) - _MAX_ENDS) for node in sheet.nodes)
        outer: dict[str, None] = {}
        if sheet.parent is not None:
            # What a body takes from around it; weights stand in no picture, wherever they are from.
            known = made | set(self._inputs) | sheet.stored | {""}
            for name in (name for node in sheet.nodes for name in node.inputs[:_MAX_ENDS]):
                if name not in known and len(outer) < _MAX_ENDS and not _is_stored(sheet, name):
                    outer[name] = None
        self._outer = list(outer)
        self._outputs = list(dict.fromkeys(sheet.outputs))[:_MAX_ENDS]
        self.before = [self._end("in", name) for name in self._inputs] + [self._end("around", name) for name in self._outer]
        self.after = [self._end("out", name) for name in self._outputs]

    def edges(self) -> Iterator[tuple[int, int]]:
        """From what makes a value to what takes it, by the numbers of their boxes; of several makers the first."""
        makers: dict[str, int] = {}
        for box, name in enumerate((*self._inputs, *self._outer)):
            makers.setdefault(name, box)
        first = len(self.before)
        for box, node in enumerate(self._sheet.nodes, start=first):
            for name in node.outputs[:_MAX_ENDS]:
                makers.setdefault(name, box)
        makers.pop("", None)  # what is left out
        for box, node in enumerate(self._sheet.nodes, start=first):
            yield from ((makers[name], box) for name in node.inputs[:_MAX_ENDS] if makers.get(name, box) != box)
        last = first + len(self._sheet.nodes)
        yield from ((makers[name], box) for box, name in enumerate(self._outputs, start=last) if name in makers)

    def _end(self, kind: str, name: str) -> tuple[str, str, str]:
        return kind, shown(name, limit=80), type_words(self._sheet.types.get(name))


def _is_stored(sheet: Sheet, name: str) -> bool:
    found = sheet.types.get(name)
    return found is not None and not isinstance(found, TypeSpec)


def _width(label: str, *, under: str = "") -> int:
    """Room for a label, and for as much of the small name beneath it as helps to tell nodes apart."""
    small = min(len(under), _MAX_UNDER) * _SMALL_CHAR + _PADDING / 2
    return round(min(max(len(label) * _CHAR + _PADDING, small, _NARROWEST), _WIDEST))
