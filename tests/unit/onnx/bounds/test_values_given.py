"""What is known before a run: what a caller may give, and what stands in the file."""

import struct
from fractions import Fraction

import pytest
from onnx import ModelProto
from paper import kinds, model, size, value

from mlsign.interface import TypeSpec, ValueKind
from mlsign.limits import DEFAULT
from mlsign.onnx.bounds.amounts import CEILING, UNKNOWN, fixed, plus, upto
from mlsign.onnx.bounds.evaluate import begin
from mlsign.onnx.bounds.space import Space
from mlsign.onnx.bounds.tensors import FLOAT, Tensor, constants
from mlsign.onnx.graphs import GraphFacts
from mlsign.onnx.inspect import read_model
from mlsign.onnx.tensors import TensorFacts
from mlsign.onnx.wire import Region
from mlsign.source import MemorySource

LONG = DEFAULT.open_dimension


def given(spec: TypeSpec | None) -> Tensor:
    _, env = begin(GraphFacts(inputs=[(b"x", spec)]), (), ir_version=10, limits=DEFAULT)
    found = env[b"x"]
    assert found is not None
    return found


def tensor(*shape: int | str | None, element: str = "float") -> TypeSpec:
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


ANY = TypeSpec(kind=ValueKind.TENSOR, element="float")
MAP = TypeSpec(kind=ValueKind.MAP, element="int64", inner=ANY)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (None, None),
        (tensor(4, 6), 4 * 24),
        (tensor(4, None), 4 * 4 * LONG),
        (tensor("n", "n", element="double"), 8 * LONG**2),
        (ANY, 4 * LONG),
        (TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(4,)), 16),
        (TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor(4)), 16),
        (TypeSpec(kind=ValueKind.OPTIONAL), None),
        (TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor(4)), LONG * (16 + 64)),
        (TypeSpec(kind=ValueKind.SEQUENCE, inner=ANY), LONG * (4 * LONG + 64)),
        (TypeSpec(kind=ValueKind.SEQUENCE), None),
        (MAP, 8 * LONG),
    ],
)
def test_the_bytes_that_a_caller_gives_at_most(spec, expected):
    assert given(spec).size == expected


def test_elements_of_a_sequence_have_sizes_of_their_own():
    inside = given(TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor(4, None))).inside
    assert inside is not None
    assert inside.dims is not None
    assert [dim.exact for dim in inside.dims] == [True, False]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (tensor(3, element="int64"), 3),
        (tensor(element="int32"), 1),
        (tensor(8, element="int64"), 8),
        (tensor(9, element="int64"), None),
        (tensor("n", element="int64"), None),
        (tensor(2, 2, element="int64"), None),
        (tensor(3, element="float"), None),
    ],
)
def test_numbers_that_a_caller_chooses(spec, count):
    found = given(spec).values
    assert (None if found is None else len(found)) == count


def test_a_map_of_the_model_itself_weighs_its_entries():
    made = "(float[n, 6] x) => (float[k] y) { z = ai.onnx.ml.ZipMap <classlabels_int64s = [1, 2, 3, 4, 5, 6]> (x) y = OptionalGetElement(z) }"
    assert size(made, ml=3) == 10 * (6 * (72 + 64) + 64)


def facts(element: str, count: int, field: int, *values: object) -> TensorFacts:
    return TensorFacts(name=b"t", element=element, dims=(count,), count=count, size=0, payload=(field, values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (facts("int64", 2, 7, b"\x05\x07"), (fixed(5), fixed(7))),
        (facts("int64", 2, 7, 5, (1 << 64) - 7), (fixed(5), fixed(-7))),
        (facts("int64", 3, 7, 5, b"\x07\x08"), (fixed(5), fixed(7), fixed(8))),
        (facts("uint64", 1, 11, 5), (fixed(5),)),
        (facts("int8", 2, 5, 5, 300), (fixed(5), UNKNOWN)),
        (facts("bool", 2, 9, b"\x01\x02"), (fixed(1), UNKNOWN)),
        (facts("int16", 1, 9, b"\xff\xff"), (fixed(-1),)),
        (facts("float", 2, 9, struct.pack("<ff", 0.5, 3.0)), (fixed(Fraction(1, 2)), fixed(3))),
        (facts("float", 2, 4, struct.pack("<f", 2.0), struct.pack("<f", 3.0)), (fixed(2), fixed(3))),
        (facts("double", 1, 10, struct.pack("<d", 2.0)), (fixed(2),)),
        (facts("float16", 1, 9, struct.pack("<e", 2.0)), (fixed(2),)),
        # half floats in a list of integers, types that are neither, and what was left where it is
        (facts("float16", 1, 5, 5), None),
        (facts("bfloat16", 1, 9, b"\x01\x02"), None),
        (facts("string", 1, 6, b"abc"), None),
        (facts("", 1, 9, b"abc"), None),
        (facts("int64", 1, 7, Region(0, 9)), None),
        (facts("int64", 1, 9, Region(0, 8)), None),
        (facts("int64", 3, 7, 5), None),
        (facts("float", 9, 9, bytes(36)), None),
        (facts("int64", 33, 9, bytes(264)), None),
    ],
)
def test_the_numbers_in_a_tensor_of_the_file(found, expected):
    assert constants(found) == expected


def unpacked(values: list[int]) -> bytes:
    """A model whose shape to expand to has its numbers one by one, as old exporters write them."""
    made = model("(float[1] x) => (float[k] y) { y = Expand(x, s) }".replace("{ y", "<int64[2] s = {1, 1}> { y"))
    weight = made.graph.initializer[0]
    weight.ClearField("int64_data")
    weight.ClearField("raw_data")
    bare = weight.SerializeToString() + b"".join(b"\x38" + bytes((item,)) for item in values)
    made.graph.ClearField("initializer")
    graph = made.graph.SerializeToString() + b"\x2a" + bytes((len(bare),)) + bare
    made.ClearField("graph")
    return made.SerializeToString() + b"\x3a" + bytes((len(graph),)) + graph


def test_numbers_that_are_not_packed_are_read_as_well():
    data = unpacked([7, 9])
    summary = read_model(MemorySource(data), limits=DEFAULT)
    assert summary.problems == ()
    assert summary.bounds is not None
    assert summary.bounds.largest_bytes == 4 * 63
    assert list(ModelProto.FromString(data).graph.initializer[0].int64_data) == [7, 9]


def test_dimensions_of_too_many_terms_are_counted_with_one_number():
    space = Space()
    many = [fixed(0), fixed(0)]
    for index in range(2):
        for _ in range(9):
            many[index] = fixed(plus(many[index].high, space.symbol(10)))
    found = space.tensor(FLOAT, tuple(many))
    assert found.count == 90 * 90
    assert found.size == 4 * 8100
    assert found.count < CEILING


def test_a_model_with_many_open_dimensions_is_bounded():
    names = "abcdefghi"
    rows = ", ".join(f"float[{name}, 1] {name}0" for name in names)
    columns = ", ".join(f"float[1, {name}2] {name}1" for name in names)
    one = ", ".join(f"{name}0" for name in names)
    other = ", ".join(f"{name}1" for name in names)
    made = f"({rows}, {columns}) => (float[k, l] y) {{ r = Concat <axis = 0> ({one}) c = Concat <axis = 1> ({other}) y = Mul(r, c) }}"
    run, found = value(made)
    assert found.size == 4 * 90 * 90
    assert run.unknown == []
    assert kinds(made) == set()


def test_either_of_two_tensors_with_numbers_has_either_number():
    space = Space()
    one, other = (space.tensor(FLOAT, (fixed(2),), values=(fixed(item), fixed(3))) for item in (1, 5))
    joined = space.joined(one, other)
    assert joined.values is not None
    assert (joined.values[0].low, joined.values[0].high, joined.values[1]) == (1, 5, fixed(3))


def test_either_of_a_sequence_and_a_tensor_is_unknown():
    space = Space()
    row = space.tensor(FLOAT, (fixed(2),))
    sequence = space.tensor(FLOAT, None, count=3, inside=row)
    assert space.joined(sequence, row) is space.unknown()
    longer = space.tensor(FLOAT, None, count=4, inside=space.tensor(FLOAT, (fixed(5),)))
    joined = space.joined(sequence, longer)
    assert (joined.count, joined.size) == (4, 4 * (4 * 5 + 64))
    assert joined.inside is not None
    assert joined.inside.dims == (upto(5)._replace(low=2),)
