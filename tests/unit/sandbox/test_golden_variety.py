"""Whether answers to drawn inputs show anything, for every kind of value."""

import numpy as np
import pytest

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence
from mlsign.sandbox.golden.making import golden_values
from mlsign.sandbox.golden.variety import PoorOutput, Variety, has_finite


def tensor(element, *shape):
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def poor(type_, *answers):
    spec = ValueSpec(name="y", type=type_)
    variety = Variety((spec,))
    for answer in answers:
        variety.add(golden_values({"y": answer}, specs=(spec,)))
    return variety.poor()


def floats(*numbers):
    return np.array(numbers, np.float32)


ROWS = TypeSpec(kind=ValueKind.SEQUENCE, inner=TypeSpec(kind=ValueKind.MAP, element="string", inner=tensor("float")))


@pytest.mark.parametrize(
    ("type_", "answers", "count"),
    [
        (tensor("float", "n"), [floats(1, 1, 1)], 3),
        (tensor("float", None, 2), [np.ones((2, 2), np.float32), np.ones((3, 2), np.float32)], 5),
        (tensor("float", 2), [floats(1, 2), floats(1, 2)], 2),
        (tensor("int64", "n"), [np.array([7, 7])], 2),
        (tensor("string", "n"), [np.array(["cat", "cat"], object)], 2),
        (tensor("bool", "n"), [np.array([True]), np.array([True])], 2),
        (tensor("string", "n", 2), [np.array([["a", "b"]] * 3, object)], 3),
        (tensor("float", "n", 0), [np.zeros((2**40, 0), np.float32)], 1),
        (tensor("string", "n", 0), [np.zeros((2**40, 0), object)], 1),
        (tensor("int8", "n"), [np.zeros(3_000_000, np.int8)], 3_000_000),
        (tensor("int4", "n"), [np.array([1, 1, 1], np.uint8)], 3),
        (tensor("bfloat16", "n"), [np.array([0x3F80] * 2, np.uint16)], 2),
        (tensor("float", "n"), [floats(np.nan, np.nan)], 2),
        (tensor("float", "n"), [floats(np.inf, -np.inf)], 2),
        (tensor("float", 2), [floats(np.nan, np.inf)], 1),
        (tensor("bfloat16", 1), [np.array([0x7F80], np.uint16)], 1),
        (ROWS, [[{"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0}]], 2),
        (TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor("float", "n")), [floats(2, 2)], 2),
        (TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor("float", "n")), [None, None], 2),
    ],
)
def test_what_is_always_the_same_or_never_finite_is_told(type_, answers, count):
    (found,) = poor(type_, *answers)
    assert (found.name, found.answers) == ("y", count)


@pytest.mark.parametrize(
    ("type_", "answers"),
    [
        (tensor("float", "n"), [floats(1, 1, 2)]),
        (tensor("int8", "n"), [np.append(np.zeros(3_000_000, np.int8), np.int8(1))]),
        (tensor("string", "n", 2), [np.array([["a", "b"], ["a", "c"]], object)]),
        (tensor("string", "n", 0), [np.zeros((0, 0), object)]),
        (tensor("float", 2), [floats(1, 1), floats(1, 2)]),
        (tensor("float", 2), [floats(1, 1)]),
        (tensor("float", 2), [floats(1, np.nan), floats(2, np.nan)]),
        (tensor("float", "n"), [floats(0.0, -0.0)]),
        (tensor("string", "n"), [np.array(["cat", "cat\0"], object)]),
        (tensor("string", "n"), [np.array(["cat"], object), np.array(["dog"], object)]),
        (ROWS, [[{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}]]),
        (ROWS, [[{"a": 1.0}, {"b": 1.0}]]),
        (TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor("float", "n")), [None, floats(1)]),
        (tensor("float", "n"), []),
        (tensor("float", "n"), [floats()]),
    ],
)
def test_what_differs_once_shows_something_and_one_answer_is_not_always_the_same(type_, answers):
    assert poor(type_, *answers) == ()


def test_each_output_is_looked_at_by_itself():
    specs = tuple(ValueSpec(name=name, type=tensor("float", "n")) for name in ("flat", "good", "gone"))
    variety = Variety(specs)
    for _ in range(2):
        answers = {"flat": floats(1, 1), "good": floats(1, 2), "gone": floats(np.inf, np.nan)}
        variety.add(golden_values(answers, specs=specs))
    flat, gone = PoorOutput(name="flat", answers=4, finite=True), PoorOutput(name="gone", answers=4, finite=False)
    assert variety.poor() == (flat, gone)


def test_finite_is_what_any_part_of_a_value_is():
    (bad,) = golden_values({"y": floats(np.nan)}, specs=(ValueSpec(name="y", type=tensor("float", 1)),)).values()
    (good,) = golden_values({"y": floats(1)}, specs=(ValueSpec(name="y", type=tensor("float", 1)),)).values()
    for value, finite in ((bad, False), (good, True)):
        assert has_finite(value) is finite
        assert has_finite(GoldenSequence(name="", items=(bad, value))) is finite
        assert has_finite(GoldenOptional(name="", value=value)) is finite
        assert has_finite(GoldenMap(name="", keys=(1,), values=(value,))) is finite
    assert not has_finite(GoldenOptional(name="", value=None))
