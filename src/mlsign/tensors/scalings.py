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


def read_quantization(
    scale: StoredTensor,
    zero_point: StoredTensor | None,
    *,
    axis: int,
    block: int,
    codes: StoredTensor,
    factor: StoredTensor | None = None,
) -> Quantization:
    """The quantization of ``codes`` with this scale, times one ``factor`` where there is one, and this zero point; no more is read than
    there are codes.

    Raises ``InputError`` (``tensor.scale``) and what ``chunks`` raises.
    """
    most = min(_MAX_SCALES, max(count_of(codes), 1))
    given = None if zero_point is None else _whole(zero_point, most=most)
    scales = _whole(scale, most=most)
    if factor is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is no scale, whoever multiplied
            scales = scales * _whole(factor, most=1)
    return Quantization(scale=scales, zero_point=given, axis=axis, block=block)


def _whole(tensor: StoredTensor, *, most: int) -> Array:
    if count_of(tensor) > most:
        tensor.reject("has more scales than its tensor needs", code="scale", expected=most, found=count_of(tensor))
    pieces = list(chunks(tensor))
    return np.concatenate(pieces) if pieces else np.empty(0)
