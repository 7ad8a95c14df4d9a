"""Reductions, normalizations and quantization, and what only training has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

from mlsign.onnx.bounds.amounts import UNKNOWN, Amount, Value, added, either, fixed, multiplied, number, plus, product, upper
from mlsign.onnx.bounds.matrices import UINT8, check_inner
from mlsign.onnx.bounds.numbers import DOUBLE, FLOATS, computed, magnitude
from mlsign.onnx.bounds.tensors import FLOAT, INT64, Tensor
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of


def _reduced(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.least_one(data)]
    rank, keep = len(data.dims), use.whole(b"keepdims", 1)
    axes = use.wholes(b"axes")
    if axes is None and use.arg(1) is not None:
        values = use.values(1)
        numbers = [number(value) for value in values] if values is not None else [None]
        if None in numbers:
            made = use.least_one(data)
            return [made] if keep else [use.space.tensor(data.element, None, count=made.count)]
        axes = [item for item in numbers if item is not None]
    if not axes:
        if use.whole(b"noop_with_empty_axes", 0):
            return [use.like(data)]
        axes = list(range(rank))
    gone = {place_of(axis, rank) for axis in axes} if rank else set()
    kept = tuple(fixed(1) if index in gone else dim for index, dim in enumerate(data.dims) if keep or index not in gone)
    values = None
    if data.values is not None and len(gone) == rank <= 1:
        values = (_folded(use, data.values),)
    return [use.space.tensor(data.element, kept, values=values)]


_FOLDS: Final = {"ReduceProd": multiplied, "ReduceSum": added, "ReduceMax": either, "ReduceMin": either, "ReduceMean": either}


def _folded(use: Use, values: tuple[Value, ...]) -> Value:
    """What a reduction over all numbers comes to, where the operator is one that shapes are made with."""
    element = use.first().element
    fold = _FOLDS.get(use.name)
    if fold is None or not values or not _adds_up(use, values):
        return UNKNOWN

    def folded(given: Sequence[Value]) -> Value:
        return reduce(fold, given)

    out = computed(folded, values, use.space, taken=element, made=element)
    return out._replace(exact=False, whole=False) if use.name == "ReduceMean" and len(values) > 1 else out


def _adds_up(use: Use, values: tuple[Value, ...]) -> bool:
    """Whether no sum and no product of any of these is rounded: floats have few digits, and runtimes reduce integers by way
    of double.
    """
    element = use.first().element
    sizes = [magnitude(value) for value in values]
    if element in FLOATS and use.name not in ("ReduceMax", "ReduceMin") and not all(value.whole for value in values):
        return False
    highs = [plus(upper(size.high), 1) for size in sizes if size.high is not None]
    none: Amount = 0
    whole = product(highs) if use.name == "ReduceProd" else reduce(plus, highs, none)
    digits = FLOATS[element].digits if element in FLOATS else FLOATS[DOUBLE].digits
    return len(highs) == len(sizes) and use.space.at_most(whole) <= 1 << digits


def _arg_reduced(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.least_one(data, element=INT64)]
    axis, keep = use.axis(len(data.dims), default=0), use.whole(b"keepdims", 1)
    kept = tuple(fixed(1) if index == axis else dim for index, dim in enumerate(data.dims) if keep or index != axis)
    return [use.sized(kept, element=INT64)]


def _normalized(use: Use) -> list[Tensor]:
    """``LayerNormalization``: the data, and mean and deviation over its last axes."""
    data = use.first()
    if data.dims is None:
        return [use.like(data), use.least_one(data), use.least_one(data)]
    axis = use.axis(len(data.dims), default=-1)
    dims = tuple(dim if index < axis else fixed(1) for index, dim in enumerate(data.dims))
    small = use.sized(dims, element=data.element if data.element == DOUBLE else FLOAT)
    return [use.like(data), small, small]


def _batch_normalized(use: Use) -> list[Tensor]:
    data = use.first()
    for tensor in use.args[1:]:
        if data.dims is not None and len(data.dims) > 1 and tensor is not None and tensor.dims:
            check_inner(data.dims[1], tensor.dims[0])
    return [use.like(data), *(use.like(use.arg(3) or data) for _ in range(use.outputs - 1))]


def _check_scale(use: Use) -> None:
    """One scale for all, or one for each place along the axis; a zero point is as large as its scale."""
    data, scale, zero = use.first(), use.arg(1), use.arg(2)
    if scale is None or scale.dims is None or use.whole(b"block_size", 0):
        return
    if data.dims and len(scale.dims) == 1 and number(scale.dims[0]) not in (None, 1):
        size = number(data.dims[use.axis(len(data.dims), default=1)])
        if size not in (None, number(scale.dims[0])):
            raise MisusedError(f"{number(scale.dims[0])} scales for {size} places")
    if zero is not None and zero.dims is not None and scale.count != zero.count and isinstance(zero.count, int):
        raise MisusedError("there are not as many zero points as scales")


def _quantized(use: Use) -> list[Tensor]:
    _check_scale(use)
    zero = use.arg(2)
    element = zero.element if zero is not None else use.whole(b"output_dtype", 0) or UINT8
    return [use.like(use.first(), element=element)]


def _dequantized(use: Use) -> list[Tensor]:
    _check_scale(use)
    scale, told = use.arg(1), use.whole(b"output_dtype", 0)
    return [use.like(use.first(), element=told or (scale.element if scale is not None else FLOAT))]


def _dynamically_quantized(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=UINT8), use.sized((), element=FLOAT), use.sized((), element=UINT8)]


def _loss(use: Use) -> list[Tensor]:
    data, target = use.first(), use.arg(1) or use.space.unknown()
    count = None if data.count is None or target.count is None else plus(plus(upper(data.count), upper(target.count)), 1)
    return [use.space.tensor(data.element, None, count=count) for _ in range(use.outputs)]


def _trained(use: Use) -> list[Tensor]:
    """Optimizers and gradients give tensors of the shapes that they take."""
    sizes = [tensor.count for tensor in use.args if tensor is not None]
    total: Amount | None = 0
    for size in sizes:
        total = None if total is None or size is None else plus(total, upper(size))
    width = max((tensor.width for tensor in use.args if tensor is not None), default=None)
    return [use.space.tensor(FLOAT, None, count=total, width=width) for _ in range(use.outputs)]


RULES: Final[dict[str, Rule]] = {
    "ReduceL1": _reduced,
    "ReduceL2": _reduced,
    "ReduceLogSum": _reduced,
    "ReduceLogSumExp": _reduced,
    "ReduceMax": _reduced,
    "ReduceMean": _reduced,
    "ReduceMin": _reduced,
    "ReduceProd": _reduced,
    "ReduceSum": _reduced,
    "ReduceSumSquare": _reduced,
    "ArgMax": _arg_reduced,
    "ArgMin": _arg_reduced,
    "LayerNormalization": _normalized,
    "BatchNormalization": _batch_normalized,
    "QuantizeLinear": _quantized,
    "DequantizeLinear": _dequantized,
    "DynamicQuantizeLinear": _dynamically_quantized,
    "NegativeLogLikelihoodLoss": _loss,
    "SoftmaxCrossEntropyLoss": _loss,
    "Gradient": _trained,
    "Adagrad": _trained,
    "Adam": _trained,
    "Momentum": _trained,
}
