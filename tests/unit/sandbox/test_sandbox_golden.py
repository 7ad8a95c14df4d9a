"""Answers held against golden data: how near is near enough, and what must be the same."""

import numpy as np
import pytest

from mlsign.onnx.golden import GoldenTensor
from mlsign.sandbox.golden import compare_answer

NAN, INF = float("nan"), float("inf")


def tensor(array):
    from mlsign.sandbox.arrays import element_of

    array = np.asarray(array)
    if element_of(array) == "string":
        return GoldenTensor(name="y", element="string", shape=array.shape, texts=tuple(array.reshape(-1).tolist()))
    return GoldenTensor(name="y", element=element_of(array), shape=array.shape, data=array.tobytes())


def compared(wanted, answer, *, rtol=1e-3, atol=1e-6):
    return compare_answer("y", tensor(wanted), answer, rtol=rtol, atol=atol)


def floats(*values, dtype="f4"):
    return np.array(values, dtype=dtype)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
def test_numbers_may_differ_as_far_as_the_set_allows(dtype):
    assert compared(floats(1, 100, dtype=dtype), floats(1.0005, 100, dtype=dtype)) is None
    different = compared(floats(1, 100, dtype=dtype), floats(1, 101, dtype=dtype))
    assert different is not None
    assert different.message == "1 of 2 elements are too far off, the first at [1]"


def test_an_imaginary_part_counts():
    assert compared(np.array([1 + 1j], dtype="c8"), np.array([1 + 2j], dtype="c8")) is not None


@pytest.mark.parametrize(
    ("wanted", "answer", "same"),
    [
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (INF, INF, True),
        (INF, -INF, False),
        (INF, 3e38, False),
        (3e38, INF, False),
        (NAN, INF, False),
        (0.0, -0.0, True),
    ],
)
def test_nan_and_infinity_are_met_by_themselves_alone(wanted, answer, same):
    assert (compared(floats(wanted), floats(answer), rtol=1.0, atol=1e6) is None) is same


@pytest.mark.parametrize("dtype", ["i8", "u8", "i4", "u1"])
def test_integers_are_equal(dtype):
    top = np.iinfo(dtype).max
    assert compared(np.array([top], dtype=dtype), np.array([top], dtype=dtype)) is None
    assert compared(np.array([top], dtype=dtype), np.array([top - 1], dtype=dtype), rtol=1.0, atol=9.0) is not None


def test_booleans_and_texts_are_equal():
    assert compared(np.array([True]), np.array([True])) is None
    assert compared(np.array([True]), np.array([False])) is not None
    texts = np.array(["a", "b"], dtype=object)
    assert compared(texts, np.array(["a", "b"], dtype=object)) is None
    assert compared(texts, np.array(["a", "c"], dtype=object)) is not None


def test_shape_and_type_are_the_same():
    assert compared(floats(1, 2), floats(1, 2).reshape(2, 1)).message == "it has another shape"
    assert compared(floats(1), np.array(1, dtype="f4")).message == "it has another shape"
    assert compared(floats(1), floats(1, dtype="f8")).message == "its elements are of another type"
    assert compared(floats(1), np.array([1], dtype="i4")).message == "its elements are of another type"
    assert compared(floats(1), [floats(1)]).message == "it is no tensor"
    assert compared(floats(1), None).found == "NoneType"


def test_what_is_shown_of_a_text_is_escaped():
    different = compared(np.array(["a"], dtype=object), np.array(["\x1b[31m" + "x" * 999], dtype=object))
    assert "\x1b" not in different.found
    assert len(different.found) < 300
