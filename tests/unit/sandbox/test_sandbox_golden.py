"""Answers held against golden data: how near is near enough, and what must be the same."""

import ml_dtypes
import numpy as np
import pytest

from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence
from mlsign.sandbox.arrays import element_of
from mlsign.sandbox.golden.golden import feed_of, measure, measure_golden
from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.dtypes import RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS

NAN, INF = float("nan"), float("inf")


def tensor(array):
    array = np.asarray(array)
    if element_of(array) == "string":
        return GoldenTensor(name="y", element="string", shape=array.shape, texts=tuple(array.reshape(-1).tolist()))
    return GoldenTensor(name="y", element=element_of(array), shape=array.shape, data=array.tobytes())


def compared(wanted, answer, *, rtol=1e-3, atol=1e-6):
    """As the answer of an output that is declared as what the answer is."""
    element = element_of(answer) if isinstance(answer, np.ndarray) else "float"
    return measure_golden("y", tensor(wanted), answer, type_=of(element), rtol=rtol, atol=atol).difference


def of(element):
    return TypeSpec(kind=ValueKind.TENSOR, element=element)


def held(kind, inner, element=""):
    return TypeSpec(kind=kind, inner=inner, element=element)


def told(expected, answer, type_, *, rtol=1e-3, atol=1e-6):
    """The message of what is different, empty where nothing is."""
    found = measure_golden("y", expected, answer, type_=type_, rtol=rtol, atol=atol).difference
    return "" if found is None else found.message


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


def test_a_signalling_nan_is_a_nan_without_a_word():
    odd = np.array([0x7F800001], np.uint32).view(np.float32)
    assert compared(odd, odd) is None
    assert told(bits("bfloat16", 0x7F81)[0], np.array([0x7F81], np.uint16), of("bfloat16")) == ""


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
    different = compared(texts, np.array(["a", "c"], dtype=object))
    assert different is not None
    assert different.message == "1 of 2 elements are not equal, the first at [1]"


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


FLOATS = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn",
}


def test_the_floats_are_known():
    assert {element for element in RAW_DTYPES if are_floats(element)} == set(FLOATS)


@pytest.mark.parametrize("element", FLOATS)
def test_every_bit_pattern_stands_for_the_number_that_others_read(element):
    codes = np.arange(2 ** min(ELEMENTS[element].bits, 16)).astype(RAW_DTYPES[element])
    with np.errstate(invalid="ignore"):
        theirs = codes.view(getattr(ml_dtypes, FLOATS[element])).astype(np.float64)
    ours = to_floats(codes, element)
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(theirs)]))


def bits(element, *codes):
    array = np.array(codes, RAW_DTYPES[element])
    return GoldenTensor(name="y", element=element, shape=array.shape, data=array.tobytes()), array


def test_floats_that_numpy_lacks_may_differ_as_others_may():
    wanted, same = bits("bfloat16", 0x3F80, 0x7FC0)  # 1 and NaN
    assert told(wanted, same, of("bfloat16")) == ""
    assert told(wanted, np.array([0x3F81, 0x7FFF], np.uint16), of("bfloat16"), rtol=0.01) == ""
    assert told(wanted, np.array([0x3F81, 0x7FC0], np.uint16), of("bfloat16")).startswith("1 of 2 elements are too far off")
    assert told(wanted, np.array([0x3F80, 0x3F80], np.uint16), of("bfloat16"), rtol=1.0, atol=9.0).endswith("at [1]")
    assert told(wanted, same, of("uint16")) == "its elements are of another type"
    assert told(tensor(same), same, of("bfloat16")) == "its elements are of another type"
    answer = np.array([0x4000, 0x7FC0], np.uint16)
    different = measure_golden("y", wanted, answer, type_=of("bfloat16"), rtol=0.0, atol=0.0).difference
    assert (different.expected, different.found) == ("1.0", "2.0")


def test_integers_below_a_byte_are_equal():
    wanted = GoldenTensor(name="y", element="int4", shape=(3,), data=b"\x21\xf8")
    assert told(wanted, np.array([1, 2, 8], np.uint8), of("int4")) == ""
    assert told(wanted, np.array([1, 2, 7], np.uint8), of("int4"), rtol=1.0, atol=99.0).endswith("the first at [2]")


SEQUENCE = held(ValueKind.SEQUENCE, of("float"))


def test_sequences_are_compared_one_by_one():
    wanted = GoldenSequence(name="y", items=(tensor(floats(1)), tensor(floats(1, 2))))
    assert told(wanted, [floats(1), floats(1, 2)], SEQUENCE) == ""
    assert told(wanted, [floats(1), floats(1, 3)], SEQUENCE) == "1 of 2 elements are too far off, the first at [1][1]"
    assert told(wanted, [floats(1)], SEQUENCE) == "it has another length"
    assert told(wanted, [floats(1), floats(1)], SEQUENCE) == "it has another shape at [1]"
    assert told(wanted, floats(1), SEQUENCE) == "it is no sequence"
    assert told(wanted, None, SEQUENCE) == "it is no sequence"
    assert told(tensor(floats(1)), [floats(1)], SEQUENCE) == "it is no tensor"
    assert told(GoldenSequence(name="y", items=()), [], SEQUENCE) == ""
    nested = GoldenSequence(name="y", items=(wanted,))
    assert told(nested, [[floats(1), floats(1, 9)]], held(ValueKind.SEQUENCE, SEQUENCE)).endswith("[0][1][1]")


def map_of(row, dtype="f4"):
    return GoldenMap(name="y", keys=tuple(row), values=tuple(tensor(np.array(value, dtype)) for value in row.values()))


def test_maps_are_compared_key_by_key():
    type_ = held(ValueKind.MAP, of("float"), "string")
    wanted = map_of({"a": 0.25, "b": 0.75})
    assert told(wanted, {"b": 0.7500001, "a": 0.25}, type_) == ""
    assert told(wanted, {"b": 0.75, "a": 0.5}, type_) == "1 of 2 values are too far off, the first at a"
    assert told(wanted, {"a": 0.25, "b": NAN}, type_).endswith("the first at b")
    assert told(wanted, {"a": 0.25}, type_) == "it has other keys, for instance b"
    assert told(wanted, {"a": 0.25, "b": 0.75, "\x1b": 1.0}, type_) == "it has other keys, for instance \\u{1b}"
    assert told(wanted, {1: 0.25, 2: 0.75}, type_).startswith("it has other keys")
    assert told(wanted, [], type_) == "it is no map"
    assert told(map_of({"a": 0.25}, "f8"), {"a": 0.25}, type_) == ""  # as Python's numbers are written
    assert told(map_of({"a": 1}, "i8"), {"a": 1.0}, type_) == "its values are of another type"
    assert told(map_of({"a": 0.5}, "f2"), {"a": 0.5}, type_) == "its values are of another type"
    whole = held(ValueKind.MAP, of("int64"), "int64")
    assert told(map_of({7: 2**60 + 1}, "i8"), {7: 2**60 + 1}, whole) == ""
    assert told(map_of({7: 2**60 + 1}, "i8"), {7: 2**60}, whole, rtol=1.0).startswith("1 of 1 values")
    assert told(map_of({7: "x"}, object), {7: "x"}, held(ValueKind.MAP, of("string"), "int64")) == ""
    assert told(map_of({7: "x"}, object), {7: "y"}, held(ValueKind.MAP, of("string"), "int64")).startswith("1 of 1 values")
    assert told(map_of({}), {}, type_) == ""
    rows = GoldenSequence(name="z", items=(wanted, wanted))
    answer = [{"a": 0.25, "b": 0.75}, {"a": 0.25, "b": 0.0}]
    assert told(rows, answer, held(ValueKind.SEQUENCE, type_)) == "1 of 2 values are too far off at [1], the first at b"


def test_optionals_hold_the_same_or_nothing():
    type_ = held(ValueKind.OPTIONAL, of("float"))
    nothing, something = GoldenOptional(name="y", value=None), GoldenOptional(name="y", value=tensor(floats(1)))
    assert told(nothing, None, type_) == told(something, floats(1), type_) == ""
    assert told(nothing, floats(1), type_) == "it holds something"
    assert told(something, None, type_) == "it is no tensor"
    assert told(something, floats(2), type_).startswith("1 of 1")


def compares(value, type_):
    """How many elements are compared where the answer is the value itself."""
    return measure_golden("y", value, feed_of(value), type_=type_, rtol=0.0, atol=0.0).compared


def test_what_is_fed_and_how_much_is_compared():
    sequence = GoldenSequence(name="q", items=(tensor(floats(1, 2)), tensor(floats(3))))
    assert [array.tolist() for array in feed_of(sequence)] == [[1, 2], [3]]
    assert feed_of(map_of({"a": 0.5, "b": 2})) == {"a": 0.5, "b": 2.0}
    assert feed_of(map_of({-1: 0.5})) == {-1: 0.5}
    assert feed_of(GoldenOptional(name="o", value=None)) is None
    assert feed_of(GoldenOptional(name="o", value=tensor(floats(1)))).tolist() == [1]
    assert feed_of(bits("bfloat16", 0x3F80)[0]).tolist() == [0x3F80]
    assert compares(sequence, SEQUENCE) == 3
    assert compares(map_of({"a": 0.5, "b": 2}), held(ValueKind.MAP, of("float"), "string")) == 2
    assert compares(GoldenOptional(name="o", value=None), held(ValueKind.OPTIONAL, SEQUENCE)) == 0
    assert compares(GoldenOptional(name="o", value=sequence), held(ValueKind.OPTIONAL, SEQUENCE)) == 3
    assert compares(tensor(np.array(["a", "b"], dtype=object)), of("string")) == 2


def far(expected, answer, type_, **tolerance):
    return measure("y", expected, answer, type_=type_, **({"rtol": 0.0, "atol": 0.0} | tolerance))


def test_errors_are_told_beside_what_is_different():
    one = np.float32(1)
    after = np.nextafter(one, np.float32(2))
    found = far(floats(one, 4), floats(after, 4), of("float"))
    assert (found.compared, found.too_far, found.unequal, found.ulps) == (2, 1, 0, 1)
    assert found.absolute == found.relative == 2.0**-23
    assert found.difference.message == "1 of 2 elements are too far off, the first at [0]"
    near = far(floats(one, 4), floats(after, 4), of("float"), atol=2.0**-23)
    assert (near.difference, near.too_far, near.absolute, near.ulps) == (None, 0, 2.0**-23, 1)
    exact = far(floats(1, 4), floats(1, 4), of("float"))
    assert (exact.absolute, exact.relative, exact.ulps) == (0.0, 0.0, 0)
    labels = far(np.array([1, 2]), np.array([1, 3]), of("int64"))
    assert (labels.unequal, labels.absolute, labels.relative, labels.ulps) == (1, None, None, None)


def test_what_lies_behind_a_difference_is_measured_as_well():
    found = far([floats(1), floats(1, 1), floats(2)], [floats(1.5), floats(1), floats(6)], SEQUENCE)
    assert found.difference.message == "1 of 1 elements are too far off, the first at [0][0]"
    assert (found.compared, found.too_far, found.absolute) == (2, 2, 4.0)


def test_a_place_in_several_dimensions_is_told():
    wanted = np.zeros((2, 3, 4), np.float32)
    answer = wanted.copy()
    answer[1, 2, 3] = 1
    assert far(wanted, answer, of("float")).difference.message.endswith("the first at [1, 2, 3]")
    assert far(np.array(0, np.float32), np.array(1, np.float32), of("float")).difference.message.endswith("the first at []")


def test_maps_are_measured_in_ulps_of_their_own_values():
    type_ = held(ValueKind.MAP, of("float"), "string")
    after = float(np.nextafter(np.float32(0.75), np.float32(1)))
    found = far({"a": 0.25, "b": 0.75}, {"b": after, "a": 0.25}, type_)
    assert (found.ulps, found.too_far, found.compared) == (1, 1, 2)
    bits_ = far({1: 0x3F80}, {1: 0x3F81}, held(ValueKind.MAP, of("bfloat16"), "int64"), rtol=0.01)
    assert (bits_.ulps, bits_.difference) == (1, None)


def test_texts_that_differ_in_zeros_at_their_end_are_different():
    type_ = held(ValueKind.MAP, of("string"), "int64")
    assert far({1: "a"}, {1: "a\0"}, type_).unequal == 1
    assert far({1: 2**63}, {1: 2**63 - 1}, held(ValueKind.MAP, of("uint64"), "int64"), rtol=1.0).unequal == 1


def test_golden_data_of_another_kind_than_is_declared_matches_nothing():
    sequence = GoldenSequence(name="y", items=(tensor(np.array([1], dtype="u2")),))
    wanted = held(ValueKind.SEQUENCE, of("bfloat16"))
    assert told(sequence, [np.array([1], np.uint16)], wanted) == "its elements are of another type at [0]"
    optional = GoldenOptional(name="y", value=tensor(np.array([1], dtype="u2")))
    assert (
        told(optional, np.array([1], np.uint16), held(ValueKind.OPTIONAL, of("bfloat16"))) == "its elements are of another type"
    )
    assert told(map_of({"a": 0.5}), floats(1), of("float")) == "it is no map"
