"""Operators that make elements of numbers, and those that go over elements one by one: sizes and numbers that come out."""

from fractions import Fraction

import pytest
from paper import bounds, kinds, numbers, shape, size, value

from mlsign.onnx.bounds.amounts import Value, fixed
from mlsign.onnx.summary import Unbounded

HEAD = """zero = Constant <value_ints = [0]> () two = Constant <value_ints = [2]> () minus = Constant <value_ints = [-1]> ()
    list = Constant <value_ints = [5, 6, -7]> () pair = Constant <value_ints = [2, 3]> () truth = Cast <to = 9> (list)
    halves = Constant <value_floats = [0.5, -2.5]> () six = Constant <value_int = 6> () one = Constant <value_int = 1> ()
    loose = Reshape(x, q) four = Constant <value_ints = [1, 2, 0, 3]> () grid = Constant <value = int64[1, 3] {1, 2, 3}> () """
SIGNATURE = "(float[4, 6] x, float[n, 6] w, int64[r] q, int64 a, int64[2] p, string[n] t, float[1, 6] u) => (float[k] y)"


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Expand(x, q)", None),
        ("s = Constant <value_ints = [3, 1]> () y = Expand(u, s)", [3, 6]),
        ("y = Expand(x, p)", [4, 6]),
        ("y = Expand(u, p)", [10, 6]),
        ("y = Tile(x, q)", None),
        ("y = Tile(x, pair)", [8, 18]),
        ("y = Tile(x, p)", [40, 60]),
        ("y = Tile(x, two)", None),
        ("y = Pad(x, q)", None),
        ("y = Pad(loose, four)", None),
        ("y = Pad(x, four)", [5, 11]),
        ("y = Pad(x, pair, , zero)", [9, 6]),
        ("y = Pad(x, pair, , minus)", [4, 11]),
        ("y = Pad(x, pair)", None),
        ("y = Pad(x, pair, , q)", None),
        ("f = Reshape(a, two) y = Pad(x, pair, , f)", None),
        ("y = Pad(x, p, , zero)", [24, 6]),
        ("f = Reshape(a, minus) y = Pad(x, pair, , f)", None),
        ("y = ConstantOfShape(pair)", [2, 3]),
        ("y = ConstantOfShape(p)", [10, 10]),
        ("y = ConstantOfShape(q)", None),
        ("z = Range(one, one, one) y = ConstantOfShape(z)", []),
        ("y = Range(one, six, one)", [5]),
        ("m = Constant <value_int = -1> () y = Range(six, one, m)", [5]),
        ("y = Range(one, a, one)", [11]),
        ("y = Range(one, six, a)", [None]),
        ("sum = ReduceSum <keepdims = 0> (q) y = Range(one, sum, one)", [None]),
        (
            "h = Constant <value_float = 0.5> () s = Constant <value_float = 0.0> () e = Constant <value_float = 4.0> () y = Range(s, e, h)",
            [10],
        ),
        ("o = Constant <value_int = 0> () y = Range(one, six, o)", [None]),
        ("y = OneHot(x, six, pair)", [4, 6, 6]),
        ("y = OneHot <axis = 0> (x, six, pair)", [6, 4, 6]),
        ("y = OneHot(x, a, pair)", [4, 6, 10]),
        ("y = OneHot(loose, six, pair)", None),
        ("b = ReduceSum <keepdims = 0> (q) y = OneHot(x, b, pair)", [4, 6, None]),
        ("y = RandomNormal <shape = [3, 4]> ()", [3, 4]),
        ("y = RandomUniform <shape = [-3, 4]> ()", [0, 4]),
        ("y = Multinomial <sample_size = 7> (w)", [10, 7]),
        ("y = Multinomial <sample_size = 7> (loose)", [24, 7]),
        ("y = Add(x, loose)", None),
        ("y = Mul(x, w)", [4, 6]),
        ("y = Mul(w, u)", [10, 6]),
        ("y = Mul(u, w)", [10, 6]),
        ("z = ConstantOfShape(p) y = Mul(z, w)", [20, 6]),
        ("z = Compress <axis = 0> (x, truth) y = Mul(z, w)", [14, 6]),
        ("y = Where(truth, halves, u)", None),
        ("b = Cast <to = 9> (w) y = Where(b, x, u)", [4, 6]),
        ("y = PRelu(w, u)", [10, 6]),
        ("y = PRelu(u, w)", [10, 6]),
        ("z = Constant <value_floats = [1.0]> () y = PRelu(w, z)", [10, 6]),
        ("z = Constant <value_floats = [1.0, 2.0, 3.0, 4.0]> () y = PRelu(x, z)", [4, 6]),
        ("y = StringNormalizer(t)", [11]),
    ],
)
def test_the_dimensions_at_most(node, expected):
    if expected is None:
        assert shape(text(node)) is None
    else:
        assert shape(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Expand(x, q)", None),
        ("y = Tile(x, two)", 4 * 24 * 2),
        ("y = Tile(x, p)", 4 * 24 * 100),
        ("y = OneHot(loose, six, pair)", 8 * 24 * 6),
        ("y = OneHot(loose, six, halves)", 4 * 24 * 6),
        ("y = Add(x, loose)", 4 * 24 * 24),
        ("y = Add(x, w)", 4 * 4 * 6),
        ("y = Equal(x, x)", 24),
        ("o = Reshape(list, q) y = Add(pair, o)", 8 * 2 * 3),
        ("y = IsNaN(x)", 24),
        ("y = StringNormalizer(t)", 2 * 64 * 11),
        ("y = StringConcat(t, t)", 2 * 64 * 10),
        ("y = Bernoulli <dtype = 11> (x)", 8 * 24),
        ("y = Bernoulli <dtype = 999> (x)", 4 * 24),
        ("y = RandomNormal <shape = [3, 4], dtype = 11> ()", 8 * 12),
        ("y = Cast <to = 11> (loose)", 8 * 24),
        ("y = CastLike(x, a)", 8 * 24),
        ("y = ConstantOfShape <value = double[1] {1}> (pair)", 8 * 6),
        ('y = Constant <value_string = "abc"> ()', 64 + 3),
        ('y = Constant <value_strings = ["abc", "defgh"]> ()', 2 * (64 + 5)),
        ('y = ai.onnx.ml.LabelEncoder <keys_int64s = [1], values_strings = ["abc"]> (q)', (64 + 3) * 10),
        ("y = ai.onnx.ml.LabelEncoder <keys_int64s = [1], values_int64s = [5]> (q)", 8 * 10),
        ('y = ai.onnx.ml.LabelEncoder <keys_strings = ["a"], values_floats = [5.0]> (t)', 8 * 10),
        ('y = ai.onnx.ml.LabelEncoder <keys_int64s = [1], values_tensor = string[1] {"abc"}> (q)', (64 + 3) * 10),
    ],
)
def test_the_bytes_at_most(node, expected):
    assert size(text(node)) == expected


def whole(*items: int) -> tuple[Value, ...]:
    return tuple(map(fixed, items))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Expand(two, pair)", whole(*(2,) * 6)),
        ("s = Constant <value_ints = [3]> () y = Expand(two, s)", whole(2, 2, 2)),
        ("y = Expand(list, minus)", whole(5, 6, -7)),
        ("y = ConstantOfShape <value = int64[1] {4}> (two)", whole(4, 4)),
        ("y = ConstantOfShape(two)", whole(0, 0)),
        ("y = Range(one, six, one)", whole(1, 2, 3, 4, 5)),
        ("t3 = Constant <value_int = 3> () y = Range(one, six, t3)", None),
        ("y = Constant <value_ints = [1, 2]> ()", whole(1, 2)),
        ("y = Constant <value_floats = [0.5]> ()", (fixed(Fraction(1, 2)),)),
        ("y = Constant <value_float = 4.0> ()", whole(4)),
        ("y = Add(list, two)", whole(7, 8, -5)),
        ("y = Sub(list, two)", whole(3, 4, -9)),
        ("y = Mul(list, list)", whole(25, 36, 49)),
        ("y = Add(list, grid)", None),
        ("y = Add(pair, list)", None),
        ("o = Reshape(list, q) y = Add(pair, o)", None),
        ("o = Reshape(list, q) y = Where(truth, pair, o)", None),
        ("y = Where(truth, list, two)", whole(5, 6, -7)),
        ("y = Where(truth, pair, list)", None),
        ("b = Equal(two, list) y = Where(b, two, list)", whole(5, 6, -7)),
        ("y = Neg(list)", whole(-5, -6, 7)),
        ("y = Abs(list)", whole(5, 6, 7)),
        ("y = Floor(halves)", whole(0, -3)),
        ("y = Not(truth)", whole(0, 0, 0)),
        ("b = Less(p, two) y = Not(b)", (Value(0, 1),) * 2),
        ("y = Neg(x)", None),
        ("y = Clip(list, zero, six)", whole(5, 6, 0)),
        ("y = Clip(list, , one)", whole(1, 1, -7)),
        ("y = Clip(list, one)", whole(5, 6, 1)),
        ("y = Clip(list, q)", None),
        ("y = Cast <to = 1> (list)", whole(5, 6, -7)),
        ("y = BitwiseAnd(list, two)", None),
    ],
)
def test_the_numbers_that_come_through(node, expected):
    assert numbers(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("z = Constant <value_ints = [2, -1]> () y = Tile(x, z)", "a size is below zero"),
        ("y = OneHot(x, minus, pair)", "a size is below zero"),
        ("z = Constant <value_ints = [-3, -3]> () y = Pad(x, z, , zero)", "more is cut off than there is"),
        ("y = ConstantOfShape <value = int64[2] {1, 2}> (pair)", "what a tensor is filled with is not one number"),
        ("y = Mod(list, zero)", "a whole number is divided by zero"),
        (
            "z = Constant <value_ints = [-9223372036854775808]> () y = Div(z, minus)",
            "the least whole number is divided by minus one",
        ),
        ("y = Softmax <axis = 2> (x)", "axis 2 of 2 dimensions"),
        ("y = Constant <value_int = 1, value_float = 2.0> ()", "a constant has one value"),
        ("y = CenterCropPad <axes = [2]> (x, two)", "axis 2 of 2 dimensions"),
        ("y = CenterCropPad <axes = [1, -1]> (x, pair)", "an axis stands twice"),
        ("y = CumSum(x, two)", "axis 2 of 2 dimensions"),
    ],
)
def test_what_cannot_be_made(node, detail):
    found = bounds(text(node)).unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


@pytest.mark.parametrize(
    ("opset", "node", "expected"),
    [
        (6, "y = Add <broadcast = 1, axis = 1> (x, v)", [4, 6]),
        (6, "y = Less <broadcast = 1> (x, v)", [4, 6]),
        (2, "y = Pad <pads = [1, 0, 2, 0]> (x)", [7, 6]),
        (1, "y = Pad <paddings = [1, 0, 2, 0]> (x)", [7, 6]),
        (6, "y = Clip <min = 0.0> (x)", [4, 6]),
        (6, "y, z = Dropout(x)", [4, 6]),
    ],
)
def test_older_versions_say_it_in_attributes(opset, node, expected):
    assert shape(f"(float[4, 6] x, float[6] v) => (float[k] y) {{ {node} }}", opset=opset) == expected


def test_a_comparison_of_an_older_version_is_a_truth():
    assert size("(float[4, 6] x, float[6] v) => (float[k] y) { y = Less <broadcast = 1> (x, v) }", opset=6) == 24


def test_a_range_that_is_not_bounded_is_said_so():
    assert kinds(text("y = Range(one, six, a)")) == {Unbounded.SIZE}


def test_a_cast_to_the_same_type_keeps_the_weight_of_texts():
    found = value('(float[1] x) => (string[k] y) { c = Constant <value_strings = ["abcdef"]> () y = Cast <to = 8> (c) }')[1]
    assert found.width == 64 + 6


def test_the_same_bits_as_another_type_are_as_many():
    text = "(float[4, n] x) => (int32[k] y) { y = BitCast <to = 6> (x) }"
    assert shape(text, opset=26) == [4, 10]
    assert size(text, opset=26) == 4 * 40
    assert (
        numbers("(float[4] x) => (int64[k] y) { z = Constant <value_ints = [1]> () y = BitCast <to = 11> (z) }", opset=26) is None
    )
