"""How far two arrays are apart: in their own terms, in units in the last place, and exactly where the tolerance ends."""

import json
import math
import sys

import ml_dtypes
import numpy as np
import pytest

from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.dtypes import DTYPES, FOREIGN, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS
from mlsign.tensors.measure import MAX_ULPS, Measure, has_fraction, measure_arrays

NAN, INF = float("nan"), float("inf")
PLAIN = {"float16": np.float16, "float": np.float32, "double": np.float64}
SMALL = sorted(element for element in RAW_DTYPES if are_floats(element))


def measured(wanted, found, element="float", *, rtol=0.0, atol=0.0):
    dtype = DTYPES.get(element, RAW_DTYPES.get(element))
    a, b = (np.atleast_1d(np.asarray(side, dtype=dtype)) for side in (wanted, found))
    return measure_arrays(a, b, element=element, rtol=rtol, atol=atol)


def ulps(wanted, found, element="float"):
    return measured(wanted, found, element).ulps


@pytest.mark.parametrize("element", PLAIN)
def test_the_next_number_is_one_ulp_away(element):
    kind = PLAIN[element]
    limits = np.finfo(kind)
    for value in (kind(1), kind(-1), kind(0), limits.tiny, limits.smallest_subnormal, kind(3.14), limits.max, -limits.max):
        toward = kind(0) if abs(value) == limits.max else kind(INF)
        assert ulps(value, np.nextafter(value, toward), element) == 1
        assert ulps(value, value, element) == 0


@pytest.mark.parametrize("element", PLAIN)
def test_ulps_are_steps_across_zero_and_powers_of_two(element):
    kind = PLAIN[element]
    least = np.finfo(kind).smallest_subnormal
    assert ulps(least, -least, element) == 2
    assert ulps(kind(0.0), kind(-0.0), element) == 0
    assert ulps(kind(1), kind(2), element) == 2 ** np.finfo(kind).nmant
    below, above = np.nextafter(kind(2), kind(1)), np.nextafter(kind(2), kind(3))
    assert ulps(below, above, element) == 2


def test_more_steps_than_json_can_tell_stand_for_the_most():
    most = sys.float_info.max
    found = measured(most, -most, "double")
    assert (found.ulps, found.absolute, found.relative) == (MAX_ULPS, most, 2.0)
    assert found.too_far == 1
    assert json.loads(json.dumps(found.ulps)) == MAX_ULPS
    assert measured(most, -most, "double", rtol=1.0, atol=most).too_far == 1  # further apart than any number: no tolerance holds


@pytest.mark.parametrize("element", SMALL)
def test_small_floats_count_the_numbers_that_others_know_between_two(element):
    foreign = np.dtype(getattr(ml_dtypes, FOREIGN[element]))
    codes = np.arange(2 ** min(ELEMENTS[element].bits, 16)).astype(RAW_DTYPES[element])
    with np.errstate(invalid="ignore"):
        values = codes.view(foreign).astype(np.float64)
    there = np.unique(values[np.isfinite(values)])
    rng = np.random.default_rng(7)
    for a, b in rng.choice(codes[np.isfinite(values)], size=(40, 2)):
        between = abs(int(np.searchsorted(there, to_floats(a, element))) - int(np.searchsorted(there, to_floats(b, element))))
        assert ulps(a, b, element) == between


@pytest.mark.parametrize("element", ["float8e4m3fnuz", "float8e5m2fnuz"])
def test_what_would_be_minus_zero_is_no_number(element):
    assert measured([0x80], [0x00], element, atol=1e6) == Measure(compared=1, unequal=1, first=0)
    assert measured([0x80], [0x80], element) == Measure(compared=1)


@pytest.mark.parametrize(
    ("wanted", "found", "unequal"),
    [
        (NAN, NAN, 0),
        (NAN, 1.0, 1),
        (1.0, NAN, 1),
        (INF, INF, 0),
        (INF, -INF, 1),
        (INF, 3e38, 1),
        (3e38, INF, 1),
        (NAN, INF, 1),
    ],
)
def test_what_is_no_number_has_no_distance_and_no_tolerance(wanted, found, unequal):
    assert measured(wanted, found, rtol=1.0, atol=1e30) == Measure(compared=1, unequal=unequal, first=0 if unequal else None)
    beside = measured([wanted, 1.0], [found, 1.5], atol=1.0)
    assert (beside.unequal, beside.too_far, beside.absolute, beside.relative) == (unequal, 0, 0.5, 0.5)


def test_one_part_in_a_thousand_is_measured_as_that():
    found = measured([2.0, -4.0], [2.0, -4.004], "double", rtol=1e-3)
    assert found.absolute == pytest.approx(0.004)
    assert found.relative == pytest.approx(1e-3)


def test_nothing_is_related_to_zero():
    assert measured([0.0], [1e-9], atol=1e-6).relative is None
    assert measured([0.0], [0.0]).relative == 0.0
    both = measured([0.0, 2.0], [1e-9, 2.0], atol=1e-6)
    assert (both.relative, both.absolute) == (0.0, pytest.approx(1e-9))
    assert measured([5e-324], [1e308], "double").relative == sys.float_info.max


@pytest.mark.parametrize("element", ["complex64", "complex128"])
def test_complex_numbers_are_measured_part_by_part(element):
    dtype = DTYPES[element]
    part = np.finfo(dtype).dtype.type
    one, next_ = part(1), np.nextafter(part(1), part(2))
    both = np.array([complex(1, 1), complex(1, 1)], dtype)
    found = np.array([complex(1, 1), complex(one, next_)], dtype)
    seen = measured(both, found, element)
    assert (seen.compared, seen.too_far, seen.unequal, seen.first, seen.ulps) == (2, 1, 0, 1, 1)
    assert seen.absolute == float(next_ - one)
    odd = measured(np.array([complex(1, NAN)], dtype), np.array([complex(1, NAN)], dtype), element)
    assert (odd.wrong, odd.ulps) == (0, 0)
    assert measured(np.array([complex(1, NAN)], dtype), np.array([complex(9, 1)], dtype), element, atol=99.0).unequal == 1


@pytest.mark.parametrize(
    ("element", "wanted", "found"),
    [
        ("int64", [2**62, 1], [2**62, 2]),
        ("uint64", [2**64 - 1, 1], [2**64 - 1, 2]),
        ("int8", [-128, 127], [-128, -127]),
        ("bool", [True, True], [True, False]),
        ("int4", [15, 1], [15, 2]),
    ],
)
def test_integers_and_booleans_are_counted_and_not_measured(element, wanted, found):
    assert measured(wanted, found, element, rtol=1.0, atol=1e6) == Measure(compared=2, unequal=1, first=1)
    assert measured(wanted, wanted, element) == Measure(compared=2)
    assert not has_fraction(element)


def test_texts_are_counted_and_not_measured():
    wanted, found = np.array(["a", "b\0"], dtype=object), np.array(["a", "b"], dtype=object)
    assert measure_arrays(wanted, found, element="string", rtol=1.0, atol=1.0) == Measure(compared=2, unequal=1, first=1)
    assert not has_fraction("string")


@pytest.mark.parametrize("element", PLAIN)
def test_the_tolerance_ends_exactly_where_it_says(element):
    kind = PLAIN[element]
    step = float(np.spacing(kind(1)))
    after = np.nextafter(kind(1), kind(2))
    below = math.nextafter(step, 0.0)
    for tolerance in ({"atol": step}, {"rtol": step}, {"atol": step / 2, "rtol": step / 2}):
        assert measured(kind(1), after, element, **tolerance).wrong == 0
    for tolerance in ({"atol": below}, {"rtol": below}, {"atol": 0.0}):
        assert measured(kind(1), after, element, **tolerance).too_far == 1


def test_the_tolerance_is_relative_to_what_was_expected():
    assert measured(100.0, 101.0, "double", rtol=0.01).wrong == 0
    assert measured(99.0, 100.0, "double", rtol=0.01).wrong == 1


def test_two_large_arrays_are_measured_in_blocks(monkeypatch):
    monkeypatch.setattr("mlsign.tensors.measure._BLOCK", 7)
    wanted = np.arange(1.0, 101.0)
    found = wanted.copy()
    found[[40, 77]] += [0.5, 2.0]
    found[90] = NAN
    seen = measure_arrays(wanted.reshape(10, 10), found.reshape(10, 10), element="double", rtol=0.0, atol=0.6)
    assert (seen.compared, seen.too_far, seen.unequal, seen.first, seen.absolute) == (100, 1, 1, 77, 2.0)
    assert seen.relative == pytest.approx(2 / 78)
    assert seen.wrong == 2


def test_nothing_at_all_is_nothing_compared():
    assert measured([], []) == Measure()


def test_other_shapes_are_not_compared():
    with pytest.raises(ValueError, match="cannot be compared"):
        measure_arrays(np.zeros(2), np.zeros((2, 1)), element="double", rtol=0.0, atol=0.0)
