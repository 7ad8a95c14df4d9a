"""Graphs and functions: every node at any depth, every name made once and before it is used.

Owns ``GraphProto`` and ``FunctionProto``. A graph in an attribute sees the names of the graphs around it as they are
where its node stands, and makes names of its own that end with it (ONNX IR, "Graphs": static single
assignment, topological order).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final, TypeAlias

from mlsign.errors import shown
from mlsign.interface import TypeSpec
from mlsign.onnx import problems, schema
from mlsign.onnx.conformance import Conformance
from mlsign.onnx.nodes import NO_ATTRIBUTES, Attributes, Call, NodeReader
from mlsign.onnx.scan import Scan, body, text
from mlsign.onnx.summary import ExternalTensor
from mlsign.onnx.tensors import TensorFacts, read_sparse, read_tensor
from mlsign.onnx.types import TypeReader
from mlsign.onnx.wire import Body, Value, Where, refuse

Blocks: TypeAlias = "dict[bytes, tuple[GraphFacts, ...]]"
"""The graphs in the attributes of a node, by the name of the attribute."""


@dataclass(slots=True, eq=False, kw_only=True)
class Steps:
    """The nodes of a body in order, by columns: what they call, the names of their inputs and outputs, their attributes.

    Columns, and tuples of bytes in them, cost Python's collector nothing, where a million nodes of their own would.
    ``blocks`` has the graphs in the attributes of those nodes that have any.
    """

    calls: list[Call] = field(default_factory=list)
    inputs: list[tuple[bytes, ...]] = field(default_factory=list)
    outputs: list[tuple[bytes, ...]] = field(default_factory=list)
    told: list[Attributes] = field(default_factory=list)
    blocks: dict[int, Blocks] = field(default_factory=dict)


_FEW: Final = 8
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf")
"""Control characters, and in UTF-8 those of width zero and those that turn the direction of text (CVE-2021-42574)."""


@dataclass(slots=True, eq=False, kw_only=True)
class GraphFacts:
    """A graph as it was read: inputs, outputs and nodes in model order, tensors without their values."""

    where: Where = None
    inputs: list[tuple[bytes, TypeSpec | None]] = field(default_factory=list)
    outputs: list[tuple[bytes, TypeSpec | None]] = field(default_factory=list)
    initializers: dict[bytes, TensorFacts] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)


@dataclass(slots=True, kw_only=True)
class Totals:
    """What is counted over the whole model."""

    graphs: int = 0
    depth: int = 0
    parameter_count: int = 0
    parameter_bytes: int = 0
    external: list[ExternalTensor] = field(default_factory=list)

    def add(self, tensor: TensorFacts) -> None:
        self.parameter_count += tensor.count
        self.parameter_bytes += tensor.size


class GraphReader:
    """Walks graphs. ``calls`` counts nodes by what they call, for the body (model or function) that is being read."""

    __slots__ = ("_conformance", "_function", "_hidden", "_nodes", "_scan", "_visible", "calls", "totals", "types")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.totals = Totals()
        self.types = TypeReader(scan)
        self._nodes = NodeReader(scan, self.types, external=self.totals.external)
        self.calls: Counter[Call] = Counter()
        self._visible: set[bytes] = {b""}  # the empty name is an optional value that is left out
        self._function = False
        self._hidden = ""
        self._conformance = Conformance(scan, {})

    def start(self, opsets: dict[str, int], *, function: bool = False, hidden: str = "") -> Counter[Call]:
        """Begins a new body with no names, written for ``opsets``; returns the counter of its calls."""
        self._conformance = Conformance(self._scan, opsets)
        self.calls = Counter()
        self._visible = {b""}
        self._function = function
        self._hidden = hidden
        return self.calls

    def graph(self, data: Body, where: Where, *, depth: int = 1) -> GraphFacts:
        """The graph and all beneath it. Raises ``InputError`` (``onnx.limit.depth``)."""
        if depth > self._scan.limits.max_graph_depth:
            refuse(f"graphs are nested deeper than {self._scan.limits.max_graph_depth}", code="limit.depth", where=where)
        self._scan.count("graphs", where)
        self.totals.graphs += 1
        self.totals.depth = max(self.totals.depth, depth)
        facts = GraphFacts(where=where)
        parts = self._scan.fields(data, schema.GRAPH, where)
        self._scan.entries(parts.get(16, ()), where, name="metadata_props")
        if not self._scan.last(parts, 2, where) or 12 not in parts:
            self._scan.problems.add(problems.INCOMPLETE, "a graph has no name, or gives nothing", where)
        for index, value in enumerate(parts.get(14, ())):
            self._annotation(body(value), (where, "quantization_annotation", index))
        for index, value in enumerate(parts.get(13, ())):
            self.types.value_info(body(value), (where, "value_info", index))
        facts.inputs = self._values(parts.get(11, ()), where, "input")
        facts.outputs = self._values(parts.get(12, ()), where, "output")
        self._initializers(parts, facts, where)
        made = self._declare(facts, where)
        facts.steps = self.nodes(parts.get(1, ()), where, depth=depth, made=made)
        for index, (name, _) in enumerate(facts.outputs):
            # a graph in an attribute gives what it makes: values of the graph around it do not pass through
            if name not in (self._visible if depth == 1 else made) or not name:
                self._scan.problems.add(
                    problems.NOT_PRODUCED,
                    f"output {shown(text(name))} is made by nothing",
                    (where, "output", index),
                    found=text(name),
                )
        self._visible.difference_update(made)
        return facts

    def _values(self, values: Sequence[Value], where: Where, kind: str) -> list[tuple[bytes, TypeSpec | None]]:
        return [self.types.value_info(body(value), (where, kind, index)) for index, value in enumerate(values)]

    def _initializers(self, parts: dict[int, list[Value]], facts: GraphFacts, where: Where) -> None:
        external = self.totals.external
        for number, name in ((5, "initializer"), (15, "sparse_initializer")):
            for index, value in enumerate(parts.get(number, ())):
                here = (where, name, index)
                if number == 5:
                    tensor = read_tensor(self._scan, body(value), here, external=external, hidden=self._hidden)
                else:
                    tensor = read_sparse(self._scan, body(value), here, external=external)
                self.totals.add(tensor)
                if tensor.name in facts.initializers or not tensor.name:
                    self._repeated(tensor.name, "initializer", here)
                facts.initializers[tensor.name] = tensor

    def _repeated(self, name: bytes, kind: str, where: Where) -> None:
        if not self._scan.problems.wants(problems.REPEATED_NAME):
            return
        spelled = shown(text(name))
        message = f"{kind} {spelled} is named twice" if name else f"an {kind} has no name"
        self._scan.problems.add(problems.REPEATED_NAME, message, where, found=text(name))

    def _declare(self, facts: GraphFacts, where: Where) -> set[bytes]:
        """Makes the names of inputs and initializers visible and returns them.

        An initializer may stand for an input of its name (a default value); then it must be of its type.
        """
        made: set[bytes] = set()
        for index, (name, spec) in enumerate(facts.inputs):
            here = (where, "input", index)
            if name in made or not name:
                self._repeated(name, "input", here)
            tensor = facts.initializers.get(name)
            if tensor is not None and spec is not None and not _fits(tensor, spec):
                self._scan.problems.add(
                    problems.INPUT_SHADOWED,
                    f"initializer {shown(text(name))} takes the place of an input of another type",
                    here,
                    expected=str(spec),
                    found=f"{tensor.element}{list(tensor.dims)}",
                )
            made.add(name)
        names = [name for name, _ in facts.outputs]
        if len(set(names)) != len(names):
            self._repeated(Counter(names).most_common(1)[0][0], "output", where)
        made.update(facts.initializers)
        made.discard(b"")
        self._shadowed(made & self._visible, where)
        made -= self._visible
        self._visible |= made
        return made

    def _shadowed(self, names: set[bytes], where: Where) -> None:
        for name in sorted(names):
            if self._scan.problems.wants(problems.SHADOWED_NAME):
                self._scan.problems.add(
                    problems.SHADOWED_NAME,
                    f"{shown(text(name))} hides a value of the graph around it",
                    where,
                    found=text(name),
                )

    def nodes(self, bodies: Sequence[Value], where: Where, *, depth: int, made: set[bytes]) -> Steps:
        """Reads nodes in order; the names they make are added to ``made`` and stay visible."""
        self._scan.count("nodes", where, number=len(bodies))
        edges, room = 0, self._scan.limits.max_edges - self._scan.used["edges"]
        visible, read, conformance = self._visible, self._nodes.node, self._conformance
        known = conformance.known
        steps = Steps()
        add_call, add_inputs = steps.calls.append, steps.inputs.append
        add_outputs, add_told = steps.outputs.append, steps.told.append
        show = visible.add
        waiting: list[tuple[int, bytes]] = []
        for index, data in enumerate(bodies):
            inputs, outputs, call, attributes = read(data, where, index)
            if len(inputs) > _FEW or len(outputs) > _FEW:  # the others are held by the limit on nodes
                edges += len(inputs) + len(outputs)
                if edges > room:
                    refuse(f"the model has more than {self._scan.limits.max_edges} edges", code="limit.edges", where=where)
            if not visible.issuperset(inputs) and len(waiting) <= problems.MAX_SHOWN_PER_CODE:
                unknown = ((index, name) for name in inputs if name not in visible)
                waiting.extend(islice(unknown, problems.MAX_SHOWN_PER_CODE + 1))
            told = NO_ATTRIBUTES
            if attributes:
                told, blocks = self._attributes(call, attributes, (where, "node", index), depth=depth)
                if blocks:
                    steps.blocks[index] = blocks
            if (call, told, len(inputs), len(outputs)) not in known or b"" in inputs or b"" in outputs:
                conformance.check(call, told, inputs, outputs, (where, "node", index))
            add_call(call)
            add_inputs(inputs)
            for name in outputs:
                if name not in visible:
                    show(name)
                elif name:
                    self._remade(name, made, [outputs[1:], *steps.outputs], (where, "node", index))
            add_outputs(outputs)
            add_told(told)
        made.update(chain.from_iterable(steps.outputs))
        made.discard(b"")
        for index, name in waiting:
            if not self._scan.problems.wants(problems.NOT_PRODUCED):
                break
            self._scan.problems.add(
                problems.NOT_PRODUCED,
                f"{shown(text(name))} is used before it is made: nodes are out of order or in a circle"
                if name in made
                else f"{shown(text(name))} is used and made by nothing",
                (where, "node", index),
                found=text(name),
            )
        self._scan.used["edges"] += edges
        self.calls.update(steps.calls)
        self._check_names(made, where)
        return steps

    def _remade(self, name: bytes, made: set[bytes], before: list[tuple[bytes, ...]], where: Where) -> None:
        """Notes a name that is there already: made in this graph, or seen from it."""
        wants = self._scan.problems.wants
        if not (wants(problems.REPEATED_NAME) and wants(problems.SHADOWED_NAME)):
            return  # counted; looking for it each time would take the square of the nodes
        if name in made or any(name in outputs for outputs in before):
            self._repeated(name, "value", where)
        else:
            self._shadowed({name}, where)

    def _check_names(self, names: set[bytes], where: Where) -> None:
        """Notes a name with a character that a terminal or a log acts on, or at which a C string ends."""
        if not _CONTROL.search(b" ".join(names)):
            return
        for name in sorted(names):
            if _CONTROL.search(name) and self._scan.problems.wants(problems.CONTROL_CHARACTER):
                self._scan.problems.add(
                    problems.CONTROL_CHARACTER, f"the name {shown(text(name))} has a control character", where, found=text(name)
                )

    def _attributes(self, call: Call, bodies: list[Value], where: Where, *, depth: int) -> tuple[Attributes, Blocks]:
        hidden = self._hidden or "an attribute"
        attributes = self._nodes.attributes(bodies, where, name="attribute", function=self._function, hidden=hidden)
        blocks: Blocks = {}
        if not attributes.plain:
            for attribute in attributes.all:
                if attribute.graphs:
                    blocks[attribute.name] = tuple(self.graph(data, here, depth=depth + 1) for data, here in attribute.graphs)
                if call[1] == b"Constant":
                    for tensor in attribute.tensors:
                        self.totals.add(tensor)
        return attributes, blocks

    def defaults(self, bodies: Sequence[Value], where: Where) -> Attributes:
        """Default values of a function's attributes. A graph among them runs like any other, so its nodes count."""
        told = self._nodes.attributes(list(bodies), where, name="attribute_proto", function=True, hidden=self._hidden)
        for attribute in told.all:
            for data, here in attribute.graphs:
                self.graph(data, here, depth=2)
            for tensor in attribute.tensors:
                self.totals.add(tensor)
        return told

    def declare(self, names: list[bytes], where: Where) -> set[bytes]:
        """Makes the inputs of a function visible."""
        made = set(names)
        if len(made) != len(names) or b"" in made:
            self._repeated(Counter(names).most_common(1)[0][0], "input", where)
        self._visible |= made
        return made

    def is_visible(self, name: bytes) -> bool:
        """Whether a value of this name has been made in the body that was read last."""
        return name in self._visible

    def _annotation(self, data: Body, where: Where) -> None:
        self._scan.entries(
            self._scan.fields(data, schema.ANNOTATION, where).get(2, ()), where, name="quant_parameter_tensor_names"
        )


def _fits(tensor: TensorFacts, spec: TypeSpec) -> bool:
    """Whether a tensor may stand for an input of this type: its element, and each dimension that the type fixes."""
    if tensor.element != spec.element:
        return False
    shape = spec.shape
    if shape is None:
        return True
    return len(shape) == len(tensor.dims) and all(
        not isinstance(want, int) or want == have for want, have in zip(shape, tensor.dims, strict=True)
    )
