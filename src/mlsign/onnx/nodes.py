"""Nodes and attributes: what a node is called, what it reads and makes, and what its attributes hold.

The loop over the fields of a node is written out, because models have many thousands of nodes; everything
else goes through ``Scan.fields``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body, integer, length
from mlsign.onnx.summary import ExternalTensor
from mlsign.onnx.tensors import TensorFacts, read_sparse, read_tensor
from mlsign.onnx.types import TypeReader
from mlsign.onnx.wire import Body, Value, Where, refuse

_SCALARS: Final = frozenset((1, 2, 3))  # FLOAT, INT, STRING: a proto3 writer leaves out zero and the empty string
_LISTS: Final = frozenset((6, 7, 8, 9, 10, 12, 14))  # a list may be empty
_TYPE_OF_FIELD: Final = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10, 14: 13, 15: 14, 22: 11, 23: 12}
_MANY: Final = frozenset((10, 11, 23))
_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_BYTES: Final = 256


Call: TypeAlias = tuple[bytes, bytes, bytes]
"""Domain, operator and overload as a node names them."""
Node: TypeAlias = tuple[tuple[bytes, ...], tuple[bytes, ...], Call, list[Value]]
"""Inputs, outputs, what is called, and the attributes unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """Name of an attribute, its graphs unread, the tensors in it, and whether it refers to one of a function.

    ``parts`` are its fields by number as they were read, for operators whose attributes have a structure of their own.
    """

    name: bytes
    parts: Mapping[int, Sequence[Value]]
    graphs: tuple[tuple[Body, Where], ...] = ()
    tensors: tuple[TensorFacts, ...] = ()
    reference: bytes = b""


@dataclass(slots=True, eq=False, kw_only=True)
class Attributes:
    """The attributes of a node. One object serves all nodes with the same bytes, so what is known of one is known of all."""

    all: tuple[Attribute, ...]
    plain: bool
    by_name: Mapping[bytes, Attribute]


NO_ATTRIBUTES: Final = Attributes(all=(), plain=True, by_name={})


class NodeReader:
    """Reads nodes and attributes; remembers small attributes that hold numbers or text only."""

    __slots__ = ("_external", "_known", "_scan", "_types")

    def __init__(self, scan: Scan, types: TypeReader, *, external: list[ExternalTensor]) -> None:
        self._scan = scan
        self._types = types
        self._external = external
        self._known: dict[tuple[Value, ...], Attributes] = {}

    def node(self, value: Value, where: Where, index: int) -> Node:
        """Node ``index`` of the graph ``where``. Most are short and plain; this loop gives up on all others."""
        if not isinstance(value, bytes):
            return self._node(body(value), (where, "node", index))
        inputs: list[bytes] = []
        outputs: list[bytes] = []
        attributes: list[Value] = []
        op_type = domain = name = None
        at, end = 0, len(value)
        try:
            while at < end:
                key, size = value[at], value[at + 1]
                start = at + 2
                at = start + size
                if size > 127:
                    break
                if key == 10:
                    inputs.append(value[start:at])
                elif key == 18:
                    outputs.append(value[start:at])
                elif key == 26 and name is None:
                    name = value[start:at]
                elif key == 34 and op_type is None:
                    op_type = value[start:at]
                elif key == 42:
                    attributes.append(value[start:at])
                elif key == 58 and domain is None:
                    domain = value[start:at]
                else:
                    break
            else:
                call = (domain or b"", op_type or b"", b"")
                if at == end and (value.isascii() or b"".join((*inputs, *outputs, *call, name or b"")).isascii()):
                    return tuple(inputs), tuple(outputs), call, attributes
        except IndexError:
            pass  # a tag without a length
        return self._node(value, (where, "node", index))

    def _node(self, data: Body, where: Where) -> Node:
        """The same for every node that can be read at all."""
        scan = self._scan
        parts = scan.fields(data, schema.NODE, where)
        scan.entries(parts.get(9, ()), where, name="metadata_props")
        for index, value in enumerate(parts.get(10, ())):
            _check_configuration(scan, body(value), (where, "device_configurations", index))
        inputs = [scan.name(value, where) for value in parts.get(1, ())]
        outputs = [scan.name(value, where) for value in parts.get(2, ())]
        call = (scan.last(parts, 7, where), scan.last(parts, 4, where), scan.last(parts, 8, where))
        return tuple(inputs), tuple(outputs), call, parts.get(5, [])

    def attributes(self, bodies: list[Value], where: Where, *, name: str, function: bool, hidden: str) -> Attributes:
        """The attributes of one node, each name once. Small ones that hold no tensor or graph are remembered."""
        self._scan.count("attributes", where, number=len(bodies))
        small = sum(map(length, bodies)) <= _MAX_REMEMBERED_BYTES  # before hashing: bodies hold bodies that hold bodies
        key = tuple(bodies) if small else ()
        known = self._known.get(key) if small else None
        if known is not None:
            return known
        before = len(self._scan.problems)
        out = tuple(self.attribute(body(value), (where, name, index), hidden=hidden) for index, value in enumerate(bodies))
        references = [attribute for attribute in out if attribute.reference]
        if references and not function:
            self._scan.problems.add(
                problems.ATTRIBUTE_REFERENCE, "an attribute refers to a function's attribute outside of functions", where
            )
        names = {attribute.name for attribute in out}
        if len(names) != len(out) or b"" in names:
            self._scan.problems.add(problems.ATTRIBUTE_NAME, "an attribute has no name, or a name stands twice", where)
        plain = not any(attribute.graphs or attribute.tensors or attribute.reference for attribute in out)
        made = Attributes(all=out, plain=plain, by_name={attribute.name: attribute for attribute in out})
        if plain and small and len(self._scan.problems) == before and len(self._known) < _MAX_REMEMBERED:
            self._known[key] = made
        return made

    def attribute(self, data: Body, where: Where, *, hidden: str) -> Attribute:
        """One attribute. Exactly one value field is set, and it is the one that the type names."""
        scan, names = self._scan, schema.ATTRIBUTE.names
        parts = scan.fields(data, schema.ATTRIBUTE, where)
        reference = scan.last(parts, 21, where)
        tensors = [
            read_tensor(
                scan,
                body(value),
                (where, names[number], index if number in _MANY else -1),
                external=self._external,
                hidden=hidden,
            )
            for number in (5, 10)
            for index, value in enumerate(parts.get(number, ()))
        ]
        tensors += [
            read_sparse(scan, body(value), (where, names[number], index if number in _MANY else -1), external=self._external)
            for number in (22, 23)
            for index, value in enumerate(parts.get(number, ()))
        ]
        graphs = tuple(
            (body(value), (where, names[number], index if number in _MANY else -1))
            for number in (6, 11)
            for index, value in enumerate(parts.get(number, ()))
        )
        for number in (14, 15):
            for index, value in enumerate(parts.get(number, ())):
                self._types.type(body(value), (where, names[number], index if number in _MANY else -1))
        for value in parts.get(7, ()):
            if length(value) % 4:
                refuse("a packed field ends inside a number", code="wire.truncated", where=where)
        for value in parts.get(8, ()):
            if not isinstance(value, int):
                scan.count_packed(value, where)
        self._check_values(integer(parts, 20), parts.keys() & _TYPE_OF_FIELD.keys(), reference, where)
        return Attribute(name=scan.last(parts, 1, where), parts=parts, graphs=graphs, tensors=tuple(tensors), reference=reference)

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


def _check_configuration(scan: Scan, data: Body, where: Where) -> None:
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
        for number, values in scan.fields(item, message, where).items():
            if (message.name, number) in inner:
                todo.extend((body(value), inner[message.name, number]) for value in values)
            elif (message.name, number) in ((schema.SHARDING.name, 2), (schema.INT_LIST.name, 2)):
                for value in values:
                    for _ in scan.integers(value, where):
                        pass
