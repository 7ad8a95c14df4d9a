"""Windows over space: convolutions, pools, and images that are stretched or sampled."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from mlsign.onnx.bounds.amounts import (
    Amount,
    Value,
    added,
    divided,
    fixed,
    largest,
    multiplied,
    negated,
    number,
    plus,
    product,
    times,
    upper,
    upto,
)
from mlsign.onnx.bounds.matrices import INT32, UINT8, check_inner
from mlsign.onnx.bounds.numbers import real
from mlsign.onnx.bounds.tensors import INT64, Tensor, counted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, check_rank, place_of

_ROUNDING: Final = 1 + Fraction(1, 1 << 23)
"""A size times a scale is rounded to a float."""
_SAMPLE_BYTES: Final = 64
"""Four places and four weights, which runtimes compute beforehand for each sample of a region."""


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
    if known is not None and known % stride == 0:
        return fixed(max(0, known // stride + 1))
    if known is not None and (ceiling or known < 0):  # runtimes differ on windows that hang over, or do not fit at all
        return upto(max(0, -(-known // stride) + 1))
    if known is not None:
        return fixed(known // stride + 1)
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
    if data.dims is None or weight.dims is None or len(weight.dims) < 3:
        use.work = None
        return [use.space.unknown(element)]
    check_rank(data, len(weight.dims))
    group = use.whole(b"group", 1)
    check_inner(data.dims[1], multiplied(weight.dims[1], fixed(group)))
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
    if use.name != "Conv":  # what other kinds than the plain one take the product of, all of it at once
        _unfolded(use, data, weight, out.dims)
    return [out]


def _unfolded(use: Use, data: Tensor, weight: Tensor, places: tuple[Value, ...] | None) -> None:
    """Says that each place has a copy of what its window covers."""
    use.scratch = use.space.tensor(data.element, (*(places or ())[2:], *(weight.dims or ())[1:])).size


def _conv(use: Use) -> list[Tensor]:
    return _convolved(use, use.first(), use.arg(1) or use.space.unknown(), element=use.first().element)


def _conv_integer(use: Use) -> list[Tensor]:
    return _convolved(use, use.first(), use.arg(1) or use.space.unknown(), element=INT32)


def _qlinear_conv(use: Use) -> list[Tensor]:
    zero = use.arg(7)
    return _convolved(use, use.first(), use.arg(3) or use.space.unknown(), element=zero.element if zero else UINT8)


def _conv_transpose(use: Use) -> list[Tensor]:
    data, weight = use.first(), use.arg(1) or use.space.unknown()
    if data.dims is None or weight.dims is None or len(weight.dims) < 3:
        use.work = None
        return [use.space.unknown(data.element)]
    check_rank(data, len(weight.dims))
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
        if use.text(b"auto_pad").startswith("SAME"):
            whole = multiplied(data.dims[2 + axis], fixed(stride))
            total = upto(None if total.high is None or whole.high is None else largest(total.high, whole.high))
        spatial.append(total if total.exact and total.low is not None and total.low >= 0 else upto(total.high))
    groups = fixed(max(1, use.whole(b"group", 1)))
    out = use.space.tensor(data.element, (data.dims[0], multiplied(weight.dims[1], groups), *spatial))
    use.worked(data.count, counted(weight.dims[1:]))
    _unfolded(use, data, weight, data.dims)
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
        return [use.space.unknown(data.element)]
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
    scales = tuple(real(item) for item in listed) if listed else None
    sizes = None
    if scales is None:
        scales = use.values(1) if len(use.args) == 2 else use.values(2)
        sizes = use.values(3)
    factors = sizes or scales
    if not factors or len(factors) != len(where):
        return [use.space.unknown(data.element)]
    dims = list(data.dims)
    stretches = use.text(b"keep_aspect_ratio_policy") in ("not_larger", "not_smaller")
    if not sizes and use.text(b"coordinate_transformation_mode") == "tf_crop_and_resize":
        return [use.space.unknown(data.element)]  # the region that is cut out multiplies the size as well
    for axis, factor in zip(where, factors, strict=True):
        dims[axis] = upto(factor.high) if sizes and stretches else _resized(dims[axis], factor, by_size=bool(sizes))
    if sizes and use.text(b"keep_aspect_ratio_policy") == "not_smaller":
        return [use.space.unknown(data.element)]
    return [use.space.tensor(data.element, tuple(dims))]


def _resized(dim: Value, factor: Value, *, by_size: bool) -> Value:
    if by_size:
        return factor if factor.exact and factor.low is not None and factor.low >= 0 else upto(factor.high)
    size, scale = number(dim), factor.high
    if scale == 1 and factor.exact:
        return dim
    if size is not None and factor.exact and isinstance(scale, int | Fraction) and scale >= 0:
        made = size * Fraction(scale)
        lowest, highest = int(made / _ROUNDING), int(made * _ROUNDING)
        known = lowest == highest or (made.denominator == 1 and made < 1 << 24)
        return fixed(int(made)) if known else Value(lowest, highest, whole=True)
    if dim.high is None or scale is None:
        return upto(None)
    return upto(times(times(upper(dim.high), upper(scale)), 1 if factor.exact and factor.whole else _ROUNDING))


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
    batch, channels = data.dims[:2]
    return [use.sized((batch, upto(channels.high), *(upto(value.high) for value in image)), element=data.element)]


def _roi(use: Use) -> list[Tensor]:
    data, rois = use.first(), use.arg(1)
    pooled = use.wholes(b"pooled_shape") or [use.whole(b"output_height", 1), use.whole(b"output_width", 1)]
    if data.dims is None or len(data.dims) != 4 or rois is None or not rois.dims:
        return [use.space.unknown(data.element)]
    out = use.sized((rois.dims[0], data.dims[1], *(fixed(max(0, size)) for size in pooled)), element=data.element)
    if use.name == "MaxRoiPool":
        use.worked(out.count, counted(data.dims[2:]))
        return [out]
    # without a ratio a region has as many samples as it is large, and nothing says that it lies in the image
    samples = use.whole(b"sampling_ratio", 0)
    each, regions = samples**2 if samples > 0 else None, rois.dims[0].high
    use.worked(out.count, each)
    if each is None or regions is None:
        use.scratch = None
    else:
        use.scratch = use.space.at_most(product((upper(regions), *(max(0, size) for size in pooled), each, _SAMPLE_BYTES)))
    return [out]


RULES: Final[dict[str, Rule]] = {
    "Conv": _conv,
    "DeformConv": _conv,
    "ConvInteger": _conv_integer,
    "QLinearConv": _qlinear_conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "LpPool": _pool,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "GlobalLpPool": _global_pool,
    "MaxUnpool": _max_unpool,
    "Resize": _resize,
    "Upsample": _resize,
    "GridSample": _grid_sample,
    "AffineGrid": _affine_grid,
    "Col2Im": _col_to_image,
    "RoiAlign": _roi,
    "MaxRoiPool": _roi,
}
