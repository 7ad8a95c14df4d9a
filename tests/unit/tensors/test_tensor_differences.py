"""What became of a tensor: each sort of change, its numbers held against plain numpy, and its borders."""

import ml_dtypes
import numpy as np
import pytest
from stored_kit import of_array, of_parts, outside, record

from mlsign.errors import InputError
from mlsign.onnx.records import StoredOutside
from mlsign.onnx.wire import Region
from mlsign.source import MemorySource
from mlsign.tensors.differences import Change, Quantization, compare
from mlsign.tensors.stored import CHUNK_ELEMENTS, StoredTensor

RNG = np.random.default_rng(6)
WEIGHTS = RNG.standard_normal((40, 50)).astype("f4")


def texts(*items, shape=None, model=b""):
    return of_parts("string", (len(items),) if shape is None else shape, 6, *items, model=model)


def test_identical_tensors_wherever_they_are():
    found = compare(of_array(WEIGHTS), outside("float", WEIGHTS.shape, files={"w.bin": WEIGHTS.tobytes()}))
    assert found.change is Change.IDENTICAL
    assert (found.elements, found.different, found.largest, found.mean, found.relative_l2) == (2000, 0, 0, 0, 0)
    missing = np.full(3, np.nan)
    assert compare(of_array(missing), of_array(missing)).change is Change.IDENTICAL
    assert compare(of_array(np.zeros((0, 3))), of_array(np.zeros((0, 3)))).change is Change.IDENTICAL


def test_a_changed_tensor_in_numbers():
    other = (WEIGHTS + RNG.standard_normal(WEIGHTS.shape) * 0.01).astype("f4")
    found = compare(of_array(WEIGHTS), of_array(other))
    apart = other.astype("f8") - WEIGHTS.astype("f8")
    assert found.change is Change.CHANGED
    assert found.different == (apart != 0).sum()
    assert found.largest == abs(apart).max()
    assert found.mean == pytest.approx(abs(apart).mean(), rel=1e-12)
    assert found.relative_l2 == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(WEIGHTS.astype("f8")), rel=1e-12)
    assert found.zeros == 0


def test_one_bit_of_one_value_in_a_large_tensor():
    values = np.ones(2 * CHUNK_ELEMENTS + 5, "f4")
    other = values.copy()
    other[-1] = np.nextafter(np.float32(1), np.float32(2))
    found = compare(of_array(values), of_array(other))
    assert (found.change, found.different, found.largest) == (Change.CHANGED, 1, 2**-23)


def test_signs_of_zero_and_bits_of_nan_are_changes_without_a_distance():
    old = np.array([0.0, np.nan, 1], "f4")
    new = old.copy()
    new[0], new.view("u4")[1] = -0.0, old.view("u4")[1] + 1
    found = compare(of_array(old), of_array(new))
    assert (found.change, found.different, found.largest, found.unmeasured) == (Change.CHANGED, 2, 0, 0)


def test_values_that_are_not_finite():
    old = np.array([1, np.nan, np.inf, np.inf, 2, np.nan], "f4")
    new = np.array([np.nan, 1, np.inf, -np.inf, 3, np.nan], "f4")
    found = compare(of_array(old), of_array(new))
    assert (found.different, found.unmeasured, found.largest, found.mean) == (4, 3, 1, 1)
    lost = compare(of_array(np.array([np.inf])), of_array(np.array([1.0])))
    assert (lost.largest, lost.mean, lost.relative_l2, lost.unmeasured) == (None, None, None, 1)


def test_what_double_precision_does_not_hold():
    huge = compare(of_array(np.array([-1.7e308])), of_array(np.array([1.7e308])))
    assert (huge.different, huge.largest, huge.mean, huge.relative_l2, huge.unmeasured) == (1, None, None, None, 0)
    tiny = compare(of_array(np.array([1e-300])), of_array(np.array([2e-300])))
    assert (tiny.largest, tiny.relative_l2) == (1e-300, None)
    assert compare(of_array(np.zeros(2)), of_array(np.ones(2))).relative_l2 is None


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_wide_whole_numbers(dtype):
    old, new = np.array([2**62, 5], dtype), np.array([2**62 + 1, 3], dtype)
    found = compare(of_array(old), of_array(new))
    assert (found.different, found.largest, found.mean) == (2, 2, 1.5)


def test_complex_numbers():
    found = compare(of_array(np.array([3j, 1], np.complex64)), of_array(np.array([4, 1], np.complex64)))
    assert (found.change, found.different, found.largest) == (Change.CHANGED, 1, 5)
    widened = compare(of_array(np.array([3j], np.complex64)), of_array(np.array([3j], np.complex128)))
    assert widened.change is Change.RETYPED


def test_pruned_tensors_and_those_that_are_more_than_pruned():
    pruned = np.where(abs(WEIGHTS) < 0.5, np.float32(0), WEIGHTS)
    found = compare(of_array(WEIGHTS), of_array(pruned))
    assert (found.change, found.zeros, found.different) == (Change.PRUNED, (pruned == 0).sum(), (pruned == 0).sum())
    pruned[0, 0] += 1
    assert compare(of_array(WEIGHTS), of_array(pruned)).change is Change.CHANGED
    assert compare(of_array(np.array([0.0, 1])), of_array(np.array([-0.0, 0]))).change is Change.CHANGED
    assert compare(of_array(np.array([np.nan, 1])), of_array(np.array([0.0, 1]))).change is Change.PRUNED


def test_reshaped_tensors():
    found = compare(of_array(WEIGHTS), of_array(WEIGHTS.reshape(-1)))
    assert (found.change, found.different) == (Change.RESHAPED, 0)
    other = WEIGHTS.reshape(-1).copy()
    other[3] += 1
    assert compare(of_array(WEIGHTS), of_array(other)).different == 1
    longer = compare(of_array(WEIGHTS), of_array(np.zeros(3, "f4")))
    assert (longer.change, longer.elements, longer.different, longer.largest) == (Change.RESHAPED, 3, None, None)


def test_retyped_tensors():
    for old, new in (("f4", "f8"), ("f8", "f4"), ("f4", "i2"), ("u8", "i8"), ("?", "f4"), ("i8", "f4")):
        values = np.array([0, 1, 1, 0])
        found = compare(of_array(values.astype(old)), of_array(values.astype(new)))
        assert (found.change, found.different, found.largest) == (Change.RETYPED, 0, 0)
    half = np.array([1.5, np.nan], "f2")
    assert compare(of_array(half), of_array(half.astype("f4"))).change is Change.RETYPED
    odd = compare(of_array(np.array([2**53 + 1])), of_array(np.array([2.0**53])))
    assert (odd.change, odd.different) == (Change.CHANGED, 1)
    assert compare(of_array(np.array([2**63], "u8")), of_array(np.array([2.0**63]))).change is Change.CHANGED
    assert compare(of_array(np.array([1, 0], "?")), of_array(np.array([1, 2.0], "f4"))).change is Change.CHANGED
    brain = of_array(np.array([0x3F80], "u2"), element="bfloat16")
    assert compare(brain, of_array(np.array([1.5], "f2"))).change is Change.CHANGED


@pytest.mark.parametrize(
    ("element", "dtype"),
    [
        ("float16", "f2"),
        ("bfloat16", ml_dtypes.bfloat16),
        ("float8e4m3fn", ml_dtypes.float8_e4m3fn),
        ("float8e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
        ("float8e5m2", ml_dtypes.float8_e5m2),
        ("float8e5m2fnuz", ml_dtypes.float8_e5m2fnuz),
    ],
)
def test_floats_rounded_to_a_smaller_type(element, dtype):
    values = np.concatenate(
        [WEIGHTS.reshape(-1), np.array([0, -0.0, 1e-6, 3e-8, -200, np.inf if element[-1] != "z" else 0], "f4")]
    )
    if element == "float8e4m3fn":
        values[-1] = 0  # has no infinity
    small = values.astype(dtype)
    coarse = of_array(np.ascontiguousarray(small).view("u1" if small.itemsize == 1 else "u2"), element=element)
    for found in (compare(of_array(values), coarse), compare(coarse, of_array(values))):
        assert found.change is Change.QUANTIZED
        apart = small.astype("f8")[:-1] - values.astype("f8")[:-1]
        assert found.largest == abs(apart).max()
    off = values.copy()
    off[7] = values[7] * 1.3
    assert compare(of_array(off), coarse).change is Change.CHANGED


def test_floats_beyond_the_range_of_the_smaller_type():
    values = np.full(200, 3, "f4")
    values[3] = 1e6
    infinite = values.copy()
    infinite[3] = np.inf
    with np.errstate(over="ignore"):
        found = compare(of_array(values), of_array(infinite.astype("f2")))
    assert (found.change, found.clipped, found.unmeasured) == (Change.QUANTIZED, 1, 1)
    values[:3] = -1e6
    lowest = np.maximum(values, -65504).clip(max=65504).astype("f2")
    found = compare(of_array(values), of_array(lowest))
    assert (found.change, found.clipped) == (Change.CHANGED, 4)  # more than one in a hundred


def quantize(values, scale, zero, dtype):
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize(("dtype", "zero"), [("i1", 0), ("u1", 128), ("u1", 77), ("i2", -5), ("i4", 0)])
@pytest.mark.parametrize("given", [True, False])
def test_whole_numbers_with_a_scale(dtype, zero, given):
    scale = np.float32(0.0517 if dtype in ("i1", "u1") else 0.0003)
    codes = quantize(WEIGHTS, scale, zero, dtype)
    how = Quantization(scale=np.array(scale), zero_point=np.array(zero)) if given else None
    found = compare(of_array(WEIGHTS), of_array(codes), quantization=how)
    assert found.change is Change.QUANTIZED
    assert found.largest == pytest.approx(abs((codes.astype("f8") - zero) * float(scale) - WEIGHTS).max(), rel=0.02)
    assert found.relative_l2 < 0.05
    if given:
        assert found.fitted is None
    else:
        assert found.fitted == (pytest.approx(float(scale), rel=0.01), zero)
    back = compare(of_array(codes), of_array(WEIGHTS), quantization=how)
    assert back.change is Change.QUANTIZED
    codes[0, 0] += 2
    assert compare(of_array(WEIGHTS), of_array(codes), quantization=how).change is Change.CHANGED


def test_scales_for_each_channel_and_each_block():
    scale = abs(WEIGHTS).max(axis=1) / 127
    codes = quantize(WEIGHTS, scale[:, None], 0, "i1")
    for axis in (0, -2):
        how = Quantization(scale=scale, axis=axis)
        assert compare(of_array(WEIGHTS), of_array(codes), quantization=how).change is Change.QUANTIZED
    assert compare(of_array(WEIGHTS), of_array(codes)).change is Change.CHANGED  # one scale does not hold them all
    blocks = abs(WEIGHTS.reshape(40, 5, 10)).max(axis=2) / 7
    codes = quantize(WEIGHTS, np.repeat(blocks, 10, axis=1), 0, "i1")
    packed = of_parts("int4", WEIGHTS.shape, 9, ((codes.reshape(-1)[::2] & 15) | (codes.reshape(-1)[1::2] << 4)).tobytes())
    how = Quantization(scale=blocks, axis=1, block=10)
    assert compare(of_array(WEIGHTS), packed, quantization=how).change is Change.QUANTIZED
    last = abs(WEIGHTS[:32].reshape(2, 16, 50)).max(axis=1)
    last = np.concatenate([last, abs(WEIGHTS[32:]).max(axis=0)[None]]) / 127  # the last block is shorter
    codes = quantize(WEIGHTS, np.repeat(last, 16, axis=0)[:40], 0, "i1")
    how = Quantization(scale=last, axis=0, block=16)
    assert compare(of_array(WEIGHTS), of_array(codes), quantization=how).change is Change.QUANTIZED


def test_a_scaled_float_of_eight_bits():
    scale = 0.01
    small = (WEIGHTS / np.float32(scale)).astype(ml_dtypes.float8_e4m3fn)
    coarse = of_array(small.view("u1"), element="float8e4m3fn")
    how = Quantization(scale=np.array([scale]))
    assert compare(of_array(WEIGHTS), coarse, quantization=how).change is Change.QUANTIZED
    assert compare(of_array(WEIGHTS), coarse).change is Change.CHANGED


def test_a_quantization_under_which_every_value_is_the_same():
    codes = np.arange(-50, 50, dtype="i1")
    how = Quantization(scale=np.array([0.5]))
    assert compare(of_array(codes), of_array(codes * np.float32(0.5)), quantization=how).change is Change.RETYPED
    # without it the codes say something else, and a scale is found
    assert compare(of_array(codes), of_array(codes * np.float32(0.5))).change is Change.QUANTIZED


def test_clipped_codes():
    values = np.linspace(-1, 1, 1000, dtype="f4")
    values[:10] = 5
    codes = quantize(values, 1 / 127, 0, "i1")
    how = Quantization(scale=np.array([1 / 127]))
    found = compare(of_array(values), of_array(codes), quantization=how)
    assert (found.change, found.clipped) == (Change.QUANTIZED, 10)
    values[:11] = -5
    found = compare(of_array(values), of_array(quantize(values, 1 / 127, 0, "i1")), quantization=how)
    assert (found.change, found.clipped) == (Change.CHANGED, 11)


def test_a_scale_below_zero_turns_every_value_around():
    values = np.linspace(-1, 1, 1000, dtype="f4")
    codes = quantize(values, 1 / 127, 0, "i1")
    how = Quantization(scale=np.array([-1 / 127]))
    found = compare(of_array(values), of_array(codes), quantization=how)
    assert (found.change, round(found.largest or 0)) == (Change.CHANGED, 2)
    assert compare(of_array(-values), of_array(codes), quantization=how).change is Change.QUANTIZED
    values[:10] = 5
    clipped = quantize(values, 1 / 127, 0, "i1")
    assert compare(of_array(-values), of_array(clipped), quantization=how).clipped == 10


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(100),  # no line
        -np.arange(100),  # one that falls
        np.arange(100) + 1e6,  # its zero is far outside of the type
        np.where(np.arange(100) == 50, np.nan, np.arange(100)),
        np.where(np.arange(100) == 50, 90, np.arange(100) / 3),  # one value too far
        np.where(np.arange(100) == 50, -17, np.arange(100) / 3),  # of another sign
    ],
)
def test_where_no_scale_is_found(values):
    codes = np.arange(100, dtype="i1")
    codes[0] = codes[1]
    assert compare(of_array(values.astype("f4")), of_array(codes)).change is Change.CHANGED
    assert compare(of_array(values.astype("f4")[:10] / 3), of_array(codes[:10])).change is Change.CHANGED


def test_a_scale_is_found_over_many_values_of_which_a_row_is_zero():
    values = np.zeros(200_000, "f4")
    values[:70_000] = RNG.standard_normal(70_000)
    found = compare(of_array(values), of_array(quantize(values, 0.05, 3, "i1")))
    assert (found.change, found.fitted) == (Change.QUANTIZED, (pytest.approx(0.05, rel=1e-3), 3))


def test_empty_tensors_of_two_types():
    assert compare(of_array(np.zeros(0, "f4")), of_array(np.zeros(0, "i1"))).change is Change.RETYPED
    how = Quantization(scale=np.array([1.0]))
    assert compare(of_array(np.zeros(0, "f4")), of_array(np.zeros(0, "i1")), quantization=how).change is Change.RETYPED


@pytest.mark.parametrize(
    "how",
    [
        Quantization(scale=np.ones(3), axis=0),
        Quantization(scale=np.ones(40), axis=2),
        Quantization(scale=np.ones(40), axis=-3),
        Quantization(scale=np.ones(40), zero_point=np.zeros(3), axis=0),
        Quantization(scale=np.array([np.nan])),
        Quantization(scale=np.array([1.0]), zero_point=np.array([np.inf])),
        Quantization(scale=np.ones(40 * 4), axis=1, block=10),
        Quantization(scale=np.ones(0)),
    ],
)
def test_a_quantization_that_does_not_fit_its_tensor(how):
    with pytest.raises(InputError) as caught:
        compare(of_array(WEIGHTS), of_array(WEIGHTS.astype("i1")), quantization=how)
    assert caught.value.code == "tensor.scale"


def test_texts():
    assert compare(texts(b"a", b""), texts(b"a", b"")).change is Change.IDENTICAL
    found = compare(texts(b"a", b""), texts(b"b", b""))
    assert (found.change, found.different, found.zeros, found.largest) == (Change.CHANGED, 1, 1, None)
    assert compare(texts(b"a", b"b"), texts(b"a", b"b", shape=(2, 1))).change is Change.RESHAPED
    assert compare(texts(b"a"), texts(b"a", b"b")).elements == 2
    long = b"x" * 3_000_000
    region = texts(Region(1, 3_000_001), model=b"y" + long)
    assert compare(texts(long), region).change is Change.IDENTICAL
    assert compare(region, texts(long[:-1] + b"y")).change is Change.CHANGED
    assert compare(texts(b"a"), of_array(np.ones(1))).change is Change.CHANGED
    assert compare(of_array(np.ones(1)), texts(b"a")).different is None


def test_texts_that_are_not_all_there():
    nowhere = StoredTensor(
        record=record("string", (1,), StoredOutside(location="x", offset=0, length=None)), model=MemorySource(b"")
    )
    for bad in (texts(b"a", shape=(2,)), texts(1), of_parts("string", (1,), 9, b"x"), nowhere):
        good = texts(*[b"a"] * bad.record.count)
        for pair in ((good, bad), (bad, good)):
            with pytest.raises(InputError) as caught:
                compare(*pair)
            assert caught.value.code == "tensor.payload"


def test_tensors_that_cannot_be_read():
    good, short = of_array(WEIGHTS), of_parts("float", WEIGHTS.shape, 9, b"\0" * 7)
    for pair in ((good, short), (short, good)):
        with pytest.raises(InputError) as caught:
            compare(*pair)
        assert caught.value.code == "tensor.payload"
    odd = of_parts("float6e2m3", (4,), 9, b"\0" * 3)
    with pytest.raises(InputError) as caught:
        compare(odd, odd)
    assert caught.value.code == "tensor.element"
