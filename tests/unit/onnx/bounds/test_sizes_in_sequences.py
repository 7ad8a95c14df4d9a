"""Sequences, optional values and the tables of classical models: how many elements, and how large each is at most."""

import pytest
from paper import bounds, kinds, numbers, operations, shape, size, value

from mlsign.onnx.bounds.amounts import Value
from mlsign.onnx.summary import Unbounded

SIGNATURE = """(float[4, 6] x, float[n, 6] w, int64[r] q, int64 a, float f, float[n] v, int64[5, 0] void, bool b,
    seq(float[n, 6]) l, optional(seq(float[])) m) => (float[e] y)"""
HEAD = """zero = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> () five = Constant <value_int = 5> ()
    parts = Constant <value_ints = [1, 2, 1]> () """


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


def elements(node: str) -> tuple[int | None, list[int | None] | None]:
    """How many elements a sequence has, and the dimensions of each."""
    run, tensor = value(text(node))
    assert tensor.inside is not None
    dims = tensor.inside.dims
    sizes = None if dims is None else [None if dim.high is None else run.space.at_most(dim.high) for dim in dims]
    return None if tensor.count is None else run.space.at_most(tensor.count), sizes


@pytest.mark.parametrize(
    ("node", "count", "inside"),
    [
        ("y = SequenceConstruct(x, x)", 2, [4, 6]),
        ("y = SequenceConstruct(x, w)", 2, [4 + 10, 6]),  # four, or n: more than both
        ("y = SequenceEmpty()", 0, [0]),
        ("o = SequenceEmpty() y = SequenceInsert(o, x)", 1, [4, 6]),
        ("o = SequenceConstruct(x) y = SequenceInsert(o, w)", 2, [14, 6]),
        ("y = SequenceInsert(l, x)", 11, [14, 6]),
        ("o = SequenceConstruct(x) y = SequenceErase(o)", 1, [4, 6]),
        ("y = SplitToSequence(x)", 4, [4, 6]),
        ("y = SplitToSequence <axis = 1> (w)", 6, [10, 6]),
        ("y = SplitToSequence <axis = 1, keepdims = 0> (w)", 6, [10]),
        ("y = SplitToSequence(x, five)", 4, [4, 6]),
        ("y = SplitToSequence <keepdims = 0> (x, five)", 4, None),  # in parts of one, runtimes drop the axis
        ("y = SplitToSequence <keepdims = 0> (x, parts)", 3, [4, 6]),
        ("y = SplitToSequence(x, parts)", 3, [4, 6]),
        ("y = SplitToSequence(x, q)", 14, [4, 6]),
        ("y = SplitToSequence <keepdims = 0> (x, q)", 14, None),
        ("y = SplitToSequence <keepdims = 0> (x, void)", 4, None),
        ("o = Reshape(w, q) y = SplitToSequence(o, parts)", 3, None),
        ("o = Reshape(w, q) y = SplitToSequence(o)", None, None),
        ("o = Reshape(w, q) p = Reshape(q, q) y = SplitToSequence(o, p)", None, None),
        ("o = OptionalGetElement(m) y = SequenceInsert(o, x)", 11, None),
    ],
)
def test_sequences(node, count, inside):
    assert elements(node) == (count, inside)


def test_pieces_of_what_has_no_size_are_as_large_as_all_of_it():
    node = "sum = ReduceSum <keepdims = 0> (q) h = HannWindow(sum) y = SplitToSequence(h)"
    assert elements(node) == (None, None)
    assert size(text(node)) is None


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = ConcatFromSequence <axis = 0> (o)", [2 * 14, 6]),
        ("y = ConcatFromSequence <axis = -1> (o)", [14, 12]),
        ("y = ConcatFromSequence <axis = 0, new_axis = 1> (o)", [2, 14, 6]),
        ("y = ConcatFromSequence <axis = -1, new_axis = 1> (o)", [14, 6, 2]),
        ("y = ConcatFromSequence <axis = -2, new_axis = 1> (o)", [14, 2, 6]),
        ("y = ConcatFromSequence <axis = 0> (p)", []),
        ("y = ConcatFromSequence <axis = 0, new_axis = 1> (p)", [2]),
        ("y = ConcatFromSequence <axis = 0> (u)", [None]),
        ("y = ConcatFromSequence <axis = 0> (z)", None),
        ("y = ConcatFromSequence <axis = 0> (x)", None),
        ("y = SequenceAt(o, five)", None),
        ("y = SequenceAt(o, a)", [14, 6]),
        ("y = SequenceAt(x, a)", None),
        ("y = OptionalGetElement(x)", [4, 6]),
        ("y = Optional(x)", [4, 6]),
        ("y = Optional <type = float[2]> ()", [0]),
        ("y = OptionalHasElement(x)", []),
        (
            "t = SequenceMap <body = b (float[k, 6] c) => (float[j, 6] d) { d = Concat <axis = 0> (c, c) }> (o) y = SequenceAt(t, a)",
            [28, 6],
        ),
    ],
)
def test_what_comes_of_sequences(node, expected):
    head = """o = SequenceConstruct(x, w) p = SequenceConstruct(f, f) loose = Reshape(x, q) z = SequenceConstruct(loose)
        sum = ReduceSum <keepdims = 0> (q) h = HannWindow(sum) u = SequenceConstruct(h) """
    if expected is None:
        assert shape(text(head + node)) is None
    else:
        assert shape(text(head + node)) == expected


def test_the_bytes_of_an_answer_and_of_what_is_put_together():
    assert size(text("y = OptionalHasElement(x)")) == 1
    # what has no known shape may have no elements and as many rows as it likes
    assert size(text("loose = Reshape(x, q) o = SequenceConstruct(loose, loose) y = ConcatFromSequence <axis = 0> (o)")) is None
    assert size(text("o = SequenceConstruct(x, x) y = ConcatFromSequence <axis = 0> (o)")) == 4 * 48


def test_the_length_of_a_sequence_is_a_number():
    assert numbers(text("o = SequenceConstruct(x, w) y = SequenceLength(o)")) == (Value(0, 2, whole=True),)


def test_either_of_two_sequences_has_elements_that_are_either():
    branch = """o = If <then_branch = g () => (seq(float[i, 6]) p) { p = SequenceConstruct(x) },
        else_branch = h () => (seq(float[i, 6]) p) { p = SequenceConstruct(w, w) }> (b) y = Identity(o)"""
    assert elements(branch) == (2, [14, 6])


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("p = Constant <value_int = 2> () y = SequenceAt(o, p)", "place 2 of a sequence of 2"),
        ("p = Constant <value_int = -3> () y = SequenceAt(o, p)", "place -3 of a sequence of 2"),
        ("e = SequenceEmpty() p = Constant <value_int = 0> () y = SequenceAt(e, p)", "place 0 of a sequence of 0"),
        ("e = SequenceEmpty() y = SequenceErase(e)", "place None of a sequence of 0"),
        ("p = Constant <value_int = -4> () y = SequenceInsert(o, x, p)", "place -4 of a sequence of 2"),
        ("p = Constant <value_int = 2> () y = SequenceErase(o, p)", "place 2 of a sequence of 2"),
        (
            "p = Constant <value_ints: ints = []> () y = SequenceErase(o, p)",
            "a place in a sequence is one number, and there is none",
        ),
        ("m6 = Constant <value_ints = [6]> () y = ai.onnx.ml.ArrayFeatureExtractor(x, m6)", "index 6 is outside of 6"),
        ("m6 = Constant <value_ints = [-1]> () y = ai.onnx.ml.ArrayFeatureExtractor(x, m6)", "index -1 is outside of 6"),
    ],
)
def test_what_does_not_go_together(node, detail):
    found = bounds(f"{SIGNATURE} {{ o = SequenceConstruct(x, w) {node} }}").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


@pytest.mark.parametrize(
    "node",
    [
        "p = Constant <value_int = -3> () y = SequenceInsert(o, x, p)",
        "p = Constant <value_int = 2> () y = SequenceInsert(o, x, p)",
        "p = Constant <value_int = -2> () y = SequenceErase(o, p)",
        "y = SequenceErase(o, a)",
        "y = SequenceErase(l)",
    ],
)
def test_places_that_are_there_are_in_order(node):
    assert kinds(text(f"o = SequenceConstruct(x, w) {node}")) == set()


def weights(count: int) -> str:
    return f"coefficients = [{', '.join(['1.0'] * count)}]"


CLASSES = f"ai.onnx.ml.LinearClassifier <{weights(18)}, intercepts = [1.0, 2.0, 3.0], classlabels_ints = [1, 2, 3]>"
WORDS = f'ai.onnx.ml.LinearClassifier <{weights(12)}, intercepts = [1.0, 2.0], classlabels_strings = ["a", "bcd"]>'
LINES = f"ai.onnx.ml.LinearRegressor <{weights(24)}, targets = 4>"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = ai.onnx.ml.OneHotEncoder <cats_int64s = [1, 2, 3]> (w)", [10, 6, 3]),
        ("y = ai.onnx.ml.OneHotEncoder <cats_int64s = [1, 2, 3]> (loose)", None),
        (f"o, y = {CLASSES} (w)", [10, 3]),
        (f"y, o = {CLASSES} (w)", [10]),
        (f"y, o = {CLASSES} (v)", [1]),
        (f"o, y = ai.onnx.ml.LinearClassifier <{weights(6)}, intercepts = [1.0], classlabels_ints = [1]> (w)", [10, 2]),
        (f"o, y = {CLASSES} (loose)", [None, 3]),
        (f"y = {LINES} (w)", [10, 4]),
        ("y = ai.onnx.ml.ArrayFeatureExtractor(w, one)", [10, 1]),
        ("y = ai.onnx.ml.ArrayFeatureExtractor(v, q)", [1, 10]),
        ("p = Reshape(q, q) y = ai.onnx.ml.ArrayFeatureExtractor(v, p)", [1, 10]),
        ("y = ai.onnx.ml.ArrayFeatureExtractor(loose, one)", None),
        ("y = ai.onnx.ml.FeatureVectorizer <inputdimensions = [6, 5]> (w, x)", [10, 11]),
    ],
)
def test_tables(node, expected):
    if expected is None:
        assert shape(text(f"loose = Reshape(x, q) {node}"), ml=3) is None
    else:
        assert shape(text(f"loose = Reshape(x, q) {node}"), ml=3) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("loose = Reshape(x, q) y = ai.onnx.ml.OneHotEncoder <cats_int64s = [1, 2, 3]> (loose)", 4 * 24 * 3),
        (f"o = Cast <to = 11> (w) y = {LINES} (o)", 8 * 40),
        (f"y, o = {WORDS} (w)", (64 + 3) * 10),
        (
            'o = ai.onnx.ml.ZipMap <classlabels_strings = ["a", "bcd", "e", "f", "g", "h"]> (w) y = Identity(o)',
            10 * (6 * (72 + 64 + 3) + 64),
        ),
    ],
)
def test_the_bytes_of_tables(node, expected):
    assert size(text(node), ml=3) == expected


def test_the_arithmetic_of_tables():
    found = operations(f"y = {LINES} (w)", signature="(float[n, 6] w, float f) => (float[e] y)")
    assert found == 60 * (1 + 24)
