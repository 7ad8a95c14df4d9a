"""What is known of the tensors of a run: their shapes, how many elements they can have, and small numbers in them.

Owns ``Tensor`` and the reading of small constants. The operators that make tensors of tensors are beside this module.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlsign.onnx.bounds.amounts import COUNT, UNKNOWN, Amount, Value, fixed, product, upper
from mlsign.onnx.bounds.numbers import FLOATS, SIGNED, real
from mlsign.onnx.schema import ELEMENTS
from mlsign.onnx.tensors import SMALL_COUNT, TensorFacts
from mlsign.onnx.wire import signed, varint

TEXT_BYTES: Final = 64
"""What one string of a caller is taken to weigh, with the object around it."""
INT64: Final = 7
TEXT: Final = 8
FLOAT: Final = 1
MAX_RANK: Final = 32

_MAX_FLOATS: Final = 8
"""Floats matter as scales, one for each dimension; more would only tell apart weights that are alike."""
_NUMBERS: Final = {element.name: number for number, element in ELEMENTS.items()}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tensor:
    """One value of a run, or a bound for all that it can be.

    ``element`` is the type (``TensorProto.DataType``), ``width`` the bytes of one element. ``dims`` is None where even
    the rank is not known, ``count`` where nothing bounds the elements. ``values`` are the numbers themselves, in order,
    of small tensors of which they are known. A sequence has its elements in ``inside``, ``count`` of them. ``size`` is in
    bytes, None where it is without bound. What is one of several of different ranks has them in ``cases``, with dimensions
    and without cases of their own; ``dims`` is None then, as no rule for an operator need know. There is one object for
    each different tensor, so equal ones are the same one.
    """

    element: int
    width: int
    dims: tuple[Value, ...] | None
    count: Amount | None
    values: tuple[Value, ...] | None
    inside: Tensor | None
    size: int | None
    cases: tuple[Tensor, ...] = ()

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)


def width_of(element: int) -> int:
    """Bytes of one element in memory; types below a byte are counted as one."""
    known = ELEMENTS.get(element)
    return TEXT_BYTES if known is None or not known.bits else max(1, known.bits // 8)


def element_of(name: str) -> int:
    """The number of an element type, float where there is none."""
    return _NUMBERS.get(name, FLOAT)


def counted(dims: tuple[Value, ...] | None) -> Amount | None:
    """At most so many elements have these dimensions."""
    if dims is None:
        return None
    if any(dim.high == 0 for dim in dims):
        return 0
    highs = [dim.high for dim in dims]
    return None if any(high is None for high in highs) else product(upper(high) for high in highs if high is not None)


def exact_count(tensor: Tensor) -> Amount | None:
    """Exactly so many elements it has; None where that is not known."""
    if tensor.dims is None or not all(dim.exact for dim in tensor.dims):
        return None
    return product(dim.high for dim in tensor.dims if dim.high is not None)


def may_be_empty(tensor: Tensor) -> bool:
    """Whether it may have no elements, as far as is known."""
    return not tensor.values and (tensor.dims is None or any(dim.low is None or dim.low < 1 for dim in tensor.dims))


def dims_of(shape: Sequence[int]) -> tuple[Value, ...]:
    """Dimensions that a file spells out."""
    return tuple(fixed(size) if size >= 0 else COUNT for size in shape)


def constants(facts: TensorFacts) -> tuple[Value, ...] | None:
    """The numbers in a small tensor of the file; None where they are not there, or no numbers."""
    element = element_of(facts.element) if facts.element else 0
    if facts.payload is None or facts.count > (_MAX_FLOATS if element in FLOATS else SMALL_COUNT):
        return None
    field, values = facts.payload
    if field == 9 and len(values) == 1 and isinstance(values[0], bytes):
        return _raw(element, values[0])
    if element in FLOATS and field in (4, 10):
        return _raw(11 if field == 10 else 1, b"".join(value for value in values if isinstance(value, bytes)))
    if element in SIGNED and field in (5, 7, 11):
        numbers = list(_integers(values))
        return tuple(_integer(item, element) for item in numbers) if len(numbers) == facts.count else None
    return None


def _raw(element: int, data: bytes) -> tuple[Value, ...] | None:
    if element in FLOATS:
        letter = FLOATS[element].letter
        floats = struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data)
        return tuple(real(item) for item in floats)
    if element not in SIGNED:
        return None
    has_sign, bits = SIGNED[element]
    size = max(1, bits // 8)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    numbers = (int.from_bytes(part, "little", signed=bool(has_sign)) for part in parts)
    return tuple(_integer(item, element) for item in numbers)


def _integer(item: int, element: int) -> Value:
    """A number of the file; unknown where its type has no such number, or a byte is neither true nor false."""
    has_sign, bits = SIGNED[element]
    return fixed(item) if -(1 << (bits - 1)) * has_sign <= item < 1 << (bits - has_sign) else UNKNOWN


def _integers(values: Sequence[object]) -> list[int]:
    out: list[int] = []
    for value in values:
        if isinstance(value, int):
            out.append(signed(value))
        elif isinstance(value, bytes):
            at = 0
            while at < len(value):
                item, at = varint(value, at, None)
                out.append(signed(item))
    return out
