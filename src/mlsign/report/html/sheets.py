"""A model as sheets, one for each graph and each function: what a picture and a list of nodes are made from.

Bounded: so many nodes, sheets and edges are taken, in the order of the file, and how many were left out is known.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN, OperatorId, TypeSpec
from mlsign.onnx.records import FunctionRecord, GraphRecord, ModelRecord, NodeRecord, SparseRecord, TensorRecord

MAX_NODES: Final = 20_000
"""Nodes that are drawn and listed: with more, neither a person nor a browser gets on."""
MAX_SHEETS: Final = 500
_MAX_TITLE_CHARS: Final = 60
_PLACE: Final = re.compile(r"(?:graph|functions\[\d+\])(?:\.[a-z_]+(?:\[\d+\])?)*", re.ASCII)
_NODE: Final = re.compile(r"node\[\d+\]", re.ASCII)


Typed: TypeAlias = TypeSpec | TensorRecord | SparseRecord
Types: TypeAlias = ChainMap[str, Typed]
"""What is known of a value, by its name: its own graph first, then those around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One graph or function. ``place`` is where it is in the file, ``parent`` the sheet and node that it opens from, None for the main
    graph and functions. ``types`` are of the values that it can name; ``opens`` has the sheets behind a node.

    ``left_out`` nodes have no place here.
    """

    title: str
    place: str
    parent: tuple[int, int] | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[NodeRecord, ...]
    types: Types
    stored: frozenset[str]
    left_out: int = 0
    opens: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """All of them; ``left_out`` counts the nodes that none has, ``sheets_left_out`` graphs and functions that are none.

    ``places`` are the numbers of sheets by their place; ``first`` is the first node of each operator, by what findings call it.
    """

    sheets: tuple[Sheet, ...]
    left_out: int
    sheets_left_out: int
    places: Mapping[str, int]
    first: Mapping[str, tuple[int, int]]

    def find(self, where: str) -> tuple[int, int] | None:
        """The sheet and the node that a place in the file is in, or within; None for whatever is no such place, and nothing else."""
        found = _PLACE.fullmatch(where)
        if found is None:
            return None
        for match in reversed(list(_NODE.finditer(found.group()))):
            number = self.places.get(found.group()[: match.start()].rstrip("."))
            index = int(match.group()[5:-1][:9])
            if number is not None and index < len(self.sheets[number].nodes):
                return number, index
        return None


def operator_of(node: NodeRecord) -> OperatorId:
    """What the node runs, spelled as facts and policies spell it."""
    return OperatorId(node.domain or ONNX_DOMAIN, node.operator)


def sheets_of(model: ModelRecord) -> Sheets:
    """The sheets of a model: the main graph first, each followed by what opens from it, functions last."""
    maker = _Maker()
    maker.graph(model.graph, "graph", title="main graph", parent=None, outer=ChainMap())
    functions: dict[tuple[str, str, str], int] = {}
    for index, function in enumerate(model.functions):
        number = maker.function(function, f"functions[{index}]")
        if number is not None:
            functions.setdefault((function.domain or ONNX_DOMAIN, function.name, function.overload), number)
    for sheet in maker.sheets if functions else ():
        for index, node in enumerate(sheet.nodes):
            called = functions.get((node.domain or ONNX_DOMAIN, node.operator, node.overload))
            if called is not None:
                sheet.opens.setdefault(index, []).append(called)
    first: dict[OperatorId, tuple[int, int]] = {}
    for number, sheet in enumerate(maker.sheets):
        for index, node in enumerate(sheet.nodes):
            first.setdefault(operator_of(node), (number, index))
    return Sheets(
        sheets=tuple(maker.sheets),
        left_out=maker.left_out,
        sheets_left_out=maker.sheets_left_out,
        places={sheet.place: number for number, sheet in enumerate(maker.sheets)},
        first={shown(operator): place for operator, place in first.items()},
    )


class _Maker:
    def __init__(self) -> None:
        self.sheets: list[Sheet] = []
        self.left_out = 0
        self.sheets_left_out = 0
        self._room = MAX_NODES

    def graph(self, graph: GraphRecord, place: str, *, title: str, parent: tuple[int, int] | None, outer: Types) -> int | None:
        tensors: tuple[TensorRecord | SparseRecord, ...] = (*graph.initializers, *graph.sparse_initializers)
        own: dict[str, Typed] = {value.name: value.type for value in (*graph.values, *graph.outputs, *graph.inputs)}
        own |= {tensor.name: tensor for tensor in tensors}
        stored = frozenset(tensor.name for tensor in tensors)
        return self._sheet(
            graph.nodes,
            place,
            title=title,
            parent=parent,
            types=ChainMap(own, *outer.maps),
            inputs=tuple(value.name for value in graph.inputs if value.name not in stored),
            outputs=tuple(value.name for value in graph.outputs),
            stored=stored,
        )

    def function(self, function: FunctionRecord, place: str) -> int | None:
        return self._sheet(
            function.nodes,
            place,
            title=f"function {function.domain or ONNX_DOMAIN}:{function.name}",
            parent=None,
            types=ChainMap({value.name: value.type for value in function.values}),
            inputs=function.inputs,
            outputs=function.outputs,
            stored=frozenset(),
        )

    def _sheet(
        self,
        nodes: tuple[NodeRecord, ...],
        place: str,
        *,
        title: str,
        parent: tuple[int, int] | None,
        types: Types,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        stored: frozenset[str],
    ) -> int | None:
        if len(self.sheets) >= MAX_SHEETS:
            self.sheets_left_out += 1
            self._leave_out(nodes)
            return None
        kept = nodes[: self._room]
        self._room -= len(kept)
        self._leave_out(nodes[len(kept) :])
        number = len(self.sheets)
        sheet = Sheet(
            title=title,
            place=place,
            parent=parent,
            inputs=inputs[:MAX_NODES],
            outputs=outputs[:MAX_NODES],
            nodes=kept,
            types=types,
            stored=stored,
            left_out=len(nodes) - len(kept),
        )
        self.sheets.append(sheet)
        self._inside(sheet, number)
        return number

    def _inside(self, sheet: Sheet, number: int) -> None:
        """What opens from the nodes of a sheet, each after the other."""
        for index, node in enumerate(sheet.nodes):
            for name, place, inner in _inner(node):
                opened = self.graph(
                    inner,
                    f"{sheet.place}.node[{index}].{place}",
                    title=f"{name} of {_called(node, index)}",
                    parent=(number, index),
                    outer=sheet.types,
                )
                if opened is not None:
                    sheet.opens.setdefault(index, []).append(opened)

    def _leave_out(self, nodes: tuple[NodeRecord, ...]) -> None:
        """Counts nodes that stand nowhere, with everything inside of them."""
        waiting = [nodes]
        while waiting:
            some = waiting.pop()
            self.left_out += len(some)
            for node in some:
                inside = [graph.nodes for _, _, graph in _inner(node)]
                self.sheets_left_out += len(inside)
                waiting += inside


def _called(node: NodeRecord, index: int) -> str:
    """Which node it is, in a few words: there may be many of one operator."""
    return f"{shown(node.operator, limit=_MAX_TITLE_CHARS)} {shown(node.name, limit=_MAX_TITLE_CHARS) or f'#{index}'}"


def _inner(node: NodeRecord) -> Iterator[tuple[str, str, GraphRecord]]:
    for number, attribute in enumerate(node.attributes):
        if isinstance(attribute.value, GraphRecord):
            yield shown(attribute.name, limit=_MAX_TITLE_CHARS), f"attribute[{number}].g", attribute.value
        elif isinstance(attribute.value, tuple):
            for index, value in enumerate(attribute.value):
                if isinstance(value, GraphRecord):
                    name = shown(attribute.name, limit=_MAX_TITLE_CHARS)
                    yield f"{name} {index}", f"attribute[{number}].graphs[{index}]", value
