"""Elements below a byte: several in each byte, as ONNX and onnxruntime pack them, and one in each, as numpy can hold them."""

from __future__ import annotations

from typing import Any

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
