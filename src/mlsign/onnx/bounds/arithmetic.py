"""Numbers in small tensors, computed as an operator computes them: bounds where they are not known."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from mlsign.onnx.bounds.amounts import (
    UNKNOWN,
    Poly,
    Value,
    added,
    either,
    fixed,
    floored,
    largest,
    multiplied,
    negated,
    number,
    times,
    upper,
)
from mlsign.onnx.bounds.use import Use

_EXACT: Final = 1 << 53


def subtracted(use: Use, one: Value, other: Value) -> Value:
    made = added(one, negated(other))
    if made.low is None and one.low is not None and other.high is not None:
        return made._replace(low=one.low - use.space.at_most(upper(other.high)))
    return made


def _power(one: Value, other: Value) -> Value:
    exponent, base = number(other), number(one)
    if exponent is None or base is None or not 0 <= exponent <= 64:
        return UNKNOWN
    # runtimes go by way of double, which does not hold larger ones
    return fixed(base**exponent) if abs(base) ** exponent <= _EXACT else UNKNOWN


def _modulo(one: Value, other: Value) -> Value:
    """The rest of a division, with the sign of either: integers take that of ``other`` and ``fmod`` that of ``one``."""
    base, by = number(one), number(other)
    if base is not None and by is not None and base >= 0 and by > 0:
        return fixed(base % by)
    if not by:
        return UNKNOWN  # of floats by zero nothing is left that is a number
    positive = by > 0 and one.low is not None and one.low >= 0
    return Value(0 if positive else -abs(by), abs(by), whole=one.whole)


def maximum(one: Value, other: Value) -> Value:
    if one.exact and other.exact and not isinstance(one.high, Poly) and not isinstance(other.high, Poly):
        return one if (one.low or 0) >= (other.low or 0) else other
    lows = [low for low in (one.low, other.low) if low is not None]
    high = None if one.high is None or other.high is None else largest(one.high, other.high)
    return Value(max(lows) if lows else None, high, whole=one.whole and other.whole)


def minimum(one: Value, other: Value) -> Value:
    if one.exact and other.exact and not isinstance(one.high, Poly) and not isinstance(other.high, Poly):
        return one if (one.low or 0) <= (other.low or 0) else other
    low = None if one.low is None or other.low is None else min(one.low, other.low)
    highs = [upper(high) for high in (one.high, other.high) if high is not None]
    numbers = [high for high in highs if not isinstance(high, Poly)]
    most = min(numbers) if numbers else highs[0] if highs else None
    return Value(low, most, whole=one.whole and other.whole)


def _equal(one: Value, other: Value) -> Value:
    if one.exact and other.exact and one.high == other.high:
        return fixed(1)
    if one.high is None or other.high is None or one.low is None or other.low is None:
        return Value(0, 1)
    for below, above in ((one, other), (other, one)):
        if not isinstance(below.high, Poly) and below.high is not None and above.low is not None and below.high < above.low:
            return fixed(0)
    return Value(0, 1)


def _less(one: Value, other: Value) -> Value:
    if not isinstance(one.high, Poly) and one.high is not None and other.low is not None and one.high < other.low:
        return fixed(1)
    if not isinstance(other.high, Poly) and other.high is not None and one.low is not None and one.low >= other.high:
        return fixed(0)
    return Value(0, 1)


def ratio(one: Value, other: Value) -> Value:
    """Division of floats: known where nothing is left over."""
    top, bottom = number(one), number(other)
    if top is not None and bottom and top % bottom == 0:
        return fixed(top // bottom)
    if one.low is None or one.low < 0 or one.high is None or other.low is None or other.low < 0:
        return UNKNOWN
    if other.low > 0:
        return Value(0, times(upper(one.high), 1 / Fraction(other.low)))
    # By a count it is divided by one at least, or by zero.
    return Value(0, upper(one.high), finite=False) if other.whole else UNKNOWN


def pick(condition: Value, one: Value, other: Value) -> Value:
    known = number(condition)
    return either(one, other) if known is None else one if known else other


ARITHMETIC: Final[dict[str, Callable[[Value, Value], Value]]] = {
    "Add": added,
    "Sum": added,
    "Mul": multiplied,
    "Div": floored,
    "Max": maximum,
    "Min": minimum,
    "Pow": _power,
    "Mod": _modulo,
    "Equal": _equal,
    "Less": _less,
    "Greater": lambda one, other: _less(other, one),
}
