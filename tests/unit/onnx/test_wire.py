"""The wire reader: one spelling for everything, and regions instead of payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx import wire
from mlsign.onnx.wire import HEAVY_BYTES, WHOLE_BYTES, Region, Wire, place, signed, varint, varints
from mlsign.source import MemorySource


def encoded(number):
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def blob(number, payload):
    return encoded(number << 3 | 2) + encoded(len(payload)) + payload


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_integer_is_read_back(number):
    data = encoded(number) + b"rest"
    assert varint(data, 0, None) == (number, len(data) - 4)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "truncated"),
        (b"\x80", "truncated"),
        (b"\xff" * 9, "truncated"),
        (b"\x80\x00", "varint"),
        (b"\xff\x80\x00", "varint"),
        (b"\xff" * 9 + b"\x02", "varint"),
        (b"\xff" * 10 + b"\x00", "varint"),
        (b"\x80" * 10, "varint"),
    ],
)
def test_an_integer_has_one_spelling(data, code):
    with pytest.raises(InputError) as caught:
        varint(data, 0, (None, "graph", -1))
    assert caught.value.code == f"onnx.wire.{code}"
    assert caught.value.where == "graph"


def test_negative_numbers_are_in_twos_complement():
    assert (signed(5), signed(2**63 - 1), signed(2**64 - 1), signed(2**63)) == (5, 2**63 - 1, -1, -(2**63))


def test_a_place_is_spelled_out():
    assert place((((None, "graph", -1), "node", 3), "attribute", 0)) == "graph.node[3].attribute[0]"
    assert place(None) == ""


def fields_of(data, *, heavy=frozenset(), limits=None):
    source = MemorySource(data)
    reader = Wire(source, limits=limits or Limits())
    return reader.fields(Region(0, len(data)), None, heavy=heavy), reader.fields(data, None, heavy=heavy)


def test_a_region_gives_the_same_fields_as_its_bytes():
    data = b"".join(encoded(n % 30 + 1 << 3) + encoded(n * n) + blob(n % 40 + 1, b"v" * (n % 300)) for n in range(3000))
    streamed, whole = fields_of(data)
    assert streamed == whole
    assert len(data) > wire._LAST_WINDOW


def test_large_fields_of_a_region_stay_unread():
    small, large, huge = b"s" * 10, b"l" * (HEAVY_BYTES + 1), b"h" * (WHOLE_BYTES + 1)
    data = blob(1, small) + blob(2, large) + blob(3, large) + blob(4, huge) + blob(1, small) + blob(2, large)
    streamed, whole = fields_of(data, heavy=frozenset((2 << 3 | 2,)))
    assert whole == {10: [small, small], 18: [large, large], 26: [large], 34: [huge]}
    assert streamed[10] == [small, small]
    assert streamed[26] == [large]
    reader = Wire(MemorySource(data))
    assert [reader.read(region, None) for region in streamed[18]] == [large, large]
    assert b"".join(reader.chunks(streamed[34][0], None)) == huge


def test_no_more_is_read_than_needed():
    class Counting(MemorySource):
        __slots__ = ("seen",)

        def read_at(self, offset, length):
            self.seen.append(length)
            return super().read_at(offset, length)

    weights = bytes(3 * WHOLE_BYTES)
    source = Counting(b"".join(blob(5, weights) for _ in range(4)))
    source.seen = []
    Wire(source).fields(Region(0, source.size), None)
    assert sum(source.seen) <= 4 * wire._FIRST_WINDOW


@pytest.mark.parametrize("key", [7 << 3 | 5, 8 << 3, 9 << 3 | 1])
@pytest.mark.parametrize("number", [1, 15, 17, 18, 1000, 200_000])
def test_a_row_of_numbers_comes_packed(key, number):
    payloads = {0: [b"\x05", b"\xac\x02", b"\xff" * 9 + b"\x01"], 5: [b"\x28\x28\x28\x28", b"\xff\0\0\0"], 1: [b"\x48" * 8]}[
        key & 7
    ]
    items = [payloads[n % len(payloads)] for n in range(number)]
    data = b"".join(bytes((key,)) + item for item in items) + blob(1, b"end")
    for found in fields_of(data):
        assert found[10] == [b"end"]
        values = [encoded(value) if isinstance(value, int) else value for value in found[key]]
        assert b"".join(values) == b"".join(items)
        assert len(values) <= 40


def test_a_row_ends_where_its_spelling_does():
    data = b"\x40\x01" * 40 + b"\x40\x80\x00"
    with pytest.raises(InputError) as caught:
        fields_of(data)
    assert caught.value.code == "onnx.wire.varint"
    with pytest.raises(InputError):  # a row of 17 whose next tag is there but not its number
        fields_of(b"\x40\x01" * 16 + b"\x40")


def test_a_tag_of_two_bytes_does_not_begin_a_row():
    data = (b"\xc8\x01" + b"\x05") * 40  # field 25
    streamed, whole = fields_of(data)
    assert streamed == whole == {200: [5] * 40}


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05abc", blob(1, b"x" * (HEAVY_BYTES + 9))[:-1], b"\x0d\0\0", b"\x08"])
def test_nothing_reaches_past_the_end(data):
    for body in (data, Region(0, len(data))):
        with pytest.raises(InputError) as caught:
            Wire(MemorySource(data)).fields(body, None)
        assert caught.value.code == "onnx.wire.truncated"


def test_budgets_hold():
    data = b"".join(blob(1, b"abc") for _ in range(100_000))
    for body in (data, Region(0, len(data))):
        with pytest.raises(InputError) as caught:
            Wire(MemorySource(data), limits=Limits(max_fields=99_999)).fields(body, None)
        assert caught.value.code == "onnx.limit.fields"
    with pytest.raises(InputError) as caught:
        Wire(MemorySource(data), limits=Limits(max_skeleton_bytes=1000)).fields(Region(0, len(data)), None)
    assert caught.value.code == "onnx.limit.skeleton"


def test_a_small_source_is_read_whole():
    assert Wire(MemorySource(b"abc")).whole() == b"abc"
    assert Wire(MemorySource(bytes(WHOLE_BYTES + 1))).whole() == Region(0, WHOLE_BYTES + 1)


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300), st.integers(0, 2**30))))
def test_integers_in_a_row_are_read_like_one_after_the_other(numbers):
    data = b"".join(encoded(number % 2**64) for number in numbers)
    assert varints(data, None) == numbers


@pytest.mark.parametrize(
    "data", [b"\x80\x00", b"\xff\x80\x00", b"\x80\x80\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x01"]
)
def test_integers_in_a_row_have_one_spelling_too(data):
    with pytest.raises(InputError) as caught:
        varints(b"\x01" + data + b"\x02", None)
    assert caught.value.code == "onnx.wire.varint"
