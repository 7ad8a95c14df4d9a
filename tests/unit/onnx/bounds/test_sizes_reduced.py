"""Reductions, normalizations, quantization, signals and texts: dimensions, bytes and numbers that come out at most."""

from fractions import Fraction

import pytest
from paper import bounds, numbers, shape, size

from mlsign.onnx.bounds.amounts import UNKNOWN, Value, fixed
from mlsign.onnx.summary import Unbounded

SIGNATURE = """(float[4, 6] x, float[n, 6] w, int64[r] q, int64 a, uint8[4, 6] b, int8 z, float f, float[n] v, bool[n] j,
    float[2, 3, 20, n] i, string[n] t, float[8, n, 6] s, float[2, 20, 1] g) => (float[e] y)"""
HEAD = """loose = Reshape(x, q) one = Constant <value_ints = [1]> () five = Constant <value_int = 5> ()
    list = Constant <value_ints = [5, 6, -7]> () axis = Constant <value_int = 1> () none = Constant <value_ints: ints = []> () """


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = ReduceSum(x, one)", [4, 1]),
        ("y = ReduceSum <keepdims = 0> (x, one)", [4]),
        ("y = ReduceSum <keepdims = 0> (x)", []),
        ("y = ReduceSum(x, none)", [1, 1]),
        ("y = ReduceSum <noop_with_empty_axes = 1> (x, none)", [4, 6]),
        ("y = ReduceSum <noop_with_empty_axes = 1> (x)", [4, 6]),
        ("y = ReduceSum(w, q)", [10 + 1, 6]),  # of no rows one is made
        ("y = ReduceSum <keepdims = 0> (x, q)", None),
        ("y = ReduceSum(loose)", None),
        ("y = ReduceSum(f)", []),
        ("y = ArgMax <axis = 1> (w)", [10, 1]),
        ("y = ArgMin <axis = 1, keepdims = 0> (w)", [10]),
        ("y = ArgMin(loose)", None),
        ("o, y, m = LayerNormalization <axis = 1> (s, v)", [8, 1, 1]),
        ("o, y = LayerNormalization(loose, v)", None),
        ("y = BatchNormalization(i, v, v, v, v)", [2, 3, 20, 10]),
        ("o, y, m = BatchNormalization <training_mode = 1> (i, v, v, v, v)", [10]),
        ("y = BatchNormalization(loose, v, v, v, v)", None),
        ("y = BatchNormalization(i, loose, v, v, v)", [2, 3, 20, 10]),
        ("y, o, m = DynamicQuantizeLinear(x)", [4, 6]),
        ("o, y, m = DynamicQuantizeLinear(x)", []),
        ("y = QuantizeLinear(x, loose)", [4, 6]),
        ("y = QuantizeLinear <block_size = 2> (x, w)", [4, 6]),
        # signals: each axis that may be meant as long as it was, as it is told to be, or twice that
        ("y = DFT(i)", [2, 2 * 3 + 1, 2 * 20 + 1, 2]),
        ("y = DFT(i, five, axis)", [2, 7, 20, 2]),
        ("l = Constant <value_int = 50> () y = DFT(i, l, axis)", [2, 50, 20, 2]),
        ("y = DFT(i, five, a)", [5, 7, 41, 2]),
        ("y = DFT(i, q)", None),
        ("y = DFT(loose)", None),
        ("y = STFT(g, five, v)", [2, 20 // 5 + 1, 10, 2]),
        ("y = STFT(g, five, , five)", [2, 5, 5, 2]),
        ("y = STFT(g, a, v)", None),
        ("y = STFT(g, five, , q)", None),
        ("y = STFT(v, five, , five)", None),
        ("l = Constant <value_int = 0> () y = STFT(g, l, v)", None),
        ("o = ReduceSum <keepdims = 0> (q) y = STFT(g, five, , o)", None),
        ("o = ReduceSum <keepdims = 0> (q) h = HannWindow(o) y = STFT(g, five, h)", None),
        ("y = HannWindow(five)", [5]),
        ("o = ReduceSum <keepdims = 0> (q) y = HannWindow(o)", [None]),
        ("y = HammingWindow(a)", [10]),
        ("y = BlackmanWindow(q)", [None]),
        ("l = Constant <value_int = 8> () y = MelWeightMatrix(l, five, five, f, f)", [4, 8]),
        ("y = MelWeightMatrix(q, q, five, f, f)", None),
        ("y = MelWeightMatrix(five, q, five, f, f)", None),
        ("o = ReduceSum <keepdims = 0> (q) y = MelWeightMatrix(five, o, five, f, f)", None),
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
        ("y = ReduceSum(x, q)", 4 * 24),
        ("y = ReduceSum <keepdims = 0> (w, q)", 4 * 11 * 6),
        ("y = NegativeLogLikelihoodLoss(x, q)", 4 * (24 + 10 + 1)),
        ("y = NegativeLogLikelihoodLoss(x, a)", 4 * (24 + 1 + 1)),
        ("o = Expand(a, q) y = SoftmaxCrossEntropyLoss(x, o)", None),
        ("o, y = LayerNormalization(x, v)", 4 * 4),
        ("o = Cast <to = 10> (x) m, y = LayerNormalization(o, v)", 4 * 4),
        ("o = Cast <to = 11> (x) m, y = LayerNormalization(o, v)", 8 * 4),
        ("y = QuantizeLinear(x, f)", 24),
        ("y = QuantizeLinear <output_dtype = 5> (x, f)", 2 * 24),
        ("y = QuantizeLinear(x, f, z)", 24),
        ("y = DequantizeLinear(b, f)", 4 * 24),
        ("o = Cast <to = 10> (f) y = DequantizeLinear(b, o)", 2 * 24),
        ("y = HannWindow <output_datatype = 11> (five)", 8 * 5),
        ("y = ArgMin(loose)", None),
    ],
)
def test_the_bytes_at_most(node, expected):
    assert size(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = ReduceSum(list)", fixed(4)),
        ("y = ReduceProd(list)", fixed(-210)),
        ("y = ReduceMax(list)", Value(-7, 6, whole=True)),
        ("y = ReduceMin(list)", Value(-7, 6, whole=True)),
        ("y = ReduceMean(list)", Value(-7, 6)),
        ("y = ReduceMean(one)", fixed(1)),
        ("y = ReduceL1(list)", UNKNOWN),
        ("o = Constant <value_floats = [0.5, 1.0]> () y = ReduceSum(o)", UNKNOWN),
        ("o = Constant <value_floats = [2.0, 5.0]> () y = ReduceSum(o)", fixed(7)),
        ("o = Constant <value_ints = [4294967296, 4294967296]> () y = ReduceProd(o)", UNKNOWN),
        ("y = ReduceSum(none)", UNKNOWN),
        # beyond what a double holds, and beyond what a float does
        ("o = Constant <value_ints = [9007199254740992, 1]> () y = ReduceSum(o)", UNKNOWN),
        ("o = Constant <value_floats = [16777216.0, 1.0]> () y = ReduceSum(o)", UNKNOWN),
        ("p = Reshape(a, one) o = Concat <axis = 0> (list, p) y = ReduceSum(o)", UNKNOWN),
        ("p = Reshape(a, one) m = Gather(list, p) o = Concat <axis = 0> (list, m) y = ReduceSum(o)", Value(-3, 10, whole=True)),
    ],
)
def test_the_number_that_comes_through(node, expected):
    assert numbers(text(node)) == (expected,)


def test_the_largest_of_fractions_is_rounded_outward():
    (found,) = numbers(text("o = Constant <value_floats = [0.5, 1.5]> () y = ReduceMax(o)"))
    assert 0.5 - Fraction(1, 1 << 20) < found.low <= 0.5
    assert 1.5 <= found.high < 1.5 + Fraction(1, 1 << 20)
    assert not found.exact


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        (
            "m = Constant <value_floats = [1.0, 2.0]> () y = BatchNormalization(i, m, m, m, m)",
            "dimensions 3 and 2 do not go together",
        ),
        ("m = Constant <value_floats = [1.0, 2.0]> () y = QuantizeLinear(x, m)", "2 scales for 6 places"),
        (
            "m = Constant <value_floats = [1.0, 2.0, 3.0, 4.0]> () y = QuantizeLinear <axis = 0> (x, m, z)",
            "there are not as many zero points as scales",
        ),
        ("o = Constant <value_int = 0> () y = STFT(g, five, , o)", "frames of no length"),
        ("o = Constant <value_int = 4> () y = DFT(i, five, o)", "axis 4 of 4 dimensions"),
        ("o = Constant <value_ints = [2]> () y = ReduceSum(x, o)", "axis 2 of 2 dimensions"),
    ],
)
def test_what_does_not_go_together(node, detail):
    found = bounds(f"{SIGNATURE} {{ five = Constant <value_int = 5> () {node} }}").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


def test_an_older_version_says_the_axes_in_an_attribute():
    assert shape("(float[4, n] x) => (float[k] y) { y = ReduceSum <axes = [-1], keepdims = 0> (x) }", opset=11) == [4]
    assert shape("(float[4, 5, 6, 1] x) => (float[k] y) { y = DFT <axis = 2> (x) }", opset=17) == [4, 5, 13, 2]


NGRAMS = """max_gram_length = 1, max_skip_count = 0, min_gram_length = 1, mode = "TF", ngram_counts = [0],
    pool_int64s = [1, 2, 3], ngram_indexes = [0, 6, 3]"""


@pytest.mark.parametrize(
    ("node", "name", "expected"),
    [
        ("y, z = StringSplit(t)", "y", [10, 64]),  # as many pieces as characters
        ("y, z = StringSplit(t)", "z", [10]),
        ("o = Reshape(t, q) y, z = StringSplit(o)", "y", None),
        (f"y = TfIdfVectorizer <{NGRAMS}> (m)", "y", [10, 7]),
        (f"y = TfIdfVectorizer <{NGRAMS}> (q)", "y", [7]),
        (f"o = Reshape(m, q) y = TfIdfVectorizer <{NGRAMS}> (o)", "y", None),
    ],
)
def test_texts(node, name, expected):
    assert shape(f"(string[n] t, int64[r] q, int64[n, 6] m) => (float[k] y) {{ {node} }}", name) == expected
