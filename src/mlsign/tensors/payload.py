"""The payload of a tensor as bytes: whatever field of the model or other file holds it, a bounded piece at a time.

Owns where the bytes are and how the typed fields of ``TensorProto`` spell them; what comes out is always what ``raw_data``
would hold: elements in C order, little-endian, those below a byte several in each. Nothing beyond what type and shape ask
for is read, and nothing short of it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.errors import InputError, shown
from mlsign.limits import KIB, MIB
from mlsign.onnx import schema
from mlsign.onnx.records import Stored, StoredOutside, TensorRecord
from mlsign.onnx.wire import Region, Value, signed
from mlsign.source import ByteSource
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS, Element

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Outside: TypeAlias = Callable[[str], ByteSource | None]
"""Takes the ``location`` of external data as it is written in the model; gives None for a file that may not be read."""

READ_BYTES: Final = 4 * MIB
"""The most that is read at once."""
_PACKED_BYTES: Final = 256 * KIB
"""The same of packed integers: each byte may become one of eight bytes, and is several numbers on the way there."""
_LONGEST: Final = 10
"""Bytes of the longest integer."""
_FIELDS: Final = MappingProxyType({4: "float_data", 5: "int32_data", 7: "int64_data", 10: "double_data", 11: "uint64_data"})
_RAW: Final = 9
_FIXED: Final = frozenset((4, 10))
_UNSIGNED: Final = 11
_TYPED: Final = MappingProxyType({element.name: element.field for element in schema.ELEMENTS.values()})
_MAX_BYTES: Final = 2**63 - 1


def no_files(_location: str) -> ByteSource | None:
    """The ``Outside`` of a model without external data."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor and where its values can be read: the file of its model, and the files that its external data may be in.

    The sources are open already, by whoever decided which files may be; nothing is opened here.
    """

    record: TensorRecord
    model: ByteSource
    outside: Outside = no_files

    @property
    def where(self) -> str:
        """The tensor in words, for messages."""
        return f"tensor {shown(self.record.name)}" if self.record.name else "a tensor without a name"

    def reject(self, message: str, *, code: str, expected: object = "", found: object = "") -> NoReturn:
        """Raises the ``InputError`` ``tensor.<code>``."""
        raise InputError(message, code=f"tensor.{code}", where=self.where, expected=str(expected), found=shown(found))


def has_numbers(record: TensorRecord) -> bool:
    """Its elements are of a type that can be computed with, so neither strings, nor of six bits, nor of an unknown type."""
    return record.element in ELEMENTS


def element_of(tensor: StoredTensor) -> Element:
    """The type of the elements. Raises ``InputError`` (``tensor.element``) where there are no numbers."""
    if not has_numbers(tensor.record):
        found = tensor.record.element or "an unknown type"
        tensor.reject(f"has elements of {shown(found)}, which are no numbers", code="element", found=found)
    return ELEMENTS[tensor.record.element]


def count_of(tensor: StoredTensor) -> int:
    """The elements that the shape asks for. Raises ``InputError`` (``tensor.shape``)."""
    shape = tensor.record.shape
    if any(dim < 0 for dim in shape) or prod(dim or 1 for dim in shape) > _MAX_BYTES // 16:
        tensor.reject("has a negative dimension, or asks for more than any memory holds", code="shape", found=list(shape))
    return prod(shape)


def payload(tensor: StoredTensor) -> Iterator[Bytes]:
    """The bytes of all elements, in pieces of at most ``READ_BYTES``.

    Raises ``InputError``: ``tensor.element``, ``tensor.shape``, ``tensor.payload`` (another length than type and shape ask
    for, or a field that the type does not have), ``tensor.value`` (an integer that is badly spelled or outside its type),
    ``tensor.file`` (another file that is not there), ``tensor.region`` (bytes that the file does not have).
    """
    element = element_of(tensor)
    wanted = element.bytes_of(count_of(tensor))
    values = tensor.record.values
    if values is None:
        _check_length(tensor, found=0, wanted=wanted)
    elif isinstance(values, StoredOutside):
        yield from _outside(tensor, values, wanted=wanted)
    elif values.field == _RAW:
        # protobuf takes the last of several, other readers the first
        _check_length(tensor, found=_length(values.parts) if len(values.parts) == 1 else -1, wanted=wanted)
        yield from _read(tensor.model, values.parts[0], step=READ_BYTES)
    else:
        yield from _typed(tensor, values, element, wanted=wanted)


def _typed(tensor: StoredTensor, values: Stored, element: Element, *, wanted: int) -> Iterator[Bytes]:
    name, right = _FIELDS.get(values.field, f"field {values.field}"), _TYPED[element.name]
    if name != right:
        tensor.reject(f"has elements of {element.name} in {name}", code="payload", expected=right, found=name)
    if values.field in _FIXED:
        _check_length(tensor, found=_length(values.parts), wanted=wanted)
        for part in values.parts:
            yield from _read(tensor.model, part, step=READ_BYTES)
    else:
        yield from _integers(tensor, values.parts, element, unsigned=values.field == _UNSIGNED, wanted=wanted)


def _length(parts: tuple[Value, ...]) -> int:
    """Bytes of all parts together, or -1 where one of them is a number, which has none."""
    return -1 if any(isinstance(part, int) for part in parts) else sum(len(part) for part in parts if not isinstance(part, int))


def _check_length(tensor: StoredTensor, *, found: int, wanted: int) -> None:
    if found != wanted:
        has = f"{found} bytes" if found >= 0 else "no single run of bytes"
        tensor.reject(f"holds {has}, type and shape ask for {wanted}", code="payload", expected=wanted, found=has)


def _outside(tensor: StoredTensor, place: StoredOutside, *, wanted: int) -> Iterator[Bytes]:
    if place.length is not None:
        _check_length(tensor, found=place.length, wanted=wanted)
    source = tensor.outside(place.location)
    if source is None:
        found = shown(place.location)
        tensor.reject(f"keeps its values in {found}, which is not there to be read", code="file", found=place.location)
    end = place.offset + wanted
    if place.offset < 0 or end > source.size:
        message = f"takes bytes {place.offset} to {end} of {shown(place.location)}, which has {source.size}"
        tensor.reject(message, code="region", expected=f"at most {source.size}", found=end)
    yield from _read(source, Region(place.offset, end), step=READ_BYTES)


def _read(source: ByteSource, part: Value, *, step: int) -> Iterator[Bytes]:
    """The bytes of a part that is no single number."""
    assert not isinstance(part, int)  # noqa: S101 - whoever calls has looked at lengths, which numbers do not have
    if isinstance(part, bytes):
        yield from (np.frombuffer(part[at : at + step], np.uint8) for at in range(0, len(part), step))
        return
    for at in range(part.start, part.end, step):
        yield np.frombuffer(source.read_at(at, min(step, part.end - at)), np.uint8)


def _integers(
    tensor: StoredTensor, parts: tuple[Value, ...], element: Element, *, unsigned: bool, wanted: int
) -> Iterator[Bytes]:
    """The numbers of packed and single integers, each as the bytes that an entry of ``raw_data`` would have."""
    dtype = RAW_DTYPES.get(element.name, DTYPES.get(element.name, np.dtype("u1")))
    dtype = np.dtype("<u2") if element.name == "float16" else dtype  # float16 stands there as its bits
    entries = left = wanted // dtype.itemsize
    for part in parts:
        for numbers in _numbers(tensor, part):
            left -= numbers.size
            if left < 0:
                tensor.reject(
                    f"holds more integers than the {entries} that type and shape ask for", code="payload", expected=entries
                )
            yield _narrow(tensor, numbers.view("<u8") if unsigned else numbers, dtype).view(np.uint8)
    if left:
        message = f"holds {entries - left} integers, type and shape ask for {entries}"
        tensor.reject(message, code="payload", expected=entries, found=entries - left)


def _narrow(tensor: StoredTensor, numbers: Array, dtype: np.dtype[Any]) -> Array:
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    least, most = int(numbers.min()), int(numbers.max())
    if least < low or most > high:
        found = least if least < low else most
        message = f"has the integer {found}, its type goes from {low} to {high}"
        tensor.reject(message, code="value", expected=f"{low} to {high}", found=found)
    return numbers.astype(dtype)


def _numbers(tensor: StoredTensor, part: Value) -> Iterator[Array]:
    """The signed integers of one part, never an empty array of them."""
    if isinstance(part, int):
        yield np.array([signed(part)], np.int64)
        return
    rest = np.zeros(0, np.uint8)
    for piece in _read(tensor.model, part, step=_PACKED_BYTES):
        data = np.concatenate((rest, piece))
        ends = np.flatnonzero(data < 128)
        if ends.size:
            yield _decoded(tensor, data, ends)
            rest = data[int(ends[-1]) + 1 :]
        else:
            rest = data
        if rest.size >= _LONGEST:
            tensor.reject("has an integer of more than ten bytes", code="value")
    if rest.size:
        tensor.reject("ends inside an integer", code="value")


def _decoded(tensor: StoredTensor, data: Bytes, ends: npt.NDArray[np.intp]) -> Array:
    """Integers that end at ``ends`` and follow on each other; spelled as ``onnx.wire.varint`` takes them."""
    starts = np.concatenate((np.zeros(1, np.intp), ends[:-1] + 1))
    lengths = ends - starts + 1
    last = data[ends]
    if int(lengths.max()) > _LONGEST or np.any((lengths > 1) & (last == 0)) or np.any((lengths == _LONGEST) & (last > 1)):
        tensor.reject("has an integer that is not in its shortest form or has more than 64 bits", code="value")
    out = (data[starts] & 127).astype(np.uint64)
    for byte in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > byte)
        out[longer] |= (data[starts[longer] + byte] & 127).astype(np.uint64) << np.uint64(7 * byte)
    return out.view(np.int64)
