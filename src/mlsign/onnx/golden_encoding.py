"""Golden values as the bytes of ``TensorProto``, ``SequenceProto``, ``MapProto`` and ``OptionalProto``.

The counterpart of ``golden_values``: what is written here is read there as the same value. There is one spelling of each value, so
that packing twice gives the same bytes: fields in the order of their numbers, elements in ``raw_data``, texts in ``string_data``.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.onnx import schema
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import MAX_GOLDEN_DEPTH, GoldenMap, GoldenOptional, GoldenSequence, GoldenValue

_NUMBERS: Final = MappingProxyType({element.name: number for number, element in schema.ELEMENTS.items()})
_STRING: Final = _NUMBERS["string"]
_INT64: Final = _NUMBERS["int64"]
_VARINT, _LENGTH = 0, 2
_KINDS: Final = MappingProxyType({GoldenTensor: 1, GoldenSequence: 3, GoldenMap: 4, GoldenOptional: 5})
"""``SequenceProto.DataType`` and ``OptionalProto.DataType``; such values stand in the field whose number is higher by two."""


def encode_golden_value(value: GoldenValue) -> bytes:
    """The bytes of the message that holds the value.

    Raises ``InputError`` (``golden.value``) for what no message holds, or no reader takes: a sequence of values of several kinds, a map
    with keys that are neither texts nor int64, and what is nested deeper than it is read.
    """
    return _encode(value, depth=1)


def _encode(value: GoldenValue, *, depth: int) -> bytes:
    if depth > MAX_GOLDEN_DEPTH and not isinstance(value, GoldenTensor):
        raise InputError(f"is nested deeper than {MAX_GOLDEN_DEPTH} levels", code="golden.value", where=shown(value.name))
    if isinstance(value, GoldenTensor):
        return _tensor(value)
    if isinstance(value, GoldenMap):
        return _map(value, depth=depth)
    if isinstance(value, GoldenSequence):
        held = _held(value.items, depth=depth)
    else:
        held = (_number(2, 0),) if value.value is None else _held((value.value,), depth=depth)
    return b"".join((_text(1, value.name), *held))


def _tensor(tensor: GoldenTensor) -> bytes:
    parts = [_number(1, dim) for dim in tensor.shape]
    parts.append(_number(2, _NUMBERS[tensor.element]))
    parts += [_bytes(6, text.encode("utf-8")) for text in tensor.texts]
    parts.append(_text(8, tensor.name))
    if tensor.element != "string":
        parts.append(_bytes(9, tensor.data))
    return b"".join(parts)


def _held(items: tuple[GoldenValue, ...], *, depth: int) -> Iterable[bytes]:
    """The kind of the items, which are of one, and the items. Of nothing at all it is that of tensors, as ``onnx.numpy_helper`` has it."""
    kinds = {_KINDS[type(item)] for item in items} or {_KINDS[GoldenTensor]}
    if len(kinds) > 1:
        raise InputError("holds values of several kinds", code="golden.value", where=shown(items[0].name))
    (kind,) = kinds
    yield _number(2, kind)
    for item in items:
        yield _bytes(kind + 2, _encode(item, depth=depth + 1))


def _map(value: GoldenMap, *, depth: int) -> bytes:
    texts = [key for key in value.keys if isinstance(key, str)]
    numbers = [key for key in value.keys if isinstance(key, int)]
    if (texts and numbers) or any(not -(2**63) <= key < 2**63 for key in numbers):
        raise InputError("is a map with keys that are neither texts nor int64", code="golden.value", where=shown(value.name))
    values = GoldenSequence(name="", items=value.values)
    return b"".join(
        (
            _text(1, value.name),
            _number(2, _STRING if texts else _INT64),
            *(_number(3, key) for key in numbers),
            *(_bytes(4, text.encode("utf-8")) for text in texts),
            _bytes(5, _encode(values, depth=depth + 1)),
        )
    )


def _text(number: int, text: str) -> bytes:
    """A name; the empty one is left out, as protobuf has it."""
    return _bytes(number, text.encode("utf-8")) if text else b""


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    """A number of 64 bits; a negative one as its complement (protobuf, "Signed Integers")."""
    return _varint(number << 3 | _VARINT) + _varint(value % 2**64)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
