"""Numbers for what nodes are, equal exactly where two nodes do the same: no names of nodes or values, no values of weights.

Every structure gets the number under which it was first seen (hash-consing), so nothing rests on a hash that somebody could
make collide.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from mlsign.compare.graphs.bodies import (
    Body,
    Constant,
    Scaling,
    Source,
    SourceKind,
    free_names,
    function_body,
    graph_body,
    subgraphs,
)
from mlsign.interface import ONNX_DOMAIN, TypeSpec
from mlsign.onnx.records import (
    AttributeKind,
    AttributeRecord,
    AttributeValue,
    FunctionRecord,
    GraphRecord,
    NodeRecord,
    SparseRecord,
    Stored,
    TensorRecord,
)

FunctionKey: TypeAlias = tuple[str, str, str]
_MAX_DEPTH: Final = 48
"""Functions and subgraphs that are nested deeper than this are told apart by names and sizes alone."""


_SAME_PLACES: Final[Mapping[int, int]] = MappingProxyType({})


class Level(Enum):
    """How much of a node counts."""

    WHOLE = "operator, attributes and the types and shapes of weights"
    ANY_WEIGHTS = "operator and attributes"
    OPERATOR = "operator alone"


class Interner:
    """Gives equal keys equal numbers, and other keys others."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def function_key(function: FunctionRecord) -> FunctionKey:
    """By what nodes call it."""
    return _domain(function.domain), function.name, function.overload


def called(node: NodeRecord) -> FunctionKey:
    """The function that a node calls, where the model has one of this name."""
    return _domain(node.domain), node.operator, node.overload


def _domain(domain: str) -> str:
    return domain or ONNX_DOMAIN


class Keys:
    """Numbers for the nodes of one of two models, which share ``interner``. ``functions`` are those of the model."""

    def __init__(self, interner: Interner, functions: Mapping[FunctionKey, FunctionRecord]) -> None:
        self._interner = interner
        self._functions = functions
        self._structures: dict[FunctionKey, int] = {}
        self._aliases: dict[FunctionKey, int] = {}
        self._graphs: dict[int, int] = {}
        self._depth = 0

    def call(self, key: FunctionKey, number: int) -> None:
        """From now on nodes that call the function ``key`` do the same as others whose function was given this number."""
        self._aliases[key] = number
        self._graphs.clear()

    def operator(self, node: NodeRecord) -> int:
        """What a node runs."""
        key = called(node)
        if key in self._aliases:
            return self._interner.number(("pair", self._aliases[key]))
        return self.structure(key) if key in self._functions else self._interner.number(("operator", key))

    def node(self, node: NodeRecord, level: Level) -> int:
        """What a node is, at this level."""
        operator = self.operator(node)
        if level is Level.OPERATOR:
            return self._interner.number(("kind", operator))
        learned = is_learned(node)
        attributes = sorted(self.attribute(attribute, learned=learned) for attribute in node.attributes)
        return self._interner.number(("node", operator, len(node.outputs), *attributes))

    def reading(self, scaling: Scaling) -> Hashable:
        """How codes are read, whatever the scales and zero points are."""
        node = None if scaling.node is None else self.node(scaling.node, Level.WHOLE)
        return node, scaling.zero_point is None

    def attribute(self, attribute: AttributeRecord, *, learned: bool = False) -> int:
        """Name and value of an attribute; of tensors only type and shape, and of ``learned`` numbers how many there are."""
        value = attribute.value
        if learned and (count := float_count(attribute)) is not None:
            return self._interner.number((attribute.name, "floats", count))
        return self._interner.number((attribute.name, attribute.kind, attribute.reference, self._value(value)))

    def _value(self, value: AttributeValue) -> Hashable:
        if isinstance(value, GraphRecord):
            return self.graph(value)
        if isinstance(value, TensorRecord | SparseRecord):
            return tensor_key(value)
        if isinstance(value, Stored):
            return ("stored", value.field)  # values apart, as those of tensors
        if isinstance(value, float):
            return array("d", [value]).tobytes()  # of no number, too, which is not equal to itself
        if isinstance(value, tuple) and value and isinstance(value[0], float):
            return array("d", value).tobytes()
        if isinstance(value, tuple) and value and isinstance(value[0], GraphRecord | TensorRecord | SparseRecord):
            return tuple(self._value(item) for item in value)
        return value

    def structure(self, key: FunctionKey) -> int:
        """What a function of the model does, whatever it and its values are called."""
        if key not in self._structures:
            if self._depth >= _MAX_DEPTH:
                return self._interner.number(("deep", key))
            self._structures[key] = self._interner.number(("recursive", key))  # until it is known
            self._depth += 1
            function = self._functions[key]
            defaults = tuple(sorted(map(self.attribute, function.defaults)))
            names = tuple(sorted(function.attributes))
            parts = (len(function.inputs), names, defaults, self.body(function_body(function, where="")))
            self._structures[key] = self._interner.number(("function", *parts))
            self._depth -= 1
        return self._structures[key]

    def graph(self, graph: GraphRecord) -> int:
        """What a subgraph does: what it takes from around it counts by the order of its first use, from the end of the graph."""
        if id(graph) not in self._graphs:
            if self._depth >= _MAX_DEPTH:
                return self._interner.number(("deep", len(graph.nodes)))
            around: dict[str, Source] = {}

            def outer(name: str) -> Source:
                return around.setdefault(name, Source(SourceKind.OUTER, len(around)))

            for name in free_names(graph):
                outer(name)
            self._depth += 1
            self._graphs[id(graph)] = self._interner.number(("graph", self.body(graph_body(graph, where="", outer=outer))))
            self._depth -= 1
        return self._graphs[id(graph)]

    def body(self, body: Body) -> int:
        """What a whole body does."""
        order = ordered(body)
        nodes = {index: self.node(body.nodes[index], Level.WHOLE) for index in order}
        known: dict[int, int] = {}
        label = labelling(body, self._interner, lambda index: known.get(index, -1), Level.WHOLE)
        for index in order:
            known[index] = self._interner.number(("up", nodes[index], *map(label, body.sources[index])))
        ends = tuple(label(source) for _, source in body.outputs)
        loose = tuple(sorted(known[index] for index in order if not body.users[index]))
        return self._interner.number(("body", tuple(map(_input_key, body.inputs)), ends, loose))


def _input_key(value: tuple[str, TypeSpec | None]) -> Hashable:
    return value[1]


def is_learned(node: NodeRecord) -> bool:
    """Whether the lists of numbers in the attributes of a node are weights, as the operators for classical models have them."""
    return node.domain == "ai.onnx.ml"


def float_count(attribute: AttributeRecord) -> int | None:
    """How many numbers a list of floats has; None for other attributes."""
    if attribute.kind is not AttributeKind.FLOATS or attribute.reference:
        return None
    if isinstance(attribute.value, Stored):
        return sum(len(part) for part in attribute.value.parts if not isinstance(part, int)) // 4
    return len(attribute.value) if isinstance(attribute.value, tuple) else None


def tensor_key(tensor: TensorRecord | SparseRecord) -> Hashable:
    """Type and shape."""
    if isinstance(tensor, SparseRecord):
        return ("sparse", tensor.values.element, tensor.shape)
    return (tensor.element, tensor.shape)


def labelling(
    body: Body, interner: Interner, node: Callable[[int], int], level: Level, inputs: Mapping[int, int] = _SAME_PLACES
) -> Callable[[Source], int]:
    """Numbers for what a node takes: ``node`` has those of nodes, everything else counts by what it is.

    Inputs of the body count by their place, or by what ``inputs`` has in its stead.
    """

    def constant(found: Constant) -> Hashable:
        return ("constant", found.element, found.shape) if level is Level.WHOLE else "constant"

    constants = [interner.number(constant(found)) for found in body.constants]

    def label(source: Source) -> int:
        if source.kind is SourceKind.NODE:
            return interner.number((node(source.place), source.output))
        if source.kind is SourceKind.CONSTANT:
            return constants[source.place]
        if source.kind is SourceKind.INPUT:
            return interner.number(("input", inputs.get(source.place, source.place)))
        return interner.number(source)

    return label


def ordered(body: Body) -> list[int]:
    """The nodes in an order that follows from the structure, whatever the order of the file: what a node takes comes before it, as far
    as nothing takes from itself. Nodes that became constants are left out.
    """
    out: list[int] = []
    begun = bytearray(len(body.nodes))
    for index in body.folded:
        begun[index] = 1
    roots = [source.place for _, source in body.outputs if source.kind is SourceKind.NODE]
    for root in (*roots, *range(len(body.nodes))):
        if begun[root]:
            continue
        begun[root] = 1
        stack = [(root, 0)]
        while stack:
            index, position = stack.pop()
            taken = body.sources[index]
            while position < len(taken):
                source = taken[position]
                position += 1
                if source.kind is SourceKind.NODE and not begun[source.place]:
                    begun[source.place] = 1
                    stack.append((index, position))
                    stack.append((source.place, 0))
                    break
            else:
                out.append(index)
    return out


__all__ = [
    "FunctionKey",
    "Interner",
    "Keys",
    "Level",
    "called",
    "function_key",
    "labelling",
    "ordered",
    "subgraphs",
    "tensor_key",
]
