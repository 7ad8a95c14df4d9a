"""Operators that compute number by number: one to one, and with broadcasting.

The numbers of small tensors are computed as well, because shapes are made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mlsign.onnx.bounds.amounts import Value, fixed, largest, negated, number, times, upper, upto
from mlsign.onnx.bounds.arithmetic import ARITHMETIC, maximum, minimum, pick, ratio, subtracted
from mlsign.onnx.bounds.numbers import BOOL, cast, computed, floor, magnitude
from mlsign.onnx.bounds.tensors import INT64, TEXT, Tensor
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of
from mlsign.onnx.schema import ELEMENTS
from mlsign.onnx.tensors import SMALL_COUNT

ONE_TO_ONE: Final = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumProd CumSum Dropout Elu Erf Exp "
    "Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization LRN LeakyRelu Log LogSoftmax "
    "LpNormalization MeanVarianceNormalization Mish Neg Normalizer Not RMSNormalization Reciprocal Relu "
    "RotaryEmbedding Round Scaler Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish "
    "Tan Tanh ThresholdedRelu Trilu Binarizer Imputer SwiGLU"
)


_TRUTH: Final = ("IsInf", "IsNaN", "RegexFullMatch")


_COMPARE: Final = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor")


_BROADCAST: Final = "Add Sub Mul Div Max Min Mean Sum Pow Mod BitShift BitwiseAnd BitwiseOr BitwiseXor StringConcat"


def broadcast(use: Use, tensors: tuple[Tensor, ...], *, element: int) -> Tensor:
    """The shape that several make together (ONNX, "Broadcasting in ONNX")."""
    out = tensors[0]
    dims, count = out.dims, out.count
    for other in tensors[1:]:
        if dims is None or other.dims is None:
            # as many elements do not make the same shape: a column and a row of ten are a table of a hundred
            count = None if count is None or other.count is None else times(upper(count), upper(other.count))
            dims = None
            continue
        rank = max(len(dims), len(other.dims))
        left = (fixed(1),) * (rank - len(dims)) + dims
        right = (fixed(1),) * (rank - len(other.dims)) + other.dims
        if all(map(_adds_nothing, left, right)):
            dims = left
        elif all(map(_adds_nothing, right, left)):
            dims, count = right, other.count
        else:
            dims, count = tuple(map(dimension, left, right)), None
    return use.space.tensor(element, dims, count=count, width=max(t.width for t in tensors) if element == out.element else None)


def _adds_nothing(own: Value, other: Value) -> bool:
    """Whether a dimension stays what it is, whatever ``other`` turns out to be."""
    size, against = number(own), number(other)
    return against == 1 or (own.exact and own == other) or (size is not None and size > 1 and against in (None, size))


def dimension(one: Value, other: Value) -> Value:
    """The dimension that two make together. Raises ``MisusedError`` where they do not fit."""
    if one == other or number(other) == 1:
        return one
    sizes = number(one), number(other)
    if sizes[0] == 1:
        return other
    for size, value in zip(sizes, (one, other), strict=True):
        if size is not None and size > 1:
            other_size = sizes[1] if value is one else sizes[0]
            if other_size is not None and other_size not in (1, size):
                raise MisusedError(f"dimensions {sizes[0]} and {sizes[1]} do not go together")
            return value  # the other one is 1 or equal to it, or the run ends in an error
    return upto(None if one.high is None or other.high is None else largest(one.high, other.high))


def _one_to_one(use: Use) -> list[Tensor]:
    if use.has(b"axis") and use.first().dims is not None:
        use.axis(len(use.first().dims or ()), default=0)
    if use.name in ("CumSum", "CumProd") and use.first().dims is not None and (axes := use.values(1)):
        place_of(number(axes[0]) or 0, len(use.first().dims or ()))
    return [use.like(use.first()) for _ in range(use.outputs)]  # before version 10 the mask was of the type of the data


def _retyped(use: Use) -> list[Tensor]:
    """As many elements, of a type that an attribute may name."""
    element = use.whole(b"dtype", 0)
    return [use.like(use.first(), element=element if element in ELEMENTS else None)]


def _spelled(use: Use) -> list[Tensor]:
    """``StringNormalizer``: fewer texts, but one at least; another case may take more bytes."""
    data = use.first()
    dims = (
        None
        if data.dims is None
        else tuple(upto(largest(upper(dim.high), 1) if dim.high is not None else None) for dim in data.dims)
    )
    count = None if data.count is None else largest(upper(data.count), 1)
    return [use.space.tensor(data.element, dims, count=count, width=2 * data.width)]


def _truth(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=BOOL)]


def _each(use: Use, element: int, compute: Callable[[Value], Value]) -> list[Tensor]:
    first = use.first()
    values = None
    if first.values is not None:
        values = tuple(
            computed(lambda given: compute(given[0]), (value,), use.space, taken=first.element, made=element)
            for value in first.values
        )
    width = first.width if element == first.element else None
    return [use.space.tensor(element, first.dims, count=first.count, values=values, width=width)]


def _identity(use: Use) -> list[Tensor]:
    return [use.first()]


def _cast(use: Use) -> list[Tensor]:
    target = use.whole(b"to", 1)
    if target not in ELEMENTS:
        raise MisusedError(f"{target} is no element type")
    return [_converted(use, use.first(), target)]


def _converted(use: Use, data: Tensor, element: int) -> Tensor:
    values = None
    if data.values is not None:
        values = tuple(cast(value, use.space, taken=data.element, made=element) for value in data.values)
    width = data.width if element == data.element else None
    return use.space.tensor(element, data.dims, count=data.count, values=values, width=width)


def _cast_like(use: Use) -> list[Tensor]:
    data, target = use.first(), use.arg(1)
    return [_converted(use, data, data.element if target is None else target.element)]


def _bit_cast(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=use.whole(b"to", 1))]


def _in_a_row(tensor: Tensor) -> bool:
    """Whether its numbers meet those of others one by one: two of unknown rank may be a column and make a table with a row."""
    return len(tensor.values or ()) <= 1 if tensor.rank is None else tensor.rank <= 1


def _two(use: Use, *, element: int, compute: Callable[[Value, Value], Value] | None) -> list[Tensor]:
    tensors = tuple(tensor or use.space.unknown() for tensor in use.args)
    out = broadcast(use, tensors, element=element)
    if compute is None or not all(tensor.values for tensor in tensors):
        return [out]
    length = max(len(tensor.values or ()) for tensor in tensors)
    if length > SMALL_COUNT or any(len(tensor.values or ()) not in (1, length) for tensor in tensors):
        return [out]
    if not all(map(_in_a_row, tensors)):
        return [out]
    columns = [(tensor.values or ()) * (length if len(tensor.values or ()) == 1 else 1) for tensor in tensors]
    values = list(columns[0])
    for column in columns[1:]:
        rows = zip(values, column, strict=True)
        values = [
            computed(lambda given: compute(given[0], given[1]), row, use.space, taken=tensors[0].element, made=element)
            for row in rows
        ]
    return [use.space.tensor(element, out.dims, count=out.count, values=tuple(values))]


_WHOLE: Final = (2, 3, 4, 5, 6, 7, 12, 13)


def _check_divisor(use: Use) -> None:
    """Integers by zero, and the least integer by minus one, stop the process (SIGFPE) instead of the run."""
    top, bottom = use.values(0), use.values(1)
    if use.first().element not in _WHOLE or bottom is None:
        return
    divisors = {number(value) for value in bottom}
    if 0 in divisors:
        raise MisusedError("a whole number is divided by zero")
    least = {6: -(1 << 31), 7: -(1 << 63)}.get(use.first().element)
    if -1 in divisors and least is not None and any(number(value) == least for value in top or ()):
        raise MisusedError("the least whole number is divided by minus one")


def _binary(name: str) -> Rule:
    compute, truth = ARITHMETIC.get(name), name in _COMPARE

    def rule(use: Use) -> list[Tensor]:
        if name in ("Div", "Mod"):
            _check_divisor(use)
        if use.has(b"broadcast"):  # before version 7 the second one was stretched onto the first
            return [use.like(use.first(), element=BOOL if truth else None)]
        element = BOOL if truth else use.first().element
        whole = element in (6, 7, 12, 13) or name != "Div"
        if name == "Sub":
            return _two(use, element=element, compute=lambda one, other: subtracted(use, one, other))
        return _two(use, element=element, compute=compute if whole else ratio)

    return rule


def _where(use: Use) -> list[Tensor]:
    condition, one, other = (use.arg(index) or use.space.unknown() for index in range(3))
    out = broadcast(use, (one, other, condition), element=one.element)
    chosen = (condition.values, one.values, other.values)
    if any(values is None for values in chosen) or not all(map(_in_a_row, (condition, one, other))):
        return [out]
    length = max(len(values or ()) for values in chosen)
    if any(len(values or ()) not in (1, length) for values in chosen):
        return [out]
    columns = [(values or ()) * (length if len(values or ()) == 1 else 1) for values in chosen]
    picked = tuple(pick(*row) for row in zip(*columns, strict=True))
    return [use.space.tensor(one.element, out.dims, count=out.count, values=picked)]


def _concatenated(use: Use) -> list[Tensor]:
    """Texts of both: a chain of these doubles them each time."""
    tensors = tuple(tensor or use.space.unknown() for tensor in use.args)
    out = broadcast(use, tensors, element=use.first().element)
    return [use.space.tensor(out.element, out.dims, count=out.count, width=sum(tensor.width for tensor in tensors))]


def _negative(use: Use) -> list[Tensor]:
    return _each(use, use.first().element, negated)


def _rounded(use: Use) -> list[Tensor]:
    return _each(use, use.first().element, floor)


def _not(use: Use) -> list[Tensor]:
    def opposite(value: Value) -> Value:
        known = number(value)
        return Value(0, 1) if known is None else fixed(int(not known))

    return _each(use, BOOL, opposite)


def _magnitude(use: Use) -> list[Tensor]:
    return _each(use, use.first().element, magnitude)


def _clip(use: Use) -> list[Tensor]:
    first, ends = use.first(), [use.values(index) if use.arg(index) is not None else () for index in (1, 2)]
    told = use.given or all(end == () for end in ends)  # before version 11 the ends were attributes
    if first.values is None or told or any(end is None or len(end) > 1 for end in ends):
        return [use.like(first)]
    values = list(first.values)
    for end, compute in zip(ends, (maximum, minimum), strict=True):
        for index, value in enumerate(values if end else ()):
            values[index] = computed(
                lambda given, compute=compute: compute(given[0], given[1]),  # type: ignore[misc]
                (value, (end or ())[0]),
                use.space,
                taken=first.element,
                made=first.element,
            )
    return [use.space.tensor(first.element, first.dims, count=first.count, values=tuple(values))]


def _sloped(use: Use) -> list[Tensor]:
    """``PRelu``: the slope is stretched onto the data; before version 7 it could be one for each channel."""
    data, slope = use.first(), use.arg(1)
    if slope is None or (slope.rank == 1 and slope.count == 1):
        return [use.like(data)]
    try:
        return [broadcast(use, (data, slope), element=data.element)]
    except MisusedError:
        return [use.like(data)]


def _label(use: Use) -> list[Tensor]:
    """Labels for labels: texts where the table of values, or the default, has texts."""
    data, table, default = use.first(), use.facts(b"values_tensor"), use.facts(b"default_tensor")
    missing = 0 if default is None else use.space.constant(default).width
    if table is not None:
        made = use.space.constant(table)
        return [use.space.tensor(made.element, data.dims, count=data.count, width=max(made.width, missing, use.longest()))]
    numbers = use.has(b"values_int64s") or use.has(b"values_floats")
    texts = not numbers and (use.has(b"values_strings") or data.element != TEXT)
    width = max(missing, use.longest()) if texts else None
    return [use.space.tensor(TEXT if texts else INT64, data.dims, count=data.count, width=width)]


RULES: Final[dict[str, Rule]] = (
    dict.fromkeys(ONE_TO_ONE.split(), _one_to_one)
    | dict.fromkeys(_TRUTH, _truth)
    | {name: _binary(name) for name in (*_BROADCAST.split(), *_COMPARE)}
    | dict.fromkeys(("Bernoulli", "EyeLike", "RandomNormalLike", "RandomUniformLike"), _retyped)
    | {
        "Identity": _identity,
        "StringNormalizer": _spelled,
        "Cast": _cast,
        "CastLike": _cast_like,
        "BitCast": _bit_cast,
        "Where": _where,
        "StringConcat": _concatenated,
        "Neg": _negative,
        "Floor": _rounded,
        "Not": _not,
        "Abs": _magnitude,
        "Clip": _clip,
        "PRelu": _sloped,
        "LabelEncoder": _label,
        "CategoryMapper": _label,
    }
)
