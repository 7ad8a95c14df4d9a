"""Signals, texts, sequences and optional values."""

from __future__ import annotations

from typing import Final

from mlsign.onnx.bounds.amounts import Amount, Value, divided, fixed, largest, number, plus, times, upper, upto
from mlsign.onnx.bounds.numbers import BOOL
from mlsign.onnx.bounds.tensors import FLOAT, INT64, TEXT, Tensor, may_be_empty
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of


def _dft(use: Use) -> list[Tensor]:
    data, length = use.first(), use.values(1)
    if data.dims is None or (use.arg(1) is not None and not length):
        return [use.space.unknown(data.element)]
    rank, axes = len(data.dims), use.values(2)
    axis = number(axes[0]) if axes else use.whole(b"axis", 1) if use.has(b"axis") else None
    # left out it is 1 before version 20, and -2 from then on; what an input says may not be known
    where = {place_of(axis, rank)} if axis is not None else {1, rank - 2} if use.arg(2) is None else set(range(rank - 1))
    dims = [_transformed(dim, length) if index in where else dim for index, dim in enumerate(data.dims)]
    dims[-1] = upto(2)
    return [use.sized(tuple(dims), element=data.element)]


def _transformed(dim: Value, length: tuple[Value, ...] | None) -> Value:
    """One axis of a signal: as long as it was or as it is told to be, half of that and one, or twice that."""
    wanted = length[0].high if length else 0
    return upto(None if dim.high is None or wanted is None else largest(plus(times(upper(dim.high), 2), 1), wanted))


def _stft(use: Use) -> list[Tensor]:
    """``STFT``: signal [batch, length, 1 or 2]; frames every ``frame_step``, each of a frame's length."""
    data, step, length, window = use.first(), use.values(1), use.values(3), use.arg(2)
    if use.arg(3) is not None and not length:
        return [use.space.unknown(data.element)]
    bins = length[0] if length else window.dims[0] if window is not None and window.dims else None
    stride = number(step[0]) if step else None
    if bins is not None and number(bins) == 0:
        raise MisusedError("frames of no length")
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


def _string_split(use: Use) -> list[Tensor]:
    """Pieces of texts, one dimension more; a text has at most as many pieces as characters."""
    data = use.first()
    pieces = fixed(data.width)
    dims = None if data.dims is None else (*data.dims, upto(pieces.high))
    return [use.space.tensor(TEXT, dims, width=data.width), use.like(data, element=INT64)]  # a piece may be all of a text


def _tf_idf(use: Use) -> list[Tensor]:
    data, indexes = use.first(), use.wholes(b"ngram_indexes")
    width = upto(None) if indexes is None else fixed(max(indexes, default=-1) + 1)
    rows = data.dims[:-1] if data.dims is not None and len(data.dims) > 1 else ()
    return [use.sized((*rows, width), element=FLOAT) if data.dims is not None else use.space.unknown()]


def sequence_of(use: Use, inside: Tensor, length: Amount | None) -> Tensor:
    return use.space.tensor(inside.element, None, count=length, inside=inside)


def _inside(use: Use) -> Tensor:
    return use.first().inside or use.space.unknown(use.first().element)


def _sequence_construct(use: Use) -> list[Tensor]:
    out = use.first()
    for tensor in use.args[1:]:
        out = use.space.joined(out, tensor or use.space.unknown())
    return [sequence_of(use, out, len(use.args))]


def _sequence_empty(use: Use) -> list[Tensor]:
    return [sequence_of(use, use.sized((fixed(0),), element=use.whole(b"dtype", FLOAT)), 0)]


def _sequence_insert(use: Use) -> list[Tensor]:
    _check_place(use, 2, more=1)
    sequence, added_ = use.first(), use.arg(1) or use.space.unknown()
    inside = added_ if sequence.count == 0 or sequence.inside is None else use.space.joined(sequence.inside, added_)
    return [sequence_of(use, inside, None if sequence.count is None else plus(sequence.count, 1))]


def _sequence_same(use: Use) -> list[Tensor]:
    if use.name == "SequenceErase":
        _check_place(use, 1, more=0)
    return [use.first()]


def _check_place(use: Use, index: int, *, more: int) -> None:
    """Raises ``MisusedError`` for a place outside of a sequence: runtimes have read past its end, or stopped."""
    most, values, spot = use.first().count, use.values(index), use.arg(index)
    if spot is not None and spot.count == 0:
        raise MisusedError("a place in a sequence is one number, and there is none")
    if not isinstance(most, int) or (use.arg(index) is not None and values is None):
        return
    place = number(values[0]) if values else None
    if (most + more == 0) or (place is not None and not -most - more <= place < most + more):
        raise MisusedError(f"place {place} of a sequence of {most}")


def _sequence_at(use: Use) -> list[Tensor]:
    _check_place(use, 1, more=0)
    return [_inside(use)]


def _sequence_length(use: Use) -> list[Tensor]:
    return [use.space.tensor(INT64, (), values=(upto(use.first().count),))]


def _split_to_sequence(use: Use) -> list[Tensor]:
    data = use.first()
    parts = use.arg(1)
    axis = use.axis(data.rank or 1, default=0)
    length = data.dims[axis].high if data.dims else None
    listed = () if parts is None else parts.dims or ()
    told = bool(listed) and all((dim.low or 0) > 0 for dim in listed)
    if parts is not None and (parts.dims is None or parts.dims):  # one for each, and some may be of no length
        both = None if parts.count is None or length is None else largest(upper(length), upper(parts.count))
        length = parts.count if told else both
    # the pieces together are the data: counting each as a share of it would need their sizes
    share = use.within(data)
    if share.dims and not told and not use.whole(b"keepdims", 1):
        rest = tuple(dim for index, dim in enumerate(share.dims) if index != axis)
        # no parts are taken for parts that are left out, and parts of one place each for places
        dims = rest if parts is None else None
        share = use.space.tensor(data.element, dims, count=data.count, width=data.width)
    whole = use.space.tensor(data.element, None, count=data.count, width=data.width)
    return [use.space.tensor(data.element, None, count=length, inside=share if share.size is not None else whole)]


def _concat_from_sequence(use: Use) -> list[Tensor]:
    sequence, inside = use.first(), _inside(use)
    count = None
    if sequence.count is not None and inside.count is not None and not may_be_empty(inside):
        # what has no elements still counts along the axis, and its rows get as wide as those of the others
        count = times(upper(sequence.count), upper(inside.count))
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


RULES: Final[dict[str, Rule]] = {
    "DFT": _dft,
    "STFT": _stft,
    "HannWindow": _by_value,
    "HammingWindow": _by_value,
    "BlackmanWindow": _by_value,
    "MelWeightMatrix": _mel,
    "StringSplit": _string_split,
    "TfIdfVectorizer": _tf_idf,
    "SequenceConstruct": _sequence_construct,
    "SequenceEmpty": _sequence_empty,
    "SequenceInsert": _sequence_insert,
    "SequenceErase": _sequence_same,
    "OptionalGetElement": _sequence_same,
    "SequenceAt": _sequence_at,
    "SequenceLength": _sequence_length,
    "SplitToSequence": _split_to_sequence,
    "ConcatFromSequence": _concat_from_sequence,
    "Optional": _optional,
    "OptionalHasElement": _has_element,
}
