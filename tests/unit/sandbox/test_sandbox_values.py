"""Frames and values: what is written comes back, and nothing else is taken."""

import contextlib
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.sandbox.protocol import HEAD_BYTES, VERSION, Frame, Kind, decode_frame, decode_head, encode_frame, encode_head
from mlsign.sandbox.values import Absent, Map, Sequence, Strings, Tensor, decode_values, encode_values
from mlsign.tensors.elements import ELEMENTS

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def tensors(draw, shape=shapes):
    element = ELEMENTS[draw(st.sampled_from(sorted(ELEMENTS)))]
    dims = draw(shape)
    count = element.bytes_of(math.prod(dims))
    data = draw(st.binary(min_size=count, max_size=count))
    return Tensor(element.name, dims, bytes(b & 1 for b in data) if element.name == "bool" else data)


@st.composite
def texts(draw, shape=shapes):
    dims = draw(shape)
    count = 1
    for dim in dims:
        count *= dim
    return Strings(dims, tuple(draw(st.lists(st.text(max_size=5), min_size=count, max_size=count))))


@st.composite
def maps(draw):
    shape = (draw(st.integers(0, 4)),)
    column = st.one_of(tensors(st.just(shape)), texts(st.just(shape)))
    return Map(draw(column), draw(column))


values = st.recursive(
    st.one_of(tensors(), texts(), maps(), st.just(Absent())),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: Sequence(tuple(items))),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=4))
@settings(max_examples=150, deadline=None)
def test_what_is_written_comes_back(named):
    body = b"".join(encode_values(named))
    found = decode_values(body)
    assert found == named
    assert list(found) == list(named)
    assert b"".join(encode_values(found)) == body
    frame = Frame(kind=Kind.RUN, request=7, document=None, values=named)
    assert encode_frame(decode_frame(encode_frame(frame))) == encode_frame(frame)


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_anything_else_is_an_input_error_or_spelled_the_same(data):
    with contextlib.suppress(InputError):
        assert b"".join(encode_values(decode_values(data))) == data


def one(value: bytes) -> bytes:
    return struct.pack("<HH", 1, 1) + b"x" + value


F = struct.pack("<BBB", 1, 1, 0)  # a float scalar
PAD = bytes(64 - (5 + 3))
HOSTILE = {
    "empty": (b"", "truncated"),
    "count_without_values": (struct.pack("<H", 9), "truncated"),
    "name_beyond_the_end": (struct.pack("<HH", 1, 500) + b"x", "truncated"),
    "name_not_utf8": (struct.pack("<HH", 1, 1) + b"\xff" + b"\x05", "encoding"),
    "name_twice": (struct.pack("<H", 2) + (struct.pack("<H", 1) + b"x\x05") * 2, "duplicate"),
    "unknown_tag": (one(b"\x09"), "tag"),
    "trailing": (one(b"\x05") + b"\0", "trailing"),
    "unknown_element": (one(struct.pack("<BBB", 1, 77, 0)), "element"),
    "string_as_tensor": (one(struct.pack("<BBB", 1, 8, 0)), "element"),
    "tensor_as_strings": (one(struct.pack("<BBB", 2, 1, 0)), "element"),
    "too_many_dimensions": (one(struct.pack("<BBB", 1, 1, 200)), "shape"),
    "dimensions_cut": (one(struct.pack("<BBB", 1, 1, 2) + bytes(8)), "truncated"),
    "overflowing_dimensions": (one(struct.pack("<BBBQQ", 1, 1, 2, 1 << 40, 1 << 40)), "shape"),
    "overflow_hidden_behind_zero": (one(struct.pack("<BBBQQ", 1, 1, 2, 0, 1 << 63)), "shape"),
    "huge_tensor": (one(struct.pack("<BBBQ", 1, 1, 1, 1 << 40) + bytes(64)), "truncated"),
    "padding": (one(F + b"\1" * len(PAD) + bytes(4)), "padding"),
    "elements_cut": (one(F + PAD + bytes(3)), "truncated"),
    "boolean_of_two": (one(struct.pack("<BBB", 1, 9, 0) + PAD + b"\2"), "boolean"),
    "huge_strings": (one(struct.pack("<BBBQ", 2, 8, 1, 1 << 40)), "truncated"),
    "string_cut": (one(struct.pack("<BBBQI", 2, 8, 1, 1, 100)), "truncated"),
    "string_not_utf8": (one(struct.pack("<BBBQI", 2, 8, 1, 1, 1) + b"\xc0"), "encoding"),
    "huge_sequence": (one(struct.pack("<BI", 3, 1 << 31)), "truncated"),
    "deep_sequence": (one(struct.pack("<BI", 3, 1) * 12 + b"\x05"), "depth"),
    "map_of_nothing": (one(b"\x04\x05\x05"), "map"),
    "map_of_sequences": (one(b"\x04" + struct.pack("<BI", 3, 1) + b"\x05\x05"), "depth"),
    "map_of_two_lengths": (one(b"\x04" + struct.pack("<BBBQ", 2, 8, 1, 0) + struct.pack("<BBBQI", 2, 8, 1, 1, 0)), "map"),
    "map_of_scalars": (one(b"\x04" + struct.pack("<BBBI", 2, 8, 0, 0) * 2), "map"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_are_refused_by_name(name):
    data, code = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        decode_values(data)
    assert caught.value.code == f"frame.{code}"


def test_padding_puts_elements_on_cache_lines():
    for length in range(1, 20):
        body = b"".join(encode_values({"n" * length: Tensor("double", (1,), b"ABCDEFGH")}))
        assert body.index(b"ABCDEFGH") % 64 == 0


HEADS = {
    "short": (b"mlsj", "truncated"),
    "magic": (b"mlsk" + bytes(20), "magic"),
    "version": (struct.pack("<4sBBHQQ", b"mlsj", 0, 5, 0, 1, 0), "magic"),
    "reserved": (struct.pack("<4sBBHQQ", b"mlsj", VERSION, 5, 1 << 8, 1, 0), "magic"),
    "kind": (struct.pack("<4sBBHQQ", b"mlsj", VERSION, 0, 0, 1, 0), "kind"),
    "document": (struct.pack("<4sBBHQQ", b"mlsj", VERSION, 1, 0, 1, 1 << 40), "size"),
    "run": (struct.pack("<4sBBHQQ", b"mlsj", VERSION, 5, 0, 1, 3 << 20), "size"),
    "result": (struct.pack("<4sBBHQQ", b"mlsj", VERSION, 6, 0, 1, 4 << 20), "size"),
}


@pytest.mark.parametrize("name", HEADS)
def test_hostile_heads_are_refused_by_name(name):
    data, code = HEADS[name]
    with pytest.raises(InputError) as caught:
        decode_head(data, limits=Limits(max_input_bytes=1 << 20, max_output_bytes=2 << 20))
    assert caught.value.code == f"frame.{code}"


def test_a_body_within_the_caps_is_taken():
    limits = Limits(max_input_bytes=1 << 20, max_output_bytes=2 << 20)
    assert decode_head(encode_head(kind=Kind.RUN, request=1, length=2 << 20), limits=limits).length == 2 << 20
    assert decode_head(encode_head(kind=Kind.RESULT, request=1, length=3 << 20), limits=limits).length == 3 << 20


@pytest.mark.parametrize("body", [b"{}x", b'{"a": 1}', b'{"a":1,"a":1}', b"", b"[" * 100, b"NaN"])
def test_documents_are_canonical_json(body):
    with pytest.raises(InputError):
        decode_frame(encode_head(kind=Kind.READY, request=1, length=len(body)) + body)


def test_a_document_comes_back():
    frame = Frame(kind=Kind.ERROR, request=3, document={"a": [1, None, "ü"]}, values=None)
    assert decode_frame(encode_frame(frame)) == frame


@pytest.mark.parametrize("change", [-1, 1])
def test_a_frame_has_the_length_it_says(change):
    data = encode_frame(Frame(kind=Kind.READY, request=3, document={"a": "bcdef"}, values=None))
    wrong = data[:-1] if change < 0 else data + b" "
    with pytest.raises(InputError) as caught:
        decode_frame(wrong)
    assert caught.value.code == "frame.truncated"
    with pytest.raises(InputError):
        decode_frame(data[: HEAD_BYTES - 1])
