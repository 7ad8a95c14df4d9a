"""Golden values as bytes: read back they are the same, here and by onnx itself."""

import math
import struct

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import MapProto, OptionalProto, SequenceProto, TensorProto, numpy_helper

from mlsign.errors import InputError
from mlsign.interface import ValueKind
from mlsign.onnx import schema
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_encoding import encode_golden_value
from mlsign.onnx.golden_values import MAX_GOLDEN_DEPTH, GoldenMap, GoldenOptional, GoldenSequence, decode_golden_value

KINDS = {
    GoldenTensor: ValueKind.TENSOR,
    GoldenSequence: ValueKind.SEQUENCE,
    GoldenMap: ValueKind.MAP,
    GoldenOptional: ValueKind.OPTIONAL,
}
ELEMENTS = tuple(e for e in schema.ELEMENTS.values() if not e.name.startswith("float6"))

names = st.text(max_size=5)
int64 = st.integers(-(2**63), 2**63 - 1)
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def tensors(draw, shapes=SHAPES):
    element, shape = draw(st.sampled_from(ELEMENTS)), draw(shapes)
    count = math.prod(shape)
    if element.name == "string":
        texts = tuple(draw(st.lists(st.text(max_size=4), min_size=count, max_size=count)))
        return GoldenTensor(name=draw(names), element="string", shape=shape, texts=texts)
    size = -(-count * element.bits // 8)
    data = draw(st.binary(min_size=size, max_size=size))
    if element.name == "bool":
        data = bytes(byte & 1 for byte in data)
    return GoldenTensor(name=draw(names), element=element.name, shape=shape, data=data)


@st.composite
def maps(draw):
    keys = tuple(draw(st.lists(st.text(max_size=4), max_size=3, unique=True) | st.lists(int64, max_size=3, unique=True)))
    values = tuple(draw(tensors(shapes=st.sampled_from([(), (1,)]))) for _ in keys)
    return GoldenMap(name=draw(names), keys=keys, values=values)


def grown(inner):
    return st.one_of(
        st.builds(GoldenOptional, name=names, value=st.none() | inner),
        # A sequence holds values of one kind, whatever they are.
        st.lists(inner, max_size=4).flatmap(
            lambda items: st.builds(
                GoldenSequence, name=names, items=st.just(tuple(i for i in items if type(i) is type(items[0])))
            )
        ),
    )


values = st.recursive(tensors() | maps(), grown, max_leaves=6)


def decoded(data, value):
    return decode_golden_value(data, kind=KINDS[type(value)], where="output_0.pb")


@given(values)
def test_what_was_written_is_read_again(value):
    assert decoded(encode_golden_value(value), value) == value


@given(values, st.data())
def test_whatever_is_read_of_damaged_bytes_is_written_and_read_again(value, draw):
    data = bytearray(encode_golden_value(value))
    for _ in range(draw.draw(st.integers(1, 3))):
        if data:
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        found = decoded(bytes(data), value)
    except InputError:
        return
    assert decoded(encode_golden_value(found), found) == found


@given(tensors())
def test_onnx_reads_the_same_tensor(tensor):
    proto = onnx.load_tensor_from_string(encode_golden_value(tensor))
    assert (proto.name, tuple(proto.dims)) == (tensor.name, tensor.shape)
    assert schema.ELEMENTS[proto.data_type].name == tensor.element
    assert proto.raw_data == tensor.data
    assert tuple(text.decode() for text in proto.string_data) == tensor.texts
    assert not proto.HasField("data_location")
    again = numpy_helper.to_array(proto)
    assert again.shape == tensor.shape


def test_onnx_reads_the_same_sequences_maps_and_optionals():
    x = np.array([[1, 2]], np.float32)
    one = GoldenTensor(name="", element="float", shape=(1, 2), data=x.tobytes())
    half = GoldenTensor(name="", element="float", shape=(), data=struct.pack("<f", 0.5))
    row = GoldenMap(name="", keys=("ü", ""), values=(half, half))
    proto = SequenceProto.FromString(encode_golden_value(GoldenSequence(name="q", items=(one, one))))
    assert proto.name == "q"
    assert [item.tolist() for item in numpy_helper.to_list(proto)] == [[[1, 2]]] * 2
    proto = SequenceProto.FromString(encode_golden_value(GoldenSequence(name="q", items=(row,))))
    assert proto.elem_type == SequenceProto.MAP
    (found,) = proto.map_values
    assert ([key.decode() for key in found.string_keys], found.key_type) == (["ü", ""], TensorProto.STRING)
    # `to_dict` of onnx takes keys of texts for numbers
    numbers = MapProto.FromString(encode_golden_value(GoldenMap(name="m", keys=(-1, 7), values=(half, half))))
    assert numpy_helper.to_dict(numbers) == {-1: 0.5, 7: 0.5}
    for value, wanted in ((one, x), (None, None)):
        proto = OptionalProto.FromString(encode_golden_value(GoldenOptional(name="o", value=value)))
        assert np.array_equal(numpy_helper.to_optional(proto), wanted)
    assert numpy_helper.to_list(SequenceProto.FromString(encode_golden_value(GoldenSequence(name="", items=())))) == []


def test_the_bytes_are_those_that_onnx_writes():
    x = np.arange(300, dtype=np.int64)
    tensor = GoldenTensor(name="x", element="int64", shape=(300,), data=x.tobytes())
    assert encode_golden_value(tensor) == numpy_helper.from_array(x, "x").SerializeToString(deterministic=True)


def nested(depth, inner):
    for _ in range(depth):
        inner = GoldenSequence(name="", items=(inner,))
    return inner


def test_what_nobody_reads_is_not_written():
    one = GoldenTensor(name="n", element="int8", shape=(), data=b"\1")
    row = GoldenMap(name="r", keys=(1,), values=(one,))
    wrong = (
        GoldenSequence(name="", items=(one, row)),
        GoldenMap(name="m", keys=(1, "a"), values=(one, one)),
        GoldenMap(name="m", keys=(2**63,), values=(one,)),
        GoldenMap(name="m", keys=(-(2**63) - 1,), values=(one,)),
        nested(MAX_GOLDEN_DEPTH + 1, one),
        nested(MAX_GOLDEN_DEPTH - 1, row),
        GoldenOptional(name="", value=nested(MAX_GOLDEN_DEPTH, one)),
    )
    for value in wrong:
        with pytest.raises(InputError) as caught:
            encode_golden_value(value)
        assert caught.value.code == "golden.value"
    for value in (nested(MAX_GOLDEN_DEPTH, one), nested(MAX_GOLDEN_DEPTH - 2, row)):
        assert decoded(encode_golden_value(value), value) == value
