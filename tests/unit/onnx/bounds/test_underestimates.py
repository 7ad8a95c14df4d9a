"""What was once said to be smaller than it turns out to be: texts, order of elements, heads, samples of regions."""

import pytest
from paper import bounds, kinds, numbers, shape, size, value

from mlsign.onnx.summary import Unbounded

PICKED = """flat = Constant <value_ints = [-1]> () r = Reshape(d, flat) at = Constant <value_ints = [1]> () g = Gather(r, at)
    n = Cast <to = 7> (g) y = Expand(x, n)"""


@pytest.mark.parametrize(
    "node",
    [
        "c = Constant <value = float[1, 8, 1, 1] {1, 2, 3, 4, 5, 6, 7, 999}> () d = DepthToSpace <blocksize = 2> (c)",
        "c = Constant <value = float[1, 1, 4, 2] {1, 2, 900, 4, 5, 6, 7, 8}> () d = SpaceToDepth <blocksize = 2> (c)",
    ],
)
def test_blocks_are_put_in_another_order(node):
    text = f"(float[1] x) => (float[k] y) {{ {node} {PICKED} }}"
    assert numbers(text, "d") is None
    assert kinds(text) == {Unbounded.SIZE}


LONG = "a" * 9000
WEIGHT = 64 + 9000


@pytest.mark.parametrize(
    "node",
    [
        f'c = Constant <value_strings = ["{LONG}"]> () y, z = StringSplit <delimiter = ","> (c)',
        f'c = Constant <value_strings = ["{LONG}"]> () f = Reshape(c, none) p = Constant <value_ints = [0, 1]> () y = Pad(t, p, f)',
    ],
)
def test_a_text_that_is_made_of_a_long_one_is_as_long(node):
    text = f"(string[1] t) => (string[k] y) {{ none = Constant <value_ints: ints = []> () {node} }}"
    assert value(text)[1].width == WEIGHT


def test_a_short_text_may_be_replaced_by_a_long_default():
    text = f"""(int64[3] t) => (string[3] y) {{ y = ai.onnx.ml.LabelEncoder <keys_int64s = [1], values_tensor = string[1] {{"a"}},
        default_tensor = string[1] {{"{LONG}"}}> (t) }}"""
    assert size(text) == 3 * WEIGHT


def test_queries_may_have_more_heads_than_values():
    text = """(float[2, 5, 32] q, float[2, 5, 8] k, float[2, 5, 6] v, float[2, 2, 4, 3] p) => (float[a, b, c] y) {
        y, z = LinearAttention <q_num_heads = 8, kv_num_heads = 2> (q, k, v, p) }"""
    assert shape(text, opset=27) == [2, 5, 8 * 3]
    assert shape(text, "z", opset=27) == [2, 2, 4, 3]


def test_values_that_are_kept_may_be_more_than_keys():
    text = """(float[1, 2, 3, 4] q, float[1, 2, 3, 4] k, float[1, 2, 3, 4] v, float[1, 2, 5, 4] pk, float[1, 2, 900, 4] pv)
        => (float[a, b, c, d] y) { y, m, n = Attention (q, k, v, , pk, pv) }"""
    assert shape(text, "m", opset=23) == [1, 2, 8, 4]
    assert shape(text, "n", opset=23) == [1, 2, 903, 4]


REGIONS = "(float[1, 3, 20, 30] x, float[5, 4] r, int64[5] b) => (float[n, c, h, w] y) { y = %s }"


def test_samples_of_regions_cost_memory_and_arithmetic():
    found = bounds(REGIONS % "RoiAlign <sampling_ratio = 100, output_height = 2> (x, r, b)")
    assert found.operations == 5 * 3 * 2 * 100**2
    assert found.peak_bytes == 5 * 2 * 100**2 * 64 + 5 * 3 * 2 * 4


@pytest.mark.parametrize("node", ["RoiAlign (x, r, b)", "RoiAlign <sampling_ratio = 0> (x, r, b)"])
def test_as_many_samples_as_a_region_is_large_are_unknown(node):
    assert kinds(REGIONS % node) == {Unbounded.SIZE}


def test_a_pooled_region_is_no_larger_than_the_image():
    found = bounds(
        "(float[1, 3, 20, 30] x, float[5, 5] r) => (float[n, c, h, w] y) { y = MaxRoiPool <pooled_shape = [2, 2]> (x, r) }"
    )
    assert found.operations == 5 * 3 * 2 * 2 * 20 * 30


def test_a_dimension_to_stretch_to_that_is_below_zero_takes_nothing_away():
    assert shape("(float[1, 1] x) => (float[k, l] y) { s = Constant <value_ints = [-1, 1000]> () y = Expand(x, s) }") == [1, 1000]


def test_a_long_text_in_a_state_of_unknown_rank_stays_long():
    text = f"""(int64[r] q) => (string[k] y) {{ long = Constant <value_strings = ["{LONG}"]> () s0 = Reshape(long, q)
        m = Constant <value_int = 10> () go = Constant <value_int = 1> () c0 = Cast <to = 9> (go)
        y = Loop <body = b (int64 i, bool c, string a) => (bool d, string e)
        {{ d = Identity(c) w = Constant <value_strings = [""]> () e = Concat <axis = 0> (a, w) }}> (m, c0, s0) }}"""
    assert value(text)[1].width == WEIGHT


@pytest.mark.parametrize(
    ("text", "scratch"),
    [
        (
            "(uint8[1, 2, 20, 20] x, uint8[3, 2, 5, 5] w) => (int32[a, b, c, d] y) { y = ConvInteger <pads = [2, 2, 2, 2]> (x, w) }",
            20 * 20 * 2 * 5 * 5,
        ),
        (
            "(float[1, 3, 20, 20] x, float[3, 2, 5, 5] w) => (float[a, b, c, d] y) { y = ConvTranspose (x, w) }",
            20 * 20 * 2 * 5 * 5 * 4,
        ),
        (
            "(float[1, 3, 20, 20] x, float[3, 2, k, k] w) => (float[a, b, c, d] y) { y = ConvTranspose (x, w) }",
            20 * 20 * 2 * 10 * 10 * 4,
        ),
    ],
)
def test_windows_that_are_unfolded_take_memory(text, scratch):
    found = bounds(text)
    assert found.unknown == ()
    assert found.peak_bytes == found.largest_bytes + scratch
