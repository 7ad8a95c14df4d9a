"""What an element type makes of a number: integers wrap around, floats round, and some are no numbers at all.

A float of which one end is not known may be infinite or not a number, so nothing is said of it; a float that has both
ends is a number. An integer of which one end is not known may be anything that its type holds there, and what is
computed of it may wrap around.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isfinite
from typing import Final, NamedTuple, Protocol

from mlsign.onnx.bounds.amounts import UNKNOWN, Amount, Number, Poly, Value, fixed, negated, plus, times, upper

BOOL: Final = 9
DOUBLE: Final = 11
SIGNED: Final = {2: (0, 8), 3: (1, 8), 4: (0, 16), 5: (1, 16), 6: (1, 32), 7: (1, 64), 9: (0, 1), 12: (0, 32), 13: (0, 64)}
"""Of an integer type: whether it has a sign, and its bits."""


class _Float(NamedTuple):
    letter: str
    """As ``struct`` spells it."""
    digits: int
    """Whole numbers up to two to this power are exact."""
    most: int
    """No finite one is larger."""
    least: Fraction
    """How far the ones next to zero are apart."""


FLOATS: Final = {
    1: _Float("f", 24, (1 << 128) - (1 << 104), Fraction(1, 1 << 149)),
    10: _Float("e", 11, 65504, Fraction(1, 1 << 24)),
    11: _Float("d", 53, 1 << 127, Fraction(1, 1 << 1074)),  # larger ones are no size of anything
}

_PLACES: Final = 1 << 256


class Symbols(Protocol):
    """Knows how large the symbols in an amount can be."""

    def at_most(self, amount: Amount, /) -> int: ...


def real(item: float) -> Value:
    """The number that a float is; unknown where it is none, or infinite."""
    if not isfinite(item):
        return UNKNOWN
    return fixed(int(item)) if item == int(item) else fixed(Fraction(item))


def within(value: Value, symbols: Symbols, *, least: int, most: int) -> bool:
    """Whether all that is known of a value is from ``least`` to ``most``."""
    low, high = _low(value, symbols), value.high
    return (low is None or low >= least) and (high is None or _at_most(high, symbols) <= most)


def _at_most(amount: Amount, symbols: Symbols) -> Number:
    return symbols.at_most(upper(amount)) if isinstance(amount, Poly) else amount


def _low(value: Value, symbols: Symbols) -> Number | None:
    if value.low is None and value.exact and value.high is not None:
        return -symbols.at_most(upper(times(value.high, -1)))
    return value.low


def fitted(value: Value, element: int, symbols: Symbols) -> Value:
    """The value as an element of this type holds it."""
    if element in SIGNED:
        has_sign, bits = SIGNED[element]
        if _in_parts(value) or not within(value, symbols, least=-(1 << (bits - 1)) if has_sign else 0, most=_most(element)):
            return UNKNOWN
        return value
    return _rounded(value, FLOATS[element], symbols) if element in FLOATS else UNKNOWN


def _most(element: int) -> int:
    has_sign, bits = SIGNED[element]
    return int((1 << (bits - has_sign)) - 1)


def _in_parts(value: Value) -> bool:
    """Whether a value is exact, and has a fraction."""
    return value.exact and not value.whole


def _rounded(value: Value, kind: _Float, symbols: Symbols) -> Value:
    low, high = _low(value, symbols), value.high
    if low is None or high is None:
        return UNKNOWN
    top = _at_most(high, symbols)
    extreme = max(low, -low, top, -top)
    if extreme > kind.most:
        return UNKNOWN
    if extreme <= 1 << kind.digits and (value.whole if value.exact else _is_whole(low) and _is_whole(high)):
        return value
    if value.exact and not isinstance(high, Poly) and _is_float(high, kind):
        return value
    step = Fraction(1, 1 << (kind.digits - 1))
    lower = _outward(low - max(low, -low) * step - kind.least, up=False)
    if isinstance(high, Poly):
        return Value(lower, plus(times(upper(high), 1 + step), kind.least), whole=value.whole, finite=value.finite)
    higher = _outward(high + max(high, -high) * step + kind.least, up=True)
    return Value(lower, higher, whole=value.whole, finite=value.finite)


def _outward(number: Number, *, up: bool) -> Number:
    """A number with fewer digits, so that they do not pile up."""
    scaled = Fraction(number) * _PLACES
    return Fraction(scaled.__ceil__() if up else scaled.__floor__(), _PLACES)


def _is_whole(amount: Amount) -> bool:
    numbers = [factor for _, factor in amount.terms] if isinstance(amount, Poly) else [amount]
    return all(isinstance(factor, int) for factor in numbers)


def _is_float(number: Number, kind: _Float) -> bool:
    """Whether a number that is no larger than the largest float is one."""
    made = struct.unpack(f"<{kind.letter}", struct.pack(f"<{kind.letter}", float(number)))[0]
    return Fraction(made) == number


def computed(
    compute: Callable[[Sequence[Value]], Value], values: Sequence[Value], symbols: Symbols, *, taken: int, made: int
) -> Value:
    """What an operator that takes elements of one type makes of values, as one of another."""
    if taken in FLOATS and any(value.low is None or value.high is None or not value.finite for value in values):
        return UNKNOWN
    out = compute(values)
    if out == UNKNOWN:
        return out
    if made in SIGNED and any(value.low is None or value.high is None for value in values):
        full = compute([_filled(value, taken) for value in values])
        if fitted(full, made, symbols) == UNKNOWN:
            return UNKNOWN
    return fitted(out, made, symbols)


def _filled(value: Value, element: int) -> Value:
    """The value with the ends of its type where it has none of its own."""
    if element not in SIGNED or value.exact:
        return value
    has_sign, bits = SIGNED[element]
    low = -(1 << (bits - 1)) * has_sign if value.low is None else value.low
    return Value(low, _most(element) if value.high is None else value.high, whole=True)


def cast(value: Value, symbols: Symbols, *, taken: int, made: int) -> Value:
    """The value as another type holds it: whole numbers are what is left of others towards zero."""

    def convert(values: Sequence[Value]) -> Value:
        return _truth(values[0], symbols) if made == BOOL else _truncated(values[0]) if made in SIGNED else values[0]

    return computed(convert, (value,), symbols, taken=taken, made=made)


def _truth(value: Value, symbols: Symbols) -> Value:
    low = _low(value, symbols)
    if low is not None and (low > 0 or (value.high is not None and _at_most(value.high, symbols) < 0)):
        return fixed(1)
    return fixed(0) if value.exact and value.high == 0 else Value(0, 1, whole=True)


def _truncated(value: Value) -> Value:
    if value.whole and value.exact:
        return value
    low, high = value.low, value.high
    if value.exact and not isinstance(high, Poly) and high is not None:
        return fixed(int(high))
    top = high if high is None or isinstance(high, Poly) else int(high)
    return Value(None if low is None else int(low), upper(top) if isinstance(top, Poly) else top, whole=True)


def floor(value: Value) -> Value:
    """The next whole number below."""
    if value.whole and value.exact:
        return value
    low, high = value.low, value.high
    if value.exact and not isinstance(high, Poly) and high is not None:
        return fixed(high.__floor__())
    top = high if high is None or isinstance(high, Poly) else high.__floor__()
    return Value(None if low is None else low.__floor__(), upper(top) if isinstance(top, Poly) else top, whole=True)


def magnitude(value: Value) -> Value:
    """The value without its sign."""
    if value.low is not None and value.low >= 0:
        return value
    low, high = value.low, value.high
    if low is None or high is None or isinstance(high, Poly):
        return UNKNOWN
    if value.exact:
        return negated(value)
    return Value(0, max(-low, high), whole=value.whole)
