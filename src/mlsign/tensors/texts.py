"""Tensors of texts: which of them are others now. Texts have no numbers, and no bound but their file: they are read in pieces."""

from __future__ import annotations

from typing import Final

from mlsign.limits import MIB
from mlsign.onnx.records import Stored
from mlsign.onnx.wire import Region, Value
from mlsign.source import ByteSource
from mlsign.tensors.payload import StoredTensor, count_of

_TEXTS: Final = 6  # ``TensorProto.string_data``


def different_texts(old: StoredTensor, new: StoredTensor) -> tuple[int, int]:
    """How many texts of two tensors with as many of them differ, and how many of the new ones are empty.

    Raises ``InputError`` (``tensor.shape``, ``tensor.payload``) and what the sources raise.
    """
    before, after = _texts(old), _texts(new)
    different = sum(not _equal(old.model, x, new.model, y) for x, y in zip(before, after, strict=True))
    return different, sum(not _length(y) for y in after)


def _texts(tensor: StoredTensor) -> tuple[Value, ...]:
    values, wanted = tensor.record.values, count_of(tensor)
    parts = values.parts if isinstance(values, Stored) and values.field == _TEXTS else ()
    if len(parts) != wanted or any(isinstance(part, int) for part in parts):
        tensor.reject(f"holds {len(parts)} texts, its shape asks for {wanted}", code="payload", expected=wanted, found=len(parts))
    return parts


def _length(text: Value) -> int:
    return 0 if isinstance(text, int) else len(text)


def _equal(model: ByteSource, text: Value, other_model: ByteSource, other: Value) -> bool:
    size = _length(text)
    return size == _length(other) and all(
        _piece(model, text, at, min(at + MIB, size)) == _piece(other_model, other, at, min(at + MIB, size))
        for at in range(0, size, MIB)
    )


def _piece(model: ByteSource, text: Value, start: int, end: int) -> bytes:
    if isinstance(text, Region):
        return model.read_at(text.start + start, end - start)
    return text[start:end] if isinstance(text, bytes) else b""
