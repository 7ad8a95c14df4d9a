"""Feeds against what a model takes, results against what it declares, and layers against what is asked for."""

import ml_dtypes
import numpy as np
import pytest

from mlsign.errors import InputError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.arrays import decode_array, encode_array
from mlsign.sandbox.layers import FULL, REQUIRED, Isolation, Layer, missing_layers
from mlsign.sandbox.outputs import mismatch
from mlsign.sandbox.tensors import check_feeds
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor
from mlsign.tensors.bits import pack, unpack
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS


def spec(name="x", element="float", shape=("n", 2), kind=ValueKind.TENSOR, inner=None):
    return ValueSpec(name=name, type=TypeSpec(kind=kind, element=element, shape=shape, inner=inner))


X = np.zeros((3, 2), np.float32)


def code_of(feeds, *inputs, limits=None):
    with pytest.raises(InputError) as caught:
        check_feeds(feeds, inputs=inputs, limits=limits or Limits())
    return caught.value.code


def test_what_is_asked_for_is_taken():
    found = check_feeds({"x": X, "y": np.array(["a"])}, inputs=(spec(), spec("y", "string", (None,))))
    assert found["x"] == Tensor("float", (3, 2), X.data.cast("B"))
    assert found["y"] == Strings((1,), ("a",))


@pytest.mark.parametrize(
    ("feeds", "inputs", "code"),
    [
        ({"x": X, "z": X}, (spec(),), "input.name"),
        ({}, (spec(),), "input.missing"),
        ({"x": X.astype(np.float64)}, (spec(),), "input.dtype"),
        ({"x": X.astype(np.int64)}, (spec(),), "input.dtype"),
        ({"x": [[1.0, 2.0]]}, (spec(),), "input.dtype"),
        ({"x": X.astype("S1")}, (spec(element="string"),), "input.dtype"),
        ({"x": X.astype("datetime64[s]")}, (spec(),), "input.dtype"),
        ({"x": np.array([["a", 1]], dtype=object)}, (spec(element="string"),), "input.dtype"),
        ({"x": np.array([["a", None]], dtype=object)}, (spec(element="string"),), "input.dtype"),
        ({"x": np.array([["a", "\ud800"]], dtype=object)}, (spec(element="string"),), "input.dtype"),
        ({"x": X[0]}, (spec(),), "input.shape"),
        ({"x": X[:, :1]}, (spec(),), "input.shape"),
        ({"x": X, "y": X[:2]}, (spec(), spec("y")), "input.shape"),
        ({"x": X[:, :1].repeat(4, 1)}, (spec(shape=("n", "n")),), "input.shape"),
        ({"x": X}, (spec(element="bfloat16"),), "input.dtype"),
        ({"x": X.astype(np.float16)}, (spec(element="bfloat16"),), "input.dtype"),
        ({"x": X.astype(np.uint8)}, (spec(element="bfloat16"),), "input.dtype"),
        ({"x": X.astype(np.uint16)}, (spec(element="float8e5m2"),), "input.dtype"),
        ({"x": X.astype(np.int8)}, (spec(element="int4"),), "input.dtype"),
        ({"x": X.astype(np.uint8) + 16}, (spec(element="int4"),), "input.dtype"),
        ({"x": X.astype(np.uint8) + 4}, (spec(element="uint2"),), "input.dtype"),
        ({"x": X}, (spec(element="float6e2m3"),), "input.kind"),
        ({"x": X}, (spec(element=""),), "input.kind"),
        ({"x": X}, (spec(kind=ValueKind.SPARSE_TENSOR),), "input.kind"),
    ],
)
def test_what_is_not_asked_for_is_refused(feeds, inputs, code):
    assert code_of(feeds, *inputs) == code


@pytest.mark.parametrize("empty", [np.array([""]), np.array([""], dtype=object)])
def test_texts_are_counted_before_they_become_objects(empty):
    array = np.broadcast_to(empty, (10**10,))  # one element of memory
    assert code_of({"x": array}, spec(element="string", shape=None)) == "input.size"


def test_numbers_are_counted_before_they_are_copied():
    array = np.broadcast_to(np.float32(1), (10**10, 2))
    assert code_of({"x": array}, spec()) == "input.size"
    assert code_of({"x": X, "y": X}, spec(), spec("y"), limits=Limits(max_input_bytes=47)) == "input.size"
    assert check_feeds({"x": X, "y": X}, inputs=(spec(), spec("y")), limits=Limits(max_input_bytes=48))


def test_the_message_says_what_the_model_wants():
    with pytest.raises(InputError) as caught:
        check_feeds({"x": X.astype(np.float64)}, inputs=(spec(), spec("other\x1b", "int64", None)))
    assert "x: float[n, 2], other\\u{1b}: int64[…]" in str(caught.value)
    assert "astype" in caught.value.hint


def test_sizes_are_capped_over_all_inputs():
    two = (spec(), spec("y"))
    assert code_of({"x": X, "y": X}, *two, limits=Limits(max_input_bytes=47)) == "input.size"
    assert check_feeds({"x": X, "y": X}, inputs=two, limits=Limits(max_input_bytes=48))
    text = (spec(element="string", shape=None),)
    assert code_of({"x": np.array(["abc"])}, *text, limits=Limits(max_input_bytes=15)) == "input.size"


def test_open_dimensions_and_open_ranks_take_anything():
    assert check_feeds({"x": X}, inputs=(spec(shape=None),))
    assert check_feeds({"x": X, "y": X[:1]}, inputs=(spec(shape=(None, 2)), spec("y", shape=(None, 2))))


@pytest.mark.parametrize("array", [X.T, X[::2], np.asfortranarray(X), X.astype(">f4"), X[:0]])
def test_layout_in_memory_does_not_matter(array):
    array = array + np.arange(array.size, dtype=array.dtype).reshape(array.shape)
    found = decode_array(encode_array(array))
    assert found.dtype == np.float32
    assert np.array_equal(found, array)


def seq(inner):
    return TypeSpec(kind=ValueKind.SEQUENCE, inner=inner)


def opt(inner):
    return TypeSpec(kind=ValueKind.OPTIONAL, inner=inner)


FLOAT = spec().type
MAP = TypeSpec(kind=ValueKind.MAP, element="int64", inner=TypeSpec(kind=ValueKind.TENSOR, element="float"))
T = Tensor("float", (3, 2), bytes(24))
M = Map(Tensor("int64", (1,), bytes(8)), Tensor("double", (1,), bytes(8)))


@pytest.mark.parametrize(
    ("value", "type_", "fits"),
    [
        (T, FLOAT, True),
        (T, spec(shape=(1, 2)).type, True),  # rows decide, whatever the exporter declared
        (T, spec(shape=(3, 3)).type, False),
        (T, spec(shape=None).type, True),
        (T, spec(shape=("n",)).type, False),
        (T, spec(element="double").type, False),
        (T, seq(FLOAT), False),
        (T, opt(FLOAT), True),
        (T, MAP, False),
        (Absent(), opt(FLOAT), True),
        (Absent(), FLOAT, False),
        (Strings((1, 2), ("a", "b")), spec(element="string").type, True),
        (Strings((1, 2), ("a", "b")), FLOAT, False),
        (Sequence((T,)), seq(FLOAT), True),
        (Sequence((T,)), seq(seq(FLOAT)), False),
        (Sequence((T,)), opt(seq(FLOAT)), True),
        (Sequence((M, T)), seq(MAP), False),
        (Sequence((M,)), seq(MAP), True),
        (Sequence(()), FLOAT, False),
        (M, MAP, True),
        (M, FLOAT, False),
        (Map(Strings((1,), ("a",)), Tensor("double", (1,), bytes(8))), MAP, False),
    ],
)
def test_results_are_held_against_what_is_declared(value, type_, fits):
    assert (mismatch(value, type_) == "") is fits


def layer(name, in_force=True):
    return Layer(name=name, in_force=in_force, detail="")


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("isolation", Isolation)
def test_a_required_layer_is_missed_whatever_is_asked(name, isolation):
    told = tuple(layer(n, in_force=n != name) for n in FULL)
    assert [x.name for x in missing_layers(told, isolation=isolation)] == [name]
    untold = tuple(layer(n) for n in FULL if n != name)
    assert [x.name for x in missing_layers(untold, isolation=isolation)] == [name]


@pytest.mark.parametrize("name", sorted(set(FULL) - set(REQUIRED)))
def test_full_isolation_asks_for_every_layer(name):
    told = tuple(layer(n, in_force=n != name) for n in FULL)
    assert [x.name for x in missing_layers(told, isolation=Isolation.FULL)] == [name]
    assert missing_layers(told, isolation=Isolation.AVAILABLE) == ()


def test_no_report_is_no_layer():
    assert len(missing_layers((), isolation=Isolation.FULL)) == len(FULL)


BITS = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn",
    "uint4": "uint4",
    "int4": "int4",
    "uint2": "uint2",
    "int2": "int2",
}


def test_every_element_without_a_name_in_numpy_is_known():
    assert set(BITS) == set(RAW_DTYPES) == set(ELEMENTS) - set(DTYPES)


@pytest.mark.parametrize("element", BITS)
def test_elements_that_numpy_lacks_go_in_as_bits_or_by_the_name_of_their_type(element):
    bits = ELEMENTS[element].bits
    raw = (np.arange(9) * 37 % 2**bits).astype(RAW_DTYPES[element]).reshape(3, 3)
    named = ml_dtypes.finfo if "float" in element else ml_dtypes.iinfo
    foreign = np.dtype(getattr(ml_dtypes, BITS[element]))
    assert named(foreign).bits == bits
    typed = raw.view(foreign) if bits >= 8 else raw.astype(np.uint8).view(foreign)
    inputs = (spec(element=element, shape=None),)
    found = check_feeds({"x": raw}, inputs=inputs)["x"]
    assert (found.element, found.shape, len(found.data)) == (element, (3, 3), ELEMENTS[element].bytes_of(9))
    assert check_feeds({"x": typed}, inputs=inputs)["x"] == found
    assert np.array_equal(decode_array(found), raw)
    assert (
        check_feeds({"x": typed[::2, ::-1]}, inputs=inputs)["x"] == check_feeds({"x": raw[::2, ::-1].copy()}, inputs=inputs)["x"]
    )
    assert check_feeds({"x": raw.astype(raw.dtype.newbyteorder(">"))}, inputs=inputs)["x"] == found


def test_negative_numbers_of_four_bits_keep_their_bits():
    array = np.array([-8, -1, 7], dtype=ml_dtypes.int4)
    found = check_feeds({"x": array}, inputs=(spec(element="int4", shape=None),))["x"]
    assert bytes(found.data) == b"\xf8\x07"
    assert decode_array(found).tolist() == [8, 15, 7]


def test_packing_is_that_of_onnx():
    values = np.array([1, 2, 3, 0, 1], dtype=np.uint8)
    assert pack(values, bits=4).tolist() == [0x21, 0x03, 0x01]
    assert pack(values, bits=2).tolist() == [0b00111001, 0b01]
    for bits in (2, 4):
        assert unpack(pack(values, bits=bits), bits=bits, count=5).tolist() == values.tolist()
        assert pack(values[:0], bits=bits).size == unpack(values[:0], bits=bits, count=0).size == 0


def test_what_is_left_out_of_optionals_is_nothing():
    inputs = (spec(), spec("o", kind=ValueKind.OPTIONAL, inner=FLOAT))
    assert check_feeds({"x": X}, inputs=inputs)["o"] == Absent()
    assert check_feeds({"x": X, "o": None}, inputs=inputs)["o"] == Absent()
    assert check_feeds({"x": X, "o": X}, inputs=inputs)["o"] == Tensor("float", (3, 2), X.data.cast("B"))
    assert code_of({"x": X, "o": X[:2]}, *inputs) == "input.shape"
    assert code_of({"x": X, "y": X}, *inputs) == "input.name"
    assert code_of({"x": X, "o": X, "y": X}, *inputs) == "input.name"
    assert code_of({"x": None}, spec()) == "input.dtype"
    assert code_of({"o": [X]}, inputs[1]) == "input.dtype"


def test_sequences_are_lists_of_what_they_hold():
    one = (spec(kind=ValueKind.SEQUENCE, inner=FLOAT),)
    found = check_feeds({"x": [X, X[:1]]}, inputs=one)["x"]  # a symbol may differ from element to element
    assert [item.shape for item in found.items] == [(3, 2), (1, 2)]
    assert check_feeds({"x": ()}, inputs=one)["x"] == Sequence(())
    for wrong in (X, None, {}, "x", iter([X])):
        assert code_of({"x": wrong}, *one) == "input.dtype"
    with pytest.raises(InputError, match=r"x\[1\]") as caught:
        check_feeds({"x": [X, X.astype(np.int64)]}, inputs=one)
    assert caught.value.where == "x[1]"
    assert code_of({"x": [X, X[0]]}, *one) == "input.shape"
    assert code_of({"x": [X[:, :1]]}, *one) == "input.shape"
    assert code_of({"x": [None]}, *one) == "input.dtype"
    assert code_of({"x": [[X]]}, *one) == "input.dtype"


def test_symbols_of_inputs_do_not_reach_into_sequences():
    inputs = (spec(), spec("q", kind=ValueKind.SEQUENCE, inner=FLOAT), spec("y"))
    assert check_feeds({"x": X, "q": [X[:1]], "y": X}, inputs=inputs)
    assert code_of({"x": X, "q": [X], "y": X[:1]}, *inputs) == "input.shape"


@pytest.mark.parametrize(
    "type_",
    [
        seq(seq(FLOAT)),
        seq(opt(FLOAT)),
        seq(MAP),
        seq(spec(element="bfloat16").type),
        TypeSpec(kind=ValueKind.SEQUENCE),
        TypeSpec(kind=ValueKind.OPTIONAL),
        opt(TypeSpec(kind=ValueKind.MAP, element="string", inner=spec(element="int64").type)),
        TypeSpec(kind=ValueKind.MAP, element="int32", inner=FLOAT),
        TypeSpec(kind=ValueKind.MAP, element="string", inner=seq(FLOAT)),
        TypeSpec(kind=ValueKind.MAP, element="string"),
    ],
    ids=str,
)
@pytest.mark.parametrize("value", [[X], {"a": 1.0}])
def test_what_the_runtime_does_not_take_is_refused_before(type_, value):
    assert code_of({"x": value}, ValueSpec(name="x", type=type_)) == "input.kind"


def test_maps_are_dictionaries_of_numbers():
    texts = (ValueSpec(name="x", type=TypeSpec(kind=ValueKind.MAP, element="string", inner=FLOAT)),)
    numbers = (ValueSpec(name="x", type=MAP),)
    found = check_feeds({"x": {"a": 1, "b": np.float32(0.1), "c": -0.0, "d": float("inf")}}, inputs=texts)["x"]
    assert found.keys == Strings((4,), ("a", "b", "c", "d"))
    assert decode_array(found.values).tobytes() == np.array([1, 0.1, -0.0, np.inf], np.float32).tobytes()
    assert decode_array(check_feeds({"x": {-1: 2.0, np.int32(7): 1.0}}, inputs=numbers)["x"].keys).tolist() == [-1, 7]
    for wrong in ({"a": True}, {"a": "1"}, {"a": None}, {"a": X}, {1: 1.0}, {None: 1.0}, {"\ud800": 1.0}, [("a", 1.0)], None):
        assert code_of({"x": wrong}, *texts) == "input.dtype"
    for wrong in ({"a": 1.0}, {False: 1.0}, {1.0: 1.0}, {2**63: 1.0}, {1: 1e39}, {1: 10**400}):
        assert code_of({"x": wrong}, *numbers) == "input.dtype"
    assert code_of({"x": {}}, *texts) == "input.shape"


def test_sequences_and_maps_are_counted_before_they_are_built():
    small = Limits(max_input_bytes=10_000)
    assert code_of({"x": [X[:0]] * 101}, spec(kind=ValueKind.SEQUENCE, inner=FLOAT), limits=small) == "input.size"
    assert check_feeds({"x": [X[:0]] * 100}, inputs=(spec(kind=ValueKind.SEQUENCE, inner=FLOAT),), limits=small)
    assert code_of({"x": [None] * 10**6}, spec(kind=ValueKind.SEQUENCE, inner=FLOAT), limits=small) == "input.size"
    assert code_of({"x": dict.fromkeys(range(51), 1.0)}, ValueSpec(name="x", type=MAP), limits=small) == "input.size"
    packed = np.broadcast_to(np.uint8(1), (10**5,))
    assert code_of({"x": packed}, spec(element="int4", shape=None), limits=small) == "input.size"


@pytest.mark.parametrize("wrong", ["int4", "bfloat16", "float", "string"])
def test_the_hint_says_what_to_give(wrong):
    with pytest.raises(InputError) as caught:
        check_feeds({"x": np.zeros((1, 2), np.complex64)}, inputs=(spec(element=wrong),))
    wanted = {"int4": "bits", "bfloat16": "ml_dtypes.bfloat16", "float": "astype", "string": "str"}
    assert wanted[wrong] in caught.value.hint
