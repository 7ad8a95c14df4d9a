"""Elements that numpy has no name for: those below a byte, several in each byte as ONNX and onnxruntime pack them and one in
each as numpy can hold them; and what the bits of the floats among them stand for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[Any]


def pack(flat: Bytes, *, bits: int) -> Bytes:
    """Bytes of several elements, the first in the low bits, from bytes of one each; what lies above their bits is dropped."""
    lanes = 8 // bits
    padded = np.zeros(-(-flat.size // lanes) * lanes, np.uint8)
    padded[: flat.size] = flat & (2**bits - 1)
    out = np.zeros(padded.size // lanes, np.uint8)
    for lane in range(lanes):
        out |= padded[lane::lanes] << (lane * bits)
    return out


def unpack(packed: Bytes, *, bits: int, count: int) -> Bytes:
    """The reverse of ``pack``, of the first ``count`` elements."""
    lanes = 8 // bits
    out = np.empty(packed.size * lanes, np.uint8)
    for lane in range(lanes):
        out[lane::lanes] = (packed >> (lane * bits)) & (2**bits - 1)
    return out[:count]


_FLOATS: Final[Mapping[str, tuple[int, int, int, frozenset[int]]]] = MappingProxyType(
    {
        # name: (exponent bits, mantissa bits, bias, what is no number)
        "float8e4m3fn": (4, 3, 7, frozenset({0x7F, 0xFF})),
        "float8e4m3fnuz": (4, 3, 8, frozenset({0x80})),
        "float8e5m2": (5, 2, 15, frozenset({0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF})),
        "float8e5m2fnuz": (5, 2, 16, frozenset({0x80})),
        "float4e2m1": (2, 1, 1, frozenset()),
    }
)
"""The floats of ONNX (``docs/docsgen/source/technical/float8.md``, ``float4.md``); of these e5m2 alone has infinities."""


def are_floats(element: str) -> bool:
    """Elements that numpy has no name for and whose bits stand for numbers with a fraction."""
    return element in _FLOATS or element in ("bfloat16", "float8e8m0")


def to_floats(bits: Bytes, element: str) -> npt.NDArray[np.float64]:
    """The numbers that bits of such an element stand for, exactly."""
    if element == "bfloat16":
        with np.errstate(invalid="ignore"):  # a signalling NaN is one like any other
            return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return _table(element)[bits]


@cache
def _table(element: str) -> npt.NDArray[np.float64]:
    if element == "float8e8m0":  # powers of two alone, without a sign
        return np.array([math.ldexp(1.0, code - 127) for code in range(255)] + [math.nan])
    exponent_bits, mantissa_bits, bias, odd = _FLOATS[element]
    out = np.empty(2 ** (1 + exponent_bits + mantissa_bits))
    for code in range(out.size):
        sign = -1.0 if code >> (exponent_bits + mantissa_bits) else 1.0
        exponent = code >> mantissa_bits & (2**exponent_bits - 1)
        mantissa = code & (2**mantissa_bits - 1)
        if code in odd:
            out[code] = math.nan
        elif element == "float8e5m2" and exponent == 2**exponent_bits - 1:
            out[code] = sign * math.inf
        elif exponent == 0:
            out[code] = sign * math.ldexp(mantissa, 1 - bias - mantissa_bits)
        else:
            out[code] = sign * math.ldexp(2**mantissa_bits + mantissa, exponent - bias - mantissa_bits)
    return out
