"""Operators that give the same elements another shape, and those that tell a shape."""

from __future__ import annotations

from math import prod
from typing import Final

from mlsign.onnx.bounds.amounts import (
    UNKNOWN,
    Amount,
    Value,
    divided,
    fixed,
    largest,
    lowest,
    multiplied,
    number,
    product,
    quotient,
    upper,
    upto,
)
from mlsign.onnx.bounds.tensors import INT64, MAX_RANK, Tensor, exact_count
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, checked_rank, place_of, places_of


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
        # Checked before it sizes anything: the length of a shape that a caller gives is whatever the model says.
        dims = None if rank is None else (_share(data),) * checked_rank(rank)
        return [_remade(use, data, dims)]
    return [_remade(use, data, _target(data, wanted, zero_copies=not use.whole(b"allowzero", 0)))]


def _share(data: Tensor) -> Value:
    """A dimension of these elements in any shape: one of no elements may have a dimension of any size."""
    return upto(data.count if data.dims is not None and all((dim.low or 0) > 0 for dim in data.dims) else None)


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
            dims.append(data.dims[index] if data.dims is not None and index < len(data.dims) else _share(data))
        elif known == -1 and open_at < 0:
            open_at = index
            dims.append(fixed(1))
        elif known is not None or (value.exact and _stays(data, index, value, zero_copies=zero_copies)):
            dims.append(value)
        elif value.low is not None and value.low >= 0:
            own = _copied(data, index) if zero_copies and value.low == 0 else 0
            dims.append(upto(None if own is None or value.high is None else largest(value.high, own)))
        else:
            dims.append(_share(data))
    if open_at >= 0:
        dims[open_at] = _left_over(data, [dim for index, dim in enumerate(dims) if index != open_at], place=open_at)
    total, made = exact_count(data), [number(dim) for dim in dims]
    if isinstance(total, int) and None not in made and prod(item or 0 for item in made) != total:
        raise MisusedError(f"{total} elements do not fill the shape {made}")
    return tuple(dims)


def _copied(data: Tensor, index: int) -> Amount | None:
    """What zero stands for in a shape, at most: the dimension of the input, which a runtime asks to be there."""
    if data.dims is None:
        return _share(data).high
    return data.dims[index].high if index < len(data.dims) else 0


def _stays(data: Tensor, index: int, value: Value, *, zero_copies: bool) -> bool:
    """Whether an amount is the dimension that is made, also where it comes to nothing and then stands for another."""
    if value.low is None or value.low < 0:
        return False
    return value.low > 0 or not zero_copies or (data.dims is not None and index < len(data.dims) and data.dims[index] == value)


def _left_over(data: Tensor, others: list[Value], *, place: int) -> Value:
    """What -1 stands for. Where there are no elements, runtimes leave the dimensions that are zero out of account."""
    total, filled = exact_count(data), all((dim.low or 0) > 0 for dim in others)
    if total is not None and all(dim.exact for dim in others):
        whole = quotient(total, product(dim.high for dim in others if dim.high is not None))
        if whole is not None and (filled or (lowest(whole) or 0) > 0):
            return fixed(whole)
        if whole is not None:
            return upto(largest(upper(whole), 1))
    share = _largest_share(data, others)
    rest = Value(0, 0) if filled else _rest(data, others, place=place)
    return upto(None if share is None or rest.high is None else largest(share, rest.high))


def _largest_share(data: Tensor, others: list[Value]) -> Amount | None:
    if data.count is None:
        return None
    exact = product(dim.high for dim in others if dim.exact and dim.high is not None)
    share = quotient(upper(data.count), exact)
    return share if share is not None else divided(data.count, prod(max(1, int(dim.low or 1)) for dim in others))


def _rest(data: Tensor, others: list[Value], *, place: int) -> Value:
    """The dimensions of the data that are not taken over where they stand, each at least one."""
    if data.dims is None:
        return UNKNOWN
    same = {index for index, dim in enumerate(others[:place]) if index < len(data.dims) and dim == data.dims[index]}
    return all_of(tuple(_at_least_one(dim) for index, dim in enumerate(data.dims) if index not in same or not dim.exact))


def _at_least_one(dim: Value) -> Value:
    return dim if (dim.low or 0) > 0 else upto(None if dim.high is None else largest(upper(dim.high), 1))


def _flatten(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [_remade(use, data, (upto(None), upto(None)))]
    axis = (
        place_of(use.whole(b"axis", 1), len(data.dims) + 1) if use.whole(b"axis", 1) >= 0 else use.axis(len(data.dims), default=1)
    )
    return [_remade(use, data, (all_of(data.dims[:axis]), all_of(data.dims[axis:])))]


def all_of(dims: tuple[Value, ...]) -> Value:
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
    if not axes and (use.arg(1) is not None or use.has(b"axes")):
        return [_remade(use, data, None)]  # no axes are none of them to some runtimes, and all to others
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


def _depth_to_space(use: Use) -> list[Tensor]:
    data = use.first()
    block = max(1, use.whole(b"blocksize", 1))
    if data.dims is None or len(data.dims) != 4:
        return [use.within(data)]
    count, depth, height, width = data.dims
    dims = (count, _over(depth, block * block), multiplied(height, fixed(block)), multiplied(width, fixed(block)))
    return [use.space.tensor(data.element, dims, count=data.count, width=data.width)]  # in another order, so no numbers


def _space_to_depth(use: Use) -> list[Tensor]:
    data = use.first()
    block = max(1, use.whole(b"blocksize", 1))
    if data.dims is None or len(data.dims) != 4:
        return [use.within(data)]
    count, depth, height, width = data.dims
    dims = (count, multiplied(depth, fixed(block * block)), _over(height, block), _over(width, block))
    return [use.space.tensor(data.element, dims, count=data.count, width=data.width)]


def _over(dim: Value, by: int) -> Value:
    if dim.high is None:
        return UNKNOWN
    whole = quotient(dim.high, by) if dim.exact else None
    return fixed(whole) if whole is not None else upto(divided(dim.high, by))


RULES: Final[dict[str, Rule]] = {
    "Shape": _shape,
    "Size": _size,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
