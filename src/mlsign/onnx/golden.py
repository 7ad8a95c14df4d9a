"""The tensors of golden test data, values included: one ``TensorProto``, in a file of its own or within another value.

The counterpart of ``tensors``, which leaves values alone. What is not exactly a tensor with all its values inside, of an
element type that can be compared, is refused. Sequences, maps and optionals are read by ``golden_values``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx import schema
from mlsign.onnx.scan import Scan
from mlsign.onnx.summary import ExternalTensor
from mlsign.onnx.tensors import read_tensor
from mlsign.onnx.wire import Value, Where
from mlsign.source import MemorySource

_CODES: Final = MappingProxyType(
    {
        "float": "f",
        "double": "d",
        "float16": "H",
        "bool": "B",
        "int8": "b",
        "int16": "h",
        "int32": "i",
        "int64": "q",
        "uint8": "B",
        "uint16": "H",
        "uint32": "I",
        "uint64": "Q",
        "complex64": "f",
        "complex128": "d",
        "bfloat16": "H",
        **dict.fromkeys(("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"), "B"),
        **dict.fromkeys(("uint4", "int4", "float4e2m1", "uint2", "int2"), "B"),
    }
)
"""How ``struct`` spells an entry of the typed payload: half floats and smaller ones stand there as their bits, and what is
below a byte as bytes of several elements, as in ``raw_data``."""
_RAW: Final = 9
_TEXTS: Final = 6
_FIXED: Final = frozenset((4, 10))
_UNSIGNED: Final = 11
_PAYLOADS: Final = (4, 5, 6, 7, 9, 10, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTensor:
    """One tensor: elements in C order, little-endian, in ``data``; the elements of strings in ``texts``.

    Elements below a byte are packed, the first in the low bits.
    """

    name: str
    element: str
    shape: tuple[int, ...]
    data: bytes = b""
    texts: tuple[str, ...] = ()


def decode_golden_tensor(data: bytes, *, where: str, limits: Limits = DEFAULT) -> GoldenTensor:
    """The tensor. Raises ``InputError`` (``onnx.…``, ``golden.tensor``, ``golden.element``, ``golden.value``)."""
    return read_golden_tensor(Scan(MemorySource(data), limits=limits), data, where=where)


def read_golden_tensor(scan: Scan, data: bytes, *, where: str) -> GoldenTensor:
    """``decode_golden_tensor`` within a reading that has met no problem so far; its fields count as two each."""
    place: Where = (None, where, -1)
    external: list[ExternalTensor] = []
    facts = read_tensor(scan, data, place, external=external)
    refuse_problems(scan, where=where)
    if external:
        raise InputError("keeps its values in another file", code="golden.tensor", where=shown(where))
    if facts.element not in _CODES and facts.element != "string":
        message = f"has elements of type {shown(facts.element)}, which cannot be compared"
        raise InputError(message, code="golden.element", where=shown(where), found=shown(facts.element))
    parts = scan.fields(data, schema.TENSOR, place)
    name = facts.name.decode("utf-8")
    # The check above let one payload through, or none where there is no element.
    number, values = next(((n, parts[n]) for n in _PAYLOADS if n in parts), (_RAW, [b""]))
    if facts.element == "string":
        texts = _texts(values if number == _TEXTS else (), where=where)
        return GoldenTensor(name=name, element=facts.element, shape=facts.dims, texts=texts)
    payload = _payload(scan, number, values, facts.element, place)
    if facts.element == "bool" and payload.translate(None, b"\x00\x01"):
        raise InputError("has a boolean that is neither 0 nor 1", code="golden.value", where=shown(where))
    return GoldenTensor(name=name, element=facts.element, shape=facts.dims, data=payload)


def refuse_problems(scan: Scan, *, where: str) -> None:
    """Nothing that was read so far is out of order. Raises ``InputError`` (``golden.tensor``)."""
    if problems := scan.problems.all():
        raise InputError(problems[0].message, code="golden.tensor", where=shown(where), found=problems[0].code)


def _texts(values: Sequence[Value], *, where: str) -> tuple[str, ...]:
    try:
        return tuple(bytes(value).decode("utf-8") for value in values if isinstance(value, bytes))
    except UnicodeDecodeError as err:
        raise InputError("has a text that is not UTF-8", code="golden.value", where=shown(where)) from err


def _payload(scan: Scan, number: int, values: Sequence[Value], element: str, place: Where) -> bytes:
    """The elements as their bytes, whichever field holds them."""
    if number == _RAW or number in _FIXED:
        return b"".join(value for value in values if isinstance(value, bytes))
    numbers = [item for value in values for item in scan.integers(value, place)]
    if number == _UNSIGNED:
        numbers = [item % 2**64 for item in numbers]
    try:
        return struct.pack(f"<{len(numbers)}{_CODES[element]}", *numbers)
    except struct.error as err:
        message = f"has a number that is no {element}"
        raise InputError(message, code="golden.value", where=shown(place[1] if place else "")) from err
