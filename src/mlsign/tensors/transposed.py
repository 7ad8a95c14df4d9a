"""A matrix with its rows and columns changed over: exporters and quantizers store the weights of a layer either way."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from mlsign.limits import GIB
from mlsign.onnx.records import Stored
from mlsign.tensors.payload import StoredTensor, count_of
from mlsign.tensors.stored import stored

_RAW: Final = 9
"""The field ``raw_data`` of ``TensorProto``."""
_MAX_BYTES: Final = GIB


def transposed(tensor: StoredTensor) -> StoredTensor:
    """The same numbers in memory, a row for each column; on the way twice of them. Raises ``InputError`` (``tensor.size``) and what ``stored`` raises."""
    record = tensor.record
    if record.size > _MAX_BYTES:
        tensor.reject("is too large to be transposed", code="size", expected=f"{_MAX_BYTES} bytes at most", found=record.size)
    whole, at = np.empty(0, np.uint8), 0
    for piece in stored(tensor):
        whole = whole if at else np.empty(count_of(tensor), piece.dtype)
        whole[at : at + piece.size] = piece
        at += piece.size
    data = whole.reshape(record.shape).T.tobytes()
    turned = replace(record, shape=record.shape[::-1], values=Stored(field=_RAW, parts=(data,)))
    return replace(tensor, record=turned)
