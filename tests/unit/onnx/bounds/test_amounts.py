"""Numbers that are bounded but not known: everything rounds up, and exact is exact."""

from fractions import Fraction

import pytest

from mlsign.onnx.bounds.amounts import (
    CEILING,
    UNKNOWN,
    Poly,
    Value,
    added,
    divided,
    either,
    evaluated,
    fixed,
    floored,
    largest,
    lowest,
    minus,
    multiplied,
    negated,
    number,
    plus,
    product,
    quotient,
    symbol,
    times,
    upper,
    upto,
)

N, M = symbol(0), symbol(1)


def test_sums_and_products_of_symbols():
    area = times(plus(N, 2), plus(M, 3))
    assert evaluated(area, [4, 5]) == 48
    assert minus(area, area) == 0
    assert product([2, N, M]) == times(times(M, N), 2)
    assert lowest(area) == 6
    assert lowest(minus(3, N)) is None


def test_what_is_too_complex_is_the_ceiling_and_never_exact():
    many = product(symbol(0) for _ in range(33))
    assert many == CEILING
    total = 0
    for index in range(65):
        total = plus(total, symbol(index))
    assert total == CEILING
    assert not fixed(CEILING).exact
    assert fixed(-CEILING) == UNKNOWN
    assert times(CEILING, CEILING) == CEILING
    assert times(CEILING, -CEILING) == -CEILING
    assert times(times(N, CEILING), 4) == CEILING
    assert evaluated(times(N, CEILING), [4]) == CEILING
    assert evaluated(minus(N, M), [7, 3]) == 7  # what is taken away may be nothing


@pytest.mark.parametrize("one", [-5, 0, 3, N, plus(N, -4), minus(7, N), times(N, M)])
@pytest.mark.parametrize("other", [-5, 0, 3, M, plus(N, 2), times(N, 3)])
@pytest.mark.parametrize("sizes", [(0, 0), (1, 9), (9, 1), (6, 6)])
def test_the_larger_one_is_not_less_than_either(one, other, sizes):
    def worth(amount):
        terms = amount.terms if isinstance(amount, Poly) else (((), amount),)
        return sum(factor * (sizes[0] ** m.count(0)) * (sizes[1] ** m.count(1)) for m, factor in terms)

    assert worth(largest(one, other)) >= max(worth(one), worth(other)) or not isinstance(largest(one, other), Poly)
    assert worth(largest(one, other)) >= max(worth(one), worth(other))
    assert worth(upper(one)) >= worth(one)


def test_quotients_are_exact_or_none():
    assert quotient(times(N, 6), times(N, 3)) == 2
    assert quotient(times(N, 6), 4) is None
    assert quotient(N, M) is None
    assert quotient(N, plus(N, 1)) is None
    assert quotient(plus(N, 1), plus(N, 1)) == 1
    assert quotient(0, 0) is None
    assert quotient(6, 0) is None
    assert divided(7, 2) == 4
    assert evaluated(divided(N, 2), [7]) == 5
    assert divided(minus(N, 3), 1) == N


def test_integers_divide_towards_zero_and_within_bounds():
    assert floored(fixed(7), fixed(2)) == fixed(3)
    found = floored(fixed(-7), fixed(2))
    assert found.low <= -3 <= found.high
    assert not found.exact
    assert floored(fixed(times(N, M)), fixed(M)) == fixed(N)
    assert floored(upto(10), fixed(3)) == Value(0, 4, whole=True)
    assert floored(Value(None, None), fixed(3)) == Value(None, None, whole=True)
    assert floored(upto(10), Value(2, 5, whole=True)) == upto(5)
    assert floored(upto(None), Value(2, 5, whole=True)) == upto(None)
    assert floored(fixed(7), Value(-2, 5)) == UNKNOWN


def test_products_of_what_is_only_bounded():
    assert multiplied(fixed(N), fixed(M)) == fixed(times(N, M))
    assert multiplied(upto(3), fixed(2)) == Value(0, 6, whole=True)
    assert multiplied(Value(-3, None), fixed(2)) == Value(-6, None)
    assert multiplied(Value(-3, 3), Value(1, 2)) == UNKNOWN
    assert multiplied(upto(3), upto(4)) == Value(0, 12, whole=True)
    assert multiplied(upto(None), upto(4)) == Value(0, None, whole=True)


def test_sums_of_what_is_only_bounded():
    assert added(upto(3), fixed(2)) == Value(2, 5, whole=True)
    assert added(UNKNOWN, fixed(2)) == UNKNOWN
    assert negated(Value(-2, 5)) == Value(-5, 2)
    assert negated(Value(None, N)) == UNKNOWN
    assert negated(fixed(N)).exact


def test_either_of_two():
    assert either(fixed(3), fixed(3)) == fixed(3)
    assert either(fixed(3), fixed(Fraction(1, 2))) == Value(Fraction(1, 2), 3)
    assert either(fixed(3), UNKNOWN) == UNKNOWN
    assert not either(fixed(3), Value(0, 1, finite=False)).finite


def test_a_count_is_not_below_zero():
    assert upto(-4) == upto(0)
    assert number(upto(0)) is None
    assert number(fixed(Fraction(1, 2))) is None
