"""Numbers computed of numbers that are bounded: what is said holds for every number in the bounds."""

from fractions import Fraction
from itertools import product
from math import fmod

import pytest
from paper import numbers

from mlsign.onnx.bounds.amounts import UNKNOWN, Value, fixed, plus, symbol, times
from mlsign.onnx.bounds.arithmetic import ARITHMETIC, maximum, minimum, pick, ratio, subtracted
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.use import Use

N, M = symbol(0), symbol(1)
HALF = Fraction(1, 2)
ANY = Value(None, None)


def use() -> Use:
    space = Space()
    space.symbol(10)
    space.symbol(10)
    return Use(space, "Sub", (), {}, outer={}, outputs=1)


@pytest.mark.parametrize(
    ("name", "one", "other", "expected"),
    [
        ("Pow", fixed(3), fixed(4), fixed(81)),
        ("Pow", fixed(-3), fixed(3), fixed(-27)),
        ("Pow", fixed(2), fixed(53), fixed(1 << 53)),
        ("Pow", fixed(2), fixed(54), UNKNOWN),  # runtimes go by way of double
        ("Pow", fixed(2), fixed(-1), UNKNOWN),
        ("Pow", fixed(2), fixed(65), UNKNOWN),
        ("Pow", fixed(N), fixed(2), UNKNOWN),
        ("Pow", fixed(2), Value(0, 3), UNKNOWN),
        ("Mod", fixed(7), fixed(3), fixed(1)),
        ("Mod", fixed(-7), fixed(3), Value(-3, 3, whole=True)),
        ("Mod", fixed(7), fixed(-3), Value(-3, 3, whole=True)),
        ("Mod", Value(0, 9, whole=True), fixed(4), Value(0, 4, whole=True)),
        ("Mod", Value(-1, 9), fixed(4), Value(-4, 4)),
        ("Mod", fixed(7), fixed(0), UNKNOWN),
        ("Mod", fixed(7), Value(1, 2), UNKNOWN),
        ("Equal", fixed(N), fixed(N), fixed(1)),
        ("Equal", fixed(3), fixed(4), fixed(0)),
        ("Equal", fixed(4), fixed(3), fixed(0)),
        ("Equal", Value(0, 3), Value(2, 9), Value(0, 1)),
        ("Equal", fixed(3), fixed(N), Value(0, 1)),
        ("Equal", fixed(3), Value(4, None), Value(0, 1)),
        ("Less", fixed(3), Value(4, 9), fixed(1)),
        ("Less", Value(4, 9), fixed(4), fixed(0)),
        ("Less", Value(3, 9), fixed(4), Value(0, 1)),
        ("Less", fixed(N), fixed(4), Value(0, 1)),
        ("Less", fixed(4), fixed(N), Value(0, 1)),
        ("Less", fixed(-1), fixed(N), fixed(1)),
        ("Less", ANY, fixed(4), Value(0, 1)),
        ("Greater", Value(4, 9), fixed(3), fixed(1)),
        ("Greater", fixed(3), Value(3, 9), fixed(0)),
    ],
)
def test_operators_of_two_numbers(name, one, other, expected):
    assert ARITHMETIC[name](one, other) == expected


@pytest.mark.parametrize(
    ("one", "other", "most", "least"),
    [
        (fixed(3), fixed(7), fixed(7), fixed(3)),
        (fixed(7), fixed(3), fixed(7), fixed(3)),
        (fixed(-1), fixed(HALF), fixed(HALF), fixed(-1)),
        (fixed(N), fixed(5), Value(5, plus(N, 5), whole=True), Value(0, 5, whole=True)),
        (fixed(N), fixed(M), Value(0, plus(N, M), whole=True), Value(0, N, whole=True)),
        (Value(0, 4), Value(2, None), Value(2, None), Value(0, 4)),
        (ANY, Value(2, 9), Value(2, None), Value(None, 9)),
        (ANY, ANY, ANY, ANY),
    ],
)
def test_the_larger_and_the_smaller_one(one, other, most, least):
    assert maximum(one, other) == most
    assert minimum(one, other) == least


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (fixed(6), fixed(3), fixed(2)),
        (fixed(-6), fixed(3), fixed(-2)),
        (fixed(7), fixed(2), Value(0, Fraction(7, 2))),
        (Value(0, 6), Value(2, None), Value(0, 3)),
        (Value(0, 6), Value(HALF, 1), Value(0, 12)),
        (fixed(times(N, 3)), fixed(2), Value(0, times(N, Fraction(3, 2)))),
        # by a count: by zero, or by one at least
        (Value(0, 6), fixed(N), Value(0, 6, finite=False)),
        (Value(0, 6), Value(0, 1), UNKNOWN),
        (Value(-1, 6), fixed(3), UNKNOWN),
        (Value(0, 6), Value(-2, 3), UNKNOWN),
        (Value(0, None), fixed(3), UNKNOWN),
        (fixed(6), fixed(0), Value(0, 6, finite=False)),
    ],
)
def test_quotients_of_floats(one, other, expected):
    assert ratio(one, other) == expected


def test_differences():
    assert subtracted(use(), fixed(N), fixed(M)).exact
    assert subtracted(use(), Value(5, 9), Value(1, N)) == Value(5 - 10, 8)
    assert subtracted(use(), Value(5, 9), Value(1, 2)) == Value(3, 8)
    assert subtracted(use(), ANY, Value(1, N)) == ANY
    assert subtracted(use(), Value(5, 9), ANY) == ANY


def test_a_choice():
    assert pick(fixed(1), fixed(3), fixed(4)) == fixed(3)
    assert pick(fixed(0), fixed(3), fixed(4)) == fixed(4)
    assert pick(Value(0, 1), fixed(3), fixed(4)) == Value(3, 4, whole=True)


def spans() -> list[tuple[int, int]]:
    return [(low, high) for low, high in product((-3, -1, 0, 1, 2, 4), repeat=2) if low <= high]


def said(low: int, high: int) -> Value:
    return fixed(low) if low == high else Value(low, high, whole=True)


def holds(value: Value, item: float) -> bool:
    low = value.low is None or value.low <= item
    return low and (value.high is None or item <= value.high) and (not value.exact or item == value.high)


REAL = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: int(a / b) if b else None,
    "Max": max,
    "Min": min,
    "Pow": lambda a, b: a**b if b >= 0 else None,
    "Equal": lambda a, b: int(a == b),
    "Less": lambda a, b: int(a < b),
    "Greater": lambda a, b: int(a > b),
}


@pytest.mark.parametrize("name", REAL)
def test_what_is_said_of_a_pair_holds_for_every_pair_of_whole_numbers(name):
    for one, other in product(spans(), repeat=2):
        found = ARITHMETIC[name](said(*one), said(*other))
        for a, b in product(range(one[0], one[1] + 1), range(other[0], other[1] + 1)):
            real = REAL[name](a, b)
            assert real is None or holds(found, real), (one, other, a, b)


def test_a_rest_has_the_sign_of_either():
    for one, other in product(spans(), repeat=2):
        found = ARITHMETIC["Mod"](said(*one), said(*other))
        for a, b in product(range(one[0], one[1] + 1), range(other[0], other[1] + 1)):
            assert b == 0 or (holds(found, a % b) and holds(found, int(fmod(a, b)))), (one, other, a, b)


SIGNATURE = "(int64 a, float[n] x) => (int64[k] y)"
HEAD = """list = Constant <value_ints = [5, 6, -7]> () two = Constant <value_ints = [2]> () grid = Constant <value = int64[2, 2] {1, 2, 3, 4}> ()
    pair = Constant <value_ints = [2, 3]> () seven = Constant <value_floats = [7.0]> () four = Constant <value_floats = [4.0]> ()
    none = Constant <value_ints: ints = []> () """


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Pow(list, two)", (fixed(25), fixed(36), fixed(49))),
        ("y = Mod(list, two)", (fixed(1), fixed(0), Value(-2, 2, whole=True))),
        ("y = Div(list, two)", (fixed(2), fixed(3), Value(-4, -3, whole=True))),
        ("y = Sum(list, two, two)", (fixed(9), fixed(10), fixed(-3))),
        ("y = Add(grid, grid)", None),
        ("y = Add(grid, two)", None),
        ("y = Add(none, two)", None),
        ("c = Equal(grid, grid) y = Where(c, grid, two)", None),
        ("c = Equal(list, two) y = Where(c, list, pair)", None),
        ("c = Equal(list, two) y = Where(c, list, two)", (fixed(2), fixed(2), fixed(2))),
    ],
)
def test_operators_on_small_tensors(node, expected):
    assert numbers(f"{SIGNATURE} {{ {HEAD} {node} }}") == expected


def test_a_quotient_of_floats_is_not_rounded_to_a_whole_number():
    (found,) = numbers(f"{SIGNATURE} {{ {HEAD} y = Div(seven, four) }}")
    assert found.low <= Fraction(7, 4) <= found.high
