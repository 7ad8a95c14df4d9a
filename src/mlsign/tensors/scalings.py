"""What quantized numbers stand for, read from the tensors that say so."""

from __future__ import annotations

from typing import Final

import numpy as np

from mlsign.limits import MIB
from mlsign.tensors.payload import Array, StoredTensor, count_of
from mlsign.tensors.quantized import Quantization
from mlsign.tensors.stored import chunks

_MAX_SCALES: Final = 16 * MIB
"""One for each row, or each block, of the largest tensors that there are."""


def read_quantization(scale: StoredTensor, zero_point: StoredTensor | None, *, axis: int, block: int) -> Quantization:
    """The quantization with this scale and this zero point. Raises ``InputError`` (``tensor.scale``) and what ``chunks`` raises."""
    return Quantization(
        scale=_whole(scale), zero_point=None if zero_point is None else _whole(zero_point), axis=axis, block=block
    )


def _whole(tensor: StoredTensor) -> Array:
    if count_of(tensor) > _MAX_SCALES:
        tensor.reject("has more scales than one tensor needs", code="scale", expected=_MAX_SCALES, found=count_of(tensor))
    pieces = list(chunks(tensor))
    return np.concatenate(pieces) if pieces else np.empty(0)
