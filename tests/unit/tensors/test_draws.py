"""Inputs drawn for a model: always the same ones, of the types that it declares, and nothing where these say too little."""

import hashlib
import struct

import numpy as np
import pytest

from mlsign.errors import InputError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import MIB
from mlsign.onnx.golden_encoding import encode_golden_value
from mlsign.onnx.golden_values import GoldenMap, GoldenSequence
from mlsign.sandbox.golden.golden import array_of, feed_of
from mlsign.sandbox.tensors import check_feeds
from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.draws import GENERATOR, Breadth, breadths, draw_inputs
from mlsign.tensors.dtypes import DTYPES
from mlsign.tensors.elements import ELEMENTS


def tensor(element="float", *shape):
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def of(kind, inner, element=""):
    return TypeSpec(kind=kind, element=element, inner=inner)


def drawn(*types, number=0, breadth=Breadth.WIDE, max_bytes=MIB):
    inputs = tuple(ValueSpec(name=f"x{index}", type=type_) for index, type_ in enumerate(types))
    values = draw_inputs(inputs, number=number, breadth=breadth, max_bytes=max_bytes)
    assert list(values) == [spec.name for spec in inputs]
    check_feeds({name: feed_of(value) for name, value in values.items()}, inputs=inputs)
    return list(values.values())


def refused(*types, **how):
    with pytest.raises(InputError) as caught:
        drawn(*types, **how)
    assert "--golden-from" in caught.value.hint
    return caught.value.code


def test_the_generator_is_the_one_that_is_written_down():
    """By hand, as the page describes it: whoever changes what is drawn breaks what others have packed."""
    (found,) = drawn(tensor("float", 3), number=4)
    parts = [GENERATOR.encode(), b"4", b"input", b"x0"]
    framed = b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    words = struct.unpack("<3H", hashlib.shake_128(framed).digest(6))
    by_hand = [(-1) ** (w >> 10 & 1) * (1 + (w & 127) / 128) * 2.0 ** ((w >> 7 & 7) - 4) for w in words]
    assert array_of(found).tolist() == by_hand


def test_what_is_drawn_stays_what_it_is():
    values = []
    for breadth in Breadth:
        for number in range(2):
            types = [tensor(element, "n", None, 2) for element in (*ELEMENTS, "string")]
            values += drawn(*types, number=number, breadth=breadth)
    data = b"".join(encode_golden_value(value) for value in values)
    assert hashlib.sha256(data).hexdigest() == "d49c5b4a4f113213be11b70427ec6a3b1afe40224dd01b989707a8b301ec4fb6"


@pytest.mark.parametrize("element", [*ELEMENTS, "string"])
def test_elements_of_every_type_are_within_what_is_written_down(element):
    wide, narrow = (drawn(tensor(element, 400), breadth=breadth)[0] for breadth in (Breadth.WIDE, Breadth.NARROW))
    if element == "string":
        assert set(wide.texts) == {"a", "b", "c", "yes", "no", "red", "green", "Straße", "", "2.5"}
        assert set(narrow.texts) == {"0", "1"}
        return
    wide, narrow = array_of(wide), array_of(narrow)
    if are_floats(element) or (element in DTYPES and DTYPES[element].kind in "fc"):
        numbers = [to_floats(side, element) if are_floats(element) else side for side in (wide, narrow)]
        numbers = [side.view(side.real.dtype) if side.dtype.kind == "c" else side for side in numbers]
        assert np.all((np.abs(numbers[0]) >= 1 / 16) & (np.abs(numbers[0]) <= 16))
        assert np.all((numbers[1] > 0) & (numbers[1] <= 1))
        assert element == "float8e8m0" or (numbers[0].min() < 0 < numbers[0].max())
        return
    assert set(narrow.tolist()) == {0, 1}
    assert element == "bool" or set(array_of(drawn(tensor(element, 400), breadth=Breadth.SINGLE)[0]).tolist()) == {1}
    bits = 1 if element == "bool" else ELEMENTS[element].bits
    assert int(wide.max()) == 9 if bits > 16 else len(set(wide.tolist())) >= min(2**bits, 150)


def test_a_symbol_is_one_size_in_all_inputs_of_a_set():
    for number in range(8):
        one, two = drawn(tensor("float", "n", 3), tensor("int64", "n", "m", None), number=number)
        assert one.shape[0] == two.shape[0]
        assert 8 <= two.shape[0] <= 15
        assert all(2 <= size <= 4 for size in two.shape[1:])
        late, early = drawn(tensor("float", 2, "n"), tensor("float", "n"), number=number)
        assert 8 <= late.shape[1] == early.shape[0]
    assert len({drawn(tensor("float", 1, "n"), number=number)[0].shape for number in range(20)}) == 3
    assert len({drawn(tensor("float", "n"), number=number)[0].shape for number in range(60)}) == 8
    assert drawn(tensor("float", "n", None), breadth=Breadth.NARROW)[0].shape == (2, 2)
    assert drawn(tensor("float", "n", None, 5), breadth=Breadth.SINGLE)[0].shape == (1, 1, 5)


def test_open_dimensions_without_a_name_that_come_first_are_the_same_rows():
    """As one column for each input has them, which fit together alone where they are of one length."""
    for number in range(8):
        one, two, three = drawn(tensor("float", None, 1), tensor("int64", None), tensor("float", 5, None), number=number)
        assert 8 <= one.shape[0] == two.shape[0] <= 15
        assert three.shape[1] <= 4
    q, r = drawn(of(ValueKind.SEQUENCE, tensor("float", None)), tensor("float", None), number=1)
    assert all(2 <= item.shape[0] <= 4 for item in q.items)
    assert r.shape[0] >= 8


@pytest.mark.parametrize("name", ["n", None])
def test_of_large_rows_there_are_few(name):
    for rest in ((3, 64, 64), (4097,), (1025, "m")):
        assert 2 <= drawn(tensor("float", name, *rest))[0].shape[0] <= 4
    assert drawn(tensor("float", name, 4096))[0].shape[0] >= 8
    assert drawn(tensor("float", name, 1024, "m"))[0].shape[0] >= 8
    small, large = drawn(tensor("float", name, 2), tensor("float", name, 5000))
    assert small.shape[0] == large.shape[0] <= 4


def test_every_second_set_begins_with_numbers_that_are_far_apart():
    assert breadths(0) == (Breadth.WIDE, Breadth.NARROW, Breadth.SINGLE)
    assert breadths(7) == (Breadth.FAR, Breadth.WIDE, Breadth.NARROW, Breadth.SINGLE)
    for element in ("float", "float16", "bfloat16", "complex64"):
        far, wide = (drawn(tensor(element, 400), breadth=breadth)[0] for breadth in (Breadth.FAR, Breadth.WIDE))
        numbers = array_of(far)
        numbers = to_floats(numbers, element) if are_floats(element) else numbers.view(numbers.real.dtype)
        assert np.all((np.abs(numbers) >= 1 / 16) & (np.abs(numbers) <= 2040))
        assert np.abs(numbers).max() > 1000
        assert far.shape == wide.shape
    for element in ("int64", "int8", "string", "float8e4m3fn", "int4", "bool"):
        far, wide = (drawn(tensor(element, 40), breadth=breadth)[0] for breadth in (Breadth.FAR, Breadth.WIDE))
        assert far == wide


def test_inputs_and_sets_do_not_share_what_is_drawn():
    one, two = drawn(tensor("float", 20), tensor("float", 20))
    (other,) = drawn(tensor("float", 20), number=1)
    assert len({one.data, two.data, other.data}) == 3


def test_sequences_maps_and_optionals():
    row = tensor("float")
    q, m, k = drawn(of(ValueKind.SEQUENCE, tensor("float", 3)), of(ValueKind.MAP, row, "string"), of(ValueKind.MAP, row, "int64"))
    assert isinstance(q, GoldenSequence)
    assert len({item.data for item in q.items}) == 2
    assert isinstance(m, GoldenMap)
    assert (m.keys, k.keys) == (("a", "b", "c"), (0, 1, 2))
    optional = of(ValueKind.OPTIONAL, tensor("float", "n"))
    assert drawn(optional, number=0)[0].value.name == ""
    assert drawn(optional, number=1)[0].value is None
    assert drawn(optional, number=1, breadth=Breadth.NARROW)[0].value is not None


def test_types_that_say_too_little_are_refused():
    unranked = TypeSpec(kind=ValueKind.TENSOR, element="float")
    for type_ in (
        unranked,
        of(ValueKind.SEQUENCE, unranked),
        of(ValueKind.OPTIONAL, unranked),
        of(ValueKind.OPTIONAL, None),
        of(ValueKind.SEQUENCE, of(ValueKind.SEQUENCE, tensor("float", 1))),
        of(ValueKind.MAP, of(ValueKind.SEQUENCE, tensor()), "string"),
        TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(2,)),
        tensor("float6e2m3", 2),
        tensor("", 2),
    ):
        assert refused(type_) == "golden.draw"


def test_no_size_that_a_model_declares_takes_memory():
    for type_ in (tensor("float", 2**40), tensor("int4", 2**62, 2**62), tensor("string", 2**30), tensor("bool", MIB + 1)):
        assert refused(type_) == "golden.size"
    half = tensor("int8", MIB // 2)
    assert len(drawn(half, half)) == 2
    assert refused(half, half, tensor("int8", 1)) == "golden.size"
    assert drawn(tensor("double", 0, 2**40))[0].data == b""
    assert refused(tensor("double", 0, 2**62, 2**62)) == refused(tensor("string", 0, 2**62)) == "golden.size"
