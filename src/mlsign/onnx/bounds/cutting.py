"""Operators that put together, cut and pick elements."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Final

from mlsign.onnx.bounds.amounts import (
    Amount,
    Value,
    added,
    divided,
    either,
    fixed,
    largest,
    number,
    plus,
    quotient,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.growing import positive
from mlsign.onnx.bounds.indices import check_indices
from mlsign.onnx.bounds.tensors import INT64, Tensor, may_be_empty
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, places_of, ranked
from mlsign.onnx.tensors import SMALL_COUNT

_END: Final = 1 << 31
"""Slices to the end are written with numbers from here on (``INT_MAX`` of 32 or 64 bits)."""


def _concat(use: Use) -> list[Tensor]:
    tensors = [tensor or use.space.unknown() for tensor in use.args]
    first, width = tensors[0], max(tensor.width for tensor in tensors)
    empty = any(map(may_be_empty, tensors))
    dims, values, alike = None, None, not empty
    if first.dims is not None and len({tensor.rank for tensor in tensors}) == 1:
        axis = use.axis(len(first.dims), default=1)
        shapes = [tensor.dims or () for tensor in tensors]
        out = list(first.dims)
        for index, sizes in enumerate(zip(*shapes, strict=True)):
            out[index] = reduce(added, sizes) if index == axis else _alike(sizes, empty=empty)
        alike |= all(dim.exact and dim == first.dims[index] for index, dim in enumerate(out) if index != axis)
        dims = tuple(out)
        if len(dims) == 1 and all(tensor.values is not None for tensor in tensors):
            joined = tuple(value for tensor in tensors for value in tensor.values or ())
            values = joined if len(joined) <= SMALL_COUNT else None
    # what has no elements still counts along the axis: rows of nothing become rows as wide as those of the others
    counts = [upper(tensor.count) for tensor in tensors if tensor.count is not None]
    count = reduce(plus, counts) if alike and len(counts) == len(tensors) else None
    return [use.space.tensor(first.element, dims, count=count, values=values, width=width)]


def _alike(dims: tuple[Value, ...], *, empty: bool) -> Value:
    """Dimensions that must be equal for the run to go on; runtimes do not look at those of tensors without elements."""
    if all(dim == dims[0] for dim in dims):
        return dims[0]
    sizes = list(dict.fromkeys(size for size in map(number, dims) if size is not None))
    if len(sizes) > 1 and not empty:
        raise MisusedError(f"dimensions {sizes[0]} and {sizes[1]} do not go together")
    highs = [dim.high for dim in dims if dim.high is not None]
    return upto(reduce(largest, highs) if len(highs) == len(dims) else None)


def _split(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data) for _ in range(use.outputs)]
    axis = use.axis(len(data.dims), default=0)
    listed = use.wholes(b"split")
    sizes = tuple(map(fixed, listed)) if listed is not None else use.values(1)
    whole = data.dims[axis]
    if sizes is not None:
        _check_parts(whole, sizes, use.outputs)
    made = []
    for index in range(use.outputs):
        part = sizes[index] if sizes is not None and index < len(sizes) else None
        if part is None and use.arg(1) is None and whole.exact and whole.high is not None:
            equal = quotient(whole.high, use.outputs)
            part = fixed(equal) if equal is not None else upto(divided(whole.high, use.outputs))
        dims = list(data.dims)
        dims[axis] = positive(part) if part is not None else upto(whole.high)
        values = None
        if data.values is not None and len(dims) == 1 and sizes is not None:
            ends = [number(size) for size in sizes[: index + 1]]
            if None not in ends:
                total = [item or 0 for item in ends]
                values = data.values[sum(total[:-1]) : sum(total)]
        made.append(use.space.tensor(data.element, tuple(dims), count=data.count, values=values, width=data.width))
    return made


def _check_parts(whole: Value, sizes: tuple[Value, ...], outputs: int) -> None:
    numbers, total = [number(size) for size in sizes], number(whole)
    if len(sizes) != outputs or any(item is not None and item < 0 for item in numbers):
        raise MisusedError("there are not as many parts as outputs, or one is below zero")
    if total is not None and None not in numbers and sum(item or 0 for item in numbers) != total:
        raise MisusedError(f"parts {numbers} are not the {total} that there are")


def _slice(use: Use) -> list[Tensor]:
    data = use.first()
    starts, ends, axes, steps = (
        _slice_part(use, index, name) for index, name in enumerate((b"starts", b"ends", b"axes", b"steps"), 1)
    )
    if data.dims is None or starts is None or ends is None or len(starts) != len(ends):
        return [use.within(data)]
    if (axes is None and use.arg(3) is not None) or (steps is None and use.arg(4) is not None):
        return [use.within(data)]
    rank = len(data.dims)
    where = [number(axis) for axis in axes] if axes else list(range(len(starts)))
    strides = [number(step) for step in steps] if steps else [1] * len(starts)
    if len(where) != len(starts) or len(strides) != len(starts) or 0 in strides:
        raise MisusedError("starts, axes and steps are not as many, or a step is zero")
    if None not in where:
        places_of((axis for axis in where if axis is not None), rank)
    dims = list(data.dims)
    cut: range | None = None
    for start, end, axis, step in zip(starts, ends, where, strides, strict=True):
        if axis is None or step is None or not -rank <= axis < rank:
            return [use.within(data)]
        dims[axis % rank], cut = _cut(use, dims[axis % rank], start, end, step)
    values = None
    if data.values is not None and cut is not None and len(starts) == 1 and (where[0] or 0) % max(rank, 1) == 0:
        sizes = [number(dim) for dim in data.dims[1:]]
        row = 0 if None in sizes else prod(size or 0 for size in sizes)
        rows = [data.values[at : at + row] for at in range(0, len(data.values), row)] if row else []
        values = tuple(value for at in cut for value in rows[at]) if row else None
    return [use.space.tensor(data.element, tuple(dims), count=data.count, values=values, width=data.width)]


def _slice_part(use: Use, index: int, name: bytes) -> tuple[Value, ...] | None:
    listed = use.wholes(name)
    return tuple(map(fixed, listed)) if listed is not None else use.values(index)


def _cut(use: Use, dim: Value, start: Value, end: Value, step: int) -> tuple[Value, range | None]:
    """The dimension that a slice leaves, and the places that it takes where all of them are known."""
    size, first, last = number(dim), number(start), number(end)
    if size is not None and first is not None and last is not None:
        cut = _places(size, first, last, step)
        if step < 0 and last >= _END - 1:  # "to the end" is the front to some runtimes, and the back to others
            return upto(max(len(cut), len(_places(size, first, -size - 1, step)))), None
        return fixed(len(cut)), cut
    if first == 0 and step == 1 and last is not None and last >= _END:
        return dim, None
    highs = [dim.high]
    if step > 0 and first is not None and first >= 0 and end.low is not None and end.low >= 0 and end.high is not None:
        highs.append(upper(end.high))
    known = [upper(high) for high in highs if high is not None]
    high = min(known, key=use.space.at_most) if known else None
    return upto(None if high is None else high if abs(step) <= 1 else divided(high, abs(step))), None


def _places(size: int, first: int, last: int, step: int) -> range:
    """Places along a dimension; both ends are held to it (ONNX, "Slice")."""
    first, last = (at + size if at < 0 else at for at in (first, last))
    if step > 0:
        return range(min(max(first, 0), size), min(max(last, 0), size), step)
    return range(min(max(first, 0), size - 1), min(max(last, -1), size), step)


def _gather(use: Use) -> list[Tensor]:
    data, indices = use.first(), use.arg(1) or use.space.unknown(INT64)
    if data.dims is None or indices.dims is None:
        count = None if data.count is None or indices.count is None else times(upper(data.count), upper(indices.count))
        return [use.space.tensor(data.element, None, count=count, width=data.width)]
    axis = use.axis(len(data.dims), default=0)
    check_indices(indices.values, data.dims[axis] if data.dims else fixed(1))
    dims = data.dims[:axis] + indices.dims + data.dims[axis + 1 :]
    values = None
    if data.values is not None and len(data.dims) == 1 and indices.values is not None:
        numbers = [number(value) for value in indices.values]
        size = len(data.values)
        if all(item is not None and -size <= item < size for item in numbers):
            values = tuple(data.values[item or 0] for item in numbers)
        elif size:
            values = (_any(data.values),) * len(numbers)
    return [use.space.tensor(data.element, ranked(dims), values=values, width=data.width)]


def _any(values: tuple[Value, ...]) -> Value:
    out = values[0]
    for value in values[1:]:
        out = either(out, value)
    return out


def _non_zero(use: Use) -> list[Tensor]:
    data = use.first()
    rank = fixed(data.rank) if data.rank else upto(32 if data.rank is None else 1)
    return [use.sized((rank, upto(data.count)), element=INT64)]


def _top_k(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data), use.within(data, element=INT64)]
    axis = use.axis(len(data.dims), default=-1)
    values = use.values(1)
    wanted = fixed(use.whole(b"k", 1)) if use.has(b"k") else values[0] if values else None
    dims = list(data.dims)
    size, known = number(dims[axis]), None if wanted is None else number(wanted)
    if known is not None and (known < 0 or (size is not None and known > size)):
        raise MisusedError(f"the largest {known} of {size}")
    dims[axis] = fixed(known) if known is not None and (size is None or known <= size) and known >= 0 else upto(dims[axis].high)
    return [use.sized(tuple(dims), element=data.element), use.sized(tuple(dims), element=INT64)]


def _unique(use: Use) -> list[Tensor]:
    data = use.first()
    flat = (upto(data.count),)
    dims = None if data.dims is None else tuple(upto(dim.high) for dim in data.dims)
    first = use.space.tensor(data.element, dims if use.has(b"axis") else flat, count=data.count, width=data.width)
    return [first, *(use.sized(flat, element=INT64) for _ in range(use.outputs - 1))]


def _compress(use: Use) -> list[Tensor]:
    data = use.first()
    return [use.within(data) if use.has(b"axis") else use.space.tensor(data.element, (upto(data.count),), width=data.width)]


def _suppressed(use: Use) -> list[Tensor]:
    """``NonMaxSuppression``: boxes [batch, boxes, 4], scores [batch, classes, boxes]."""
    scores, most = use.arg(1), use.values(2)
    if scores is None or scores.dims is None or len(scores.dims) != 3:
        return [use.sized((upto(None if scores is None else scores.count), fixed(3)), element=INT64)]
    batch, classes, boxes = scores.dims
    kept = number(most[0]) if most else None
    size = number(boxes)
    each: Amount | None = boxes.high if kept is None or (size is not None and size < kept) else max(0, kept)
    rows = None
    if batch.high is not None and classes.high is not None and each is not None:
        rows = times(times(upper(batch.high), upper(classes.high)), upper(each))
    use.worked(scores.count, boxes.high)
    return [use.sized((upto(rows), fixed(3)), element=INT64)]


def _center_crop_pad(use: Use) -> list[Tensor]:
    data, shape = use.first(), use.values(1)
    axes = use.wholes(b"axes")
    where = axes if axes is not None else list(range(len(data.dims))) if data.dims is not None else []
    if data.dims is None or shape is None or len(shape) != len(where):
        return [use.space.unknown(data.element)]
    dims = list(data.dims)
    for axis, value in zip(places_of(where, len(dims)), shape, strict=True):
        known, highs = value.exact and value.low is not None and value.low >= 0, (value.high, dims[axis].high)
        dims[axis] = value if known else upto(None if None in highs else largest(highs[0] or 0, highs[1] or 0))
    return [use.space.tensor(data.element, tuple(dims), width=data.width)]


RULES: Final[dict[str, Rule]] = {
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "NonZero": _non_zero,
    "TopK": _top_k,
    "Unique": _unique,
    "Compress": _compress,
    "NonMaxSuppression": _suppressed,
    "CenterCropPad": _center_crop_pad,
}
