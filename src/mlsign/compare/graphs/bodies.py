"""The graph of one body (the main graph, a subgraph, a function) with names resolved: which value every input of a node is.

Values that the model itself holds are ``Constant``: initializers, ``Constant`` nodes, and quantized weights behind the
``DequantizeLinear`` that makes numbers of them. So a model whose weights moved or were quantized has the graph that it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from mlsign.interface import ONNX_DOMAIN, TypeSpec
from mlsign.onnx.records import (
    AttributeKind,
    AttributeRecord,
    FunctionRecord,
    GraphRecord,
    NodeRecord,
    SparseRecord,
    TensorRecord,
)

_STANDARD: Final = frozenset({"", ONNX_DOMAIN})
_DEQUANTIZE_DOMAINS: Final = _STANDARD | {"com.microsoft"}


class SourceKind(IntEnum):
    """Where a value comes from."""

    NODE = 0
    INPUT = 1
    CONSTANT = 2
    OUTER = 3
    ABSENT = 4


class Source(NamedTuple):
    """A value: an output (``output``) of node ``place``, an input of the body, a constant of it, a value of the body around it
    (``place`` is what the caller calls it), or none, for an input that is left out and a name that nothing has. A tuple: there are millions.
    """

    kind: SourceKind
    place: int = 0
    output: int = 0


ABSENT: Final = Source(SourceKind.ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A value that the model holds. ``node`` is the node that gives it, None for an initializer.

    ``quantized`` says what the stored numbers stand for: then ``tensor`` is theirs and ``element`` the type of what the node gives.
    """

    name: str
    tensor: TensorRecord | SparseRecord
    node: int | None = None
    quantized: Scaling | None = None

    @property
    def element(self) -> str:
        """The element type of the value as nodes take it."""
        return self.quantized.element if self.quantized is not None else _stored(self.tensor).element

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensor.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The numbers that make values of quantized ones: each of ``element``; one for all, along ``axis``, or for blocks along it.

    With a ``factor``, which is one number, the scale is the product of both. ``node`` is the one that makes the values, None where the
    numbers are told from nodes that compute with codes.
    """

    scale: TensorRecord
    zero_point: TensorRecord | None
    axis: int
    block: int = 0
    factor: TensorRecord | None = None
    node: NodeRecord | None = None

    @property
    def element(self) -> str:
        return self.scale.element


def _stored(tensor: TensorRecord | SparseRecord) -> TensorRecord:
    return tensor.values if isinstance(tensor, SparseRecord) else tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body with its names resolved. ``sources`` are the inputs of each node, and behind them the values of this body that
    subgraphs of the node use; ``users`` are, of each node, the nodes that take its outputs: (output, position, node).
    ``folded`` are nodes that became constants. ``defaults`` are constants in whose place the caller may give an input, and that input.
    ``names`` resolves what subgraphs use; ``record`` is what the body was made of.
    """

    where: str
    record: GraphRecord | FunctionRecord
    nodes: tuple[NodeRecord, ...]
    inputs: tuple[tuple[str, TypeSpec | None], ...]
    outputs: tuple[tuple[str, Source], ...]
    constants: tuple[Constant, ...]
    sources: tuple[tuple[Source, ...], ...]
    users: tuple[tuple[tuple[int, int, int], ...], ...]
    folded: Mapping[int, int]
    defaults: Mapping[int, int]
    names: Mapping[str, Source]

    def constant(self, source: Source) -> Constant | None:
        """The constant that a source is, or None."""
        return self.constants[source.place] if source.kind is SourceKind.CONSTANT else None


Outer = Callable[[str], "Source | Constant"]
"""What a name of the body around means: a constant of it, or a source of the kind ``OUTER``."""


def nothing_around(_: str) -> Source:
    """The ``Outer`` of a body that has none around it."""
    return ABSENT


def graph_body(graph: GraphRecord, *, where: str, outer: Outer = nothing_around, defaults: bool = False) -> Body:
    """The body of a graph. With ``defaults`` an initializer of the name of an input is one: callers may give another value."""
    constants = list(initializers(graph))
    return _body(
        graph,
        inputs=tuple((spec.name, spec.type) for spec in graph.inputs),
        outputs=tuple(spec.name for spec in graph.outputs),
        constants=constants,
        where=where,
        outer=outer,
        defaults=defaults,
    )


def initializers(graph: GraphRecord) -> tuple[Constant, ...]:
    """The initializers of a graph, sparse ones included."""
    tensors: tuple[TensorRecord | SparseRecord, ...] = (*graph.initializers, *graph.sparse_initializers)
    return tuple(Constant(name=tensor.name, tensor=tensor) for tensor in tensors)


def function_body(function: FunctionRecord, *, where: str) -> Body:
    """The body of a function of the model."""
    inputs = tuple((name, None) for name in function.inputs)
    return _body(function, inputs=inputs, outputs=function.outputs, constants=[], where=where, outer=nothing_around)


def _body(
    record: GraphRecord | FunctionRecord,
    *,
    inputs: tuple[tuple[str, TypeSpec | None], ...],
    outputs: tuple[str, ...],
    constants: list[Constant],
    where: str,
    outer: Outer,
    defaults: bool = False,
) -> Body:
    nodes = record.nodes
    names: dict[str, Source] = {name: Source(SourceKind.INPUT, index) for index, (name, _) in enumerate(inputs)}
    held = {constant.name: index for index, constant in enumerate(constants)}
    given = {held[name]: index for index, (name, _) in enumerate(inputs) if defaults and name in held}
    names.update({name: Source(SourceKind.CONSTANT, index) for name, index in held.items()})
    for index, node in enumerate(nodes):
        for position, name in enumerate(node.outputs):
            if name:
                names.setdefault(name, Source(SourceKind.NODE, index, position))
    resolver = _Resolver(names, constants, outer)
    folded: dict[int, int] = {}
    for index, node in enumerate(nodes):
        made = resolver.folds(index, node)
        if made is not None:
            folded[index] = len(constants)
            names[node.outputs[0]] = Source(SourceKind.CONSTANT, len(constants))
            constants.append(made)
    sources = tuple(
        () if index in folded else tuple(map(resolver.source, (*node.inputs, *captured(node))))
        for index, node in enumerate(nodes)
    )
    ends = tuple((name, resolver.source(name)) for name in outputs)
    return Body(
        where=where,
        record=record,
        nodes=nodes,
        inputs=inputs,
        outputs=ends,
        constants=tuple(constants),
        sources=sources,
        users=_users(sources, len(nodes)),
        folded=MappingProxyType(folded),
        defaults=MappingProxyType(given),
        names=MappingProxyType(names),
    )


def _users(sources: tuple[tuple[Source, ...], ...], count: int) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    users: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
    for index, taken in enumerate(sources):
        for position, source in enumerate(taken):
            if source.kind is SourceKind.NODE:
                users[source.place].append((source.output, position, index))
    return tuple(map(tuple, users))


class _Resolver:
    """Names to sources, within a body that is being made."""

    def __init__(self, names: dict[str, Source], constants: list[Constant], outer: Outer) -> None:
        self._names = names
        self._constants = constants
        self._outer = outer

    def source(self, name: str) -> Source:
        if not name:
            return ABSENT
        found = self._names.get(name)
        if found is None:
            around = self._outer(name)
            if isinstance(around, Constant):
                found = Source(SourceKind.CONSTANT, len(self._constants))
                self._constants.append(around)
            else:
                found = around
            self._names[name] = found
        return found

    def folds(self, index: int, node: NodeRecord) -> Constant | None:
        """The constant that a node gives, or None for a node that computes."""
        if len(node.outputs) != 1 or self._names.get(node.outputs[0]) != Source(SourceKind.NODE, index):
            return None
        if node.operator == "Constant" and node.domain in _STANDARD:
            return _constant(index, node)
        if node.operator == "DequantizeLinear" and node.domain in _DEQUANTIZE_DOMAINS:
            return self._dequantized(index, node)
        return None

    def _dequantized(self, index: int, node: NodeRecord) -> Constant | None:
        taken = [self._held(name) for name in node.inputs]
        if len(taken) not in (2, 3) or taken[0] is None or taken[1] is None:
            return None
        zero_point = taken[2] if len(taken) == 3 else None
        if zero_point is None and len(node.inputs) == 3 and node.inputs[2]:
            return None
        scaling = Scaling(
            scale=taken[1],
            zero_point=zero_point,
            axis=_number(node, "axis", 1),
            block=_number(node, "block_size", 0),
            node=node,
        )
        return Constant(name=taken[0].name or node.outputs[0], tensor=taken[0], node=index, quantized=scaling)

    def _held(self, name: str) -> TensorRecord | None:
        source = self.source(name)
        if source.kind is not SourceKind.CONSTANT:
            return None
        constant = self._constants[source.place]
        return constant.tensor if constant.quantized is None and isinstance(constant.tensor, TensorRecord) else None


def _constant(index: int, node: NodeRecord) -> Constant | None:
    """A ``Constant`` node that holds a tensor. One that holds a number or a text in its attribute is a node like any other."""
    if len(node.attributes) != 1 or node.inputs or node.attributes[0].reference:
        return None
    value = node.attributes[0].value
    if not isinstance(value, TensorRecord | SparseRecord):
        return None
    return Constant(name=node.outputs[0], tensor=value, node=index)


def _number(node: NodeRecord, name: str, default: int) -> int:
    found = next((attribute.value for attribute in node.attributes if attribute.name == name), default)
    return found if isinstance(found, int) else default


def numbered(attributes: Iterable[AttributeRecord]) -> dict[tuple[str, int], AttributeRecord]:
    """Attributes by name, and by how many of that name came before: a broken model has several, and runtimes take any of them."""
    seen: Counter[str] = Counter()
    out: dict[tuple[str, int], AttributeRecord] = {}
    for attribute in attributes:
        out[attribute.name, seen[attribute.name]] = attribute
        seen[attribute.name] += 1
    return out


def subgraphs(node: NodeRecord) -> Iterator[tuple[tuple[str, int, int], GraphRecord]]:
    """The graphs in the attributes of a node, each with its attribute as in ``numbered`` and its place there."""
    if not any(attribute.kind in (AttributeKind.GRAPH, AttributeKind.GRAPHS) for attribute in node.attributes):
        return
    for key, attribute in numbered(node.attributes).items():
        for index, graph in enumerate(graphs_of(attribute)):
            yield (*key, index), graph


def graphs_of(attribute: AttributeRecord) -> tuple[GraphRecord, ...]:
    """The graphs that an attribute holds; none for most."""
    value = attribute.value
    if isinstance(value, GraphRecord):
        return (value,)
    return tuple(item for item in value if isinstance(item, GraphRecord)) if isinstance(value, tuple) else ()


def captured(node: NodeRecord) -> tuple[str, ...]:
    """The names that the subgraphs of a node take from around it, each once, in the order of their first use."""
    return tuple(dict.fromkeys(name for _, graph in subgraphs(node) for name in free_names(graph)))


def free_names(graph: GraphRecord) -> tuple[str, ...]:
    """Names that a graph uses and does not give, in an order that follows from its structure, whatever the order of its nodes in the
    file; graphs are nested no deeper than the reader allows.
    """
    own = {spec.name for spec in graph.inputs} | {constant.name for constant in initializers(graph)}
    own.update(name for node in graph.nodes for name in node.outputs)
    makers = {name: index for index, node in enumerate(graph.nodes) for name in node.outputs if name}
    loose = [name for node in graph.nodes for name in ([name for name in node.outputs if name] or node.inputs)]
    waiting = [*reversed(loose), *(spec.name for spec in reversed(graph.outputs))]
    used: dict[str, None] = {}
    begun: set[int] = set()
    while waiting:
        name = waiting.pop()
        used[name] = None
        maker = makers.get(name)
        if maker is not None and maker not in begun:
            begun.add(maker)
            waiting.extend(reversed((*graph.nodes[maker].inputs, *captured(graph.nodes[maker]))))
    return tuple(name for name in used if name and name not in own)
