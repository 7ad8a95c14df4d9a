"""The walk for external initializers: it sees what is there, and bytes that are no model are an error."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mlsign.errors import InputError, JailError
from mlsign.sandbox.externals import check_externals, find_externals, region


def external(name="w", dims=(2, 3), element=TensorProto.FLOAT, **keys):
    out = TensorProto(name=name, data_type=element, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in keys.items():
        out.external_data.add(key=key, value=value)
    return out


def model(*initializers):
    graph = helper.make_graph([], "g", [], [], list(initializers))
    return memoryview(helper.make_model(graph).SerializeToString())


W = external(location="w.bin", offset="4", length="24", checksum="ab")
PLAIN = helper.make_tensor("p", TensorProto.FLOAT, [1], [1.0])


def test_external_initializers_are_found():
    (found,) = find_externals(model(PLAIN, W))
    assert (found.name, found.element, found.shape, found.key) == ("w", 1, (2, 3), ("w", "w.bin", 4, 24))
    (found,) = find_externals(model(external(location="w.bin")))
    assert found.key == ("w", "w.bin", 0, None)
    assert find_externals(model(PLAIN)) == ()


def test_both_walks_have_to_agree():
    found = find_externals(model(W))
    check_externals(found, frozenset({("w", "w.bin", 4, 24)}))
    for other in (set(), {("w", "w.bin", 4, None)}, {("w", "w.bin", 4, 24), ("hidden", "w.bin", 0, 4)}):
        with pytest.raises(JailError) as caught:
            check_externals(found, frozenset(other))
        assert caught.value.code == "sandbox.external"
    with pytest.raises(JailError):
        check_externals(find_externals(model(W, W)), frozenset({("w", "w.bin", 4, 24)}))


def test_a_region_lies_within_its_file():
    (found,) = find_externals(model(W))
    files = {"deep/w.bin": memoryview(bytes(range(28)))}
    assert bytes(region(found, files, model_path="deep/m.onnx", size=24)) == bytes(range(4, 28))
    short = {"deep/w.bin": memoryview(bytes(27))}
    for bad, path, size in (
        (short, "deep/m.onnx", 24),
        (files, "m.onnx", 24),
        (files, "deep/m.onnx", 20),
        (files, "deep/m.onnx", 28),
    ):
        with pytest.raises(JailError) as caught:
            region(found, bad, model_path=path, size=size)
        assert caught.value.code == "sandbox.external"


@pytest.mark.parametrize("keys", [{"offset": "-1"}, {"offset": "0x4"}, {"length": "1e3"}, {"length": "9" * 40}])
def test_numbers_have_one_spelling(keys):
    with pytest.raises(InputError):
        find_externals(model(external(location="w", **keys)))


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x05a", b"\x3b", b"\x3a\x80"])
def test_what_is_no_protobuf_is_an_error(data):
    with pytest.raises(JailError) as caught:
        find_externals(memoryview(data))
    assert caught.value.code == "sandbox.external"


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_anything_is_found_or_an_error(data):
    for sample in (data, b"\x3a" + bytes([len(data)]) + data):
        with contextlib.suppress(JailError, InputError):
            find_externals(memoryview(sample))
