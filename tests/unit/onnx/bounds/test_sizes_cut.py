"""Operators that put together, cut, pick and reshape: the dimensions that come out at most."""

import pytest
from paper import bounds, numbers, shape, size

from mlsign.onnx.bounds.amounts import Value, fixed, upto
from mlsign.onnx.summary import Unbounded

HEAD = """zero = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> () two = Constant <value_ints = [2]> ()
    minus = Constant <value_ints = [-1]> () nine = Constant <value_ints = [9]> () front = Constant <value_ints = [-100]> ()
    far = Constant <value_ints = [9223372036854775807]> () both = Constant <value_ints = [0, 1]> ()
    void = Constant <value_ints: ints = []> () row = Constant <value = int64[1, 3] {7, 8, 9}> ()
    grid = Constant <value = int64[2, 2] {1, 2, 3, 4}> () list = Constant <value_ints = [5, 6, 7, 8]> ()
    loose = Reshape(x, q) """
SIGNATURE = "(float[4, 6] x, float[n, 6] w, float[n] v, int64[r] q, int64 a, int64[2] p, float[2, 3, n] c) => (float[k] y)"


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        # what is put together
        ("y = Concat <axis = 0> (x, w)", [4 + 10, 6]),
        ("y = Concat <axis = 1> (x, w)", [10 + 4, 12]),  # one of them may have no elements, and then no one looks
        ("y = Concat <axis = 0> (x, loose)", None),
        ("z = ConstantOfShape(p) y = Concat <axis = 0> (x, z)", [14, 10 + 6]),
        # parts
        ("y, z = Split <axis = 1> (x)", [4, 3]),
        ("y, z, o, u = Split <axis = 1> (x)", [4, 2]),
        ("y, z = Split <axis = 0> (w)", [6, 6]),  # ten in two, rounded up twice
        ("y, z = Split <axis = 0> (loose)", None),
        ("y, z = Split <axis = 0> (x, q)", [4, 6]),
        ("y, z = Split <axis = 0> (w, p)", [10, 6]),
        # cut
        ("y = Slice(loose, zero, one)", None),
        ("y = Slice(x, zero, p)", [4, 6]),
        ("y = Slice(x, one, two, q)", [4, 6]),
        ("y = Slice(x, one, two, zero, q)", [4, 6]),
        ("y = Slice(x, one, two, a)", [4, 6]),
        ("b = Reshape(a, one) y = Slice(x, one, two, b)", [4, 6]),
        ("b = Reshape(a, one) y = Slice(x, one, two, zero, b)", [4, 6]),
        ("y = Slice(x, zero, nine, one, two)", [4, 3]),
        ("y = Slice(w, zero, far)", [10, 6]),
        ("y = Slice(w, zero, two)", [2, 6]),
        ("y = Slice(w, zero, minus)", [10, 6]),
        ("y = Slice(w, zero, far, zero, two)", [6, 6]),
        ("y = Slice(x, minus, front, one, minus)", [4, 6]),
        ("y = Slice(x, two, far, one, minus)", [4, 3]),  # "to the end" is the front to some
        ("y = Slice(w, minus, front, zero, minus)", [10, 6]),
        ("s = Shape(v) y = Slice(x, zero, s)", [4, 6]),
        # picked
        ("y = Gather(loose, both)", None),
        ("y = Gather(x, q)", [10, 6]),
        ("y = Gather <axis = 1> (x, both)", [4, 2]),
        ("b = Constant <value_int = 0> () y = Gather(b, zero)", [1]),
        ("y = NonZero(x)", [2, 24]),
        ("y = NonZero(a)", [1, 1]),
        ("y = NonZero(loose)", [32, 24]),
        ("y, z = TopK(x, two)", [4, 2]),
        ("y, z = TopK(w, q)", [10, 6]),
        ("y, z = TopK <axis = 0> (w, two)", [2, 6]),
        ("y, z = TopK(loose, two)", None),
        ("y = Unique(x)", [24]),
        ("y = Unique <axis = 0> (x)", [4, 6]),
        ("o, y, z, u = Unique <axis = 0> (x)", [24]),
        ("y = Unique <axis = 0> (loose)", None),
        ("b = Cast <to = 9> (q) y = Compress <axis = 0> (x, b)", [4, 6]),
        ("b = Cast <to = 9> (q) y = Compress(x, b)", [24]),
        # boxes and scores
        ("k = Constant <value_ints = [5]> () y = NonMaxSuppression(c, c, k)", [2 * 3 * 5, 3]),
        ("k = Constant <value_ints = [5]> () y = NonMaxSuppression(c, x, k)", [24, 3]),
        ("y = NonMaxSuppression(c, c)", [2 * 3 * 10, 3]),
        ("y = NonMaxSuppression(c, c, minus)", [0, 3]),
        ("z = Constant <value_ints = [2, 4, 6]> () b = Expand(x, z) y = NonMaxSuppression(b, b, nine)", [2 * 4 * 6, 3]),
        # in the middle
        ("y = CenterCropPad(x, both)", [0, 1]),
        ("y = CenterCropPad <axes = [1]> (x, nine)", [4, 9]),
        ("y = CenterCropPad <axes = [-1]> (w, nine)", [10, 9]),
        ("y = CenterCropPad <axes = [0]> (w, nine)", [9, 6]),
        ("y = CenterCropPad(x, p)", [14, 16]),
        ("y = CenterCropPad(loose, both)", None),
        # another shape
        ("y = Reshape(x, minus)", [24]),
        ("y = Reshape(w, minus)", [60]),
        ("t = Max(p, zero) y = Reshape(x, t)", [14, 16]),  # what is zero stands for the dimension that was
        ("t = Max(p, zero) y = Reshape <allowzero = 1> (x, t)", [10, 10]),
        ("s = Shape(w) y = Reshape(w, s)", [10, 6]),
        ("s = Shape(v) y = Reshape(x, s)", [14]),
        ("y = Reshape(x, p)", [24, 24]),  # minus one stands for all that there are
        ("y = Flatten(c)", [2, 30]),
        ("y = Flatten <axis = -1> (c)", [6, 10]),
        ("y = Flatten(loose)", [None, None]),
        ("y = Squeeze(loose)", None),
        ("y = Squeeze(x, void)", None),
        ("y = Squeeze(w)", None),
        ("y = Squeeze(row)", [3]),
        ("y = Squeeze(row, zero)", [3]),
        ("y = Squeeze(row, q)", None),
        ("y = Unsqueeze(loose, zero)", None),
        ("y = Unsqueeze(x, p)", None),
        ("y = Unsqueeze(x, both)", [1, 1, 4, 6]),
        ("y = Transpose(loose)", None),
        ("y = Transpose(x)", [6, 4]),
        ("y = Transpose <perm = [2, 0, 1]> (c)", [10, 2, 3]),
        ("y = Shape(loose)", [32]),
        ("y = Shape <start = 1> (c)", [2]),
        ("y = Shape <start = -9, end = -1> (c)", [2]),
        ("y = Shape <start = 2, end = 1> (c)", [0]),
        ("y = DepthToSpace <blocksize = 2> (x)", [4, 6]),
        ("y = SpaceToDepth <blocksize = 2> (x)", [4, 6]),
    ],
)
def test_the_dimensions_at_most(node, expected):
    if expected is None:
        assert shape(text(node)) is None
    else:
        assert shape(text(node)) == expected


IMAGE = "(float[1, 8, n, 6] x) => (float[a, b, c, d] y)"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("DepthToSpace <blocksize = 2>", [1, 2, 20, 12]),
        ("DepthToSpace <blocksize = 3>", [1, 1, 30, 18]),
        ("SpaceToDepth <blocksize = 2>", [1, 32, 6, 3]),
    ],
)
def test_blocks_of_depth_and_space(node, expected):
    assert shape(f"{IMAGE} {{ y = {node} (x) }}") == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Concat <axis = 0> (list, two)", tuple(map(fixed, (5, 6, 7, 8, 2)))),
        ("y = Concat <axis = 0> (row, row)", None),
        ("s = Constant <value_ints = [1, 3]> () z, y = Split(list, s)", tuple(map(fixed, (6, 7, 8)))),
        ("z, y = Split(list, p)", None),
        ("y = Slice(list, one, minus)", tuple(map(fixed, (6, 7)))),
        ("y = Slice(list, minus, front, zero, minus)", tuple(map(fixed, (8, 7, 6, 5)))),
        ("y = Slice(grid, one, two)", (fixed(3), fixed(4))),
        ("y = Slice(grid, one, two, one)", None),
        ("y = Gather(list, two)", (fixed(7),)),
        ("y = Gather(list, minus)", (fixed(8),)),
        ("y = Gather(list, p)", (Value(5, 8, whole=True),) * 2),
        ("y = Transpose(list)", tuple(map(fixed, (5, 6, 7, 8)))),
        ("y = Transpose(grid)", tuple(map(fixed, (1, 3, 2, 4)))),
        ("y = Transpose <perm = [0, 1]> (grid)", None),
        ("y = Size(x)", (fixed(24),)),
        ("z = Unique(x) y = Size(z)", (upto(24),)),
        ("y = Reshape(grid, minus)", tuple(map(fixed, (1, 2, 3, 4)))),
    ],
)
def test_the_numbers_that_come_through(node, expected):
    assert numbers(text(node)) == expected


def test_what_is_picked_of_an_unknown_shape_is_counted():
    assert size(text("y = Gather(loose, both)")) == 4 * 24 * 2
    assert size(text("y = Squeeze(w)")) == 4 * 60


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("y, z = Split <axis = 0> (x, one)", "there are not as many parts as outputs, or one is below zero"),
        (
            "s = Constant <value_ints = [5, -1]> () y, z = Split(x, s)",
            "there are not as many parts as outputs, or one is below zero",
        ),
        ("y, z = TopK(w, minus)", "the largest -1 of 6"),
        ("y, z = TopK <axis = 0> (w, minus)", "the largest -1 of None"),
        ("k = Constant <value_ints = [0, 0]> () y = Slice(x, k, k, k)", "an axis stands twice"),
        (
            f"k = Constant <value_ints = {list(range(31))}> () y = Unsqueeze(x, k)",
            "a shape of more dimensions than any runtime has",
        ),
    ],
)
def test_what_cannot_be_cut(node, detail):
    found = bounds(text(node)).unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


@pytest.mark.parametrize(
    ("opset", "node", "expected"),
    [
        (8, "y = Slice <starts = [1], ends = [3]> (x)", [2, 6]),
        (8, "y = Slice <starts = [1, 0], ends = [3, 2], axes = [1, 0]> (x)", [2, 2]),
        (8, "y, z = Split <axis = 1, split = [1, 5]> (x)", [4, 1]),
        (1, "y, z = TopK <k = 2> (x)", [4, 2]),
        (11, "y = Squeeze <axes = [0]> (u)", [7]),
        (11, "y = Unsqueeze <axes = [0, 3]> (x)", [1, 4, 6, 1]),
        (1, "y = Reshape <shape = [2, -1]> (x)", [2, 12]),
    ],
)
def test_older_versions_say_it_in_attributes(opset, node, expected):
    assert shape(f"(float[4, 6] x, float[1, 7] u) => (float[k] y) {{ {node} }}", opset=opset) == expected


OPEN = """(float[n, m] x, float[2, 3, n] c, int64[e] q, float[n] v, float[6] o, int64[2] r) => (float[k] y)"""
ENDS = """minus = Constant <value_ints = [-1]> () ten = Constant <value_ints = [10]> () sum = ReduceSum <keepdims = 0> (q)
    void = Constant <value_ints: ints = []> () any = HannWindow(sum) loose = Reshape(x, q) cube = Constant <value_ints = [1, 4, 2, 1]> () blocks = Expand(any, cube) """


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        # of n times m in n rows, m are left over for each; where there are no rows at all, one at most
        (
            "s = Shape(x) z = Constant <value_ints = [0]> () t = Gather(s, z) u = Concat <axis = 0> (t, minus) y = Reshape(x, u)",
            [10, 10 + 1],
        ),
        # ten less n may be less than none, and then it stands for all that there are
        ("s = Shape(v) t = Neg(s) u = Add(ten, t) y = Reshape(v, u)", [None]),
        ("s = Shape(v) t = Neg(s) u = Add(ten, t) y = Reshape(o, u)", [6]),
        ("n = NonZero(x) t = Shape(n) y = Reshape(loose, t)", [2, None]),  # what is not zero may be nothing, which copies
        ("t = Constant <value_ints = [3, -1]> () y = Reshape(loose, t)", [3, 100 // 3 + 2]),
        ("t = Constant <value_ints = [0, -1]> () y = Reshape(loose, t)", [None, None]),
        ("t = Constant <value_ints = [0, -1]> () y = Reshape(any, t)", [None, None]),
        ("t = Constant <value_ints = [2, -1]> () y = Reshape(any, t)", [2, None]),
        ("y = DepthToSpace <blocksize = 2> (blocks)", [1, 1, 4, None]),
        ("y = SpaceToDepth <blocksize = 2> (blocks)", [1, 16, 1, None]),
        ("p = Constant <value_ints = [1, 1, 0]> () u = Expand(any, p) y = NonMaxSuppression(u, u)", [None, 3]),
        ("t = Constant <value_ints = [3, -1]> () y = Reshape(x, t)", [3, 100 // 3 + 2]),
        ("y = Gather(void, q)", [10]),
        ("y = Gather(void, r)", [2]),
        ("y = GatherElements(loose, q)", [10]),
        ("y = GatherND(x, q)", None),
        ("y = GatherND(loose, q)", None),
        ("y = ScatterElements(loose, q, v)", None),
        ("y = ScatterND(loose, q, v)", None),
        ("t = Reshape(cube, q) y = ScatterND(x, t, v)", [10, 10]),
        ("y = TensorScatter <axis = -1> (c, c, r)", [2, 3, 10]),
        ("y = ReverseSequence(loose, q)", None),
    ],
)
def test_what_has_no_bound_leaves_only_its_own_dimension_open(node, expected):
    if expected is None:
        assert shape(f"{OPEN} {{ {ENDS} {node} }}", opset=24) is None
    else:
        assert shape(f"{OPEN} {{ {ENDS} {node} }}", opset=24) == expected
