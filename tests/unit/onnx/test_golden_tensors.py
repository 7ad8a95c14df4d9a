"""Golden tensors: every element type as onnx writes it, in either spelling, and the refusal of what cannot be compared."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlsign.errors import InputError
from mlsign.onnx.golden import decode_golden_tensor
from mlsign.sandbox.golden.golden import array_of

TYPES = ("f4", "f8", "f2", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16")


def decoded(proto, *, cut=None):
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return decode_golden_tensor(data[:cut], where="output_0.pb")


def refused(proto, *, cut=None):
    with pytest.raises(InputError) as caught:
        decoded(proto, cut=cut)
    return caught.value.code


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("raw", [True, False])
def test_every_type_in_either_spelling(dtype, raw):
    values = np.array([[0, 1, 1], [1, 0, 1]] if dtype == "?" else [[0, 1, 100], [3, 4, 5]]).astype(dtype)
    if dtype[0] == "i":
        values[0, 0] = np.iinfo(dtype).min
    if dtype[0] in "iu":
        values[0, 1] = np.iinfo(dtype).max
    element = helper.np_dtype_to_tensor_dtype(values.dtype)
    proto = helper.make_tensor("y", element, values.shape, values.tobytes() if raw else values.reshape(-1).tolist(), raw=raw)
    assert proto.HasField("raw_data") is raw
    found = decoded(proto)
    assert found.name == "y"
    array = array_of(found)
    assert array.dtype == values.dtype
    assert (array == values).all()


def test_texts_scalars_empty_tensors_and_long_rows():
    assert array_of(decoded(numpy_helper.from_array(np.array(["a", "ü", ""], dtype=object), "t"))).tolist() == ["a", "ü", ""]
    assert array_of(decoded(helper.make_tensor("s", TensorProto.FLOAT, (), [2.5]))).item() == 2.5
    assert array_of(decoded(helper.make_tensor("e", TensorProto.FLOAT, (0, 3), []))).shape == (0, 3)
    assert array_of(decoded(helper.make_tensor("e", TensorProto.STRING, (0,), []))).shape == (0,)
    many = np.arange(1_000_000, dtype=np.float32)  # more than the reader keeps in one piece elsewhere
    assert (array_of(decoded(numpy_helper.from_array(many, "m"))) == many).all()
    unpacked = b"\x08\x64\x10\x07" + b"".join(b"\x38" + bytes((number,)) for number in range(100))  # int64_data, one by one
    assert array_of(decoded(unpacked)).tolist() == list(range(100))


def test_what_is_no_whole_tensor_is_refused():
    good = numpy_helper.from_array(np.array([1, 2], dtype=np.float32), "y")
    assert refused(good, cut=-1) == "onnx.wire.truncated"
    assert refused(b"no tensor at all").startswith("onnx.")
    assert refused(b"") == "golden.tensor"
    twice = TensorProto(dims=[1], data_type=TensorProto.FLOAT, raw_data=b"\0" * 4, float_data=[1])
    assert refused(twice) == "golden.tensor"
    assert refused(TensorProto(dims=[2], data_type=TensorProto.FLOAT, raw_data=b"\0" * 4)) == "golden.tensor"
    assert refused(TensorProto(dims=[2**40, 2**40], data_type=TensorProto.FLOAT)) == "golden.tensor"
    assert refused(TensorProto(dims=[-1], data_type=TensorProto.FLOAT)) == "golden.tensor"
    assert refused(good.SerializeToString() + b"\xa0\x06\x01") == "golden.tensor"  # an unknown field


def test_values_in_another_file_are_refused():
    outside = TensorProto(dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    assert refused(outside) == "golden.tensor"


@pytest.mark.parametrize("element", [TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2])
def test_types_that_no_runtime_has_are_refused(element):
    assert refused(TensorProto(dims=[4], data_type=element, raw_data=bytes(3))) == "golden.element"


def test_values_that_their_type_has_not_are_refused():
    assert refused(TensorProto(dims=[1], data_type=TensorProto.UINT8, int32_data=[256])) == "golden.value"
    assert refused(TensorProto(dims=[1], data_type=TensorProto.INT8, int32_data=[128])) == "golden.value"
    assert refused(TensorProto(dims=[1], data_type=TensorProto.UINT32, uint64_data=[2**32])) == "golden.value"
    assert refused(TensorProto(dims=[1], data_type=TensorProto.BOOL, int32_data=[2])) == "golden.value"
    assert refused(TensorProto(dims=[1], data_type=TensorProto.BOOL, raw_data=b"\x02")) == "golden.value"
    assert refused(TensorProto(dims=[1], data_type=TensorProto.STRING, string_data=[b"\xff"])) == "golden.value"
