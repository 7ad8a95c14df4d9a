"""Operators that cannot run on their constants and shapes, and what is said of them; and numbers by their types."""

from fractions import Fraction

import pytest
from paper import bounds

from mlsign.onnx.bounds.amounts import UNKNOWN, Value, fixed, times, upto
from mlsign.onnx.bounds.numbers import BOOL, cast, computed, fitted, floor, magnitude, real
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.summary import Unbounded

HEAD = """two = Constant <value_ints = [2]> () minus = Constant <value_ints = [-1]> () none = Constant <value_ints = [0]> ()
    nine = Constant <value_ints = [9]> () three = Constant <value_ints = [3, 3]> () pair = Constant <value_ints = [-1, -1]> () """


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("y = Reshape(x, nine)", "8 elements do not fill the shape [9]"),
        ("y = Reshape(x, pair)", "a shape has two dimensions to be filled in, or one below zero"),
        ("y = ConstantOfShape(minus)", "a size is below zero"),
        ("y = Gather(x, nine)", "index 9 is outside of 2"),
        ("z = Constant <value = int64[1, 1] {-3}> () y = GatherElements(x, z)", "index -3 is outside of 2"),
        ("z = Constant <value = int64[1, 2] {1, 4}> () y = GatherND(x, z)", "index 4 is outside of 4"),
        ("z = Constant <value = int64[2, 1] {1, 4}> () y = GatherND <batch_dims = 1> (x, z)", "index 4 is outside of 4"),
        ("z = Constant <value = int64[1, 1] {9}> () y = ScatterElements <axis = 1> (x, z, u)", "index 9 is outside of 4"),
        ("z = Constant <value = int64[1, 2] {2, 0}> () y = ScatterND(x, z, v)", "index 2 is outside of 2"),
        ("z = Constant <value = int64[4] {0, 2, 3, 1}> () y = ReverseSequence(x, z)", "3 steps of 2"),
        (
            "z = Constant <value = int64[2] {-1, 2}> () y = ReverseSequence <time_axis = 1, batch_axis = 0> (x, z)",
            "-1 steps of 4",
        ),
        ("y = Expand(x, three)", "dimensions 2 and 3 do not go together"),
        ("y = MatMul(x, x)", "dimensions 4 and 2 do not go together"),
        ("z = Transpose(x) y = Concat <axis = 0> (x, z)", "dimensions 4 and 2 do not go together"),
        ("y, z = Split <axis = 1> (x, three)", "parts [3, 3] are not the 4 that there are"),
        ("y, z = TopK <axis = 0> (x, nine)", "the largest 9 of 2"),
        ("y = Unsqueeze(x, three)", "an axis stands twice"),
        ("y = Softmax <axis = 1> (x) z = ReduceSum(x, nine)", "axis 9 of 2 dimensions"),
        ("y = Slice(x, none, two, none, none)", "starts, axes and steps are not as many, or a step is zero"),
        ("y = Div(two, none)", "a whole number is divided by zero"),
        ("y = Cast <to = 99> (x)", "99 is no element type"),
        ("y = Transpose <perm = [1, 0, 2]> (x)", "the order of a transposition is no order of its dimensions"),
    ],
)
def test_a_node_that_cannot_run_is_named_with_its_reason(node, detail):
    found = bounds(f"(float[2, 4] x, float[1, 1] u, float[1] v) => (float[k] y) {{ {HEAD} {node} }}").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


@pytest.mark.parametrize(
    "node",
    [
        "z = Constant <value = int64[1, 1] {-2}> () y = GatherElements(x, z)",
        "z = Constant <value = int64[1, 2] {-2, 3}> () y = GatherND(x, z)",
        "z = Constant <value = int64[1, 1] {9}> () y = GatherElements(w, z)",
        "z = Constant <value = int64[2, 1] {-4, 3}> () y = GatherND <batch_dims = 1> (x, z)",
        "z = Constant <value = int64[1, 1] {-4}> () y = ScatterElements <axis = 1> (x, z, u)",
        "z = Constant <value = int64[1, 2] {-1, -4}> () y = ScatterND(x, z, v)",
        "z = Constant <value = int64[4] {0, 2, 1, 1}> () y = ReverseSequence(x, z)",
    ],
)
def test_places_that_are_there_are_in_order(node):
    signature = "(float[2, 4] x, float[1, 1] u, float[1] v, float[n, 1] w) => (float[k] y)"
    assert not bounds(f"{signature} {{ {HEAD} {node} }}").unknown


SPACE = Space()
N = SPACE.symbol(100)


@pytest.mark.parametrize(
    ("value", "element", "expected"),
    [
        (fixed(255), 2, fixed(255)),
        (fixed(256), 2, UNKNOWN),
        (fixed(-1), 2, UNKNOWN),
        (fixed(times(N, 2)), 2, fixed(times(N, 2))),
        (fixed(times(N, 3)), 2, UNKNOWN),
        (fixed(times(N, -1)), 7, fixed(times(N, -1))),
        (fixed(Fraction(1, 2)), 7, UNKNOWN),
        (Value(0, None, whole=True), 7, Value(0, None, whole=True)),
        (fixed(1 << 24), 1, fixed(1 << 24)),
        (fixed(1 << 30), 1, fixed(1 << 30)),
        (fixed(70000), 10, UNKNOWN),
        (fixed(1 << 200), 11, UNKNOWN),
        (Value(0, None), 1, UNKNOWN),
        (fixed(3), 8, UNKNOWN),
    ],
)
def test_a_number_as_its_type_holds_it(value, element, expected):
    assert fitted(value, element, SPACE) == expected


def test_floats_are_rounded_outward():
    for value in (fixed((1 << 24) + 1), fixed(Fraction(1, 3)), Value(0, Fraction(1, 3))):
        found = fitted(value, 1, SPACE)
        assert not found.exact
        assert found.low <= value.low
        assert found.high >= value.high
    assert fitted(fixed(times(N, Fraction(1, 3))), 1, SPACE).exact is False
    assert fitted(fixed(Fraction(1, 2)), 1, SPACE) == fixed(Fraction(1, 2))


@pytest.mark.parametrize(("element", "most"), [(1, (1 << 128) - (1 << 104)), (10, 65504), (11, 1 << 127)])
def test_the_largest_float_is_one(element, most):
    assert fitted(fixed(most), element, SPACE) == fixed(most)
    assert fitted(fixed(-most), element, SPACE) == fixed(-most)
    assert fitted(fixed(most + 1), element, SPACE) == UNKNOWN
    assert not fitted(fixed(most - Fraction(1, 3)), element, SPACE).exact


@pytest.mark.parametrize(
    ("value", "taken", "made", "expected"),
    [
        (fixed(Fraction(-7, 2)), 1, 7, fixed(-3)),
        (Value(Fraction(1, 2), Fraction(5, 2)), 1, 7, Value(0, 2, whole=True)),
        (Value(0, 5, finite=False), 1, 7, UNKNOWN),
        (Value(0, 5, finite=False), 1, BOOL, UNKNOWN),
        (fixed(Fraction(1, 2)), 1, BOOL, fixed(1)),
        (fixed(-3), 7, BOOL, fixed(1)),
        (fixed(0), 7, BOOL, fixed(0)),
        (fixed(N), 7, BOOL, Value(0, 1, whole=True)),
        (fixed(times(N, Fraction(1, 2))), 1, 7, Value(0, times(N, Fraction(1, 2)), whole=True)),
        (fixed(300), 7, 2, UNKNOWN),
        (Value(0, None, whole=True), 7, 6, UNKNOWN),
        (upto(7), 7, 1, upto(7)),
    ],
)
def test_a_number_as_another_type_holds_it(value, taken, made, expected):
    assert cast(value, SPACE, taken=taken, made=made) == expected


def test_whole_numbers_below_and_magnitudes():
    assert floor(fixed(Fraction(-7, 2))) == fixed(-4)
    assert floor(fixed(4)) == fixed(4)
    assert floor(Value(Fraction(1, 2), Fraction(5, 2))) == Value(0, 2, whole=True)
    assert floor(Value(None, N)) == Value(None, N, whole=True)
    assert floor(UNKNOWN) == Value(None, None, whole=True)
    assert magnitude(fixed(-4)) == fixed(4)
    assert magnitude(fixed(N)) == fixed(N)
    assert magnitude(Value(-4, 3, whole=True)) == Value(0, 4, whole=True)
    assert magnitude(Value(None, 3)) == UNKNOWN
    assert real(float("nan")) == UNKNOWN
    assert real(0.5) == fixed(Fraction(1, 2))


def test_what_may_wrap_around_is_unknown():
    def plus_one(values):
        return Value(None if values[0].low is None else values[0].low + 1, None if values[0].high is None else values[0].high + 1)

    assert computed(plus_one, [Value(0, None)], SPACE, taken=7, made=7) == UNKNOWN
    assert computed(plus_one, [Value(None, 5)], SPACE, taken=7, made=7) == Value(None, 6)
    assert computed(plus_one, [Value(0, 5)], SPACE, taken=7, made=7) == Value(1, 6)
    assert computed(lambda _: UNKNOWN, [fixed(5)], SPACE, taken=7, made=7) == UNKNOWN


def test_a_rank_as_large_as_a_caller_likes_sizes_nothing():
    found = bounds("(float[2, 4] x, int64[9007199254740992] s) => (float[k] y) { y = Reshape(x, s) }").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, "a shape of 9007199254740992 dimensions")]
