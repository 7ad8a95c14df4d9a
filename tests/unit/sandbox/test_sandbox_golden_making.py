"""Arrays as golden values and back, and what can be no answer of a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import MIB
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence
from mlsign.sandbox.golden.golden import feed_of
from mlsign.sandbox.golden.making import check_expected, golden_values, show_something
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS


def spec(element="float", *shape, name="y"):
    return ValueSpec(name=name, type=TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape))


def of(kind, inner, element=""):
    return ValueSpec(name="y", type=TypeSpec(kind=kind, element=element, inner=inner))


def value_of(value, declared):
    return golden_values({"y": value}, specs=(declared,))["y"]


@given(st.sampled_from([*ELEMENTS]), st.lists(st.integers(0, 1), max_size=9))
def test_arrays_of_every_type_come_back(element, numbers):
    array = np.array(numbers, dtype=DTYPES.get(element) or RAW_DTYPES[element])
    found = value_of(array, spec(element, None))
    assert (found.name, found.element, found.shape) == ("y", element, (len(numbers),))
    again = feed_of(found)
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)


def test_texts_scalars_and_arrays_in_another_order_come_back():
    assert value_of(np.array([["a", "ü"]]), spec("string", 1, 2)).texts == ("a", "ü")
    assert feed_of(value_of(np.array(2.5, np.float32), spec("float"))).shape == ()
    turned = np.arange(6, dtype=np.int64).reshape(2, 3).T
    assert np.array_equal(feed_of(value_of(turned, spec("int64", 3, 2))), turned)
    big = np.arange(3, dtype=">f8")
    assert feed_of(value_of(big, spec("double", 3))).tolist() == [0, 1, 2]


def test_sequences_maps_and_optionals_come_back():
    tensor = spec("float", None).type
    assert value_of([np.ones(2, np.float32)], of(ValueKind.SEQUENCE, tensor)).items[0].name == ""
    rows = of(ValueKind.SEQUENCE, TypeSpec(kind=ValueKind.MAP, element="int64", inner=spec("float").type))
    found = value_of([{1: 0.5, -1: 1e300}, {}], rows)
    assert isinstance(found, GoldenSequence)
    assert feed_of(found) == [{1: 0.5, -1: np.inf}, {}]
    texts = of(ValueKind.MAP, spec("string").type, "string")
    assert feed_of(value_of({"k": "v\0"}, texts)) == {"k": "v\0"}
    assert feed_of(value_of({"k": True}, of(ValueKind.MAP, spec("bool").type, "string"))) == {"k": True}
    assert feed_of(value_of({"k": 2**63 - 1}, of(ValueKind.MAP, spec("int64").type, "string"))) == {"k": 2**63 - 1}
    assert value_of({"k": 7}, of(ValueKind.MAP, spec("bfloat16").type, "string")).values[0].data == b"\7\0"
    optional = of(ValueKind.OPTIONAL, tensor)
    assert value_of(None, optional) == GoldenOptional(name="y", value=None)
    assert golden_values({}, specs=(optional,))["y"].value is None
    assert value_of(np.ones(1, np.float32), optional).value.name == ""


def test_what_golden_data_cannot_hold_is_refused():
    sparse = ValueSpec(name="y", type=TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(1,)))
    for value, declared in ((None, spec()), ([], spec()), ({}, spec()), (None, sparse)):
        with pytest.raises(InputError) as caught:
            value_of(value, declared)
        assert caught.value.code == "golden.value"
    with pytest.raises(InputError) as caught:  # a worker that was taken over may say so where int32 is declared
        value_of({"k": 2**40}, of(ValueKind.MAP, spec("int32").type, "string"))
    assert caught.value.code == "golden.value"


def refused(values, *outputs, max_bytes=MIB):
    with pytest.raises(InputError) as caught:
        check_expected(values, outputs=outputs, max_bytes=max_bytes)
    return caught.value


def test_what_can_be_an_answer_passes():
    check_expected(
        {"y": np.ones((5, 3), np.float32)}, outputs=(spec("float", 1, 3),), max_bytes=MIB
    )  # exporters write 1 and mean any number
    check_expected({"y": np.array(["a"])}, outputs=(spec("string", "n"),), max_bytes=MIB)
    check_expected({"y": np.ones(2, np.uint16)}, outputs=(spec("bfloat16", 2),), max_bytes=MIB)
    check_expected({"y": np.ones(2, ">i8")}, outputs=(spec("int64", 2),), max_bytes=MIB)


def test_what_can_be_no_answer_is_refused_and_says_what_to_do():
    ones = np.ones((2, 3), np.float32)
    assert refused({"z": ones, "y": ones}, spec("float", 2, 3)).code == "golden.names"
    assert refused({}, spec("float", 2, 3)).code == "golden.names"
    assert refused({"y": ones}, spec("double", 2, 3)).hint == "cast it: array.astype('float64')"
    assert "ml_dtypes.bfloat16" in refused({"y": ones}, spec("bfloat16", 2, 3)).hint
    assert "array of str" in refused({"y": ones}, spec("string", 2, 3)).hint
    assert refused({"y": ones}, spec("float", 2)).code == "golden.shape"
    assert refused({"y": ones}, spec("float", 2, 4)).code == "golden.shape"
    assert refused({"y": np.full(2, 99, np.uint8)}, spec("int4", 2)).code == "input.dtype"
    assert refused({"y": np.full(1000, "")}, spec("string", 1000), max_bytes=1000).code == "golden.size"
    assert "zipmap=False" in refused({"y": ones}, of(ValueKind.SEQUENCE, spec().type)).hint


def test_something_is_shown_by_one_element_that_is_not_nan():
    def tensor(*numbers, element="float", dtype=np.float32):
        array = np.array(numbers, dtype)
        return GoldenTensor(name="", element=element, shape=array.shape, data=array.tobytes())

    nan = tensor(np.nan, np.nan)
    assert show_something([tensor(np.nan, np.inf)])
    assert show_something([nan, tensor(0, element="int8", dtype=np.int8)])
    assert show_something([GoldenTensor(name="", element="string", shape=(1,), texts=("",))])
    assert show_something([GoldenMap(name="", keys=(1, 2), values=(nan, tensor(1.0)))])
    assert show_something([GoldenOptional(name="", value=tensor(1.0))])
    bits = GoldenTensor(name="", element="float8e4m3fn", shape=(1,), data=b"\x7f")
    for nothing in (
        nan,
        tensor(),
        bits,
        GoldenSequence(name="", items=()),
        GoldenSequence(name="", items=(nan,)),
        GoldenMap(name="", keys=(), values=()),
        GoldenOptional(name="", value=None),
        tensor(complex(np.nan, 1), element="complex64", dtype=np.complex64),
    ):
        assert not show_something([nothing])
    assert not show_something([])
