"""The values of a tensor that is stored in a model or beside it, so many elements at a time.

Every chunk but the last has exactly ``CHUNK_ELEMENTS`` elements, whatever their type: two tensors of one shape can be gone
through side by side. Memory stays at a few chunks, however large the tensor is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from mlsign.tensors.bits import are_floats, to_floats, unpack
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.elements import Element
from mlsign.tensors.payload import Array, Bytes, Outside, StoredTensor, count_of, element_of, has_numbers, no_files, payload

__all__ = ["CHUNK_ELEMENTS", "Array", "Outside", "StoredTensor", "chunks", "has_numbers", "no_files", "numbers", "stored"]

CHUNK_ELEMENTS: Final = 2**20
"""Elements of a chunk: 4 MiB of ``float``, 16 MiB of ``complex128``. A multiple of eight, so that chunks end between bytes."""
_BYTE: Final = 8


def chunks(tensor: StoredTensor) -> Iterator[Array]:
    """The numbers in C order, flat, ``CHUNK_ELEMENTS`` at a time; nothing at all for a tensor without elements.

    They are in numpy's type for the element; floats that numpy has no type for (``bfloat16``, ``float8…``, ``float4e2m1``)
    come as ``float64``, ``int4`` and ``int2`` as ``int8``, ``uint4`` and ``uint2`` as ``uint8``. Raises what ``stored`` raises.
    """
    return (numbers(bits, element=tensor.record.element) for bits in stored(tensor))


def stored(tensor: StoredTensor) -> Iterator[Array]:
    """The elements as they are stored, ``CHUNK_ELEMENTS`` at a time: equal arrays are equal to the last bit.

    Elements that numpy has no type for are their bits, one element in each item (``dtypes.RAW_DTYPES``). Chunks may be
    read-only. Raises ``InputError`` (``tensor.…``, see ``payload``; ``source.truncated``, ``file.changed``) and what else the
    sources raise, also after the first chunks: what came before an error counts for nothing.
    """
    element = element_of(tensor)
    left = count_of(tensor)
    for data in _even(payload(tensor), size=element.bytes_of(CHUNK_ELEMENTS)):
        count = min(left, CHUNK_ELEMENTS)
        left -= count
        yield _elements(tensor, data, element, count=count)


def numbers(bits: Array, *, element: str) -> Array:
    """The numbers that elements of a chunk of ``stored`` stand for."""
    if are_floats(element):
        return to_floats(bits, element)
    if element in ("int4", "int2"):  # moved to the top of the byte and back, the sign is filled in
        above = _BYTE - int(element[-1])
        return (bits << above).view(np.int8) >> above
    return bits


def _elements(tensor: StoredTensor, data: Bytes, element: Element, *, count: int) -> Array:
    if element.bits < _BYTE:
        return unpack(data, bits=element.bits, count=count)
    if element.name == "bool" and np.any(data > 1):
        tensor.reject("has a boolean that is neither 0 nor 1", code="value")
    return data.view(DTYPES[element.name] if element.name in DTYPES else RAW_DTYPES[element.name])


def _even(pieces: Iterable[Bytes], *, size: int) -> Iterator[Bytes]:
    """The same bytes in pieces of ``size``, the last one shorter; what already has that size is passed on without a copy."""
    buffer, used = np.empty(0, np.uint8), 0
    for piece in pieces:
        rest = piece
        while rest.size:
            if not used and rest.size >= size:
                yield rest[:size]
                rest = rest[size:]
                continue
            if not used:
                buffer = np.empty(size, np.uint8)
            step = min(size - used, rest.size)
            buffer[used : used + step] = rest[:step]
            rest, used = rest[step:], used + step
            if used == size:
                yield buffer
                used = 0
    if used:
        yield buffer[:used]
