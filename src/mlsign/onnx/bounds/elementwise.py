"""Operators that compute number by number: one to one, and with broadcasting.

The numbers of small tensors are computed as well, because shapes are made of them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from mlsign.onnx.bounds.amounts import UNKNOWN, Value, fixed, largest, negated, number, times, upper, upto
from mlsign.onnx.bounds.arithmetic import ARITHMETIC, maximum, minimum, pick, ratio, subtracted
from mlsign.onnx.bounds.tensors import BOOL, INT64, TEXT, Tensor, fitted
from mlsign.onnx.bounds.use import MisusedError, Rule, Use, place_of
from mlsign.onnx.schema import ELEMENTS
from mlsign.onnx.tensors import SMALL_COUNT

ONE_TO_ONE: Final = (
    "Abs Acos Acosh Asin Asinh Atan Atanh Bernoulli BitwiseNot Ceil Celu Clip Cos Cosh CumProd CumSum Dropout Elu Erf Exp "
    "Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization LRN LeakyRelu Log LogSoftmax "
    "LpNormalization MeanVarianceNormalization Mish Neg Normalizer Not RMSNormalization Reciprocal Relu ReverseSequence "
    "RotaryEmbedding Round Scaler Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt StringNormalizer Swish "
    "Tan Tanh TensorScatter ThresholdedRelu Trilu Scatter ScatterElements ScatterND RandomNormalLike RandomUniformLike "
    "EyeLike Binarizer Imputer SwiGLU"
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
            same = dims is None and other.dims is None and count == other.count
            product = None if count is None or other.count is None else times(upper(count), upper(other.count))
            dims, count = None, count if same or other.count == 1 else product
            continue
        rank = max(len(dims), len(other.dims))
        left = (fixed(1),) * (rank - len(dims)) + dims
        right = (fixed(1),) * (rank - len(other.dims)) + other.dims
        if all(map(_adds_nothing, left, right)):
            dims = left
        elif all(map(_adds_nothing, right, left)):
            dims, count = right, other.count
        else:
            dims, count = tuple(map(_dimension, left, right)), None
    return use.space.tensor(element, dims, count=count, width=max(t.width for t in tensors) if element == out.element else None)


def _adds_nothing(own: Value, other: Value) -> bool:
    """Whether a dimension stays what it is, whatever ``other`` turns out to be."""
    size, against = number(own), number(other)
    return against == 1 or (own.exact and own == other) or (size is not None and size > 1 and against in (None, size))


def _dimension(one: Value, other: Value) -> Value:
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
    if use.name in ("CumSum", "CumProd") and use.first().dims is not None and (axes := use.values(1)):
        place_of(number(axes[0]) or 0, len(use.first().dims or ()))
    made = use.like(use.first())
    return [made, *(use.like(use.first(), element=BOOL) for _ in range(use.outputs - 1))]


def _truth(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=BOOL)]


def _each(use: Use, element: int, compute: Callable[[Value], Value]) -> list[Tensor]:
    first = use.first()
    values = None if first.values is None else tuple(fitted(compute(value), element) for value in first.values)
    width = first.width if element == first.element else None
    return [use.space.tensor(element, first.dims, count=first.count, values=values, width=width)]


def _identity(use: Use) -> list[Tensor]:
    return [use.first()]


def _cast(use: Use) -> list[Tensor]:
    target = use.whole(b"to", 1)
    if target not in ELEMENTS:
        raise MisusedError(f"{target} is no element type")
    return _each(use, target, _truncated)


def _truncated(value: Value) -> Value:
    """The value as an integer where the type asks for one; a whole number in any other type stays what it is."""
    if value.exact and isinstance(value.high, Fraction):
        return fixed(int(value.high))
    return value


def _cast_like(use: Use) -> list[Tensor]:
    target = use.arg(1)
    return _each(use, use.first().element if target is None else target.element, _truncated)


def _bit_cast(use: Use) -> list[Tensor]:
    return [use.like(use.first(), element=use.whole(b"to", 1))]


def _two(use: Use, *, element: int, compute: Callable[[Value, Value], Value] | None) -> list[Tensor]:
    tensors = tuple(tensor or use.space.unknown() for tensor in use.args)
    out = broadcast(use, tensors, element=element)
    if compute is None or not all(tensor.values for tensor in tensors):
        return [out]
    length = max(len(tensor.values or ()) for tensor in tensors)
    if length > SMALL_COUNT or any(len(tensor.values or ()) not in (1, length) for tensor in tensors):
        return [out]
    if any((tensor.rank or 0) > 1 for tensor in tensors):
        return [out]
    columns = [(tensor.values or ()) * (length if len(tensor.values or ()) == 1 else 1) for tensor in tensors]
    values = list(columns[0])
    for column in columns[1:]:
        values = [fitted(compute(one, other), element) for one, other in zip(values, column, strict=True)]
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
    if any(values is None for values in chosen) or any((t.rank or 0) > 1 for t in (condition, one, other)):
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
    def whole(value: Value) -> Value:
        if value.exact and isinstance(value.high, Fraction):
            return fixed(value.high.__floor__()) if value.high.denominator != 1 else value
        return value

    return _each(use, use.first().element, whole)


def _not(use: Use) -> list[Tensor]:
    def opposite(value: Value) -> Value:
        known = number(value)
        return Value(0, 1) if known is None else fixed(int(not known))

    return _each(use, BOOL, opposite)


def _magnitude(use: Use) -> list[Tensor]:
    def size(value: Value) -> Value:
        known = number(value)
        if known is not None:
            return fixed(abs(known))
        return value if value.low is not None and value.low >= 0 else UNKNOWN

    return _each(use, use.first().element, size)


def _clip(use: Use) -> list[Tensor]:
    first, least, most = use.first(), use.values(1), use.values(2)
    if first.values is None or not (least or most):
        return [use.like(first)]
    values = first.values
    if least and len(least) == 1:
        values = tuple(maximum(value, least[0]) for value in values)
    if most and len(most) == 1:
        values = tuple(minimum(value, most[0]) for value in values)
    return [use.space.tensor(first.element, first.dims, count=first.count, values=values)]


def _sloped(use: Use) -> list[Tensor]:
    """``PRelu``: the slope is stretched onto the data; before version 7 it could be one for each channel."""
    data, slope = use.first(), use.arg(1)
    if slope is None or slope.rank == 1:
        return [use.like(data)]
    return [broadcast(use, (data, slope), element=data.element)]


def _label(use: Use) -> list[Tensor]:
    """Labels for labels: texts where the table of values, or the default, has texts."""
    texts = use.has(b"values_strings") or (use.first().element != TEXT and not use.has(b"values_int64s"))
    return [use.like(use.first(), element=TEXT if texts else INT64)]


RULES: Final[dict[str, Rule]] = (
    dict.fromkeys(ONE_TO_ONE.split(), _one_to_one)
    | dict.fromkeys(_TRUTH, _truth)
    | {name: _binary(name) for name in (*_BROADCAST.split(), *_COMPARE)}
    | {
        "Identity": _identity,
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
