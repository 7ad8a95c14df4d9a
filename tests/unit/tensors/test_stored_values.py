"""The values of stored tensors: every element type in either spelling, whatever holds them, and what is refused."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from stored_kit import of_parts, of_proto, outside, record

from mlsign.errors import InputError
from mlsign.onnx.records import Stored
from mlsign.onnx.wire import Region
from mlsign.source import MemorySource
from mlsign.tensors import payload
from mlsign.tensors.stored import CHUNK_ELEMENTS, StoredTensor, chunks, has_numbers, stored

NUMPY = ("f4", "f8", "f2", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "c8", "c16")
FOREIGN = {
    "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    "float8e4m3fn": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "float8e4m3fnuz": (TensorProto.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
    "float8e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
    "float8e5m2fnuz": (TensorProto.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
}


def all_of(tensor):
    return np.concatenate([*chunks(tensor)])


def refused(tensor):
    with pytest.raises(InputError) as caught:
        list(chunks(tensor))
    assert caught.value.where
    return caught.value.code


def varints(*numbers):
    out = bytearray()
    for number in numbers:
        rest = number % 2**64
        while rest > 127:
            out.append(rest & 127 | 128)
            rest >>= 7
        out.append(rest)
    return bytes(out)


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("count", [1, 7, 3000])
def test_every_type_of_numpy_in_either_spelling(dtype, raw, count):
    values = np.random.default_rng(1).integers(0, 100, count).astype(dtype)
    if dtype[0] in "iu":
        values[0] = np.iinfo(dtype).min
        values[-1] = np.iinfo(dtype).max
    element = helper.np_dtype_to_tensor_dtype(values.dtype)
    proto = helper.make_tensor("y", element, values.shape, values.tobytes() if raw else values.tolist(), raw=raw)
    assert proto.HasField("raw_data") is raw
    found = all_of(of_proto(proto))
    assert found.dtype == values.dtype
    assert (found == values).all()


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("raw", [True, False])
def test_floats_that_numpy_lacks_are_doubles(name, raw):
    number, dtype = FOREIGN[name]
    bits = np.arange(1, 120).astype("u2" if name == "bfloat16" else "u1")
    proto = TensorProto(name="y", data_type=number, dims=bits.shape)
    if raw:
        proto.raw_data = bits.tobytes()
    else:
        proto.int32_data.extend(bits.tolist())
    found = all_of(of_proto(proto))
    assert found.dtype == np.float64
    assert (found == bits.view(dtype).astype(np.float64)).sum() + np.isnan(found).sum() == bits.size


@pytest.mark.parametrize("name", ["int4", "uint4"])
@pytest.mark.parametrize("raw", [True, False])
def test_elements_below_a_byte(name, raw):
    number = {"int4": TensorProto.INT4, "uint4": TensorProto.UINT4}[name]
    values = np.array([0, 1, 7, -8, -1] if name == "int4" else [0, 1, 7, 15, 8])
    proto = helper.make_tensor("y", number, values.shape, values)
    if raw:
        proto = TensorProto(name="y", data_type=number, dims=proto.dims, raw_data=bytes(proto.int32_data))
    found = all_of(of_proto(proto))
    assert found.dtype == (np.int8 if name == "int4" else np.uint8)
    assert (found == values).all()


def test_elements_of_two_bits_and_floats_of_four():
    assert all_of(of_parts("int2", (5,), 9, b"\xe4\x03")).tolist() == [0, 1, -2, -1, -1]
    assert all_of(of_parts("uint2", (4,), 9, b"\xe4")).tolist() == [0, 1, 2, 3]
    assert all_of(of_parts("float4e2m1", (3,), 9, b"\x71\x0f")).tolist() == [0.5, 6.0, -6.0]


def test_chunks_are_even_whatever_holds_the_values(monkeypatch):
    values = np.random.default_rng(2).integers(-(2**62), 2**62, CHUNK_ELEMENTS + 5)
    raw, typed = of_proto(numpy_helper.from_array(values, "y")), of_proto(helper.make_tensor("y", 7, values.shape, values))
    assert isinstance(raw.record.values.parts[0], Region)
    assert isinstance(typed.record.values.parts[0], Region)
    monkeypatch.setattr(payload, "READ_BYTES", 1000)
    for tensor in (raw, typed, outside("int64", values.shape, files={"w.bin": values.tobytes()})):
        found = [*chunks(tensor)]
        assert [chunk.size for chunk in found] == [CHUNK_ELEMENTS, 5]
        assert (np.concatenate(found) == values).all()


def test_single_integers_and_rows_of_them():
    assert all_of(of_parts("int8", (4,), 5, 1, 2**64 - 1, varints(5, -6))).tolist() == [1, -1, 5, -6]
    assert all_of(of_parts("float", (3,), 4, b"\0\0\x80?", b"\0\0\0@\0\0@@")).tolist() == [1.0, 2.0, 3.0]
    rows = b"".join(b"\x38" + varints(number) for number in range(-50, 100))
    assert all_of(of_proto(TensorProto.FromString(b"\x08\x96\x01\x10\x07" + rows))).tolist() == [*range(-50, 100)]


def test_tensors_without_elements_have_no_chunks():
    assert [*chunks(of_parts("float", (0, 3), 9, b""))] == []
    assert [*chunks(StoredTensor(record=record("float", (0,), None), model=MemorySource(b"")))] == []
    assert all_of(of_parts("float", (), 9, b"\0\0\x80?")).tolist() == [1.0]


def test_a_region_of_another_file():
    files = {"w.bin": bytes(range(16))}
    assert all_of(outside("uint8", (3,), files=files, offset=13)).tolist() == [13, 14, 15]
    assert all_of(outside("uint8", (3,), files=files, offset=2, length=3)).tolist() == [2, 3, 4]
    assert refused(outside("uint8", (3,), files=files, offset=14)) == "tensor.region"
    assert refused(outside("uint8", (3,), files=files, offset=-1)) == "tensor.region"
    assert refused(outside("uint8", (3,), files=files, offset=2**62)) == "tensor.region"
    assert refused(outside("uint8", (3,), files=files, length=4)) == "tensor.payload"
    assert refused(outside("uint8", (3,), files=files, location="../w.bin")) == "tensor.file"
    alone = StoredTensor(record=outside("uint8", (3,), files=files).record, model=MemorySource(b""))
    assert refused(alone) == "tensor.file"


def test_payloads_of_another_length_or_field():
    assert refused(of_parts("float", (2,), 9, b"\0" * 7)) == "tensor.payload"
    assert refused(of_parts("float", (2,), 9, b"\0" * 9)) == "tensor.payload"
    assert refused(of_parts("float", (2,), 9, b"\0" * 8, b"\0" * 8)) == "tensor.payload"  # readers differ on which one counts
    assert refused(of_parts("float", (2,), 9)) == "tensor.payload"
    assert refused(of_parts("float", (2,), 9, 8)) == "tensor.payload"
    assert refused(of_parts("float", (2,), 4, b"\0" * 9, 1)) == "tensor.payload"
    assert refused(of_parts("float", (2,), 4, b"\0" * 4)) == "tensor.payload"
    assert refused(of_parts("float", (1,), 7, 1)) == "tensor.payload"
    assert refused(of_parts("float", (1,), 6, b"x")) == "tensor.payload"
    assert refused(of_parts("int64", (2,), 7, varints(1))) == "tensor.payload"
    assert refused(of_parts("int64", (2,), 7, varints(1, 2, 3))) == "tensor.payload"
    assert refused(of_parts("int4", (3,), 5, varints(1))) == "tensor.payload"
    assert refused(StoredTensor(record=record("float", (1,), None), model=MemorySource(b""))) == "tensor.payload"


def test_shapes_that_nothing_could_hold():
    assert refused(of_parts("float", (-1,), 9, b"")) == "tensor.shape"
    assert refused(of_parts("float", (2**40, 2**40), 9, b"")) == "tensor.shape"
    assert refused(of_parts("float", (0, 2**40, 2**40), 9, b"")) == "tensor.shape"


def test_integers_outside_of_their_type():
    assert refused(of_parts("int8", (1,), 5, 128)) == "tensor.value"
    assert refused(of_parts("uint8", (1,), 5, 2**64 - 1)) == "tensor.value"
    assert refused(of_parts("uint32", (1,), 11, 2**32)) == "tensor.value"
    assert refused(of_parts("float16", (1,), 5, 2**16)) == "tensor.value"
    assert refused(of_parts("uint4", (1,), 5, 256)) == "tensor.value"
    assert refused(of_parts("bool", (1,), 5, 2)) == "tensor.value"
    assert refused(of_parts("bool", (2,), 9, b"\1\2")) == "tensor.value"
    assert all_of(of_parts("uint64", (1,), 11, 2**64 - 1)).tolist() == [2**64 - 1]


def test_integers_that_are_badly_spelled():
    assert refused(of_parts("int64", (1,), 7, b"\x80\x00")) == "tensor.value"  # a needless last byte
    assert refused(of_parts("int64", (1,), 7, b"\xff" * 9 + b"\x02")) == "tensor.value"  # 65 bits
    assert refused(of_parts("int64", (1,), 7, b"\xff" * 10 + b"\x01")) == "tensor.value"
    assert refused(of_parts("int64", (1,), 7, b"\xff" * 12)) == "tensor.value"
    assert refused(of_parts("int64", (1,), 7, b"\xff" * 3)) == "tensor.value"
    assert refused(of_parts("int64", (1,), 7, b"\x01\xff")) == "tensor.value"
    assert all_of(of_parts("int64", (1,), 7, b"\xff" * 9 + b"\x01")).tolist() == [-1]


def test_integers_across_pieces(monkeypatch):
    monkeypatch.setattr(payload, "_PACKED_BYTES", 7)
    numbers = [0, 1, 127, 128, -1, 2**63 - 1, -(2**63), 300, 5]
    assert all_of(of_parts("int64", (9,), 7, varints(*numbers))).tolist() == numbers


def test_what_has_no_numbers():
    for element in ("string", "float6e2m3", ""):
        assert not has_numbers(record(element, (1,), None))
        assert refused(of_parts(element, (1,), 9, b"\0")) == "tensor.element"
    assert has_numbers(record("int4", (1,), None))


def test_a_source_that_ends_early_and_a_name_that_would_move_the_cursor():
    tensor = StoredTensor(
        record=record("float", (4,), Stored(field=9, parts=(Region(8, 24),)), name="\x1b[2J"), model=MemorySource(b"\0" * 20)
    )
    with pytest.raises(InputError) as caught:
        list(stored(tensor))
    assert caught.value.code == "source.truncated"
    with pytest.raises(InputError) as caught:
        list(stored(of_parts("float", (4,), 9, b"", name="\x1b[2J")))
    assert "\x1b" not in str(caught.value)
    assert StoredTensor(record=record("float", (1,), None, name=""), model=MemorySource(b"")).where == "a tensor without a name"
