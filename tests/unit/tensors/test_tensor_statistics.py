"""Statistics of tensors, held against plain numpy: exact where they say so, close where they say so."""

import ml_dtypes
import numpy as np
import pytest
from stored_kit import of_array, of_parts

from mlsign.errors import InputError
from mlsign.tensors import statistics
from mlsign.tensors.statistics import BINS, describe
from mlsign.tensors.stored import CHUNK_ELEMENTS


def check(found, values):
    """``values`` are the numbers in double precision."""
    finite = values[np.isfinite(values)]
    assert found.count == values.size
    assert found.zeros == (values == 0).sum()
    assert found.nans == np.isnan(values).sum()
    assert found.infinities == np.isinf(values).sum()
    assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12)
    assert found.deviation == pytest.approx(finite.std(), rel=1e-9, abs=1e-12)
    assert sum(found.histogram.counts) == finite.size
    assert (found.histogram.low, found.histogram.high) == (finite.min(), finite.max())


def bins(values):
    places = (values - values.min()) * (BINS / (values.max() - values.min()))
    return tuple(np.bincount(np.minimum(places.astype(int), BINS - 1), minlength=BINS))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_every_type_of_numpy(dtype):
    values = (np.random.default_rng(3).standard_normal(50_000) * 30).astype(dtype if dtype[0] != "u" else "i4").astype(dtype)
    found = describe(of_array(values))
    check(found, values.astype(np.float64))
    assert type(found.minimum) is (float if dtype[0] == "f" else int)
    assert found.histogram.counts == bins(values.astype(np.float64))
    assert found.distinct == (np.unique(values).size if values.itemsize <= 2 else None)


def test_whole_numbers_that_doubles_do_not_have():
    found = describe(of_array(np.array([2**63 - 1, -(2**63), 5])))
    assert (found.minimum, found.maximum) == (-(2**63), 2**63 - 1)
    assert (found.histogram.counts[0], found.histogram.counts[32], found.histogram.counts[-1]) == (1, 1, 1)
    assert describe(of_array(np.array([2**64 - 1, 2**64 - 3], np.uint64))).minimum == 2**64 - 3


def test_floats_that_numpy_lacks_and_elements_below_a_byte():
    bits = np.arange(2**16, dtype="u2")
    with np.errstate(invalid="ignore"):
        values = bits.view(ml_dtypes.bfloat16).astype(np.float64)
    found = describe(of_array(bits, element="bfloat16"))
    assert found.nans == np.isnan(values).sum()
    assert (found.infinities, found.zeros) == (2, 2)
    assert found.distinct == np.isfinite(values).sum() - 1  # both zeros are one
    check(
        describe(of_array(np.arange(256, dtype="u1"), element="float8e4m3fn")),
        np.arange(256, dtype="u1").view(ml_dtypes.float8_e4m3fn).astype(np.float64),
    )
    found = describe(of_parts("int4", (4,), 9, b"\x8f\x70"))
    assert (found.minimum, found.maximum, found.zeros, found.distinct) == (-8, 7, 1, 4)
    assert type(found.minimum) is int
    found = describe(of_array(np.array([True, False, True])))
    assert (found.minimum, found.maximum, found.mean) == (0, 1, pytest.approx(2 / 3))


def test_large_tensors_keep_their_bins_to_a_thirtieth():
    values = np.random.default_rng(4).standard_normal(2 * CHUNK_ELEMENTS + 77).astype("f4")
    values[-1], values[CHUNK_ELEMENTS + 3] = 9.5, -17
    found = describe(of_array(values))
    check(found, values.astype(np.float64))
    borders = np.linspace(-17, 9.5, BINS + 1)
    near = (borders[1] - borders[0]) / 30
    for border, below in zip(borders[1:], np.cumsum(found.histogram.counts), strict=True):
        assert (values < border - near).sum() <= below <= (values <= border + near).sum()


def test_a_range_that_starts_as_a_point_or_as_next_to_nothing():
    values = np.zeros(3 * CHUNK_ELEMENTS, "f4")
    values[CHUNK_ELEMENTS:] = 1e-30
    values[2 * CHUNK_ELEMENTS :] = -1
    values[-1] = 2.9
    found = describe(of_array(values))
    check(found, values.astype(np.float64))
    assert found.histogram.counts[0] == CHUNK_ELEMENTS - 1
    assert found.histogram.counts[16] == 2 * CHUNK_ELEMENTS
    assert found.histogram.counts[-1] == 1
    constant = describe(of_array(np.full(CHUNK_ELEMENTS + 1, 0.5, "f4")))
    assert constant.histogram == statistics.Histogram(low=0.5, high=0.5, counts=(CHUNK_ELEMENTS + 1,))
    assert describe(of_array(np.full(10, 0.5, "f2"))).histogram.counts == (10,)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_what_is_not_finite_is_counted_and_left_out(dtype):
    values = np.array([np.nan, 1, np.inf, -np.inf, -np.inf, 0, -0.0, 5], dtype)
    found = describe(of_array(values))
    check(found, values.astype(np.float64))
    assert found.distinct == 3
    lost = describe(of_array(np.array([np.nan, np.inf], dtype)))
    assert (lost.nans, lost.infinities, lost.minimum, lost.mean, lost.deviation, lost.histogram) == (1, 1, None, None, None, None)
    nothing = describe(of_array(np.array([], dtype)))
    assert (nothing.count, nothing.minimum, nothing.histogram) == (0, None, None)
    many = np.full(CHUNK_ELEMENTS + 1, np.nan, dtype)
    many[-1] = 7
    assert describe(of_array(many)).mean == 7


def test_values_at_the_ends_of_double_precision():
    wide = describe(of_array(np.array([-1.7e308, 1.7e308, 1.7e308])))
    assert (wide.minimum, wide.maximum, wide.deviation, wide.histogram) == (-1.7e308, 1.7e308, None, None)
    narrow = describe(of_array(np.array([0, 5e-324, 1e-323])))
    assert (narrow.maximum, narrow.histogram, narrow.distinct) == (1e-323, None, 3)
    far = np.full(CHUNK_ELEMENTS + 1, 1e300)
    far[-1] = -1.7e308
    assert describe(of_array(far)).minimum == -1.7e308
    growing = np.full(CHUNK_ELEMENTS + 2, 1e300)
    growing[0], growing[-2], growing[-1] = 0, -1.7e308, 1.7e308
    assert describe(of_array(growing)).histogram is None


def test_far_from_zero_the_spread_stays_right():
    values = 1e9 + np.random.default_rng(5).standard_normal(CHUNK_ELEMENTS + 10)
    assert describe(of_array(values)).deviation == pytest.approx(values.std(), rel=1e-6)


def test_complex_numbers_have_no_order():
    found = describe(of_array(np.array([0, 1j, complex(np.nan, 1), complex(np.inf, 0)], np.complex64)))
    assert (found.count, found.zeros, found.nans, found.infinities) == (4, 1, 1, 1)
    assert (found.minimum, found.histogram) == (None, None)


def test_a_tensor_that_cannot_be_read_to_its_end_has_no_statistics():
    with pytest.raises(InputError):
        describe(of_parts("float", (2,), 9, b"\0" * 4))
    with pytest.raises(InputError):
        describe(of_parts("string", (1,), 6, b"x"))
