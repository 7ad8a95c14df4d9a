"""The places of a sparse tensor's values: inside its shape, in ascending order, none twice (ONNX IR, ``SparseTensorProto``).

A runtime makes the tensor dense and writes each value where its index says, with few checks or none. So these indices
are read, the only payload besides small ones that is; a bounded piece at a time.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import repeat
from math import prod
from operator import add, lt, mul
from typing import Final

from mlsign.onnx import problems, schema
from mlsign.onnx.scan import Scan, body
from mlsign.onnx.wire import Body, Value, Where, refuse, signed, varint, varints

_INT64_DATA: Final = 7  # fields of TensorProto
_RAW_DATA: Final = 9
_BYTES: Final = 8
_LONGEST: Final = 10
"""Bytes of the longest integer."""
_UNFINISHED: Final = bytes(range(128, 256))
_AT_ONCE: Final = 65_536
"""Integers that are decoded before they are looked at."""


def check_places(scan: Scan, indices: Body, dims: Sequence[int], where: Where, *, by_axis: bool) -> None:
    """Notes the first index that is out of place; ``by_axis`` when there is one for each dimension and not one for all.

    ``indices`` is the tensor of them, whose type and shape fit; what it keeps in another file is a problem already. Raises
    ``InputError``: ``onnx.limit.sparse_elements``, ``onnx.limit.sparse_indices``.
    """
    total = prod(dims)
    if total > scan.limits.max_sparse_elements:
        refuse(
            f"a sparse tensor stands for more than {scan.limits.max_sparse_elements} elements",
            code="limit.sparse_elements",
            where=where,
        )
    axes = tuple(dims) if by_axis else (total,)
    last = -1
    rest = array("q")
    for piece in _pieces(scan, indices, where):
        scan.count("sparse_indices", where, number=len(piece))
        rest.extend(piece)
        whole = len(rest) - len(rest) % len(axes)
        fault, last = _fault(rest[:whole], axes, last)
        if fault:
            scan.problems.add(problems.SPARSE_TENSOR, f"an index of a sparse tensor {fault}", where, expected=list(dims))
            return
        rest = rest[whole:]


def _fault(numbers: array[int], axes: tuple[int, ...], last: int) -> tuple[str, int]:
    """What is wrong with some indices behind the place ``last``, and the place of the last of them."""
    if not numbers:
        return "", last
    columns = [numbers[axis :: len(axes)] for axis in range(len(axes))]
    for column, size in zip(columns, axes, strict=True):
        low, high = min(column), max(column)
        if low < 0 or high >= size:
            return f"is {low if low < 0 else high}, outside 0 to {size - 1}", last
    places: Sequence[int] = columns[0]
    for column, size in zip(columns[1:], axes[1:], strict=True):
        places = list(map(add, map(mul, places, repeat(size)), column))
    if places[0] <= last or not all(map(lt, places, places[1:])):
        return "stands twice or is out of order", last
    return "", places[-1]


def _pieces(scan: Scan, indices: Body, where: Where) -> Iterator[array[int]]:
    for tag, values in scan.wire.fields(indices, where, heavy=schema.TENSOR.heavy).items():
        for value in values:
            if tag >> 3 == _RAW_DATA:
                yield from _raw(scan, value, where)
            elif tag >> 3 == _INT64_DATA:
                yield from _packed(scan, value, where)


def _raw(scan: Scan, value: Value, where: Where) -> Iterator[array[int]]:
    for chunk in scan.wire.chunks(body(value), where):
        data = chunk[: len(chunk) - len(chunk) % _BYTES]  # pieces of the file end between integers, if their length is right
        for start in range(0, len(data), _BYTES * _AT_ONCE):
            piece = array("q", data[start : start + _BYTES * _AT_ONCE])
            if sys.byteorder == "big":
                piece.byteswap()
            yield piece


def _packed(scan: Scan, value: Value, where: Where) -> Iterator[array[int]]:
    if isinstance(value, int):
        yield array("q", (signed(value),))
        return
    rest = b""
    for chunk in scan.wire.chunks(value, where):
        data = rest + chunk
        whole = len(data.rstrip(_UNFINISHED))
        rest = data[whole:]
        if len(rest) >= _LONGEST:
            break
        yield array("q", varints(data[:whole], where))
    if rest:
        varint(rest, 0, where)  # raises: it has no end
