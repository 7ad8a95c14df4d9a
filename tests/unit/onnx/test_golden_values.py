"""Golden values of every kind, as onnx writes them, and the refusal of what is not exactly one of them."""

import random
import struct

import numpy as np
import onnx
import pytest
from onnx import MapProto, OptionalProto, SequenceProto, TensorProto, helper, numpy_helper

from mlsign.errors import InputError
from mlsign.interface import ValueKind
from mlsign.limits import Limits
from mlsign.onnx import golden_values, schema
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, decode_golden_value

KINDS = {
    SequenceProto: ValueKind.SEQUENCE,
    MapProto: ValueKind.MAP,
    OptionalProto: ValueKind.OPTIONAL,
    TensorProto: ValueKind.TENSOR,
}
X = np.array([[1, 2]], dtype=np.float32)
ONE = GoldenTensor(name="", element="float", shape=(1, 2), data=X.tobytes())


def decoded(proto, *, kind=None, limits=None):
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return decode_golden_value(data, kind=kind or KINDS[type(proto)], where="output_0.pb", limits=limits or Limits())


def refused(proto, *, kind=None, limits=None):
    with pytest.raises(InputError) as caught:
        decoded(proto, kind=kind, limits=limits)
    assert len(str(caught.value)) < 500
    return caught.value.code


def map_of(keys, values, **fields):
    texts = bool(keys) and isinstance(keys[0], str)
    out = MapProto(key_type=TensorProto.STRING if texts else TensorProto.INT64, **fields)
    (out.string_keys if texts else out.keys).extend([key.encode() for key in keys] if texts else keys)
    out.values.CopyFrom(numpy_helper.from_list([np.float32(value) for value in values], dtype=SequenceProto.TENSOR))
    return out


def sequence_of(*protos, kind=SequenceProto.TENSOR):
    out = SequenceProto(elem_type=kind)
    where = {
        TensorProto: "tensor_values",
        MapProto: "map_values",
        SequenceProto: "sequence_values",
        OptionalProto: "optional_values",
    }
    for proto in protos:
        getattr(out, where[type(proto)]).append(proto)
    return out


@pytest.mark.parametrize(
    ("message", "proto"), [(schema.SEQUENCE, SequenceProto), (schema.MAP, MapProto), (schema.OPTIONAL, OptionalProto)]
)
def test_the_tables_are_those_of_onnx(message, proto):
    fields = {field.number: field.name for field in proto.DESCRIPTOR.fields}
    assert dict(message.names) == fields
    assert message.name == proto.DESCRIPTOR.name


def test_sequences_and_optionals_as_onnx_writes_them():
    found = decoded(numpy_helper.from_list([X, X[:, :1], np.array(["a", "ü"])], "q"))
    assert found.name == "q"
    assert [item.shape for item in found.items] == [(1, 2), (1, 1), (2,)]
    assert found.items[0] == ONE
    assert found.items[2].texts == ("a", "ü")
    assert decoded(numpy_helper.from_list([], "q")) == GoldenSequence(name="q", items=())
    assert decoded(numpy_helper.from_list([[X], []])).items == (
        GoldenSequence(name="", items=(ONE,)),
        GoldenSequence(name="", items=()),
    )
    assert decoded(numpy_helper.from_optional(X, "o")) == GoldenOptional(name="o", value=ONE)
    assert decoded(numpy_helper.from_optional(None, "o")) == GoldenOptional(name="o", value=None)
    assert decoded(numpy_helper.from_optional(None, "o", OptionalProto.TENSOR)) == GoldenOptional(name="o", value=None)
    assert decoded(numpy_helper.from_optional([X])).value == GoldenSequence(name="", items=(ONE,))


def test_maps_as_onnx_writes_them():
    row = {1: np.float32(0.25), -7: np.float32(0.75)}
    values = tuple(GoldenTensor(name="", element="float", shape=(), data=struct.pack("<f", x)) for x in (0.25, 0.75))
    expected = GoldenMap(name="", keys=(1, -7), values=values)
    assert decoded(numpy_helper.from_dict(row)) == expected
    assert decoded(numpy_helper.from_list([row, row], "z")) == GoldenSequence(name="z", items=(expected, expected))
    texts = decoded(map_of(["a", "ü"], [0.25, 0.75], name="m"))
    assert (texts.name, texts.keys, texts.values) == ("m", ("a", "ü"), values)
    assert decoded(map_of([], [])) == GoldenMap(name="", keys=(), values=())
    small = MapProto(key_type=TensorProto.INT8, keys=[-128, 127])
    small.values.CopyFrom(numpy_helper.from_list([X[0, :1], X[0, :1]]))
    assert decoded(small).keys == (-128, 127)


def test_tensors_are_read_as_before():
    assert decoded(numpy_helper.from_array(X, "y")) == GoldenTensor(name="y", element="float", shape=(1, 2), data=X.tobytes())


WRONG = {
    "empty": b"",
    "no_kind": SequenceProto(tensor_values=[numpy_helper.from_array(X)]),
    "no_kind_of_optional": OptionalProto(tensor_value=numpy_helper.from_array(X)),
    "undefined": SequenceProto(elem_type=0),
    "sparse": SequenceProto(elem_type=SequenceProto.SPARSE_TENSOR),
    "unknown_kind": SequenceProto(elem_type=99),
    "kind_of_another_field": sequence_of(numpy_helper.from_array(X), kind=SequenceProto.MAP),
    "two_fields": sequence_of(numpy_helper.from_array(X), map_of([1], [1])),
    "optional_of_another_kind": OptionalProto(elem_type=OptionalProto.SEQUENCE, tensor_value=numpy_helper.from_array(X)),
    "undefined_optional_with_a_value": OptionalProto(elem_type=0, tensor_value=numpy_helper.from_array(X)),
    "sparse_optional": OptionalProto(elem_type=OptionalProto.SPARSE_TENSOR, sparse_tensor_value=onnx.SparseTensorProto()),
    "key_twice": map_of([1, 1], [1, 2]),
    "text_twice": map_of(["a", "a"], [1, 2]),
    "more_keys": map_of([1, 2], [1]),
    "more_values": map_of([1], [1, 2]),
    "no_values": MapProto(key_type=TensorProto.INT64, keys=[1]),
    "wide_values": None,
    "no_key_type": MapProto(keys=[1], values=numpy_helper.from_list([X[0, :1]])),
    "float_keys": MapProto(key_type=TensorProto.FLOAT, keys=[1], values=numpy_helper.from_list([X[0, :1]])),
    "keys_of_both_types": MapProto(
        key_type=TensorProto.STRING, keys=[1], string_keys=[b"a"], values=numpy_helper.from_list([X[0, :1]])
    ),
    "text_keys_of_a_number": MapProto(key_type=TensorProto.INT64, string_keys=[b"a"], values=numpy_helper.from_list([X[0, :1]])),
    "key_beyond_its_type": MapProto(key_type=TensorProto.INT8, keys=[128], values=numpy_helper.from_list([X[0, :1]])),
    "negative_key_of_an_unsigned_type": MapProto(
        key_type=TensorProto.UINT8, keys=[-1], values=numpy_helper.from_list([X[0, :1]])
    ),
    "key_not_utf8": MapProto(key_type=TensorProto.STRING, string_keys=[b"\xff"], values=numpy_helper.from_list([X[0, :1]])),
    "map_of_sequences": MapProto(key_type=TensorProto.INT64, keys=[1], values=numpy_helper.from_list([[X]])),
}
WRONG["wide_values"] = MapProto(key_type=TensorProto.INT64, keys=[1], values=numpy_helper.from_list([X]))


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_value_of_its_kind_is_refused(name):
    proto = WRONG[name]
    assert refused(proto, kind=ValueKind.SEQUENCE if isinstance(proto, bytes) else None) == "golden.value"


def test_one_kind_is_not_read_as_another():
    protos = [
        numpy_helper.from_array(X, "y"),
        numpy_helper.from_list([X], "y"),
        map_of([1], [1]),
        numpy_helper.from_optional(X, "y"),
    ]
    kinds = [ValueKind.TENSOR, ValueKind.SEQUENCE, ValueKind.MAP, ValueKind.OPTIONAL]
    for proto, own in zip(protos, kinds, strict=True):
        decoded(proto, kind=own)
        for kind in kinds:
            if {own, kind} == {ValueKind.SEQUENCE, ValueKind.OPTIONAL}:
                continue  # one tensor in either is the same bytes
            if kind is not own:
                assert refused(proto, kind=kind).startswith(("golden.", "onnx.")), (own, kind)
    for kind in kinds:
        assert refused(b"\xff\xff", kind=kind).startswith("onnx.wire."), kind
    assert refused(b"", kind=ValueKind.SPARSE_TENSOR) == "golden.value"


def test_unknown_and_repeated_fields_are_refused():
    good = numpy_helper.from_list([X], "y").SerializeToString()
    assert refused(good + b"\xa0\x06\x01", kind=ValueKind.SEQUENCE) == "golden.tensor"
    assert refused(good + b"\x10\x01", kind=ValueKind.SEQUENCE) == "golden.tensor"
    assert refused(good[:-1], kind=ValueKind.SEQUENCE) == "onnx.wire.truncated"
    twice = numpy_helper.from_optional(X).SerializeToString()
    assert refused(twice + twice, kind=ValueKind.OPTIONAL) == "golden.tensor"
    bad = sequence_of(TensorProto(dims=[2], data_type=TensorProto.FLOAT, raw_data=bytes(4)))
    assert refused(bad) == "golden.tensor"
    outside = TensorProto(dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    assert refused(sequence_of(outside)) == "golden.tensor"


def test_depth_and_number_are_bounded(monkeypatch):
    proto = numpy_helper.from_list([X])
    for _ in range(7):
        proto = sequence_of(proto, kind=SequenceProto.SEQUENCE)
    assert decoded(proto)
    assert refused(sequence_of(proto, kind=SequenceProto.SEQUENCE)) == "golden.value"
    deep = b"\x10\x01"
    while len(deep) < 100_000:
        deep = b"\x10\x03\x2a" + bytes((len(deep) & 127 | 128, len(deep) >> 7 & 127 | 128, len(deep) >> 14)) + deep
    assert refused(deep, kind=ValueKind.SEQUENCE) == "golden.value"
    many = SequenceProto(elem_type=SequenceProto.SEQUENCE)
    for _ in range(30):
        many.sequence_values.append(SequenceProto(elem_type=SequenceProto.TENSOR))
    monkeypatch.setattr(golden_values, "MAX_GOLDEN_VALUES", 29)
    assert refused(many) == "golden.value"
    monkeypatch.setattr(golden_values, "MAX_GOLDEN_VALUES", 30)
    assert decoded(many)
    assert refused(b"\x10\x01" + b"\x1a\x00" * 1000, kind=ValueKind.SEQUENCE) == "onnx.limit.fields"
    assert refused(numpy_helper.from_list([X, X]), limits=Limits(max_tensors=1)) == "golden.value"


@pytest.mark.parametrize(
    ("element", "values"),
    [
        ("BFLOAT16", [0.5, -2.0, 3.0]),
        ("FLOAT8E4M3FN", [0.5, -2.0, 3.0]),
        ("FLOAT8E5M2", [0.5, -2.0, 3.0]),
        ("FLOAT8E8M0", [0.5, 2.0, 4.0]),
        ("INT4", [1, -2, 7]),
        ("UINT4", [1, 2, 15]),
        ("FLOAT4E2M1", [0.5, -2.0, 3.0]),
        ("INT2", [1, -2, 0]),
        ("UINT2", [1, 2, 3]),
    ],
)
def test_elements_that_numpy_lacks_in_either_spelling(element, values):
    number = TensorProto.DataType.Value(element)
    typed = helper.make_tensor("y", number, [3], values)
    array = numpy_helper.to_array(typed)
    raw = numpy_helper.from_array(array, "y")
    assert raw.HasField("raw_data")
    assert not typed.HasField("raw_data")
    found = decoded(typed)
    assert found == decoded(raw)
    assert found.element == element.lower()
    assert len(found.data) == len(raw.raw_data)


def test_bytes_of_any_kind_are_a_value_or_refused():
    rng = random.Random(5)  # noqa: S311  a seed that repeats is the point
    row = map_of(["a", "b"], [0.25, 0.75])
    seeds = [
        numpy_helper.from_list([X, X], "q"),
        sequence_of(row, row, kind=SequenceProto.MAP),
        numpy_helper.from_optional(X, "o"),
        map_of([1, 2, 3], [1, 2, 3]),
        numpy_helper.from_list([[X], [X, X]]),
        helper.make_tensor("y", TensorProto.INT4, [3], [1, 2, 3]),
    ]
    read = 0
    for _ in range(4000):
        data = bytearray(rng.choice(seeds).SerializeToString())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
            data = data or bytearray(1)
        try:
            decode_golden_value(bytes(data), kind=rng.choice(list(KINDS.values())), where="f", limits=Limits())
        except InputError as err:
            assert err.code.startswith(("onnx.", "golden.")), err.code
        else:
            read += 1
    assert read > 20
