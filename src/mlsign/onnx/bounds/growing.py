"""Operators that make elements: the ones by which a small model asks for all memory.

Where the shape of what they make is a number that nothing bounds, the output has no bound, and the run says so.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from mlsign.onnx.bounds.amounts import UNKNOWN, Poly, Value, added, fixed, multiplied, negated, number, plus, times, upper, upto
from mlsign.onnx.bounds.elementwise import broadcast
from mlsign.onnx.bounds.numbers import BOOL, SIGNED, computed, fitted, real
from mlsign.onnx.bounds.reshaping import all_of
from mlsign.onnx.bounds.tensors import FLOAT, INT64, TEXT, Tensor, constants, exact_count
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of, places_of, ranked
from mlsign.onnx.tensors import SMALL_COUNT

_ROUNDING: Final = 1 + Fraction(1, 1 << 8)
"""How far a quotient of floats can be off at most: half floats have eleven digits."""


def _expand(use: Use) -> list[Tensor]:
    data, values = use.first(), use.values(1)
    if values is None:
        return [use.space.tensor(data.element, None, width=data.width)]
    target = use.space.tensor(BOOL, tuple(map(_stretched, values)))
    made = broadcast(use, (data, target), element=data.element)
    same = data.values if made.dims == data.dims and exact_count(made) is not None else None
    if data.values is not None and len(data.values) == 1 and isinstance(made.count, int) and made.count <= SMALL_COUNT:
        exact = exact_count(made)
        same = data.values * exact if isinstance(exact, int) else None
    return [use.space.tensor(data.element, made.dims, count=made.count, values=same, width=data.width)]


def _stretched(value: Value) -> Value:
    """A number of the shape that is stretched to: what is below one may leave a dimension as it is, as one does."""
    high = value.high
    below = high is not None and not isinstance(high, Poly) and high < 1 and number(value) != 0
    return upto(1) if below else positive(value)


def positive(value: Value) -> Value:
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
    total = all_of(tuple(map(positive, repeats)))
    count = None if total.high is None else times(upper(data.count), upper(total.high))
    dims = None
    if data.dims is not None and len(data.dims) == len(repeats):
        dims = tuple(multiplied(dim, positive(times_)) for dim, times_ in zip(data.dims, repeats, strict=True))
    return [use.space.tensor(data.element, dims, count=count, width=data.width)]


def _pad(use: Use) -> list[Tensor]:
    data = use.first()
    listed = use.wholes(b"pads") if use.has(b"pads") else use.wholes(b"paddings")
    pads = tuple(map(fixed, listed)) if listed is not None else use.values(1)
    filler = use.arg(2)
    width = data.width if filler is None or filler.element != data.element else max(data.width, filler.width)
    nothing = use.space.tensor(data.element, None, width=width)
    if pads is None or data.dims is None:
        return [nothing]
    axes = use.values(3)
    where = [number(axis) for axis in axes] if axes is not None else list(range(len(data.dims)))
    if None not in where:
        places_of((axis for axis in where if axis is not None), len(data.dims))
    if (axes is None and use.arg(3) is not None) or len(pads) != 2 * len(where):
        return [nothing]
    dims = list(data.dims)
    for index, axis in enumerate(where):
        if axis is None or not -len(dims) <= axis < len(dims):
            return [nothing]
        total = added(added(dims[axis], pads[index]), pads[index + len(where)])
        if (number(total) or 0) < 0:
            raise MisusedError("more is cut off than there is")
        dims[axis] = total if total.exact and total.low is not None and total.low >= 0 else upto(total.high)
    return [use.space.tensor(data.element, tuple(dims), width=width)]


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
    dims = tuple(map(positive, values))
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
    ends = (limit, start) if step > 0 else (start, limit)
    distance = computed(lambda given: added(given[0], negated(given[1])), ends, use.space, taken=element, made=element)
    if distance.high is None:
        return [use.space.tensor(element, (UNKNOWN,))]
    if step in (1, -1) and distance.exact and distance.whole and distance.low is not None and distance.low >= 0:
        length = fixed(distance.high)
    else:
        whole = times(upper(distance.high), Fraction(1) / abs(Fraction(step)) * (1 if element in SIGNED else _ROUNDING))
        length = upto(plus(whole, 1))
    count, first = number(length), number(start)
    values = None
    if count is not None and count <= SMALL_COUNT and first is not None and isinstance(step, int):
        values = tuple(fitted(fixed(first + turn * step), element, use.space) for turn in range(count))
    return [use.space.tensor(element, (length,), values=values)]


def _one_hot(use: Use) -> list[Tensor]:
    indices, depth = use.first(), use.values(1)
    filler = use.arg(2)
    element = filler.element if filler is not None else FLOAT
    if depth:
        _refuse_negative(depth[:1])
    size = UNKNOWN if not depth or not depth[0].finite else depth[0] if depth[0].exact and depth[0].whole else upto(depth[0].high)
    if indices.dims is None:
        count = None if indices.count is None or size.high is None else times(upper(indices.count), upper(size.high))
        return [use.space.tensor(element, None, count=count, width=None if filler is None else filler.width)]
    axis = place_of(use.whole(b"axis", -1), len(indices.dims) + 1)
    dims = list(indices.dims)
    dims.insert(axis, size)
    return [use.space.tensor(element, ranked(dims), width=None if filler is None else filler.width)]


def _random(use: Use) -> list[Tensor]:
    return [use.sized(tuple(fixed(max(0, size)) for size in use.wholes(b"shape") or ()), element=use.whole(b"dtype", 1))]


def _multinomial(use: Use) -> list[Tensor]:
    data = use.first()
    batch = data.dims[0] if data.dims else upto(data.count)
    return [use.sized((batch, fixed(max(0, use.whole(b"sample_size", 1)))), element=use.whole(b"dtype", 6))]


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
                numbers = [real(item) for item in ([use.real(name, 0.0)] if scalar else use.reals(name))]
            length = 1 if scalar else use.length(name)
            known = tuple(numbers) if len(numbers) == length <= SMALL_COUNT else None
            return [use.space.tensor(element, () if scalar else (fixed(length),), values=known)]
    dims = () if use.has(b"value_string") else (fixed(use.length(b"value_strings")),)
    return [use.space.tensor(TEXT, dims, width=use.longest())]


RULES: Final[dict[str, Rule]] = {
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "OneHot": _one_hot,
    "RandomNormal": _random,
    "RandomUniform": _random,
    "Multinomial": _multinomial,
    "Constant": _constant,
}
