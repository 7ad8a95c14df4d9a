"""Operators that take or put elements at places that another input names, and what becomes of places that are not there."""

from __future__ import annotations

from typing import Final

from mlsign.onnx.bounds.amounts import Value, fixed, number, times, upper
from mlsign.onnx.bounds.tensors import INT64, Tensor, counted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use


def check_indices(values: tuple[Value, ...] | None, size: Value, *, negative: bool = True) -> None:
    """Raises ``MisusedError`` for a constant index that is outside of a dimension of known size."""
    most = number(size)
    if values is None or most is None:
        return
    for value in values:
        index = number(value)
        if index is not None and not (-most if negative else 0) <= index < most:
            raise MisusedError(f"index {index} is outside of {most}")


def _check_along(use: Use, indices: Tensor) -> None:
    """One number for each element: the place along ``axis``."""
    dims = use.first().dims
    if dims is not None:
        check_indices(indices.values, dims[use.axis(len(dims), default=0)] if dims else fixed(1))


def _check_tuples(use: Use, indices: Tensor, batch: int = 0) -> None:
    """As many numbers for each element as ``indices`` has in its last dimension: one along each dimension of the data."""
    dims = use.first().dims
    length = number(indices.dims[-1]) if indices.dims else None
    if dims is None or indices.values is None or not length or not 0 < batch + length <= len(dims):
        return
    for at in range(length):
        check_indices(indices.values[at::length], dims[batch + at])


def _gather_elements(use: Use) -> list[Tensor]:
    indices, data = use.arg(1) or use.space.unknown(INT64), use.first()
    _check_along(use, indices)
    return [use.space.tensor(data.element, indices.dims, count=indices.count, width=data.width)]


def _gather_nd(use: Use) -> list[Tensor]:
    data, indices = use.first(), use.arg(1) or use.space.unknown(INT64)
    batch = use.whole(b"batch_dims", 0)
    last = number(indices.dims[-1]) if indices.dims else None
    if data.dims is None or indices.dims is None or last is None or not 0 <= batch + last <= len(data.dims):
        places = counted(indices.dims[:-1]) if indices.dims else None  # a place of no numbers is all of the data
        count = None if data.count is None or places is None else times(upper(data.count), places)
        return [use.space.tensor(data.element, None, count=count, width=data.width)]
    rest = data.dims[:batch] + data.dims[batch + last :]
    if all(dim.low is not None and dim.low >= 1 for dim in rest):  # where nothing is taken, no runtime looks from where
        _check_tuples(use, indices, batch)
    return [use.space.tensor(data.element, indices.dims[:-1] + data.dims[batch + last :], width=data.width)]


def _scattered(use: Use) -> list[Tensor]:
    """Elements of one tensor in places of another; texts may be longer than those that they take the place of."""
    data, indices = use.first(), use.arg(1)
    if indices is not None and use.name == "ScatterND":
        _check_tuples(use, indices)
    elif indices is not None and use.name != "TensorScatter":
        _check_along(use, indices)
    width = max((tensor.width for tensor in use.args if tensor is not None and tensor.element == data.element), default=0)
    return [use.space.tensor(data.element, data.dims, count=data.count, width=width)]


def _reversed(use: Use) -> list[Tensor]:
    """``ReverseSequence``: as many steps of each sequence as the second input says, of those that there are."""
    data, lengths = use.first(), use.arg(1)
    if data.dims is not None and lengths is not None:
        steps = number(data.dims[use.axis(len(data.dims), default=0, name=b"time_axis")])
        for length in map(number, lengths.values or ()):
            if length is not None and steps is not None and not 0 <= length <= steps:
                raise MisusedError(f"{length} steps of {steps}")
    return [use.like(data)]


RULES: Final[dict[str, Rule]] = {
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    **dict.fromkeys(("Scatter", "ScatterElements", "ScatterND", "TensorScatter"), _scattered),
    "ReverseSequence": _reversed,
}
