"""The values of small tensors in ONNX's textual syntax, where they stand in the model itself.

The syntax writes what ``TensorProto`` holds: the bit pattern of types below 32 bits that are not integers, and several elements
in one number for those below a byte.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from mlsign.errors import InputError
from mlsign.onnx.records import Stored, StoredOutside, TensorRecord
from mlsign.onnx.schema import ELEMENTS
from mlsign.onnx.wire import Region, Value, signed, varints
from mlsign.report.onnx.words import float_word, quoted
from mlsign.words import counted, size

MAX_ELEMENTS: Final = 10
"""Tensors of more elements are weights; constants of shape tell what a graph does."""
_MAX_BYTES: Final = 1024
_RAW: Final = 9
_STRINGS: Final = 6
_INT32: Final = 5
_UINT64: Final = 11
_FLOATS: Final = {4: "f", 10: "d"}
_FIELDS: Final = {4: "float_data", 5: "int32_data", 6: "string_data", 7: "int64_data", 10: "double_data", 11: "uint64_data"}
_ELEMENTS: Final = {element.name: element for element in ELEMENTS.values()}
_FORMATS: Final = {
    "float": "f", "complex64": "f", "double": "d", "complex128": "d", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint16": "H", "uint32": "I", "uint64": "Q", "float16": "H", "bfloat16": "H",
}  # fmt: skip
"""How ``struct`` reads ``raw_data``; all others are bytes."""


def values_words(tensor: TensorRecord, what: str, notes: list[str]) -> str:
    """What stands behind ``=``: the values of a small tensor, the place of those in another file, else ``{}`` and a note why."""
    where = tensor.values
    if isinstance(where, StoredOutside):
        return _place(where)
    if not tensor.count:
        return "{}"
    if where is None:
        notes.append(f"{f'{what} has ' if what else ''}no values")
        return "{}"
    found = _literals(tensor, where) if tensor.count <= MAX_ELEMENTS else None
    if found is None:
        notes.append(f"{counted(tensor.count, 'value')}{f' of {what}' if what else ''} left out, {size(tensor.size)}")
        return "{}"
    return "{" + ", ".join(found) + "}"


def _place(where: StoredOutside) -> str:
    pairs = [("location", where.location)]
    if where.offset:
        pairs.append(("offset", str(where.offset)))
    if where.length is not None:
        pairs.append(("length", str(where.length)))
    return "[" + ", ".join(f'"{key}": {quoted(value)}' for key, value in pairs) + "]"


def _literals(tensor: TensorRecord, stored: Stored) -> list[str] | None:
    """The values; None where type and shape ask for others than there are."""
    parts = [part for part in stored.parts if not isinstance(part, Region)]
    if len(parts) != len(stored.parts) or not tensor.element:
        return None
    if sum(len(part) if isinstance(part, bytes) else 1 for part in parts) > _MAX_BYTES:
        return None
    element = _ELEMENTS[tensor.element]
    if stored.field == _RAW:
        whole = b"".join(part for part in parts if isinstance(part, bytes))
        return _raw(tensor, whole) if element.bits not in (0, 6) and len(whole) == tensor.size else None
    if _FIELDS[stored.field] != element.field:
        return None
    found = _typed(stored.field, parts)
    return found if found is not None and len(found) == -(-tensor.count * element.entries // element.per_entry) else None


def _raw(tensor: TensorRecord, whole: bytes) -> list[str]:
    code = _FORMATS.get(tensor.element, "B")
    numbers = struct.unpack(f"<{len(whole) // struct.calcsize(code)}{code}", whole)
    return [_word(code)(number) for number in numbers]


def _typed(field: int, parts: list[int | bytes]) -> list[str] | None:
    if field == _STRINGS:
        return [quoted(part.decode("utf-8", "surrogateescape")) for part in parts if isinstance(part, bytes)]
    if field in _FLOATS:
        code = _FLOATS[field]
        whole = b"".join(part for part in parts if isinstance(part, bytes))
        if len(whole) % struct.calcsize(code):
            return None
        return [_word(code)(number) for (number,) in struct.iter_unpack(f"<{code}", whole)]
    try:
        numbers = [number for part in parts for number in _integers(part)]
    except InputError:
        return None
    if field == _UINT64:
        return [str(number & (2**64 - 1)) for number in numbers]
    if field == _INT32 and any(not -(2**31) <= number < 2**31 for number in numbers):
        return None
    return list(map(str, numbers))


def _integers(part: Value) -> list[int]:
    """Raises ``InputError`` for a packed field that ends inside a number."""
    if isinstance(part, int):
        return [signed(part)]
    if isinstance(part, Region) or (part and part[-1] >= 128):
        raise InputError("a packed field ends inside an integer", code="onnx.wire.truncated")
    return varints(part, None)


def _word(code: str) -> Callable[[float], str]:
    return float_word if code == "f" else repr if code == "d" else str
