"""The element types that frames can carry, by name and by number (``TensorProto.DataType``).

Those that numpy has no name for travel as their bits; of those below a byte, several share one, the first in its low
bits, as ONNX and onnxruntime pack them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Element:
    """An ONNX element type of fixed size: its number in ``TensorProto.DataType`` and the bits one element takes."""

    name: str
    number: int
    bits: int

    def bytes_of(self, count: int) -> int:
        """The bytes that so many elements take."""
        return (count * self.bits + 7) // 8


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        name: Element(name, number, bits)
        for name, number, bits in (
            ("float", 1, 32),
            ("uint8", 2, 8),
            ("int8", 3, 8),
            ("uint16", 4, 16),
            ("int16", 5, 16),
            ("int32", 6, 32),
            ("int64", 7, 64),
            ("bool", 9, 8),
            ("float16", 10, 16),
            ("double", 11, 64),
            ("uint32", 12, 32),
            ("uint64", 13, 64),
            ("complex64", 14, 64),
            ("complex128", 15, 128),
            ("bfloat16", 16, 16),
            ("float8e4m3fn", 17, 8),
            ("float8e4m3fnuz", 18, 8),
            ("float8e5m2", 19, 8),
            ("float8e5m2fnuz", 20, 8),
            ("uint4", 21, 4),
            ("int4", 22, 4),
            ("float4e2m1", 23, 4),
            ("float8e8m0", 24, 8),
            ("uint2", 25, 2),
            ("int2", 26, 2),
        )
    }
)
"""Strings are values of their own. The six-bit floats are missing: no runtime takes them, and no packing is agreed on."""

BY_NUMBER: Final[Mapping[int, Element]] = MappingProxyType({element.number: element for element in ELEMENTS.values()})

STRING: Final = 8
"""``TensorProto.STRING``."""

_LAST_IN_NUMPY: Final = 15
"""``TensorProto.COMPLEX128``; what was added later has no type in numpy."""


def in_numpy(name: str) -> bool:
    """The element type is one of numpy's."""
    return name in ELEMENTS and ELEMENTS[name].number <= _LAST_IN_NUMPY
