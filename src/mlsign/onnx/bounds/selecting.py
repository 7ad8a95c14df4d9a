"""Operators that pick, count, quantize, transform signals, handle texts and sequences, and classical machine learning."""

from __future__ import annotations

from typing import Final

from mlsign.onnx.bounds.amounts import Amount, Value, added, divided, fixed, number, plus, times, upper, upto
from mlsign.onnx.bounds.shaping import check_indices
from mlsign.onnx.bounds.tensors import BOOL, FLOAT, INT64, TEXT, Tensor
from mlsign.onnx.bounds.use import MisusedError, Rule, Use

_UINT8: Final = 2


def _non_zero(use: Use) -> list[Tensor]:
    data = use.first()
    rank = fixed(data.rank) if data.rank is not None else upto(32)
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


def _quantized(use: Use) -> list[Tensor]:
    _check_scale(use)
    zero = use.arg(2)
    element = zero.element if zero is not None else use.whole(b"output_dtype", 0) or _UINT8
    return [use.like(use.first(), element=element)]


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


def _dequantized(use: Use) -> list[Tensor]:
    _check_scale(use)
    scale = use.arg(1)
    return [use.like(use.first(), element=scale.element if scale is not None else FLOAT)]


def _dynamically_quantized(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=_UINT8), use.sized((), element=FLOAT), use.sized((), element=_UINT8)]


def _dft(use: Use) -> list[Tensor]:
    data, length = use.first(), use.values(1)
    if data.dims is None or (use.arg(1) is not None and not length):
        return [use.space.unknown(data.element)]
    dims = list(data.dims)
    axes = use.values(2)
    axis = number(axes[0]) if axes else use.whole(b"axis", 1 if not use.arg(2) else -2)
    if length is not None:
        if axis is None or not -len(dims) <= axis < len(dims):
            return [use.space.unknown(data.element)]
        dims[axis] = upto(length[0].high)
    dims[-1] = fixed(2)
    return [use.sized(tuple(dims), element=data.element)]


def _stft(use: Use) -> list[Tensor]:
    """``STFT``: signal [batch, length, 1 or 2]; frames every ``frame_step``, each of a frame's length."""
    data, step, length, window = use.first(), use.values(1), use.values(3), use.arg(2)
    bins = length[0] if length else window.dims[0] if window is not None and window.dims else None
    stride = number(step[0]) if step else None
    if data.dims is None or len(data.dims) < 2 or bins is None or bins.high is None or stride is None or stride < 1:
        return [use.space.unknown(data.element)]
    signal = data.dims[1].high
    frames = upto(None if signal is None else plus(divided(signal, stride), 1))
    return [use.sized((data.dims[0], frames, upto(bins.high), fixed(2)), element=data.element)]


def _by_value(use: Use) -> list[Tensor]:
    """Windows: as long as the value of their input."""
    values = use.values(0)
    return [use.sized((upto(values[0].high if values else None),), element=use.whole(b"output_datatype", FLOAT))]


def _mel(use: Use) -> list[Tensor]:
    rows, columns = use.values(1), use.values(0)
    if not rows or not columns or rows[0].high is None:
        return [use.space.unknown()]
    half = plus(divided(rows[0].high, 2), 1)
    return [use.sized((upto(half), upto(columns[0].high)), element=use.whole(b"output_datatype", FLOAT))]


def _multinomial(use: Use) -> list[Tensor]:
    data = use.first()
    batch = data.dims[0] if data.dims else upto(data.count)
    return [use.sized((batch, fixed(max(0, use.whole(b"sample_size", 1)))), element=use.whole(b"dtype", 6))]


def _center_crop_pad(use: Use) -> list[Tensor]:
    data, shape = use.first(), use.values(1)
    axes = use.wholes(b"axes")
    where = axes if axes is not None else list(range(len(data.dims))) if data.dims is not None else []
    if data.dims is None or shape is None or len(shape) != len(where):
        return [use.space.unknown(data.element)]
    dims = list(data.dims)
    for axis, value in zip(where, shape, strict=True):
        if -len(dims) <= axis < len(dims):
            dims[axis] = value if value.exact and value.low is not None and value.low >= 0 else upto(value.high)
    return [use.space.tensor(data.element, tuple(dims), width=data.width)]


def _determinant(use: Use) -> list[Tensor]:
    data = use.first()
    return [use.within(data)] if data.dims is None else [use.sized(data.dims[:-2], element=data.element)]


def _loss(use: Use) -> list[Tensor]:
    return [use.within(use.first()) for _ in range(use.outputs)]


def _trained(use: Use) -> list[Tensor]:
    """Optimizers and gradients give tensors of the shapes that they take."""
    sizes = [tensor.count for tensor in use.args if tensor is not None]
    total: Amount | None = 0
    for size in sizes:
        total = None if total is None or size is None else plus(total, upper(size))
    return [use.space.tensor(FLOAT, None, count=total) for _ in range(use.outputs)]


def _cached_convolution(use: Use) -> list[Tensor]:
    data, weight = use.first(), use.arg(1)
    kernel = weight.dims[-1] if weight is not None and weight.dims else upto(None)
    state = None if data.dims is None or len(data.dims) < 3 else (*data.dims[:2], upto(kernel.high))
    use.worked(data.count, kernel.high)
    return [use.like(data), use.sized(state, element=data.element)]


def _linear_attention(use: Use) -> list[Tensor]:
    query, value, past = use.first(), use.arg(2) or use.space.unknown(), use.arg(3)
    if past is None or value.count is None or query.count is None:
        product = None if value.count is None or query.count is None else times(upper(query.count), upper(value.count))
        return [use.like(value), use.space.tensor(query.element, None, count=product)]
    return [use.like(value), use.like(past)]


# --- texts


def _string_split(use: Use) -> list[Tensor]:
    """Pieces of texts, one dimension more; a text has at most as many pieces as characters."""
    data = use.first()
    pieces = fixed(data.width)
    dims = None if data.dims is None else (*data.dims, upto(pieces.high))
    return [use.sized(dims, element=TEXT), use.like(data, element=INT64)]


def _tf_idf(use: Use) -> list[Tensor]:
    data, indexes = use.first(), use.wholes(b"ngram_indexes")
    width = upto(None) if indexes is None else fixed(max(indexes, default=-1) + 1)
    rows = data.dims[:-1] if data.dims is not None and len(data.dims) > 1 else ()
    return [use.sized((*rows, width), element=FLOAT) if data.dims is not None else use.space.unknown()]


# --- sequences


def _sequence(use: Use, inside: Tensor, length: Amount | None) -> Tensor:
    return use.space.tensor(inside.element, None, count=length, inside=inside)


def _inside(use: Use) -> Tensor:
    return use.first().inside or use.space.unknown(use.first().element)


def _sequence_construct(use: Use) -> list[Tensor]:
    out = use.first()
    for tensor in use.args[1:]:
        out = use.space.joined(out, tensor or use.space.unknown())
    return [_sequence(use, out, len(use.args))]


def _sequence_empty(use: Use) -> list[Tensor]:
    return [_sequence(use, use.sized((fixed(0),), element=use.whole(b"dtype", FLOAT)), 0)]


def _sequence_insert(use: Use) -> list[Tensor]:
    sequence, added_ = use.first(), use.arg(1) or use.space.unknown()
    inside = added_ if sequence.count == 0 or sequence.inside is None else use.space.joined(sequence.inside, added_)
    return [_sequence(use, inside, None if sequence.count is None else plus(sequence.count, 1))]


def _sequence_same(use: Use) -> list[Tensor]:
    return [use.first()]


def _sequence_at(use: Use) -> list[Tensor]:
    return [_inside(use)]


def _sequence_length(use: Use) -> list[Tensor]:
    return [use.space.tensor(INT64, (), values=(upto(use.first().count),))]


def _split_to_sequence(use: Use) -> list[Tensor]:
    data = use.first()
    parts = use.arg(1)
    axis = use.axis(data.rank or 1, default=0)
    length = data.dims[axis].high if data.dims else data.count
    if parts is not None and parts.dims is not None and len(parts.dims) == 1:
        length = parts.dims[0].high
    # the pieces together are the data: counting each as a share of it would need their sizes
    share = use.within(data)
    whole = use.space.tensor(data.element, None, count=data.count, width=data.width)
    return [use.space.tensor(data.element, None, count=length, inside=share if share.size is not None else whole)]


def _concat_from_sequence(use: Use) -> list[Tensor]:
    sequence, inside = use.first(), _inside(use)
    count = None if sequence.count is None or inside.count is None else times(upper(sequence.count), upper(inside.count))
    dims = None
    if inside.dims is not None and sequence.count is not None:
        out = list(inside.dims)
        if use.whole(b"new_axis", 0):
            axis = use.whole(b"axis", 0)
            out.insert(axis + len(out) + 1 if axis < 0 else axis, upto(sequence.count))
        elif out:
            axis = use.axis(len(out), default=0)
            high = out[axis].high
            out[axis] = upto(None if high is None else times(upper(high), upper(sequence.count)))
        dims = tuple(out)
    return [use.space.tensor(inside.element, dims, count=count, width=inside.width)]


def _optional(use: Use) -> list[Tensor]:
    return [use.arg(0) or use.sized((fixed(0),), element=FLOAT)]


def _has_element(use: Use) -> list[Tensor]:
    return [use.sized((), element=BOOL)]


# --- classical machine learning (ai.onnx.ml)


def _rows(use: Use) -> Value:
    dims = use.first().dims
    return upto(use.first().count) if dims is None else dims[0] if len(dims) > 1 else fixed(1)


def _labels(use: Use) -> int:
    return max(use.length(b"classlabels_int64s"), use.length(b"classlabels_ints"), use.length(b"classlabels_strings"), 2)


def _classified(use: Use) -> list[Tensor]:
    texts = use.length(b"classlabels_strings") > 0
    use.worked(use.first().count, _table(use))
    return [
        use.sized((_rows(use),), element=TEXT if texts else INT64),
        use.sized((_rows(use), fixed(_labels(use) ** 2 if use.has(b"rho") else _labels(use))), element=FLOAT),
    ]


def _regressed(use: Use) -> list[Tensor]:
    targets = max(1, use.whole(b"n_targets", 1), use.whole(b"targets", 1))
    use.worked(use.first().count, _table(use))
    return [use.sized((_rows(use), fixed(targets)), element=FLOAT)]


def _table(use: Use) -> int:
    """Steps for one number of the input, at most: all of the tables of the model."""
    names = (b"coefficients", b"nodes_treeids", b"nodes_featureids", b"support_vectors", b"class_ids", b"target_ids")
    return 1 + sum(map(use.length, names))


def _one_hot_encoded(use: Use) -> list[Tensor]:
    classes = max(use.length(b"cats_int64s"), use.length(b"cats_strings"))
    data = use.first()
    dims = None if data.dims is None else (*data.dims, fixed(classes))
    count = None if data.count is None else times(upper(data.count), classes)
    return [use.sized(dims, element=FLOAT, count=count)]


def _zip_map(use: Use) -> list[Tensor]:
    data = use.first()
    row = use.space.tensor(FLOAT, (fixed(_labels(use)),), width=2 * TEXT_AND_NUMBER)
    return [_sequence(use, row, _rows(use).high if data.count is not None else None)]


TEXT_AND_NUMBER: Final = 72
"""Bytes of one entry of a map of texts to numbers, about."""


def _extracted(use: Use) -> list[Tensor]:
    data, places = use.first(), use.arg(1)
    if places is not None and data.dims:
        check_indices(places.values, data.dims[-1], negative=False)
    picked = upto(None if places is None else places.count)
    if data.dims is None:
        return [use.space.unknown(data.element)]
    lead = data.dims[:-1] if len(data.dims) > 1 else (fixed(1),)
    exact = places.dims[-1] if places is not None and places.dims and len(places.dims) == 1 else picked
    return [use.space.tensor(data.element, (*lead, exact), width=data.width)]


def _joined_features(use: Use) -> list[Tensor]:
    total = fixed(0)
    for size in use.wholes(b"inputdimensions") or ():
        total = added(total, fixed(max(0, size)))
    return [use.sized((_rows(use), total), element=FLOAT)]


def _vectorized(use: Use) -> list[Tensor]:
    words = max(use.length(b"string_vocabulary"), use.length(b"int64_vocabulary"))
    return [use.sized((fixed(1), fixed(words)), element=FLOAT)]


def _cast_map(use: Use) -> list[Tensor]:
    sparse = use.text(b"map_form") == "SPARSE"
    width = fixed(max(1, use.whole(b"max_map", 1))) if sparse else upto(use.first().count)
    return [use.sized((fixed(1), width), element=FLOAT)]


RULES: Final[dict[str, Rule]] = {
    "NonZero": _non_zero,
    "TopK": _top_k,
    "Unique": _unique,
    "Compress": _compress,
    "NonMaxSuppression": _suppressed,
    "QuantizeLinear": _quantized,
    "DequantizeLinear": _dequantized,
    "DynamicQuantizeLinear": _dynamically_quantized,
    "DFT": _dft,
    "STFT": _stft,
    "MelWeightMatrix": _mel,
    "Multinomial": _multinomial,
    "CenterCropPad": _center_crop_pad,
    "Det": _determinant,
    "CausalConvWithState": _cached_convolution,
    "LinearAttention": _linear_attention,
    "StringSplit": _string_split,
    "TfIdfVectorizer": _tf_idf,
    "SequenceConstruct": _sequence_construct,
    "SequenceEmpty": _sequence_empty,
    "SequenceInsert": _sequence_insert,
    "SequenceErase": _sequence_same,
    "SequenceAt": _sequence_at,
    "SequenceLength": _sequence_length,
    "SplitToSequence": _split_to_sequence,
    "ConcatFromSequence": _concat_from_sequence,
    "Optional": _optional,
    "OptionalGetElement": _sequence_same,
    "OptionalHasElement": _has_element,
    "LinearRegressor": _regressed,
    "SVMRegressor": _regressed,
    "TreeEnsembleRegressor": _regressed,
    "TreeEnsemble": _regressed,
    "LinearClassifier": _classified,
    "SVMClassifier": _classified,
    "TreeEnsembleClassifier": _classified,
    "OneHotEncoder": _one_hot_encoded,
    "ZipMap": _zip_map,
    "ArrayFeatureExtractor": _extracted,
    "FeatureVectorizer": _joined_features,
    "DictVectorizer": _vectorized,
    "CastMap": _cast_map,
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), _by_value),
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), _loss),
    **dict.fromkeys(("Gradient", "Adagrad", "Adam", "Momentum"), _trained),
}
