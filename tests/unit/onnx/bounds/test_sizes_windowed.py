"""Windows over space, and images that are stretched, sampled or put together: dimensions, arithmetic and memory at most."""

import pytest
from paper import bounds, kinds, operations, shape, size

from mlsign.onnx.summary import Unbounded

SIGNATURE = """(float[2, 3, 20, n] i, float[5, 3, 7, 7] k, float[3, 5, 7, 7] d, float[n, 6] w, float[4, 6] x, int64[r] q, float f,
    float[n] v, float[8, n, 6] s, float[2, 2, 3] u, uint8[1, 2, 9, n] b, uint8[3, 2, 5, 5] c, uint8 z, bool t) => (float[e] y)"""
HEAD = """loose = Reshape(x, q) sum = ReduceSum <keepdims = 0> (q) any = HannWindow(sum) open = Constant <value_ints = [1, 3, 0, 4]> ()
    grid = Constant <value_ints = [2, 4, 5, 2]> () sizes = Constant <value_ints = [7, 8]> () """


def text(node: str) -> str:
    return f"{SIGNATURE} {{ {HEAD} {node} }}"


def expect(node, expected):
    if expected is None:
        assert shape(text(node)) is None
    else:
        assert shape(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        # n is 10 at most, and what is taken away from it counts for nothing: n - 7 + 1 is said to be 10
        ("y = Conv(i, k)", [2, 5, 14, 10]),
        ("y = Conv <pads = [3, 3, 3, 3]> (i, k)", [2, 5, 20, 10]),
        ("y = Conv <strides = [2, 2]> (i, k)", [2, 5, 7, 10 // 2 + 2]),
        ("y = Conv <strides = [3, 3], dilations = [2, 1]> (i, k)", [2, 5, 3, 4 + 2]),
        ('y = Conv <auto_pad = "SAME_UPPER"> (i, k)', [2, 5, 20, 10]),
        ('y = Conv <auto_pad = "SAME_LOWER", strides = [3, 3]> (i, k)', [2, 5, 7, 5]),
        ('y = Conv <auto_pad = "VALID"> (i, k)', [2, 5, 14, 10]),
        ("y = Conv <kernel_shape = [7, 7]> (i, k)", [2, 5, 14, 10]),
        ("y = Conv(loose, k)", None),
        ("y = Conv(i, loose)", None),
        ("y = Conv(i, w)", None),
        ("y = ConvInteger(b, c)", [1, 3, 5, 10]),
        ("y = QLinearConv(b, f, z, c, f, z, f, z)", [1, 3, 5, 10]),
        ("y = ConvTranspose(i, d)", [2, 5, 26, 16]),
        ("y = ConvTranspose <strides = [2, 2]> (i, d)", [2, 5, 45, 25]),
        ("y = ConvTranspose <dilations = [2, 2]> (i, d)", [2, 5, 32, 22]),
        ("y = ConvTranspose <group = 3> (i, d)", [2, 15, 26, 16]),
        ("y = ConvTranspose <output_shape = [50, 60]> (i, d)", [2, 5, 50, 60]),
        # a runtime may make [40, 20] of it, and of a kernel that is smaller than its stride as well
        ('y = ConvTranspose <auto_pad = "SAME_UPPER", strides = [2, 2]> (i, d)', [2, 5, 45, 25]),
        ('y = ConvTranspose <auto_pad = "SAME_UPPER", strides = [9, 9]> (i, d)', [2, 5, 180, 90]),
        ("y = ConvTranspose <pads = [1, 1, 1, 1], output_padding = [1, 1], strides = [2, 2]> (i, d)", [2, 5, 44, 24]),
        ("y = ConvTranspose(loose, d)", None),
        ("y = ConvTranspose(i, loose)", None),
    ],
)
def test_convolutions(node, expected):
    expect(node, expected)


def test_a_dimension_that_may_be_below_nothing_is_stretched_by_its_largest():
    node = """place = Constant <value_ints = [2, 3, 20]> () h = ConstantOfShape <value = int64[1] {0}> (place)
        ten = Constant <value_ints = [10]> () l = Shape(v) m = Neg(l) less = Add(ten, m) ends = Constant <value_floats = [0.0, 1.0]> ()
        a = If <then_branch = g () => (float[2, 3, 20, m] o) { o = OneHot(h, less, ends) },
        else_branch = j () => (float[2, 3, 20, m] p) { p = Identity(i) }> (t) y = ConvTranspose <strides = [4, 4]> (a, d)"""
    assert shape(text(node), "a") == [2, 3, 20, 10 + 10]  # 10 - n, or n
    assert shape(text(node)) == [2, 5, 19 * 4 + 7, 20 * 4 + 7]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (i)", [2, 3, 10, 7]),
        ("o, y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (i)", [2, 3, 10, 7]),
        ("y = AveragePool <kernel_shape = [30, 1], strides = [3, 1]> (i)", [2, 3, 0, 10]),
        ("y = LpPool <kernel_shape = [22, 1], strides = [3, 1]> (i)", [2, 3, 1, 10]),
        ("y = MaxPool <kernel_shape = [2]> (i)", None),
        ("y = MaxPool <kernel_shape = [2, 2]> (loose)", None),
        ("y = GlobalMaxPool(i)", [2, 3, 1, 1]),
        ("y = GlobalAveragePool(loose)", None),
        (
            "o, m = MaxPool <kernel_shape = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2], strides = [2, 2]> (o, m)",
            [2, 3, 2 * 19 + 2, 2 * 10 + 2],
        ),
        (
            "o, m = MaxPool <kernel_shape = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2], pads = [1, 1, 1, 1]> (o, m)",
            [2, 3, 19, 10],
        ),
        (
            "p = Constant <value_ints = [2, 3, 9, 9]> () o, m = MaxPool <kernel_shape = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2]> (o, m, p)",
            [2, 3, 9, 9],
        ),
        ("o, m = MaxPool <kernel_shape = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2]> (o, m, q)", None),
        ("o, m = MaxPool <kernel_shape = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2]> (loose, m)", None),
        (
            "p = Constant <value_ints = [1, 1, 0]> () a = Expand(any, p) m = Cast <to = 7> (a) y = MaxUnpool <kernel_shape = [2]> (a, m)",
            [1, 1, None],
        ),
    ],
)
def test_pools(node, expected):
    expect(node, expected)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("p = Constant <value_floats = [1.0, 2.5]> () y = Resize(x, , p)", [4, 15]),
        ("p = Constant <value_floats = [2.0, 1.0]> () y = Resize(w, , p)", [20, 6]),
        ("p = Constant <value_floats = [0.5, 1.0]> () y = Resize(w, , p)", [6, 6]),
        ("p = Constant <value_floats = [0.7, 1.0]> () y = Resize(x, , p)", [2, 6]),
        ("p = Constant <value_floats = [0.3333333432674408]> () y = Resize <axes = [1]> (x, , p)", [4, 2]),
        ("y = Resize(x, , , sizes)", [7, 8]),
        ("p = Constant <value_ints = [7]> () y = Resize <axes = [-1]> (x, , , p)", [4, 7]),
        ('y = Resize <keep_aspect_ratio_policy = "not_larger"> (x, , , sizes)', [7, 8]),
        ('y = Resize <keep_aspect_ratio_policy = "not_smaller"> (x, , , sizes)', None),
        (
            'p = Constant <value_floats = [1.0, 2.5]> () y = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (x, , p)',
            None,
        ),
        ("p = Constant <value_floats = [1.0]> () y = Resize(x, , p)", None),
        ("p = Constant <value_floats = [1.0]> () y = Resize(loose, , p)", None),
        ("p = Constant <value_floats = [2.0]> () y = Resize(any, , p)", [None]),
        ("l = Shape(w) y = Resize(x, , , l)", [10, 6]),
        ("y = Resize(x, , v)", None),
        ("o = Expand(f, grid) y = GridSample(i, o)", [2, 3, 4, 5]),
        ("y = GridSample(i, loose)", None),
        ("p = Constant <value_ints = [2, 3, 4, 5]> () y = AffineGrid(u, p)", [2, 4, 5, 2]),
        ("p = Constant <value_ints = [2, 3, 4, 5, 6]> () y = AffineGrid(u, p)", [2, 4, 5, 6, 3]),
        ("y = AffineGrid(u, q)", None),
        ("y = Col2Im(s, sizes, sizes)", [8, 10, 7, 8]),
        ("y = Col2Im(s, q, q)", None),
    ],
)
def test_images(node, expected):
    expect(node, expected)


@pytest.mark.parametrize("node", ["RoiAlign <sampling_ratio = 1> (loose, w, q)", "RoiAlign <sampling_ratio = 1> (i, loose, q)"])
def test_regions_of_what_has_no_rank(node):
    assert shape(text(f"y = {node}")) is None


def test_an_older_version_says_the_scales_in_an_attribute():
    assert shape("(float[n, 3] x) => (float[k] y) { y = Upsample <scales = [2.0, 2.5]> (x) }", opset=7) == [20, 7]


def test_an_older_version_has_the_scales_in_second_place():
    made = "(float[n, 3] x) => (float[k] y) { p = Constant <value = float[2] {2.0, 3.0}> () y = Resize(x, p) }"
    assert shape(made, opset=10) == [20, 9]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = Conv(i, k)", 2 * 5 * 14 * 10 * 3 * 49),
        ("y = ConvTranspose(i, d)", 2 * 3 * 20 * 10 * 5 * 49),
        ("y = MaxPool <kernel_shape = [7, 7]> (i)", 2 * 3 * 14 * 10 * 49),
    ],
)
def test_the_arithmetic(node, expected):
    assert operations(node, signature=SIGNATURE) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("y = ConvInteger(b, c)", 4 * 3 * 5 * 10),
        ("y = QLinearConv(b, f, z, c, f, z, f, z)", 3 * 5 * 10),
        ("o, y = MaxPool <kernel_shape = [7, 7]> (i)", 8 * 2 * 3 * 14 * 10),
    ],
)
def test_the_bytes_at_most(node, expected):
    assert size(text(node)) == expected


@pytest.mark.parametrize(
    ("node", "detail"),
    [
        ("y = Conv <group = 2> (i, k)", "dimensions 3 and 6 do not go together"),
        (
            "o = Constant <value = float[5, 1, 1, 1] {1, 2, 3, 4, 5}> () y = Conv <group = 3> (i, o)",
            "5 channels do not divide into 3 groups",
        ),
        ("y = Conv(x, k)", "2 dimensions in place of 4"),
        ("y = ConvTranspose(x, d)", "2 dimensions in place of 4"),
    ],
)
def test_what_does_not_go_together(node, detail):
    found = bounds(f"{SIGNATURE} {{ {node} }}").unknown
    assert [(item.kind, item.detail) for item in found] == [(Unbounded.MISUSE, detail)]


def test_a_size_that_is_not_known_has_no_bound():
    assert kinds(text("y = Resize(x, , v)")) == {Unbounded.SIZE}
