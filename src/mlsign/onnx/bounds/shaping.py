"""Operators that move, copy, cut and make elements: the ones by which a small model asks for all memory.

Where the shape of what they make is a number that nothing bounds, the output has no bound, and the run says so.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Final

from mlsign.onnx.bounds.amounts import (
    UNKNOWN,
    Amount,
    Poly,
    Value,
    added,
    divided,
    either,
    fixed,
    largest,
    multiplied,
    negated,
    number,
    plus,
    product,
    quotient,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.elementwise import broadcast
from mlsign.onnx.bounds.tensors import BOOL, FLOAT, INT64, MAX_RANK, Tensor, constants, exact_count, fitted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of, places_of
from mlsign.onnx.tensors import SMALL_COUNT

_END: Final = 1 << 31
"""Slices to the end are written with numbers from here on (``INT_MAX`` of 32 or 64 bits)."""


def _remade(use: Use, tensor: Tensor, dims: tuple[Value, ...] | None, *, count: Amount | None = None) -> Tensor:
    """The elements of ``tensor`` in another shape."""
    total = tensor.count if count is None else count
    return use.space.tensor(tensor.element, dims, count=total, values=tensor.values, width=tensor.width)


def _shape(use: Use) -> list[Tensor]:
    dims = use.first().dims
    if dims is None:
        return [use.space.tensor(INT64, (upto(MAX_RANK),))]
    rank = len(dims)
    ends = [use.whole(b"start", 0), use.whole(b"end", rank)]
    start, end = (min(max(at + rank if at < 0 else at, 0), rank) for at in ends)
    kept = dims[start : max(start, end)]
    return [use.space.tensor(INT64, (fixed(len(kept)),), values=kept)]


def _size(use: Use) -> list[Tensor]:
    exact = exact_count(use.first())
    return [use.space.tensor(INT64, (), values=(upto(use.first().count) if exact is None else fixed(exact),))]


def _reshape(use: Use) -> list[Tensor]:
    data = use.first()
    shape = use.arg(1)
    wanted = tuple(map(fixed, use.wholes(b"shape") or ())) if use.has(b"shape") else shape.values if shape else None
    if wanted is None:
        rank = number(shape.dims[0]) if shape and shape.dims and len(shape.dims) == 1 else None
        if rank is not None and rank > MAX_RANK:
            raise MisusedError(f"a shape of {rank} dimensions")
        dims = None if rank is None or rank > MAX_RANK else (upto(data.count),) * rank
        return [_remade(use, data, dims)]
    return [_remade(use, data, _target(data, wanted, zero_copies=not use.whole(b"allowzero", 0)))]


def _target(data: Tensor, wanted: tuple[Value, ...], *, zero_copies: bool) -> tuple[Value, ...]:
    """The dimensions that ``Reshape`` makes; -1 is what is left over, 0 the dimension of the input."""
    dims: list[Value] = []
    open_at = -1
    numbers = [number(value) for value in wanted]
    if numbers.count(-1) > 1 or any(item is not None and item < -1 for item in numbers):
        raise MisusedError("a shape has two dimensions to be filled in, or one below zero")
    for index, value in enumerate(wanted):
        known = number(value)
        if known == 0 and zero_copies:
            dims.append(data.dims[index] if data.dims is not None and index < len(data.dims) else upto(data.count))
        elif known == -1 and open_at < 0:
            open_at = index
            dims.append(fixed(1))
        elif value.exact and (known is None or known >= 0):
            dims.append(value)
        elif value.low is not None and value.low >= 0:
            own = data.dims[index].high if zero_copies and data.dims is not None and index < len(data.dims) else 0
            dims.append(upto(None if own is None or value.high is None else largest(value.high, own)))
        else:
            dims.append(upto(data.count))
    if open_at >= 0:
        dims[open_at] = _left_over(data, [dim for index, dim in enumerate(dims) if index != open_at])
    total, made = exact_count(data), [number(dim) for dim in dims]
    if isinstance(total, int) and None not in made and prod(item or 0 for item in made) != total:
        raise MisusedError(f"{total} elements do not fill the shape {made}")
    return tuple(dims)


def _left_over(data: Tensor, others: list[Value]) -> Value:
    total = exact_count(data)
    if total is not None and all(dim.exact for dim in others):
        whole = quotient(total, product(dim.high for dim in others if dim.high is not None))
        if whole is not None:
            return fixed(whole)
    if data.count is None:
        return UNKNOWN
    exact = product(dim.high for dim in others if dim.exact and dim.high is not None)
    share = quotient(upper(data.count), exact)
    if share is not None:
        return upto(share)
    return upto(divided(data.count, prod(max(1, int(dim.low or 1)) for dim in others)))


def _flatten(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [_remade(use, data, (upto(data.count), upto(data.count)))]
    axis = (
        place_of(use.whole(b"axis", 1), len(data.dims) + 1) if use.whole(b"axis", 1) >= 0 else use.axis(len(data.dims), default=1)
    )
    return [_remade(use, data, (_all(data.dims[:axis]), _all(data.dims[axis:])))]


def _all(dims: tuple[Value, ...]) -> Value:
    out = fixed(1)
    for dim in dims:
        out = multiplied(out, dim)
    return out


def _axes(use: Use, rank: int) -> list[int] | None:
    """Axes from the attribute or the second input; None where they are not known."""
    found = use.wholes(b"axes")
    if found is None:
        values = use.values(1)
        if use.arg(1) is None:
            return []
        numbers = [number(value) for value in values] if values is not None else [None]
        if any(item is None for item in numbers):
            return None
        found = [item for item in numbers if item is not None]
    return sorted(places_of(found, rank))


def _squeeze(use: Use) -> list[Tensor]:
    data = use.first()
    axes = None if data.dims is None else _axes(use, len(data.dims))
    if data.dims is None or axes is None:
        return [_remade(use, data, None)]
    if not axes:
        kept = tuple(dim for dim in data.dims if number(dim) != 1)
        return [_remade(use, data, kept if all(number(dim) is not None for dim in data.dims) else None)]
    return [_remade(use, data, tuple(dim for index, dim in enumerate(data.dims) if index not in axes))]


def _unsqueeze(use: Use) -> list[Tensor]:
    data = use.first()
    extra = use.wholes(b"axes")
    values = use.values(1)
    count = len(extra) if extra is not None else len(values) if values is not None else None
    axes = None if data.dims is None or count is None else _axes(use, len(data.dims) + count)
    if data.dims is not None and (count or 0) + len(data.dims) > MAX_RANK:
        raise MisusedError("a shape of more dimensions than any runtime has")
    if data.dims is None or axes is None:
        return [_remade(use, data, None)]
    dims = list(data.dims)
    for axis in axes:
        dims.insert(axis, fixed(1))
    return [_remade(use, data, tuple(dims))]


def _transpose(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data)]
    order = use.wholes(b"perm")
    order = list(range(len(data.dims)))[::-1] if order is None else order
    if sorted(order) != list(range(len(data.dims))):
        raise MisusedError("the order of a transposition is no order of its dimensions")
    dims = tuple(data.dims[axis] for axis in order)
    sizes = [number(dim) for dim in data.dims]
    values = None
    if data.values is not None and len(sizes) < 2:
        values = data.values
    elif data.values is not None and len(sizes) == 2 and None not in sizes and order == [1, 0]:
        rows, columns = int(sizes[0] or 0), int(sizes[1] or 0)
        values = tuple(data.values[row * columns + column] for column in range(columns) for row in range(rows))
    return [use.space.tensor(data.element, dims, count=data.count, values=values, width=data.width)]


def _expand(use: Use) -> list[Tensor]:
    data, values = use.first(), use.values(1)
    if values is None:
        return [use.space.tensor(data.element, None, width=data.width)]
    target = use.space.tensor(BOOL, tuple(_positive(value) for value in values))
    made = broadcast(use, (data, target), element=data.element)
    same = data.values if made.dims == data.dims else None
    if data.values is not None and len(data.values) == 1 and isinstance(made.count, int) and made.count <= SMALL_COUNT:
        exact = exact_count(made)
        same = data.values * exact if isinstance(exact, int) else None
    return [use.space.tensor(data.element, made.dims, count=made.count, values=same, width=data.width)]


def _positive(value: Value) -> Value:
    """A number as a dimension: below zero there is none."""
    return value if value.exact and value.low is not None and value.low >= 0 else upto(value.high)


def _refuse_negative(values: tuple[Value, ...]) -> None:
    if any((number(value) or 0) < 0 for value in values):
        raise MisusedError("a size is below zero")


def _tile(use: Use) -> list[Tensor]:
    data, repeats = use.first(), use.values(1)
    if repeats is None or data.count is None:
        return [use.space.tensor(data.element, None, width=data.width)]
    _refuse_negative(repeats)
    total = _all(tuple(map(_positive, repeats)))
    count = None if total.high is None else times(upper(data.count), upper(total.high))
    dims = None
    if data.dims is not None and len(data.dims) == len(repeats):
        dims = tuple(multiplied(dim, _positive(times_)) for dim, times_ in zip(data.dims, repeats, strict=True))
    return [use.space.tensor(data.element, dims, count=count, width=data.width)]


def _concat(use: Use) -> list[Tensor]:
    tensors = [tensor or use.space.unknown() for tensor in use.args]
    count: Amount | None = 0
    for tensor in tensors:
        count = None if count is None or tensor.count is None else plus(count, upper(tensor.count))
    first, width = tensors[0], max(tensor.width for tensor in tensors)
    ranks = {tensor.rank for tensor in tensors}
    dims, values = None, None
    if first.dims is not None and len(ranks) == 1:
        axis = use.axis(len(first.dims), default=1)
        out = list(first.dims)
        for tensor in tensors[1:]:
            for index, dim in enumerate(tensor.dims or ()):
                out[index] = added(out[index], dim) if index == axis else _alike(out[index], dim)
        dims = tuple(out)
        if len(dims) == 1 and all(tensor.values is not None for tensor in tensors):
            joined = tuple(value for tensor in tensors for value in tensor.values or ())
            values = joined if len(joined) <= SMALL_COUNT else None
    return [use.space.tensor(first.element, dims, count=count, values=values, width=width)]


def _alike(one: Value, other: Value) -> Value:
    """Two dimensions that must be equal for the run to go on: the one that is known better."""
    sizes = number(one), number(other)
    if None not in sizes and sizes[0] != sizes[1]:
        raise MisusedError(f"dimensions {sizes[0]} and {sizes[1]} do not go together")
    return one if one.exact or one.high is not None else other


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
        dims[axis] = _positive(part) if part is not None else upto(whole.high)
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
    dims, cut = list(data.dims), None
    for start, end, axis, step in zip(starts, ends, where, strides, strict=True):
        if axis is None or step is None or not -rank <= axis < rank:
            return [use.within(data)]
        dims[axis % rank], cut = _cut(use, dims[axis % rank], start, end, step)
    values = None
    if data.values is not None and cut is not None and len(starts) == 1 and (where[0] or 0) % max(rank, 1) == 0:
        row = prod(number(dim) or 0 for dim in data.dims[1:])
        rows = [data.values[at : at + row] for at in range(0, len(data.values), row)] if row else []
        values = tuple(value for item in rows[cut] for value in item)
    return [use.space.tensor(data.element, tuple(dims), count=data.count, values=values, width=data.width)]


def _slice_part(use: Use, index: int, name: bytes) -> tuple[Value, ...] | None:
    listed = use.wholes(name)
    return tuple(map(fixed, listed)) if listed is not None else use.values(index)


def _cut(use: Use, dim: Value, start: Value, end: Value, step: int) -> tuple[Value, slice | None]:
    """The dimension that a slice leaves, and the slice itself where all of it is known."""
    size, first, last = number(dim), number(start), number(end)
    if size is not None and first is not None and last is not None and step:
        lowest = last if last >= -size or step > 0 else None
        cut = slice(first, lowest, step)
        return fixed(len(range(*cut.indices(size)))), cut
    if first == 0 and step == 1 and last is not None and last >= _END:
        return dim, None
    highs = [dim.high]
    if step > 0 and first is not None and first >= 0 and end.low is not None and end.low >= 0 and end.high is not None:
        highs.append(upper(end.high))
    known = [upper(high) for high in highs if high is not None]
    high = min(known, key=use.space.at_most) if known else None
    return upto(None if high is None else high if abs(step) <= 1 else divided(high, abs(step))), None


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
    return [use.space.tensor(data.element, dims[:MAX_RANK], values=values, width=data.width)]


def check_indices(values: tuple[Value, ...] | None, size: Value, *, negative: bool = True) -> None:
    """Raises ``MisusedError`` for a constant index that is outside of a dimension of known size."""
    most = number(size)
    if values is None or most is None:
        return
    for value in values:
        index = number(value)
        if index is not None and not (-most if negative else 0) <= index < most:
            raise MisusedError(f"index {index} is outside of {most}")


def _any(values: tuple[Value, ...]) -> Value:
    out = values[0]
    for value in values[1:]:
        out = either(out, value)
    return out


def _gather_elements(use: Use) -> list[Tensor]:
    indices, data = use.arg(1) or use.space.unknown(INT64), use.first()
    if data.dims is not None:
        check_indices(indices.values, data.dims[use.axis(len(data.dims), default=0)] if data.dims else fixed(1))
    return [use.space.tensor(use.first().element, indices.dims, count=indices.count, width=use.first().width)]


def _gather_nd(use: Use) -> list[Tensor]:
    data, indices = use.first(), use.arg(1) or use.space.unknown(INT64)
    batch = use.whole(b"batch_dims", 0)
    last = number(indices.dims[-1]) if indices.dims else None
    if data.dims is None or indices.dims is None or last is None or not 0 <= batch + last <= len(data.dims):
        count = None if data.count is None or indices.count is None else times(upper(data.count), upper(indices.count))
        return [use.space.tensor(data.element, None, count=count, width=data.width)]
    return [use.space.tensor(data.element, indices.dims[:-1] + data.dims[batch + last :], width=data.width)]


def _pad(use: Use) -> list[Tensor]:
    data = use.first()
    listed = use.wholes(b"pads") if use.has(b"pads") else use.wholes(b"paddings")
    pads = tuple(map(fixed, listed)) if listed is not None else use.values(1)
    if pads is None or data.dims is None:
        return [use.space.tensor(data.element, None, width=data.width)]
    axes = use.values(3)
    where = [number(axis) for axis in axes] if axes is not None else list(range(len(data.dims)))
    if (axes is None and use.arg(3) is not None) or len(pads) != 2 * len(where):
        return [use.space.tensor(data.element, None, width=data.width)]
    dims = list(data.dims)
    for index, axis in enumerate(where):
        if axis is None or not -len(dims) <= axis < len(dims):
            return [use.space.tensor(data.element, None, width=data.width)]
        total = added(added(dims[axis], pads[index]), pads[index + len(where)])
        if (number(total) or 0) < 0:
            raise MisusedError("more is cut off than there is")
        dims[axis] = total if total.exact and total.low is not None and total.low >= 0 else upto(total.high)
    return [use.space.tensor(data.element, tuple(dims), width=data.width)]


def _constant_of_shape(use: Use) -> list[Tensor]:
    values, facts = use.values(0), use.facts(b"value")
    filler = use.space.constant(facts) if facts is not None else None
    element = FLOAT if filler is None else filler.element
    if facts is not None and facts.count != 1:
        raise MisusedError("what a tensor is filled with is not one number")
    if values is None:
        shape = use.first().dims
        return [
            use.space.unknown(element)
            if shape is None or number(shape[0] if shape else fixed(1)) != 0
            else use.sized((), element=element)
        ]
    _refuse_negative(values)
    dims = tuple(map(_positive, values))
    out = use.sized(dims, element=element)
    exact = exact_count(out)
    one = (fixed(0),) if facts is None else constants(facts)
    if isinstance(exact, int) and exact <= SMALL_COUNT and one is not None and len(one) == 1:
        return [use.space.tensor(element, dims, values=one * exact)]
    return [out]


def _range(use: Use) -> list[Tensor]:
    start, limit, delta = (values[0] if (values := use.values(index)) else UNKNOWN for index in range(3))
    element = use.first().element
    step = delta.high if delta.exact and not isinstance(delta.high, Poly) else None
    if not step:
        return [use.space.tensor(element, (UNKNOWN,))]
    distance = added(limit, negated(start)) if step > 0 else added(start, negated(limit))
    if distance.high is None:
        return [use.space.tensor(element, (UNKNOWN,))]
    if step in (1, -1) and distance.exact and distance.low is not None and distance.low >= 0:
        length = fixed(distance.high)
    else:
        whole = times(upper(distance.high), Fraction(1) / abs(Fraction(step)))
        length = upto(plus(whole, 1))
    count, first = number(length), number(start)
    values = None
    if count is not None and count <= SMALL_COUNT and first is not None and isinstance(step, int):
        values = tuple(fitted(fixed(first + turn * step), element) for turn in range(count))
    return [use.space.tensor(element, (length,), values=values)]


def _one_hot(use: Use) -> list[Tensor]:
    indices, depth = use.first(), use.values(1)
    filler = use.arg(2)
    element = filler.element if filler is not None else FLOAT
    if depth:
        _refuse_negative(depth[:1])
    size = upto(depth[0].high) if depth and not depth[0].exact else depth[0] if depth else UNKNOWN
    if indices.dims is None:
        count = None if indices.count is None or size.high is None else times(upper(indices.count), upper(size.high))
        return [use.space.tensor(element, None, count=count)]
    axis = use.whole(b"axis", -1)
    axis = axis + len(indices.dims) + 1 if axis < 0 else axis
    dims = list(indices.dims)
    dims.insert(axis, size)
    return [use.space.tensor(element, tuple(dims[:MAX_RANK]))]


def _depth_to_space(use: Use) -> list[Tensor]:
    data = use.first()
    block = max(1, use.whole(b"blocksize", 1))
    if data.dims is None or len(data.dims) != 4:
        return [use.within(data)]
    count, depth, height, width = data.dims
    dims = (count, _over(depth, block * block), multiplied(height, fixed(block)), multiplied(width, fixed(block)))
    return [_remade(use, data, dims)]


def _space_to_depth(use: Use) -> list[Tensor]:
    data = use.first()
    block = max(1, use.whole(b"blocksize", 1))
    if data.dims is None or len(data.dims) != 4:
        return [use.within(data)]
    count, depth, height, width = data.dims
    return [_remade(use, data, (count, multiplied(depth, fixed(block * block)), _over(height, block), _over(width, block)))]


def _over(dim: Value, by: int) -> Value:
    if dim.high is None:
        return UNKNOWN
    whole = quotient(dim.high, by) if dim.exact else None
    return fixed(whole) if whole is not None else upto(divided(dim.high, by))


def _random(use: Use) -> list[Tensor]:
    return [use.sized(tuple(fixed(max(0, size)) for size in use.wholes(b"shape") or ()), element=use.whole(b"dtype", 1))]


def _constant(use: Use) -> list[Tensor]:
    if use.given != 1:
        raise MisusedError("a constant has one value")
    facts = use.facts(b"value") or use.facts(b"sparse_value")
    if facts is not None:
        return [use.space.constant(facts)]
    for name, element in ((b"value_int", INT64), (b"value_ints", INT64), (b"value_float", FLOAT), (b"value_floats", FLOAT)):
        if use.has(name):
            scalar = not name.endswith(b"s")
            if element == INT64:
                numbers: list[Value] = list(map(fixed, [use.whole(name, 0)] if scalar else use.wholes(name) or ()))
            else:
                numbers = [_real(item) for item in ([use.real(name, 0.0)] if scalar else use.reals(name))]
            length = 1 if scalar else use.length(name)
            known = tuple(numbers) if len(numbers) == length <= SMALL_COUNT else None
            return [use.space.tensor(element, () if scalar else (fixed(length),), values=known)]
    dims = () if use.has(b"value_string") else (fixed(use.length(b"value_strings")),)
    return [use.sized(dims, element=8)]


def _real(item: float) -> Value:
    if item != item or item in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number is not equal to itself
        return UNKNOWN
    return fixed(int(item)) if item == int(item) else fixed(Fraction(item))


RULES: Final[dict[str, Rule]] = {
    "Shape": _shape,
    "Size": _size,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Expand": _expand,
    "Tile": _tile,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "OneHot": _one_hot,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "RandomNormal": _random,
    "RandomUniform": _random,
    "Constant": _constant,
}
