"""Nodes and attributes: what a node is called, what it reads and makes, and what its attributes hold.

The loop over the fields of a node is written out, because models have many thousands of nodes; everything
else goes through ``Scan.fields``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body
from mlsign.onnx.summary import ExternalTensor
from mlsign.onnx.tensors import TensorFacts, read_sparse, read_tensor
from mlsign.onnx.types import TypeReader
from mlsign.onnx.wire import Body, Value, Where, signed

_SCALARS: Final = frozenset((1, 2, 3))  # FLOAT, INT, STRING: a proto3 writer leaves out zero and the empty string
_LISTS: Final = frozenset((6, 7, 8, 9, 10, 12, 14))  # a list may be empty
_TYPE_OF_FIELD: Final = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10, 14: 13, 15: 14, 22: 11, 23: 12}
_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_BYTES: Final = 256


@dataclass(slots=True, kw_only=True)
class Node:
    """One node as it stands; ``attributes`` are unread."""

    inputs: list[bytes]
    outputs: list[bytes]
    op_type: bytes
    domain: bytes
    overload: bytes
    attributes: list[Body]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """Name and type of an attribute, its graphs unread, the tensors in it, and whether it refers to one of a function."""

    name: bytes
    type: int
    graphs: tuple[tuple[Body, Where], ...] = ()
    tensors: tuple[TensorFacts, ...] = ()
    reference: bytes = b""


class NodeReader:
    """Reads nodes and attributes; remembers small attributes that hold numbers or text only."""

    __slots__ = ("_external", "_known", "_scan", "_types")

    def __init__(self, scan: Scan, types: TypeReader, *, external: list[ExternalTensor]) -> None:
        self._scan = scan
        self._types = types
        self._external = external
        self._known: dict[bytes, Attribute] = {}

    def node(self, data: Body, where: Where) -> Node:
        """The node. Most are short, plain ASCII and read in the first loop; the second knows everything."""
        self._scan.count("nodes", where)
        if not isinstance(data, bytes):
            return self._node(data, where)
        node = Node(inputs=[], outputs=[], op_type=b"", domain=b"", overload=b"", attributes=[])
        inputs, outputs, attributes = node.inputs, node.outputs, node.attributes
        at, end, seen = 0, len(data), 0
        while at < end - 1:
            key, size = data[at], data[at + 1]
            at += 2
            stop = at + size
            if size > 127 or stop > end:
                return self._node(data, where)
            if key == 10:
                inputs.append(data[at:stop])
            elif key == 18:
                outputs.append(data[at:stop])
            elif key == 42:
                attributes.append(data[at:stop])
            elif key == 34 and not seen & 1:
                node.op_type = data[at:stop]
                seen |= 1
            elif key == 26 and not seen & 2:
                seen |= 2
            elif key == 58 and not seen & 4:
                node.domain = data[at:stop]
                seen |= 4
            else:
                return self._node(data, where)
            at = stop
        if at != end or not data.isascii():
            return self._node(data, where)
        return node

    def _node(self, data: Body, where: Where) -> Node:
        node = Node(inputs=[], outputs=[], op_type=b"", domain=b"", overload=b"", attributes=[])
        metadata: list[Value] = []
        for number, value in self._scan.fields(data, schema.NODE, where):
            if number == 1:
                node.inputs.append(self._scan.name(value, where))
            elif number == 2:
                node.outputs.append(self._scan.name(value, where))
            elif number == 4:
                node.op_type = self._scan.name(value, where)
            elif number == 5:
                node.attributes.append(body(value))
            elif number == 7:
                node.domain = self._scan.name(value, where)
            elif number == 8:
                node.overload = self._scan.name(value, where)
            elif number == 9:
                metadata.append(value)
            elif number == 10:
                _configuration(self._scan, body(value), (where, "device_configurations", -1))
        self._scan.entries(metadata, where, name="metadata_props")
        return node

    def attributes(self, bodies: list[Body], where: Where, *, function: bool, hidden: str) -> list[Attribute]:
        """The attributes of one node, each name once."""
        out: list[Attribute] = []
        for index, data in enumerate(bodies):
            here = (where, "attribute", index)
            attribute = self.attribute(data, here, hidden=hidden)
            if attribute.reference and not function:
                self._scan.problems.add(
                    problems.ATTRIBUTE_REFERENCE, "an attribute refers to a function's attribute outside of functions", here
                )
            out.append(attribute)
        names = {attribute.name for attribute in out}
        if len(names) != len(out) or b"" in names:
            self._scan.problems.add(problems.ATTRIBUTE_NAME, "an attribute has no name, or a name stands twice", where)
        return out

    def attribute(self, data: Body, where: Where, *, hidden: str) -> Attribute:
        """One attribute. Exactly one value field is set, and it is the one that the type names."""
        self._scan.count("attributes", where)
        if isinstance(data, bytes) and (known := self._known.get(data)) is not None:
            return known
        before = len(self._scan.problems)
        attribute = self._attribute(data, where, hidden=hidden)
        plain = not attribute.graphs and not attribute.tensors and len(self._scan.problems) == before
        if plain and isinstance(data, bytes) and len(data) <= _MAX_REMEMBERED_BYTES and len(self._known) < _MAX_REMEMBERED:
            self._known[data] = attribute
        return attribute

    def _attribute(self, data: Body, where: Where, *, hidden: str) -> Attribute:
        name = reference = b""
        declared = 0
        fields: set[int] = set()
        graphs: list[tuple[Body, Where]] = []
        tensors: list[TensorFacts] = []
        for number, value in self._scan.fields(data, schema.ATTRIBUTE, where):
            if number == 1:
                name = self._scan.name(value, where)
            elif number == 20:
                declared = signed(value) if isinstance(value, int) else 0
            elif number == 21:
                reference = self._scan.name(value, where)
            elif number in (5, 10):
                here = (where, schema.ATTRIBUTE.names[number], len(tensors) if number == 10 else -1)
                tensors.append(read_tensor(self._scan, body(value), here, external=self._external, hidden=hidden))
            elif number in (22, 23):
                here = (where, schema.ATTRIBUTE.names[number], len(tensors) if number == 23 else -1)
                tensors.append(read_sparse(self._scan, body(value), here, external=self._external))
            elif number in (6, 11):
                graphs.append((body(value), (where, schema.ATTRIBUTE.names[number], len(graphs) if number == 11 else -1)))
            elif number in (14, 15):
                self._types.type(body(value), (where, schema.ATTRIBUTE.names[number], -1))
            if number in _TYPE_OF_FIELD:
                fields.add(number)
        self._check_values(declared, fields, reference, where)
        return Attribute(name=name, type=declared, graphs=tuple(graphs), tensors=tuple(tensors), reference=reference)

    def _check_values(self, declared: int, fields: set[int], reference: bytes, where: Where) -> None:
        types = {_TYPE_OF_FIELD[number] for number in fields}
        empty_allowed = bool(reference) or declared in _SCALARS or declared in _LISTS
        if (types == {declared} and not reference) or (not types and empty_allowed):
            return
        names = sorted(schema.ATTRIBUTE.names[number] for number in fields)
        self._scan.problems.add(
            problems.ATTRIBUTE_VALUES,
            "the value of an attribute is not the one that its type names",
            where,
            expected=f"one value, of attribute type {declared}" if not reference else "a reference and no value",
            found=", ".join(names) or "no value",
        )


def _configuration(scan: Scan, data: Body, where: Where) -> None:
    """Holds a ``NodeDeviceConfigurationProto`` against its schema; what it says is a hint about speed."""
    inner: dict[tuple[str, int], schema.Message] = {
        (schema.NODE_CONFIGURATION.name, 2): schema.SHARDING,
        (schema.SHARDING.name, 3): schema.INT_LIST,
        (schema.SHARDING.name, 4): schema.SHARDED_DIM,
        (schema.SHARDED_DIM.name, 2): schema.SIMPLE_SHARDED_DIM,
    }
    todo: list[tuple[Body, schema.Message]] = [(data, schema.NODE_CONFIGURATION)]
    while todo:
        item, message = todo.pop()
        for number, value in scan.fields(item, message, where):
            if (message.name, number) in inner:
                todo.append((body(value), inner[message.name, number]))
