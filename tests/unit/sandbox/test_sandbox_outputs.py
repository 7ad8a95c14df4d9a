"""Results of a worker that was taken over: refused before they cost memory or time, and never of another type."""

import struct
import time
import tracemalloc

import numpy as np
import pytest

from mlsign.errors import InputError, JailError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.channel import Watch
from mlsign.sandbox.outputs import decode_outputs
from mlsign.sandbox.protocol import HEAD_BYTES, Kind, decode_head, encode_head
from mlsign.sandbox.values import MAX_OBJECTS, Absent, Map, Sequence, Strings, Tensor, decode_values, encode_values

MIB = 1 << 20
LIMITS = Limits(max_output_bytes=2048 * MIB)


def tensor(element="float", shape=None):
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def seq(inner):
    return TypeSpec(kind=ValueKind.SEQUENCE, inner=inner)


def map_of(key, inner):
    return TypeSpec(kind=ValueKind.MAP, element=key, inner=tensor(inner))


OPTIONALS = seq(TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor()))
TEXTS = tensor("string", ("n",))


def read(body, type_, *, limits=LIMITS, tick=lambda: None):
    return decode_outputs(body, outputs=(ValueSpec(name="y", type=type_),), limits=limits, tick=tick)["y"]


def body_of(value, name="y"):
    return b"".join(encode_values({name: value}))


def y(value):
    return struct.pack("<HH", 1, 1) + b"y" + value


def refused(body, type_, **options):
    """The code, after little memory."""
    tracemalloc.start()
    with pytest.raises(JailError) as caught:
        read(body, type_, **options)
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()
    assert len(str(caught.value)) < 1000
    return caught.value.code


def absents(count):
    return y(struct.pack("<BI", 3, count) + b"\5" * count)


def empty_texts(count):
    return y(struct.pack("<BBBQ", 2, 8, 1, count) + bytes(4 * count))


@pytest.mark.parametrize("type_", [tensor(), TEXTS, seq(tensor()), map_of("string", "float")])
def test_millions_of_values_of_another_kind_are_never_built(type_):
    assert refused(absents(5_000_000), type_) == "sandbox.output"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (absents(MAX_OBJECTS + 1), OPTIONALS),
        (y(struct.pack("<BI", 3, 2) + struct.pack("<BI", 3, MAX_OBJECTS) * 2 + b"\5" * MAX_OBJECTS), seq(OPTIONALS)),
    ],
)
def test_there_is_a_cap_on_objects_whatever_the_bytes_allow(body, type_):
    assert refused(body, type_, limits=Limits(max_output_bytes=1 << 50)) == "sandbox.output.size"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (absents(500_000), OPTIONALS),
        (empty_texts(200_000), TEXTS),
        (y(struct.pack("<BBBQI", 2, 8, 1, 1, 1_100_000) + "\U0001f600".encode() + b"a" * 1_099_996), TEXTS),
        (body_of(Tensor("uint2", (600_000,), bytes(150_000))), tensor("uint2")),
        (body_of(Tensor("int4", (600_000,), bytes(300_000))), tensor("int4")),
        (body_of(Map(Tensor("int64", (3000,), bytes(24000)), Tensor("int8", (3000,), bytes(3000)))), map_of("int64", "int8")),
    ],
)
def test_objects_are_charged_at_what_they_cost_in_memory(body, type_):
    small = Limits(max_output_bytes=4 * MIB if len(body) > 500_000 else MIB // 2)
    assert refused(body, type_, limits=small) == "sandbox.output.size"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (absents(100_000), OPTIONALS),
        (empty_texts(100_000), TEXTS),
        (y(struct.pack("<BBBQ", 1, 9, 1, 4 * MIB) + bytes(48) + bytes(4 * MIB)), tensor("bool", ("n",))),
    ],
)
def test_the_deadline_of_the_call_ends_decoding(body, type_):
    watch = Watch(wall_seconds=0.001, cpu_seconds=None, pid=-1, threads=1)
    time.sleep(0.002)
    assert refused(body, type_, tick=watch.timeout) == "sandbox.deadline"


def test_the_deadline_also_holds_after_the_bytes_were_read():
    ticks = []
    read(body_of(Sequence((Absent(),) * 10)), OPTIONALS, tick=lambda: ticks.append(1))
    assert len(ticks) >= 20


def test_undeclared_names_end_at_the_first():
    names = b"".join(struct.pack("<H", 400) + b"\x01" * 394 + b"%06d" % i + b"\5" for i in range(65535))
    assert refused(struct.pack("<H", 65535) + names, tensor()) == "sandbox.output.name"


def test_missing_names_make_a_short_message():
    outputs = tuple(ValueSpec(name=f"{i:0100}", type=tensor()) for i in range(1000))
    with pytest.raises(JailError) as caught:
        decode_outputs(struct.pack("<H", 0), outputs=outputs, limits=LIMITS, tick=lambda: None)
    assert caught.value.code == "sandbox.output.name"
    assert len(str(caught.value)) < 300


def test_a_name_that_stands_twice_ends_it():
    assert refused(struct.pack("<H", 2) + (struct.pack("<H", 1) + b"y" + b"\1") * 2, tensor()) == "sandbox.frame"


LABELS = Strings((2,), ("a", "b"))
SCORES = Tensor("double", (2,), struct.pack("<2d", 1, 2))


@pytest.mark.parametrize(
    ("value", "type_", "found"),
    [
        (Map(LABELS, SCORES), map_of("string", "float"), {"a": 1.0, "b": 2.0}),
        (Map(LABELS, SCORES), map_of("string", "double"), {"a": 1.0, "b": 2.0}),
        (Map(Tensor("int64", (2,), struct.pack("<2q", 7, 8)), LABELS), map_of("int64", "string"), {7: "a", 8: "b"}),
        (Map(Tensor("int64", (2,), struct.pack("<2q", 7, 8)), SCORES), map_of("int32", "float16"), {7: 1.0, 8: 2.0}),
        (Map(Strings((0,), ()), Strings((0,), ())), map_of("int64", "float"), {}),
    ],
)
def test_maps_of_the_declared_types_come_out(value, type_, found):
    assert read(body_of(value), type_) == found


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (Map(LABELS, LABELS), map_of("string", "float")),
        (Map(LABELS, Tensor("complex128", (2,), bytes(32))), map_of("string", "float")),
        (Map(LABELS, Tensor("bool", (2,), bytes(2))), map_of("string", "float")),
        (Map(LABELS, Tensor("int64", (2,), bytes(16))), map_of("string", "float")),
        (Map(LABELS, SCORES), map_of("string", "int64")),
        (Map(LABELS, SCORES), map_of("string", "string")),
        (Map(LABELS, SCORES), map_of("int64", "float")),
        (Map(SCORES, SCORES), map_of("int64", "float")),
        (Map(Strings((2,), ("a", "a")), SCORES), map_of("string", "float")),
        (Map(Tensor("int64", (2,), bytes(16)), SCORES), map_of("int64", "float")),
        (Map(LABELS, SCORES), TypeSpec(kind=ValueKind.MAP, element="string", inner=seq(tensor()))),
        (Map(LABELS, SCORES), TypeSpec(kind=ValueKind.MAP, element="string")),
        (Sequence(()), TypeSpec(kind=ValueKind.SEQUENCE)),
        (Tensor("float", (1,), bytes(4)), TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float")),
        (Absent(), tensor()),
    ],
)
def test_what_is_not_of_the_declared_type_is_refused(value, type_):
    assert refused(body_of(value), type_) == "sandbox.output"


@pytest.mark.parametrize(
    ("element", "data", "found"),
    [
        ("bfloat16", b"\x80\x3f\xc0\x7f\x01\x00", [0x3F80, 0x7FC0, 1]),
        ("float8e5m2", b"\x00\x7f\xff", [0, 0x7F, 0xFF]),
        ("int4", b"\xf8\xf7", [8, 15, 7]),  # what stands behind the last element says nothing
        ("uint2", b"\xc6", [2, 1, 0]),
    ],
)
def test_elements_that_numpy_lacks_come_out_as_their_bits(element, data, found):
    got = read(body_of(Tensor(element, (3,), data)), tensor(element, ("n",)))
    assert got.dtype == (np.uint16 if element == "bfloat16" else np.uint8)
    assert got.tolist() == found
    assert refused(body_of(Tensor(element, (3,), data)), tensor("uint8")) == "sandbox.output"
    assert refused(body_of(Tensor("uint8", (3,), bytes(3))), tensor(element)) == "sandbox.output"


def test_optionals_hold_what_is_declared():
    optional = TypeSpec(kind=ValueKind.OPTIONAL, inner=TEXTS)
    assert read(body_of(Absent()), optional) is None
    assert read(body_of(LABELS), optional).tolist() == ["a", "b"]
    assert refused(body_of(SCORES), optional) == "sandbox.output"
    assert refused(y(b"\x4d"), optional) == "sandbox.output"


@pytest.mark.parametrize("dims", [(0, 2**60), (2**60, 0)])
def test_strings_of_no_elements_have_dimensions_that_numpy_can_carry(dims):
    assert refused(y(struct.pack("<BBB2Q", 2, 8, 2, *dims)), tensor("string")) == "sandbox.frame"
    with pytest.raises(InputError) as caught:
        decode_values(y(struct.pack("<BBB2Q", 2, 8, 2, *dims)))
    assert caught.value.code == "frame.shape"


def test_rows_of_no_columns_are_charged_for():
    assert refused(y(struct.pack("<BBB2Q", 1, 1, 2, 1 << 40, 0)) + bytes(40), tensor()) == "sandbox.output.size"
    assert refused(y(struct.pack("<BBB2Q", 2, 8, 2, 0, 1 << 50)), tensor("string")) == "sandbox.output.size"
    assert np.array_equal(read(body_of(Tensor("float", (0, 3), b"")), tensor()), np.empty((0, 3), np.float32))
    assert read(body_of(Strings((1000, 0), ())), tensor("string")).shape == (1000, 0)


@pytest.mark.parametrize(
    ("kind", "largest"), [(Kind.ERROR, 16 << 10), (Kind.CONFINED, 16 << 10), (Kind.READY, MIB), (Kind.LOAD, 1 << 10)]
)
def test_documents_of_the_worker_are_small(kind, largest):
    assert decode_head(encode_head(kind=kind, request=1, length=largest)).length == largest
    with pytest.raises(InputError) as caught:
        decode_head(encode_head(kind=kind, request=1, length=largest + 1))
    assert caught.value.code == "frame.size"
    assert HEAD_BYTES == 24


def test_keys_whose_hashes_collide_do_not_outlast_the_deadline():
    """Python places a number in a dictionary by its value: each of the last keys is compared with nearly all before it."""
    count, slots = 1_000_000, 1 << 21
    keys, slot = [], 1
    for _ in range(count * 9 // 10):
        keys.append(slot)
        slot = (5 * slot + 1) % slots
    keys += [1 + turn * slots for turn in range(1, count - len(keys) + 1)]
    body = body_of(Map(Tensor("int64", (count,), np.array(keys).tobytes()), Tensor("float", (count,), bytes(4 * count))))
    watch = Watch(wall_seconds=1.0, cpu_seconds=None, pid=-1, threads=1)
    begun = time.process_time()
    with pytest.raises(JailError) as caught:
        read(body, map_of("int64", "float"), tick=watch.timeout)
    assert caught.value.code == "sandbox.deadline"
    assert time.process_time() - begun < 30  # minutes, if nothing looks at the clock
    honest = Tensor("int64", (count,), np.arange(count).tobytes())
    assert read(body_of(Map(honest, Tensor("float", (count,), bytes(4 * count)))), map_of("int64", "float")).keys() == set(
        range(count)
    )
