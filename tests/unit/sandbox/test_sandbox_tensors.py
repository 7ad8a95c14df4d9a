"""Feeds against what a model takes, results against what it declares, and layers against what is asked for."""

import numpy as np
import pytest

from mlsign.errors import InputError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.layers import FULL, REQUIRED, Isolation, Layer, missing_layers
from mlsign.sandbox.outputs import mismatch
from mlsign.sandbox.tensors import check_feeds, decode_array, encode_array
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor


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
        ({"x": X}, (spec(element="bfloat16"),), "input.kind"),
        ({"x": X}, (spec(kind=ValueKind.SEQUENCE, inner=spec().type),), "input.kind"),
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
