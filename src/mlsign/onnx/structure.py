"""From bytes to a ``ModelRecord``: what a model is made of, for whoever shows, draws or compares it.

Reads with the same wire, tables and limits as ``inspect`` and judges nothing: what is wrong with a model is in its facts.
Payloads of tensors stay where they are. Of doc strings, properties and annotations a record has a digest and beginnings (see
``structure_notes``). Denotations and training information are not part of it.

Where a file says something twice, the record has what protobuf has: the last number or text, and the parts of a message put
together. Text that is not UTF-8 is spelled as ``scan.text`` does, so that every name can be shown; two names may then read
alike, which the facts report (MLS332). An attribute is what its type says, and its other values are left out (MLS340).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mlsign.interface import OpsetImport, TypeSpec, ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx import schema
from mlsign.onnx.other_formats import refuse_other_formats, telling_text_files
from mlsign.onnx.records import (
    AttributeKind,
    AttributeRecord,
    AttributeValue,
    FunctionRecord,
    GraphRecord,
    ModelRecord,
    NodeRecord,
    Notes,
    Stored,
)
from mlsign.onnx.scan import Scan, body, integer, length, text
from mlsign.onnx.spelling import normal
from mlsign.onnx.structure_notes import NoteReader
from mlsign.onnx.structure_tensors import merged, sparse_record, tensor_record
from mlsign.onnx.types import UNTYPED, TypeReader
from mlsign.onnx.wire import HEAVY_BYTES, Region, Value, Where, refuse
from mlsign.source import ByteSource

_FIELD_OF_KIND: Final = {
    AttributeKind.FLOAT: 2,
    AttributeKind.INT: 3,
    AttributeKind.STRING: 4,
    AttributeKind.TENSOR: 5,
    AttributeKind.GRAPH: 6,
    AttributeKind.FLOATS: 7,
    AttributeKind.INTS: 8,
    AttributeKind.STRINGS: 9,
    AttributeKind.TENSORS: 10,
    AttributeKind.GRAPHS: 11,
    AttributeKind.SPARSE_TENSOR: 22,
    AttributeKind.SPARSE_TENSORS: 23,
    AttributeKind.TYPE_PROTO: 14,
    AttributeKind.TYPE_PROTOS: 15,
}
_KIND_OF_FIELD: Final = {number: kind for kind, number in _FIELD_OF_KIND.items()}
_KINDS: Final = {kind.value: kind for kind in AttributeKind}
_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_BYTES: Final = 256
_PLAIN: Final = frozenset(
    (
        AttributeKind.FLOAT,
        AttributeKind.INT,
        AttributeKind.STRING,
        AttributeKind.FLOATS,
        AttributeKind.INTS,
        AttributeKind.STRINGS,
    )
)
"""Kinds whose values hold nothing that is counted, so that one record may serve many nodes."""


def read_structure(source: ByteSource, *, limits: Limits = DEFAULT) -> ModelRecord:
    """The structure of the ONNX model in ``source``.

    Raises ``InputError`` with an ``onnx.…`` code when the bytes are not an ONNX model, break the wire format, or exceed a limit.
    """
    refuse_other_formats(source, limits=limits)
    scan = Scan(source, limits=limits)
    with telling_text_files(source):
        return _Reader(scan).model(scan.wire.whole())


class _Reader:
    __slots__ = ("_known", "_notes", "_scan", "_types")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._types = TypeReader(scan)
        self._notes = NoteReader(scan)
        self._known: dict[bytes, AttributeRecord] = {}

    def model(self, data: Value) -> ModelRecord:
        parts = self._scan.fields(body(data), schema.MODEL, None)
        read = ModelRecord(
            ir_version=integer(parts, 1),
            producer_name=self._last(parts, 2, None),
            producer_version=self._last(parts, 3, None),
            domain=self._last(parts, 4, None),
            model_version=integer(parts, 5),
            opsets=self._opsets(parts.get(8, ()), None),
            metadata=self._metadata(parts.get(14, ()), None),
            graph=self._graph(parts.get(7, (b"",)), (None, "graph", -1), depth=1),
            functions=tuple(self._function(value, (None, "functions", index)) for index, value in enumerate(parts.get(25, ()))),
            has_training=20 in parts,
            doc=self._text(parts, 6, None),
            notes=self._notes.notes(parts, schema.MODEL, None),
        )
        return replace(read, noted=self._notes.count)

    def _graph(self, values: Sequence[Value], where: Where, *, depth: int) -> GraphRecord:
        scan = self._scan
        if depth > scan.limits.max_graph_depth:
            refuse(f"graphs are nested deeper than {scan.limits.max_graph_depth}", code="limit.depth", where=where)
        scan.count("graphs", where)
        parts = merged(scan, values, schema.GRAPH, where)
        listed = [self._values(parts.get(number, ()), (where, schema.GRAPH.names[number], -1)) for number in (11, 12, 13)]
        (inputs, outputs, between), noted = zip(*listed, strict=True)
        return GraphRecord(
            name=self._last(parts, 2, where),
            inputs=inputs,
            outputs=outputs,
            values=between,
            initializers=tuple(
                tensor_record(scan, (value,), (where, "initializer", index), self._notes)
                for index, value in enumerate(parts.get(5, ()))
            ),
            sparse_initializers=tuple(
                sparse_record(scan, (value,), (where, "sparse_initializer", index), self._notes)
                for index, value in enumerate(parts.get(15, ()))
            ),
            nodes=self._nodes(parts.get(1, ()), where, depth=depth),
            doc=self._text(parts, 10, where),
            notes=self._notes.notes(parts, schema.GRAPH, where),
            value_notes=tuple(pair for each in noted for pair in each),
        )

    def _function(self, value: Value, where: Where) -> FunctionRecord:
        self._scan.count("functions", where)
        parts = self._scan.fields(body(value), schema.FUNCTION, where)
        between, noted = self._values(parts.get(12, ()), (where, "value_info", -1))
        return FunctionRecord(
            domain=self._last(parts, 10, where),
            name=self._last(parts, 1, where),
            overload=self._last(parts, 13, where),
            inputs=self._names(parts.get(4, ()), where),
            outputs=self._names(parts.get(5, ()), where),
            attributes=self._names(parts.get(6, ()), where),
            defaults=self._attributes(parts.get(11, ()), (where, "attribute_proto", -1), depth=1),
            opsets=self._opsets(parts.get(9, ()), where),
            values=between,
            nodes=self._nodes(parts.get(7, ()), where, depth=1),
            doc=self._text(parts, 8, where),
            notes=self._notes.notes(parts, schema.FUNCTION, where),
            value_notes=noted,
        )

    def _nodes(self, bodies: Sequence[Value], where: Where, *, depth: int) -> tuple[NodeRecord, ...]:
        self._scan.count("nodes", where, number=len(bodies))
        return tuple(self._node(value, (where, "node", index), depth=depth) for index, value in enumerate(bodies))

    def _node(self, value: Value, where: Where, *, depth: int) -> NodeRecord:
        parts = self._scan.fields(body(value), schema.NODE, where)
        inputs, outputs = parts.get(1, ()), parts.get(2, ())
        self._scan.count("edges", where, number=len(inputs) + len(outputs))
        attributes = parts.get(5)
        return NodeRecord(
            name=self._last(parts, 3, where),
            domain=self._last(parts, 7, where),
            operator=self._last(parts, 4, where),
            overload=self._last(parts, 8, where),
            inputs=self._names(inputs, where),
            outputs=self._names(outputs, where),
            attributes=self._attributes(attributes, (where, "attribute", -1), depth=depth) if attributes else (),
            notes=self._notes.notes(parts, schema.NODE, where),
        )

    def _attributes(self, bodies: Sequence[Value], where: Where, *, depth: int) -> tuple[AttributeRecord, ...]:
        self._scan.count("attributes", where, number=len(bodies))
        out: list[AttributeRecord] = []
        for index, value in enumerate(bodies):
            small = isinstance(value, bytes) and len(value) <= _MAX_REMEMBERED_BYTES
            made = self._known.get(value) if small else None  # type: ignore[arg-type]  # `small` says that these are bytes
            if made is None:
                made = self._attribute(value, _at(where, index), depth=depth)
                if small and made.kind in _PLAIN and len(self._known) < _MAX_REMEMBERED:
                    self._known[value] = made  # type: ignore[index]  # the same
            out.append(made)
        return tuple(out)

    def _attribute(self, value: Value, where: Where, *, depth: int) -> AttributeRecord:
        parts = self._scan.fields(body(value), schema.ATTRIBUTE, where)
        kind = _KINDS.get(integer(parts, 20), AttributeKind.UNDEFINED)
        if kind is AttributeKind.UNDEFINED:  # IR version 1 had no types of attributes
            fields = parts.keys() & _KIND_OF_FIELD.keys()
            kind = _KIND_OF_FIELD[min(fields)] if len(fields) == 1 else kind
        reference = self._last(parts, 21, where)
        found: AttributeValue = None
        if kind is not AttributeKind.UNDEFINED and not reference:
            number = _FIELD_OF_KIND[kind]
            found = self._value(kind, number, parts.get(number, ()), (where, schema.ATTRIBUTE.names[number], -1), depth=depth)
        notes = self._notes.notes(parts, schema.ATTRIBUTE, where)
        return AttributeRecord(name=self._last(parts, 1, where), kind=kind, value=found, reference=reference, notes=notes)

    def _value(self, kind: AttributeKind, number: int, values: Sequence[Value], where: Where, *, depth: int) -> AttributeValue:
        match kind:
            case AttributeKind.FLOAT:
                return _floats(values[-1:], where)[-1] if values else 0.0
            case AttributeKind.INT:
                return integer({0: values}, 0) if values else 0
            case AttributeKind.STRING:
                return _whole(number, values[-1:]) or b"".join(_bytes(values[-1:]))
            case AttributeKind.FLOATS | AttributeKind.INTS:
                return self._numbers(number, values, where)
            case AttributeKind.STRINGS:
                return _whole(number, values) or tuple(_bytes(values))
            case _:
                return self._message(kind, values, where, depth=depth)

    def _numbers(self, number: int, values: Sequence[Value], where: Where) -> tuple[float, ...] | tuple[int, ...] | Stored:
        if sum(map(_packed_size, values)) > HEAVY_BYTES:
            return Stored(field=number, parts=tuple(values))
        if number == _FIELD_OF_KIND[AttributeKind.FLOATS]:
            floats = _floats(values, where)
            self._scan.count("numbers", where, number=len(floats))
            return floats
        integers = tuple(item for value in values for item in self._scan.integers(value, where))
        self._scan.count("numbers", where, number=len(integers))
        return integers

    def _message(self, kind: AttributeKind, values: Sequence[Value], where: Where, *, depth: int) -> AttributeValue:
        """The value of an attribute that holds messages; None where the one that its type names is not there."""
        scan = self._scan
        match kind:
            case AttributeKind.TENSOR:
                return tensor_record(scan, values, where, self._notes) if values else None
            case AttributeKind.SPARSE_TENSOR:
                return sparse_record(scan, values, where, self._notes) if values else None
            case AttributeKind.GRAPH:
                return self._graph(values, where, depth=depth + 1) if values else None
            case AttributeKind.TYPE_PROTO:
                return self._types.type(body(values[-1]), where) if values else None
            case AttributeKind.TENSORS:
                return tuple(tensor_record(scan, (each,), _at(where, i), self._notes) for i, each in enumerate(values))
            case AttributeKind.SPARSE_TENSORS:
                return tuple(sparse_record(scan, (each,), _at(where, i), self._notes) for i, each in enumerate(values))
            case AttributeKind.GRAPHS:
                return tuple(self._graph((value,), _at(where, index), depth=depth + 1) for index, value in enumerate(values))
            case _:
                return tuple(self._types.type(body(value), _at(where, index)) for index, value in enumerate(values))

    def _values(self, values: Sequence[Value], where: Where) -> tuple[tuple[ValueSpec, ...], tuple[tuple[str, Notes], ...]]:
        """Named types, and the notes of those that have some."""
        out: list[ValueSpec] = []
        noted: list[tuple[str, Notes]] = []
        for index, value in enumerate(values):
            here = _at(where, index)
            parts = self._scan.fields(body(value), schema.VALUE_INFO, here)
            spec: TypeSpec = self._types.type(body(parts[2][-1]), (here, "type", -1)) if 2 in parts else UNTYPED
            out.append(ValueSpec(name=self._last(parts, 1, here), type=spec))
            notes = self._notes.notes(parts, schema.VALUE_INFO, here)
            if notes is not None:
                noted.append((out[-1].name, notes))
        return tuple(out), tuple(noted)

    def _opsets(self, bodies: Sequence[Value], where: Where) -> tuple[OpsetImport, ...]:
        out: list[OpsetImport] = []
        for index, data in enumerate(bodies):
            here = (where, "opset_import", index)
            parts = self._scan.fields(body(data), schema.OPSET, here)
            out.append(OpsetImport(normal(self._scan.last(parts, 1, here)), integer(parts, 2)))
        return tuple(out)

    def _metadata(self, bodies: Sequence[Value], where: Where) -> tuple[tuple[str, str], ...]:
        out: list[tuple[str, str]] = []
        for index, data in enumerate(bodies):
            here = (where, "metadata_props", index)
            parts = self._scan.fields(body(data), schema.ENTRY, here)
            out.append((self._last(parts, 1, here), self._text(parts, 2, here)))
        return tuple(out)

    def _last(self, parts: dict[int, list[Value]], number: int, where: Where) -> str:
        return text(self._scan.last(parts, number, where)) if number in parts else ""

    def _names(self, values: Sequence[Value], where: Where) -> tuple[str, ...]:
        name = self._scan.name
        return tuple([text(name(value, where)) for value in values])

    def _text(self, parts: dict[int, list[Value]], number: int, where: Where) -> str:
        """Words that may be long. Raises ``InputError`` (``onnx.limit.text_bytes``) when a model has too many of them."""
        if number not in parts:
            return ""
        value = parts[number][-1]
        self._scan.count("text_bytes", where, number=length(value))
        return text(self._scan.wire.read(value, where) if isinstance(value, Region) else value)


def _at(where: Where, index: int) -> Where:
    """The item ``index`` of a list that ``where`` names."""
    assert where is not None  # noqa: S101 - lists are inside of something
    return where[0], where[1], index


def _packed_size(value: Value) -> int:
    """The bytes of a part in a packed field, so that a list is kept in one way however it was written."""
    return max(-(-value.bit_length() // 7), 1) if isinstance(value, int) else length(value)


def _bytes(values: Sequence[Value]) -> list[bytes]:
    return [value for value in values if isinstance(value, bytes)]


def _whole(number: int, values: Sequence[Value]) -> Stored | None:
    """Texts that nobody has read, because one of them is long; else None."""
    return Stored(field=number, parts=tuple(values)) if any(isinstance(value, Region) for value in values) else None


def _floats(values: Sequence[Value], where: Where) -> tuple[float, ...]:
    data = b"".join(_bytes(values))
    if len(data) % 4:
        refuse("a packed field ends inside a number", code="wire.truncated", where=where)
    return struct.unpack(f"<{len(data) // 4}f", data)
