"""Operators of neural networks: products of matrices, windows over space, recurrences, attention, reductions.

Besides the shapes, what they compute: a product of matrices costs more than its elements, and a chain of large ones is a
model that never answers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from mlsign.onnx.bounds.amounts import (
    CEILING,
    UNKNOWN,
    Amount,
    Poly,
    Value,
    added,
    divided,
    either,
    fixed,
    multiplied,
    negated,
    number,
    plus,
    product,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.elementwise import broadcast
from mlsign.onnx.bounds.tensors import BOOL, FLOAT, INT64, Tensor, counted, fitted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of

_INT32: Final = 6
_UINT8: Final = 2
_WINDOW: Final = 1 << 31


def _matmul(use: Use) -> list[Tensor]:
    return [_multiplied(use, use.first(), use.arg(1) or use.space.unknown(), element=use.first().element)]


def _matmul_integer(use: Use) -> list[Tensor]:
    return [_multiplied(use, use.first(), use.arg(1) or use.space.unknown(), element=_INT32)]


def _qlinear_matmul(use: Use) -> list[Tensor]:
    zero = use.arg(7)
    element = zero.element if zero is not None else _UINT8
    return [_multiplied(use, use.first(), use.arg(3) or use.space.unknown(), element=element)]


def _multiplied(use: Use, left: Tensor, right: Tensor, *, element: int) -> Tensor:
    """The matrix product (``numpy.matmul``)."""
    if not left.dims or not right.dims:
        count = None if left.count is None or right.count is None else times(upper(left.count), upper(right.count))
        use.worked(count)
        return use.space.tensor(element, None, count=count)
    a = left.dims if len(left.dims) > 1 else (fixed(1), *left.dims)
    b = right.dims if len(right.dims) > 1 else (*right.dims, fixed(1))
    _check_inner(a[-1], b[-2])
    batch = broadcast(use, (use.sized(a[:-2], element=BOOL), use.sized(b[:-2], element=BOOL)), element=BOOL).dims or ()
    dims = batch + ((a[-2],) if len(left.dims) > 1 else ()) + ((b[-1],) if len(right.dims) > 1 else ())
    out = use.space.tensor(element, dims)
    use.worked(out.count, a[-1].high if b[-2].high is None or number(a[-1]) is not None else b[-2].high)
    return out


def _check_inner(one: Value, other: Value) -> None:
    sizes = number(one), number(other)
    if None not in sizes and sizes[0] != sizes[1]:
        raise MisusedError(f"dimensions {sizes[0]} and {sizes[1]} do not go together")


def _gemm(use: Use) -> list[Tensor]:
    left, right = use.first(), use.arg(1) or use.space.unknown()
    if left.dims is None or right.dims is None or len(left.dims) != 2 or len(right.dims) != 2:
        count = None if left.count is None or right.count is None else times(upper(left.count), upper(right.count))
        use.worked(count)
        return [use.space.tensor(left.element, None, count=count)]
    rows, inner = left.dims[::-1] if use.whole(b"transA", 0) else left.dims
    columns, other = right.dims if use.whole(b"transB", 0) else right.dims[::-1]
    _check_inner(inner, other)
    out = use.space.tensor(left.element, (rows, columns))
    use.worked(out.count, inner.high)
    return [out]


def _einsum(use: Use) -> list[Tensor]:
    equation = use.text(b"equation").replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    tensors = [tensor or use.space.unknown() for tensor in use.args]
    total: Amount | None = 1
    for tensor in tensors:
        total = None if total is None or tensor.count is None else times(total, upper(tensor.count))
    sizes: dict[str, Value] = {}
    plain = "." not in equation and len(terms) == len(tensors)
    for term, tensor in zip(terms, tensors, strict=False):
        if tensor.dims is None or len(tensor.dims) != len(term):
            plain = False
            break
        for letter, dim in zip(term, tensor.dims, strict=True):
            known = sizes.get(letter)
            sizes[letter] = dim if known is None or number(known) == 1 else known
    if not plain:
        use.worked(total)
        return [use.space.tensor(tensors[0].element, None, count=total)]
    if not arrow:
        letters = "".join(terms)
        output = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    use.worked(counted(tuple(sizes.values())))
    return [use.space.tensor(tensors[0].element, tuple(sizes.get(letter, fixed(1)) for letter in output))]


def _window(dim: Value, *, size: Value, stride: int, dilation: int, pads: int, same: bool, ceiling: bool = False) -> Value:
    """Places of a window along one dimension (ONNX, "Conv" and "MaxPool")."""
    stride, dilation = max(1, stride), max(1, dilation)
    if same:
        if stride == 1:
            return dim
        return upto(None if dim.high is None else divided(dim.high, stride))
    reach = added(multiplied(added(size, fixed(-1)), fixed(dilation)), fixed(1))
    room = added(added(dim, fixed(pads)), negated(reach))
    if stride == 1:
        whole = added(room, fixed(1))
        return whole if whole.exact and whole.low is not None and whole.low >= 0 else upto(whole.high)
    known = number(room)
    if known is not None:
        turns = -(-known // stride) if ceiling else known // stride
        return fixed(max(0, turns + 1))
    return upto(None if room.high is None else plus(divided(room.high, stride), 1))


def _windows(use: Use, dims: tuple[Value, ...], kernel: tuple[Value, ...]) -> tuple[Value, ...]:
    """The spatial dimensions that a window of this size leaves."""
    rank = len(dims)
    strides, dilations, pads = (use.wholes(name) or [] for name in (b"strides", b"dilations", b"pads"))
    auto = use.text(b"auto_pad")
    made = []
    for axis, (dim, size) in enumerate(zip(dims, kernel, strict=True)):
        made.append(
            _window(
                dim,
                size=size,
                stride=strides[axis] if axis < len(strides) else 1,
                dilation=dilations[axis] if axis < len(dilations) else 1,
                pads=pads[axis] + pads[axis + rank] if len(pads) == 2 * rank and auto in ("", "NOTSET") else 0,
                same=auto.startswith("SAME"),
                ceiling=bool(use.whole(b"ceil_mode", 0)),
            )
        )
    return tuple(made)


def _convolved(use: Use, data: Tensor, weight: Tensor, *, element: int) -> list[Tensor]:
    """``Conv`` and its relatives: data [N, C, spatial…], weight [M, C/group, kernel…]."""
    if data.dims is None or weight.dims is None or len(data.dims) != len(weight.dims) or len(data.dims) < 3:
        use.work = None
        return [use.space.unknown(element)]
    group = use.whole(b"group", 1)
    _check_inner(data.dims[1], multiplied(weight.dims[1], fixed(group)))
    if group < 1 or (number(weight.dims[0]) or 0) % group:
        raise MisusedError(f"{number(weight.dims[0])} channels do not divide into {group} groups")
    listed = use.wholes(b"kernel_shape")
    kernel = weight.dims[2:]
    if listed and len(listed) == len(kernel):
        kernel = tuple(
            size if number(size) is not None else fixed(max(0, want)) for size, want in zip(kernel, listed, strict=True)
        )
    out = use.space.tensor(element, (data.dims[0], weight.dims[0], *_windows(use, data.dims[2:], kernel)))
    use.worked(out.count, counted(weight.dims[1:]))
    return [out]


def _conv(use: Use) -> list[Tensor]:
    return _convolved(use, use.first(), use.arg(1) or use.space.unknown(), element=use.first().element)


def _conv_integer(use: Use) -> list[Tensor]:
    return _convolved(use, use.first(), use.arg(1) or use.space.unknown(), element=_INT32)


def _qlinear_conv(use: Use) -> list[Tensor]:
    zero = use.arg(7)
    return _convolved(use, use.first(), use.arg(3) or use.space.unknown(), element=zero.element if zero else _UINT8)


def _conv_transpose(use: Use) -> list[Tensor]:
    data, weight = use.first(), use.arg(1) or use.space.unknown()
    if data.dims is None or weight.dims is None or len(data.dims) != len(weight.dims) or len(data.dims) < 3:
        use.work = None
        return [use.space.unknown(data.element)]
    rank = len(data.dims) - 2
    strides, dilations, pads = (use.wholes(name) or [] for name in (b"strides", b"dilations", b"pads"))
    extra, wanted = use.wholes(b"output_padding") or [], use.wholes(b"output_shape") or []
    spatial: list[Value] = []
    for axis in range(rank):
        if len(wanted) >= rank:
            spatial.append(fixed(max(0, wanted[len(wanted) - rank + axis])))
            continue
        stride = max(1, strides[axis]) if axis < len(strides) else 1
        dilation = max(1, dilations[axis]) if axis < len(dilations) else 1
        grown = multiplied(added(data.dims[2 + axis], fixed(-1)), fixed(stride))
        if grown.high is None and data.dims[2 + axis].high is not None:
            grown = multiplied(upto(data.dims[2 + axis].high), fixed(stride))
        reach = added(multiplied(added(weight.dims[2 + axis], fixed(-1)), fixed(dilation)), fixed(1))
        cut = pads[axis] + pads[axis + rank] if len(pads) == 2 * rank and not use.text(b"auto_pad").startswith("SAME") else 0
        total = added(added(grown, reach), fixed((extra[axis] if axis < len(extra) else 0) - cut))
        spatial.append(total if total.exact and total.low is not None and total.low >= 0 else upto(total.high))
    groups = fixed(max(1, use.whole(b"group", 1)))
    out = use.space.tensor(data.element, (data.dims[0], multiplied(weight.dims[1], groups), *spatial))
    use.worked(data.count, counted(weight.dims[1:]))
    return [out]


def _pool(use: Use) -> list[Tensor]:
    data, kernel = use.first(), use.wholes(b"kernel_shape") or []
    if data.dims is None or len(data.dims) != len(kernel) + 2:
        return [use.space.unknown(data.element)]
    sizes = tuple(fixed(max(0, size)) for size in kernel)
    dims = (*data.dims[:2], *_windows(use, data.dims[2:], sizes))
    out = use.space.tensor(data.element, dims)
    use.worked(out.count, product(max(1, size) for size in kernel))
    return [out, use.like(out, element=INT64)]


def _global_pool(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data)]
    return [use.space.tensor(data.element, data.dims[:2] + (fixed(1),) * max(0, len(data.dims) - 2))]


def _max_unpool(use: Use) -> list[Tensor]:
    data, values = use.first(), use.values(2)
    if values is not None:
        return [use.sized(tuple(upto(value.high) for value in values), element=data.element)]
    kernel, strides, pads = (use.wholes(name) or [] for name in (b"kernel_shape", b"strides", b"pads"))
    if use.arg(2) is not None or data.dims is None or len(data.dims) != len(kernel) + 2:
        return [use.space.unknown(data.element)]
    spatial = []
    for axis, size in enumerate(kernel):
        stride = strides[axis] if axis < len(strides) else 1
        cut = pads[axis] + pads[axis + len(kernel)] if len(pads) == 2 * len(kernel) else 0
        spatial.append(upto(_grown(data.dims[axis + 2], max(1, stride), size - cut)))
    return [use.sized((*data.dims[:2], *spatial), element=data.element)]


def _grown(dim: Value, stride: int, extra: int) -> Amount | None:
    return None if dim.high is None else plus(times(upper(dim.high), stride), max(0, extra))


def _resize(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.space.unknown(data.element)]
    rank = len(data.dims)
    axes = use.wholes(b"axes")
    where = list(range(rank)) if axes is None else [place_of(axis, rank) for axis in axes]
    listed = use.reals(b"scales")
    scales = tuple(_scale(item) for item in listed) if listed else None
    sizes = None
    if scales is None:
        scales = use.values(1) if len(use.args) == 2 else use.values(2)
        sizes = use.values(3)
    factors = sizes or scales
    if not factors or len(factors) != len(where):
        return [use.space.unknown(data.element)]
    dims = list(data.dims)
    stretches = use.text(b"keep_aspect_ratio_policy") in ("not_larger", "not_smaller")
    for axis, factor in zip(where, factors, strict=True):
        dims[axis] = upto(factor.high) if sizes and stretches else _resized(dims[axis], factor, by_size=bool(sizes))
    if sizes and use.text(b"keep_aspect_ratio_policy") == "not_smaller":
        return [use.space.unknown(data.element)]
    return [use.space.tensor(data.element, tuple(dims))]


def _scale(item: float) -> Value:
    return fixed(Fraction(item)) if item == item and abs(item) != float("inf") else UNKNOWN  # noqa: PLR0124 - not a number


def _resized(dim: Value, factor: Value, *, by_size: bool) -> Value:
    if by_size:
        return factor if factor.exact and factor.low is not None and factor.low >= 0 else upto(factor.high)
    size, scale = number(dim), factor.high
    if scale == 1 and factor.exact:
        return dim
    if size is not None and factor.exact and not isinstance(scale, Poly) and scale is not None:
        return fixed(max(0, int(size * scale)))
    return upto(None if dim.high is None or scale is None else times(upper(dim.high), upper(scale)))


def _reduced(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data)]
    rank, keep = len(data.dims), use.whole(b"keepdims", 1)
    axes = use.wholes(b"axes")
    if axes is None and use.arg(1) is not None:
        values = use.values(1)
        numbers = [number(value) for value in values] if values is not None else [None]
        if None in numbers:
            return [use.within(data)] if keep else [use.space.tensor(data.element, None, count=data.count)]
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


def _folded(use: Use, values: tuple[Value, ...]) -> Value:
    """What a reduction over all numbers comes to, where the operator is one that shapes are made with."""
    folds = {"ReduceProd": multiplied, "ReduceSum": added, "ReduceMax": either, "ReduceMin": either, "ReduceMean": either}
    fold = folds.get(use.name)
    if fold is None or not values:
        return UNKNOWN
    out = values[0]
    for value in values[1:]:
        out = fold(out, value)
    return fitted(out, use.first().element)


def _arg_reduced(use: Use) -> list[Tensor]:
    data = use.first()
    if data.dims is None:
        return [use.within(data, element=INT64)]
    axis, keep = use.axis(len(data.dims), default=0), use.whole(b"keepdims", 1)
    kept = tuple(fixed(1) if index == axis else dim for index, dim in enumerate(data.dims) if keep or index != axis)
    return [use.sized(kept, element=INT64)]


def _recurrent(use: Use) -> list[Tensor]:
    """``RNN``, ``GRU`` and ``LSTM``: X [seq, batch, input], R [directions, gates*hidden, hidden]."""
    data, weight = use.first(), use.arg(2) or use.space.unknown()
    if data.dims is None or weight.dims is None or len(data.dims) != 3 or len(weight.dims) != 3:
        use.work = None
        return [use.space.unknown(data.element) for _ in range(use.outputs)]
    directions, hidden = weight.dims[0], weight.dims[2]
    if use.has(b"hidden_size"):
        _check_inner(hidden, fixed(use.whole(b"hidden_size", 0)))
    if use.whole(b"layout", 0):
        batch, steps = data.dims[:2]
        shapes = ((batch, steps, directions, hidden), (batch, directions, hidden))
    else:
        steps, batch = data.dims[:2]
        shapes = ((steps, directions, batch, hidden), (directions, batch, hidden))
    use.worked(steps.high, batch.high, counted(weight.dims))
    return [use.sized(shapes[0], element=data.element), *(use.sized(shapes[1], element=data.element),) * 2]


def _normalized(use: Use) -> list[Tensor]:
    """``LayerNormalization``: the data, and mean and deviation over its last axes."""
    data = use.first()
    if data.dims is None:
        return [use.like(data), use.within(data), use.within(data)]
    axis = use.axis(len(data.dims), default=-1)
    small = use.sized(tuple(dim if index < axis else fixed(1) for index, dim in enumerate(data.dims)), element=FLOAT)
    return [use.like(data), small, small]


def _batch_normalized(use: Use) -> list[Tensor]:
    data = use.first()
    for tensor in use.args[1:]:
        if data.dims is not None and len(data.dims) > 1 and tensor is not None and tensor.dims:
            _check_inner(data.dims[1], tensor.dims[0])
    return [use.like(data), *(use.like(use.arg(3) or data) for _ in range(use.outputs - 1))]


def _attention(use: Use) -> list[Tensor]:
    """``Attention`` (ai.onnx 23): query, key and value of rank 3 or 4, and a cache of past keys and values."""
    query, key, value = (use.arg(index) or use.space.unknown() for index in range(3))
    heads, shared = max(1, use.whole(b"q_num_heads", 1)), max(1, use.whole(b"kv_num_heads", 1))
    split = tuple(_heads(tensor, count) for tensor, count in ((query, heads), (key, shared), (value, shared)))
    if any(dims is None for dims in split):
        use.work = None
        return [use.space.unknown(query.element) for _ in range(use.outputs)]
    q, k, v = (dims or () for dims in split)
    past = use.arg(4)
    total = k[2]
    if past is not None:
        total = added(total, past.dims[2]) if past.dims is not None and len(past.dims) == 4 else UNKNOWN
    out = (*q[:3], v[3]) if query.rank == 4 else (q[0], q[2], multiplied(q[1], v[3]))
    scores = use.sized((q[0], q[1], q[2], total), element=query.element)
    use.worked(scores.count, q[3].high, 2)
    use.scratch = CEILING if scores.size is None else scores.size
    return [
        use.sized(out, element=query.element),
        use.sized((k[0], k[1], total, k[3]), element=key.element),
        use.sized((v[0], v[1], total, v[3]), element=value.element),
        scores,
    ]


def _heads(tensor: Tensor, count: int) -> tuple[Value, ...] | None:
    """The dimensions as [batch, heads, sequence, size]."""
    if tensor.dims is None or len(tensor.dims) not in (3, 4):
        return None
    if len(tensor.dims) == 4:
        return tensor.dims
    batch, sequence, hidden = tensor.dims
    size = number(hidden)
    each = fixed(size // count) if size is not None else upto(hidden.high)
    return (batch, fixed(count), sequence, each)


def _grid_sample(use: Use) -> list[Tensor]:
    data, grid = use.first(), use.arg(1)
    if data.dims is None or grid is None or grid.dims is None or len(grid.dims) < 3:
        return [use.space.unknown(data.element)]
    return [use.sized(data.dims[:2] + grid.dims[1:-1], element=data.element)]


def _affine_grid(use: Use) -> list[Tensor]:
    values = use.values(1)
    if not values:
        return [use.space.unknown(use.first().element)]
    dims = (values[0], *values[2:], fixed(len(values) - 2))
    return [use.sized(tuple(upto(value.high) for value in dims), element=use.first().element)]


def _col_to_image(use: Use) -> list[Tensor]:
    data, image, block = use.first(), use.values(1), use.arg(2)
    if data.dims is None or len(data.dims) != 3 or image is None or block is None:
        return [use.space.unknown(data.element)]
    return [use.sized((*data.dims[:2], *(upto(value.high) for value in image)), element=data.element)]


def _roi(use: Use) -> list[Tensor]:
    data, rois = use.first(), use.arg(1)
    pooled = use.wholes(b"pooled_shape") or [use.whole(b"output_height", 1), use.whole(b"output_width", 1)]
    if data.dims is None or len(data.dims) != 4 or rois is None or not rois.dims:
        return [use.space.unknown(data.element)]
    out = use.sized((rois.dims[0], data.dims[1], *(fixed(max(0, size)) for size in pooled)), element=data.element)
    use.worked(out.count, max(1, use.whole(b"sampling_ratio", 4)) ** 2)
    return [out]


RULES: Final[dict[str, Rule]] = {
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Conv": _conv,
    "DeformConv": _conv,
    "ConvInteger": _conv_integer,
    "QLinearConv": _qlinear_conv,
    "ConvTranspose": _conv_transpose,
    "MaxUnpool": _max_unpool,
    "Resize": _resize,
    "Upsample": _resize,
    "ArgMax": _arg_reduced,
    "ArgMin": _arg_reduced,
    "LayerNormalization": _normalized,
    "BatchNormalization": _batch_normalized,
    "Attention": _attention,
    "GridSample": _grid_sample,
    "AffineGrid": _affine_grid,
    "Col2Im": _col_to_image,
    "RoiAlign": _roi,
    "MaxRoiPool": _roi,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
    **dict.fromkeys(
        (f"Reduce{what}" for what in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")),
        _reduced,
    ),
}
