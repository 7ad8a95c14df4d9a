"""Tensors: type, shape and the length of their payload, without the payload.

Owns ``TensorProto`` and ``SparseTensorProto``: every payload must have exactly the length that element type
and shape ask for, in the one field that the type has, or in another file. A runtime that trusts the shape
and a payload that is shorter is an out-of-bounds read; two payloads are two models in one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body, integer, length, text
from mlsign.onnx.sparse import check_places
from mlsign.onnx.summary import ExternalTensor
from mlsign.onnx.wire import Body, Region, Value, Where, place, refuse
from mlsign.strict import decode_decimal

_PAYLOADS: Final = {
    4: "float_data",
    5: "int32_data",
    6: "string_data",
    7: "int64_data",
    9: "raw_data",
    10: "double_data",
    11: "uint64_data",
}
_FIXED: Final = {4: 4, 10: 8}
_MAX_BYTES: Final = 2**63 - 1
_SIX_BITS: Final = 6
_EXTERNAL_KEYS: Final = frozenset(("location", "offset", "length", "checksum"))
_MEMORY_ADDRESS: Final = "_ORT_MEM_ADDR_"
"""onnxruntime takes the offset of such a location for a pointer into its own memory (``kTensorProtoMemoryAddressTag``)."""
_UNKNOWN: Final = schema.Element(name="", bits=0, field="")
SMALL_COUNT: Final = 32
"""Elements of the largest tensor whose values are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """What is known of a tensor without its values. ``element`` is empty when the type is unknown.

    ``payload`` is kept of tensors of at most ``SMALL_COUNT`` elements only, as field number and values, undecoded: shapes
    and counts of loops stand in such tensors. ``longest`` are the bytes of the longest of its texts.
    """

    name: bytes
    element: str
    dims: tuple[int, ...]
    count: int
    size: int
    payload: tuple[int, Sequence[Value]] | None = None
    longest: int = 0


def read_tensor(scan: Scan, data: Body, where: Where, *, external: list[ExternalTensor], hidden: str = "") -> TensorFacts:
    """The facts of one ``TensorProto``; external data is added to ``external``.

    ``hidden`` names a place where exporters do not put external data (an attribute, say); a tensor there
    that has it is a problem.
    """
    scan.count("tensors", where)
    parts = scan.fields(data, schema.TENSOR, where)
    dims = read_dims(scan, parts.get(1, ()), where)
    name = scan.last(parts, 8, where)
    payload = {number: values for number, values in parts.items() if number in _PAYLOADS}
    entries, location = parts.get(13, []), integer(parts, 14)
    if 3 in parts:
        for value in parts[3]:
            scan.fields(body(value), schema.SEGMENT, where)
        scan.problems.add(problems.SEGMENT, "the tensor is only a segment of another one", where)
    if 16 in parts:
        scan.entries(parts[16], where, name="metadata_props")
    element_number = integer(parts, 2)
    element = schema.ELEMENTS.get(element_number, _UNKNOWN)
    if not element.name:
        scan.problems.add(problems.ELEMENT_TYPE, "the element type is not one of ONNX", where, found=element_number)
    count = count_elements(scan, dims, element, where)
    size = -(-count * element.bits // 8)
    small = None
    if location or entries:
        size = _read_external(scan, entries, payload, location, where, name=name, element=element, size=size, external=external)
        if hidden:
            scan.problems.add(problems.EXTERNAL_HIDDEN, f"a tensor in {hidden} keeps its data in another file", where)
    elif element.name and count >= 0:
        size = _check_payload(scan, payload, element, where, count=count, size=size)
        if count <= SMALL_COUNT and len(payload) == 1:
            small = next(iter(payload.items()))
    return TensorFacts(
        name=name,
        element=element.name,
        dims=tuple(dims),
        count=max(count, 0),
        size=max(size, 0),
        payload=small,
        longest=max(map(length, payload.get(6, ())), default=0),
    )


def read_sparse(
    scan: Scan, data: Body, where: Where, *, external: list[ExternalTensor], hidden: str = "a sparse tensor"
) -> TensorFacts:
    """The facts of the values of a ``SparseTensorProto``, which also carry its name.

    Values must have one dimension, indices be ``int64`` of shape [n] or [n, rank] (ONNX IR, ``SparseTensorProto``).
    """
    fields = scan.fields(data, schema.SPARSE_TENSOR, where)
    dims = read_dims(scan, fields.get(3, ()), where)
    parts = {
        number: read_tensor(scan, body(value), (where, name, -1), external=external, hidden=hidden)
        for number, name in ((1, "values"), (2, "indices"))
        for value in fields.get(number, ())
    }
    values, indices = parts.get(1), parts.get(2)
    if values is None or indices is None:
        scan.problems.add(problems.SPARSE_TENSOR, "a sparse tensor has no values or no indices", where)
        return TensorFacts(name=b"", element="", dims=(), count=0, size=0)
    elements = count_elements(scan, dims, schema.ELEMENTS[2], where)
    wanted = {(values.count,), (values.count, len(dims))}
    if not dims or 0 in dims or len(values.dims) != 1 or indices.element != "int64" or indices.dims not in wanted:
        scan.problems.add(
            problems.SPARSE_TENSOR,
            "values and indices of a sparse tensor do not fit each other or its shape",
            where,
            expected=f"a shape without zeros, values [n], indices int64 [n] or [n, {len(dims)}]",
            found=f"values {list(values.dims)}, indices {indices.element} {list(indices.dims)}",
        )
    elif elements >= 0:
        check_places(scan, body(fields[2][-1]), dims, where, by_axis=len(indices.dims) == 2)
    # What runs is the dense tensor; what is counted as parameters are the values.
    return replace(values, dims=tuple(dims), payload=None)


def read_dims(scan: Scan, values: Sequence[Value], where: Where) -> list[int]:
    """Raises ``InputError`` (``onnx.limit.dimensions``)."""
    dims: list[int] = []
    for value in values:
        for dim in scan.integers(value, where):
            dims.append(dim)
            if len(dims) > scan.limits.max_dimensions:
                refuse(f"a tensor has more than {scan.limits.max_dimensions} dimensions", code="limit.dimensions", where=where)
    return dims


def count_elements(scan: Scan, dims: list[int], element: schema.Element, where: Where) -> int:
    """Elements of the shape, or -1 after noting that no memory could hold them.

    A zero elsewhere does not excuse a product that overflows: readers multiply in different orders.
    """
    count = product = 1
    for dim in dims:
        count *= dim
        product *= dim or 1
        if dim < 0 or product * max(element.bits, 8) // 8 > _MAX_BYTES:
            scan.problems.add(
                problems.DIMENSIONS, "a dimension is negative, or the shape asks for more than 2^63 bytes", where, found=dims
            )
            return -1
    return count


def _entries(scan: Scan, number: int, values: list[Value], where: Where, *, wanted: int) -> int:
    """How many numbers or strings a typed payload field holds; -1 for a length that cannot be right."""
    total = 0
    for value in values:
        size = length(value)
        if number == 6 or isinstance(value, int):
            total += 1
        elif number in _FIXED:
            if size % _FIXED[number]:
                return -1
            total += size // _FIXED[number]
        elif isinstance(value, bytes) or wanted <= size <= 10 * wanted:
            total += scan.count_packed(value, where)
        else:
            return -1  # no need to read it: n integers take n to 10n bytes
    return total


def _check_payload(
    scan: Scan, payload: dict[int, list[Value]], element: schema.Element, where: Where, *, count: int, size: int
) -> int:
    """Notes everything wrong with the payload of a tensor that keeps it in the file; its size in bytes."""
    names = [_PAYLOADS[number] for number in payload]
    if len(names) > 1:
        scan.problems.add(
            problems.PAYLOAD_FIELDS, "the tensor has two payloads, and readers differ on which one counts", where, found=names
        )
        return size
    if not names:
        if count:
            _wrong_length(scan, where, expected=f"{count} elements of {element.name}", found="no payload")
        return size
    ((number, values),) = payload.items()
    if number == 9:
        if not element.bits:
            scan.problems.add(problems.STRING_PAYLOAD, "strings stand in raw_data, whose bytes no reader can divide", where)
        elif length(values[-1]) != size:
            _wrong_length(scan, where, expected=f"{size} bytes", found=f"{length(values[-1])} bytes")
        elif element.bits == _SIX_BITS and count * element.bits % 8:
            _check_padding(scan, body(values[-1]), used=count * element.bits % 8, where=where)
        return size
    if names[0] != element.field:
        scan.problems.add(
            problems.PAYLOAD_FIELDS,
            f"elements of type {element.name} stand in {names[0]}",
            where,
            expected=f"{element.field} or raw_data",
            found=names[0],
        )
        return size
    wanted = -(-count * element.entries // element.per_entry)
    found = _entries(scan, number, values, where, wanted=wanted)
    if found != wanted:
        _wrong_length(
            scan, where, expected=f"{wanted} entries of {names[0]}", found=f"{found} entries" if found >= 0 else "another length"
        )
    return sum(map(length, values)) if number == 6 else size


def _check_padding(scan: Scan, payload: Body, *, used: int, where: Where) -> None:
    """Elements of six bits leave some of the last byte over, which ONNX wants to be zero there (``FLOAT6E2M3``)."""
    last = payload[-1] if isinstance(payload, bytes) else scan.wire.read(Region(payload.end - 1, payload.end), where)[0]
    if last >> used:
        scan.problems.add(
            problems.PAYLOAD_LENGTH,
            "bits of the last byte that no element uses are not zero",
            where,
            expected=f"zeros above bit {used - 1}",
            found=f"{last:#04x}",
        )


def _wrong_length(scan: Scan, where: Where, *, expected: str, found: str) -> None:
    scan.problems.add(
        problems.PAYLOAD_LENGTH,
        f"the payload has {found}, type and shape ask for {expected}",
        where,
        expected=expected,
        found=found,
    )


def _read_external(
    scan: Scan,
    entries: list[Value],
    payload: dict[int, list[Value]],
    location: int,
    where: Where,
    *,
    name: bytes,
    element: schema.Element,
    size: int,
    external: list[ExternalTensor],
) -> int:
    """Adds the tensor to ``external`` with its problems noted; an unreadable number becomes -1, which no check takes."""
    pairs = scan.entries(entries, where, name="external_data", code=problems.EXTERNAL_KEYS)
    keys = dict(pairs)
    if location != 1 or not entries:
        scan.problems.add(
            problems.DATA_LOCATION,
            "data_location and external_data do not agree on where the data is",
            where,
            expected="data_location EXTERNAL with external_data, or neither",
            found=f"data_location {location}, {len(entries)} entries",
        )
    if payload:
        scan.problems.add(problems.PAYLOAD_FIELDS, "the tensor has a payload and external data", where)
    if element.name == "string":
        scan.problems.add(problems.STRING_PAYLOAD, "strings stand in another file, whose bytes no reader can divide", where)
    for key, _ in pairs:
        if key not in _EXTERNAL_KEYS and scan.problems.wants(problems.EXTERNAL_KEYS):
            scan.problems.add(
                problems.EXTERNAL_KEYS,
                f"{shown(key)} is not a key of external data",
                where,
                expected=", ".join(sorted(_EXTERNAL_KEYS)),
                found=key,
            )
    path = keys.get("location", "")
    if not path:
        scan.problems.add(problems.EXTERNAL_KEYS, "external data has no location", where, expected="location")
    if _MEMORY_ADDRESS in path:
        scan.problems.add(
            problems.MEMORY_ADDRESS, "the location makes the runtime read its own memory at a given address", where, found=path
        )
    numbers = {key: _number(scan, key, keys[key], where) for key in ("offset", "length") if key in keys}
    external.append(
        ExternalTensor(
            name=text(name),
            where=shown(place(where)),
            location=path,
            offset=numbers.get("offset", 0),
            length=numbers.get("length"),
            size=max(size, 0),
            element_bytes=element.bits // 8,
        )
    )
    return size


def _number(scan: Scan, key: str, spelled: str, where: Where) -> int:
    try:
        return decode_decimal(spelled, where=key)
    except InputError as err:
        scan.problems.add(
            problems.EXTERNAL_KEYS, f"{key} of external data {err.message}", where, expected="a decimal integer", found=spelled
        )
        return -1
