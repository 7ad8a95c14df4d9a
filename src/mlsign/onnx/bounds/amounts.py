"""Numbers that are not known but bounded: polynomials over the dimensions that a model leaves open.

An ``Amount`` is a number, or a polynomial in symbols: the open dimensions of the inputs and the turns of loops, all of
them zero or more. A ``Value`` is what is known of one number of a run: the amount that it is, or a range that it lies
in. Everything here rounds up, so a bound that is computed is never below what a run can reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple, TypeAlias

CEILING: Final = 1 << 128
"""Stands for everything at least as large: no machine holds it, and arithmetic stays cheap."""
_MAX_TERMS: Final = 64
_MAX_DEGREE: Final = 32

Number: TypeAlias = int | Fraction
Monomial: TypeAlias = tuple[int, ...]
"""Symbols, sorted, each as often as its power says; the empty one is the constant."""


class Poly(NamedTuple):
    """A sum of terms: coefficient by monomial, sorted, none of them zero, at least one with a symbol."""

    terms: tuple[tuple[Monomial, Number], ...]


Amount: TypeAlias = Number | Poly


def symbol(index: int) -> Poly:
    """The symbol with this index by itself."""
    return Poly((((index,), 1),))


def _terms(amount: Amount) -> tuple[tuple[Monomial, Number], ...]:
    return amount.terms if isinstance(amount, Poly) else (((), amount),)


def _made(terms: dict[Monomial, Number]) -> Amount:
    """The amount with these terms; one that is too complex to carry on with is the ceiling."""
    kept = {monomial: factor for monomial, factor in terms.items() if factor}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return _clamped(kept[()])
    if len(kept) > _MAX_TERMS or any(len(monomial) > _MAX_DEGREE or not -CEILING <= f <= CEILING for monomial, f in kept.items()):
        return CEILING
    return Poly(tuple((monomial, kept[monomial]) for monomial in sorted(kept)))


def _clamped(number: Number) -> Number:
    return CEILING if number > CEILING else max(number, -CEILING)


def plus(one: Amount, other: Amount) -> Amount:
    """The sum."""
    if not isinstance(one, Poly) and not isinstance(other, Poly):
        return _clamped(one + other)
    out = dict(_terms(one))
    for monomial, factor in _terms(other):
        out[monomial] = out.get(monomial, 0) + factor
    return _made(out)


def minus(one: Amount, other: Amount) -> Amount:
    """The difference; exact where both are, which is the only place to use it."""
    return plus(one, times(other, -1))


def times(one: Amount, other: Amount) -> Amount:
    """The product."""
    if not isinstance(one, Poly) and not isinstance(other, Poly):
        return _clamped(one * other)
    out: dict[Monomial, Number] = {}
    for left, factor in _terms(one):
        for right, another in _terms(other):
            monomial = tuple(sorted(left + right))
            out[monomial] = out.get(monomial, 0) + factor * another
    return _made(out)


def product(amounts: Iterable[Amount]) -> Amount:
    """The product of all."""
    out: Amount = 1
    for amount in amounts:
        out = times(out, amount)
    return out


def upper(amount: Amount) -> Amount:
    """An amount that never falls when a symbol grows and is at least as large: without its negative terms."""
    if not isinstance(amount, Poly):
        return amount
    return _made({monomial: factor for monomial, factor in amount.terms if factor > 0})


def largest(one: Amount, other: Amount) -> Amount:
    """An amount that is at least as large as both."""
    if not isinstance(one, Poly) and not isinstance(other, Poly):
        return max(one, other)
    out = dict(_terms(upper(one)))
    for monomial, factor in _terms(upper(other)):
        out[monomial] = max(out.get(monomial, 0), factor)
    out[()] = max(out.get((), 0), 0)  # one that is below zero takes nothing away from the other
    return _made(out)


def quotient(one: Amount, other: Amount) -> Amount | None:
    """The exact quotient; None where the division leaves a rest or is by no single term."""
    if one == other and one != 0:
        return 1
    divisor = _terms(other)
    if len(divisor) != 1 or not divisor[0][1]:
        return None
    monomial, by = divisor[0]
    out: dict[Monomial, Number] = {}
    for own, factor in _terms(one):
        rest = list(own)
        for part in monomial:
            if part not in rest:
                return None
            rest.remove(part)
        number = Fraction(factor) / by
        if number.denominator != 1:
            return None
        out[tuple(rest)] = int(number)
    return _made(out)


def divided(amount: Amount, by: int) -> Amount:
    """At least the quotient, rounded in any way."""
    if not isinstance(amount, Poly):
        return ceil(Fraction(amount) / by)
    return plus(times(upper(amount), Fraction(1, by)), 1) if by > 1 else upper(amount)


def lowest(amount: Amount) -> Number | None:
    """At most the amount, whatever the symbols are; None where it may be anything."""
    if not isinstance(amount, Poly):
        return amount
    if any(factor < 0 for monomial, factor in amount.terms if monomial):
        return None
    return dict(amount.terms).get((), 0)


def evaluated(amount: Amount, maxima: Sequence[int]) -> int:
    """The amount with every symbol at its largest, rounded up."""
    if not isinstance(amount, Poly):
        return ceil(amount)
    total: Number = 0
    for monomial, factor in amount.terms:
        if factor <= 0:
            continue
        for index in monomial:
            factor *= maxima[index]  # noqa: PLW2901 - a product is made where its first factor was
        total += factor
        if total > CEILING:
            return CEILING
    return ceil(total)


class Value(NamedTuple):
    """What is known of one number: from ``low`` to ``high``, None where nothing bounds it; ``exact`` if it is ``high``,
    ``whole`` if it has no fraction. One that is not ``finite`` may also be infinite or no number, of which nothing is known.
    """

    low: Number | None
    high: Amount | None
    exact: bool = False
    whole: bool = False
    finite: bool = True


UNKNOWN: Final = Value(None, None)
COUNT: Final = Value(0, None, whole=True)
"""Something that is counted, so not below zero."""


def fixed(amount: Amount) -> Value:
    """Exactly this; what is too large to carry on with is only that large at least."""
    if not isinstance(amount, Poly) and not -CEILING < amount < CEILING:
        return Value(None, amount, whole=True) if amount > 0 else UNKNOWN
    factors = [factor for _, factor in amount.terms] if isinstance(amount, Poly) else [amount]
    return Value(lowest(amount), amount, exact=True, whole=all(isinstance(factor, int) for factor in factors))


def upto(amount: Amount | None) -> Value:
    """A count from zero to this; None is without end."""
    return Value(0, None if amount is None else largest(upper(amount), 0), whole=True)


def number(value: Value) -> int | None:
    """The integer that a value is, where it is one and known."""
    return value.high if value.exact and isinstance(value.high, int) else None


def either(one: Value, other: Value) -> Value:
    """What holds for both."""
    if one == other:
        return one
    low = None if one.low is None or other.low is None else min(one.low, other.low)
    high = None if one.high is None or other.high is None else largest(one.high, other.high)
    return Value(low, high, whole=one.whole and other.whole, finite=one.finite and other.finite)


def added(one: Value, other: Value) -> Value:
    """The sum of two values."""
    if one.exact and other.exact and one.high is not None and other.high is not None:
        return fixed(plus(one.high, other.high))
    low = None if one.low is None or other.low is None else one.low + other.low
    high = None if one.high is None or other.high is None else plus(upper(one.high), upper(other.high))
    return Value(low, high, whole=one.whole and other.whole)


def negated(value: Value) -> Value:
    """The value with its sign turned."""
    if value.exact and value.high is not None:
        return fixed(times(value.high, -1))
    high = None if value.low is None else -value.low
    low = -value.high if isinstance(value.high, (int, Fraction)) else None
    return Value(low, high, whole=value.whole)


def multiplied(one: Value, other: Value) -> Value:
    """The product of two values."""
    if one.exact and other.exact and one.high is not None and other.high is not None:
        return fixed(times(one.high, other.high))
    for value, by in ((one, number(other)), (other, number(one))):
        if by is not None and by >= 0 and value.low is not None:
            return Value(value.low * by, None if value.high is None else times(upper(value.high), by), whole=value.whole)
    if one.low is None or other.low is None or one.low < 0 or other.low < 0:
        return UNKNOWN
    high = None if one.high is None or other.high is None else times(upper(one.high), upper(other.high))
    return Value(one.low * other.low, high, whole=one.whole and other.whole)


def floored(one: Value, by: Value) -> Value:
    """The quotient of integers, rounded down."""
    if one.exact and by.exact and one.high is not None and by.high is not None:
        whole = quotient(one.high, by.high)
        if whole is not None:
            return fixed(whole)
        if isinstance(one.high, int) and isinstance(by.high, int) and by.high > 0 and one.high >= 0:
            return fixed(one.high // by.high)
    parts = number(by)
    if parts is not None and parts > 0:
        low = None if one.low is None else (Fraction(one.low) / parts).__floor__()
        return Value(low, None if one.high is None else divided(one.high, parts), whole=True)
    if one.low is None or one.low < 0 or by.low is None or by.low < 0:
        return UNKNOWN
    # by zero is an error of the run, not a large number
    return upto(None if one.high is None else divided(one.high, max(1, int(by.low))))
