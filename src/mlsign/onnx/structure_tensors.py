"""Tensors as the structure has them: type, shape, and where the values are.

Leaves every check of a payload to ``tensors``: what is wrong there is in the facts of a model. Where readers would differ on
which values count, this module takes those that protobuf and onnx take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlsign.errors import InputError
from mlsign.onnx import schema
from mlsign.onnx.records import SparseRecord, Stored, StoredOutside, TensorRecord
from mlsign.onnx.scan import Scan, body, integer, length, text
from mlsign.onnx.structure_notes import NoteReader
from mlsign.onnx.tensors import count_elements, read_dims
from mlsign.onnx.wire import Value, Where, refuse
from mlsign.strict import decode_decimal

_RAW: Final = 9
_STRINGS: Final = 6
_FIELDS: Final = {name: number for number, name in schema.TENSOR.names.items()}
_TYPED: Final = (4, 5, 6, 7, 10, 11)
_EXTERNAL: Final = 1
_UNKNOWN: Final = schema.Element(name="", bits=0, field="")


def merged(scan: Scan, values: Sequence[Value], message: schema.Message, where: Where) -> dict[int, list[Value]]:
    """The fields of a message that may stand there several times: protobuf puts the parts together, so nothing hides in one."""
    out = scan.fields(body(values[0]), message, where)
    for value in values[1:]:
        for number, found in scan.fields(body(value), message, where).items():
            out.setdefault(number, []).extend(found)
    return out


def tensor_record(scan: Scan, values: Sequence[Value], where: Where, notes: NoteReader) -> TensorRecord:
    """One ``TensorProto``. Raises ``InputError`` (``onnx.external.number``, and for limits and broken encoding)."""
    scan.count("tensors", where)
    parts = merged(scan, values, schema.TENSOR, where)
    dims = read_dims(scan, parts.get(1, ()), where)
    element = schema.ELEMENTS.get(integer(parts, 2), _UNKNOWN)
    count = max(count_elements(scan, dims, element, where), 0)
    size = -(-count * element.bits // 8)
    if element.name == "string":
        size = sum(map(length, parts.get(_STRINGS, ())))
    outside = integer(parts, 14) == _EXTERNAL
    return TensorRecord(
        name=text(scan.last(parts, 8, where)),
        element=element.name,
        shape=tuple(dims),
        count=count,
        size=size,
        values=_outside(scan, parts.get(13, ()), where) if outside else _inside(parts, element),
        notes=notes.notes(parts, schema.TENSOR, where),
    )


def sparse_record(scan: Scan, values: Sequence[Value], where: Where, notes: NoteReader) -> SparseRecord:
    """One ``SparseTensorProto``; a part that is not there is an empty tensor of no type."""
    parts = merged(scan, values, schema.SPARSE_TENSOR, where)
    found, places = (
        tensor_record(scan, parts.get(number, (b"",)), (where, schema.SPARSE_TENSOR.names[number], -1), notes)
        for number in (1, 2)
    )
    shape = tuple(read_dims(scan, parts.get(3, ()), where))
    return SparseRecord(name=found.name, shape=shape, values=found, indices=places)


def _inside(parts: dict[int, list[Value]], element: schema.Element) -> Stored | None:
    """Of several payloads, ``raw_data`` counts, then the field of the element type, as in ``onnx.numpy_helper``."""
    if _RAW in parts:
        return Stored(field=_RAW, parts=(parts[_RAW][-1],))
    for number in (_FIELDS.get(element.field, 0), *_TYPED):
        if number in parts:
            return Stored(field=number, parts=tuple(parts[number]))
    return None


def _outside(scan: Scan, entries: Sequence[Value], where: Where) -> StoredOutside:
    keys = dict(scan.entries(entries, where, name="external_data"))
    size = keys.get("length")
    return StoredOutside(
        location=keys.get("location", ""),
        offset=_number(keys.get("offset", "0"), "offset", where),
        length=None if size is None else _number(size, "length", where),
    )


def _number(spelled: str, key: str, where: Where) -> int:
    try:
        return decode_decimal(spelled, where=key)
    except InputError:
        refuse(f"{key} of external data is not a decimal number", code="external.number", where=where)
