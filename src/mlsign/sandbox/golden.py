"""Golden test data as feeds, and answers held against it.

Numbers with a fraction may differ as far as the set allows; everything else must be the same. A NaN is matched by a NaN
alone and an infinity by the same one: a model that fails with either has not answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsign.errors import shown
from mlsign.evidence.record import Difference
from mlsign.interface import TypeSpec
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, GoldenValue
from mlsign.sandbox.arrays import Array, Result, decode_array
from mlsign.sandbox.values import Strings, Tensor
from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.dtypes import DTYPES


def array_of(tensor: GoldenTensor) -> Array:
    """The tensor as an array; elements that numpy has no name for as their bits."""
    if tensor.element == "string":
        return decode_array(Strings(tensor.shape, tensor.texts))
    return decode_array(Tensor(tensor.element, tensor.shape, tensor.data))


def feed_of(value: GoldenValue) -> Result:
    """The value as a model is fed with it."""
    match value:
        case GoldenTensor():
            return array_of(value)
        case GoldenSequence(items=items):
            return [feed_of(item) for item in items]
        case GoldenMap(keys=keys, values=values):
            return dict[Any, Any](zip(keys, map(_single, values), strict=True))
        case GoldenOptional(value=inner):
            return None if inner is None else feed_of(inner)


def count_of(value: GoldenValue) -> int:
    """How many elements are compared where the answer is this one."""
    match value:
        case GoldenTensor(shape=shape):
            return math.prod(shape)
        case GoldenSequence(items=items):
            return sum(map(count_of, items))
        case GoldenMap(keys=keys):
            return len(keys)
        case GoldenOptional(value=inner):
            return 0 if inner is None else count_of(inner)


@dataclass(frozen=True, slots=True)
class _Odd:
    """What is different, in a message and in what was expected and found."""

    message: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Near:
    """How far numbers with a fraction may be off."""

    rtol: float
    atol: float

    def matches(self, wanted: Array, answer: Array, element: str) -> Array:
        """For each element whether it is near enough."""
        if are_floats(element):
            return self._near(to_floats(wanted, element), to_floats(answer, element))
        if wanted.dtype.kind == "c":
            return self._near(wanted.real, answer.real) & self._near(wanted.imag, answer.imag)
        if wanted.dtype.kind == "f":
            return self._near(wanted, answer)
        return np.asarray(wanted == answer, dtype=bool)

    def _near(self, wanted: Array, answer: Array) -> Array:
        with np.errstate(invalid="ignore", over="ignore"):
            a, b = wanted.astype(np.float64), answer.astype(np.float64)
            finite = np.isfinite(a) & np.isfinite(b)
            near = np.abs(a - b) <= self.atol + self.rtol * np.abs(a)
        return np.where(finite, near, (a == b) | (np.isnan(a) & np.isnan(b)))


def compare_answer(
    name: str, expected: GoldenValue, answer: Any, *, type_: TypeSpec, rtol: float, atol: float
) -> Difference | None:
    """What is different in the answer under that name, which is of the type that the model declares, or None."""
    odd = _compare(expected, answer, type_, _Near(rtol=rtol, atol=atol), at="")
    return (
        None
        if odd is None
        else Difference(output=name, message=odd.message, expected=shown(odd.expected), found=shown(odd.found))
    )


def _compare(expected: GoldenValue, answer: Any, type_: TypeSpec, near: _Near, *, at: str) -> _Odd | None:
    place = f" at {at}" if at else ""
    inner = type_.inner if type_.inner is not None else type_
    match expected:
        case GoldenTensor():
            return _compare_tensor(expected, answer, type_, near, at=at)
        case GoldenOptional(value=value):
            if value is not None:
                return _compare(value, answer, inner, near, at=at)
            return None if answer is None else _Odd(f"it holds something{place}", "nothing", type(answer).__name__)
        case GoldenSequence(items=items):
            if not isinstance(answer, list):
                return _Odd(f"it is no sequence{place}", "a sequence", type(answer).__name__)
            if len(answer) != len(items):
                return _Odd(f"it has another length{place}", str(len(items)), str(len(answer)))
            found = (_compare(a, b, inner, near, at=f"{at}[{i}]") for i, (a, b) in enumerate(zip(items, answer, strict=True)))
            return next((odd for odd in found if odd is not None), None)
        case GoldenMap():
            return _compare_map(expected, answer, inner, near, place=place)


def _compare_tensor(expected: GoldenTensor, answer: Any, type_: TypeSpec, near: _Near, *, at: str) -> _Odd | None:
    place = f" at {at}" if at else ""
    if not isinstance(answer, np.ndarray):
        return _Odd(f"it is no tensor{place}", expected.element, type(answer).__name__)
    if type_.element != expected.element:  # the answer was held against its declared type: arrays of bits do not tell it
        return _Odd(f"its elements are of another type{place}", expected.element, type_.element)
    if answer.shape != expected.shape:
        return _Odd(f"it has another shape{place}", str(expected.shape), str(answer.shape))
    wanted = array_of(expected)
    wrong = np.argwhere(~near.matches(wanted, answer, expected.element))
    if not len(wrong):
        return None
    first = tuple(int(index) for index in wrong[0])
    message = f"{len(wrong)} of {wanted.size} elements are too far off, the first at {at}{list(first)}"
    return _Odd(message, _spelled(wanted[first], expected.element), _spelled(answer[first], expected.element))


def _compare_map(expected: GoldenMap, answer: Any, value_type: TypeSpec, near: _Near, *, place: str) -> _Odd | None:
    if not isinstance(answer, dict):
        return _Odd(f"it is no map{place}", "a map", type(answer).__name__)
    if odd := [key for key in expected.keys if key not in answer] or sorted(answer.keys() - set(expected.keys)):
        return _Odd(
            f"it has other keys{place}, for instance {shown(odd[0])}", f"{len(expected.keys)} keys", f"{len(answer)} keys"
        )
    if other := next((value.element for value in expected.values if not _same_kind(value.element, value_type.element)), None):
        return _Odd(f"its values are of another type{place}", other, value_type.element)
    wanted = np.array([_single(value) for value in expected.values])
    found = np.array([answer[key] for key in expected.keys])
    wrong = np.flatnonzero(~near.matches(wanted, found, ""))
    if not len(wrong):
        return None
    first = int(wrong[0])
    message = f"{len(wrong)} of {len(wanted)} values are too far off{place}, the first at {shown(expected.keys[first])}"
    return _Odd(message, str(wanted[first]), str(found[first]))


def _same_kind(found: str, declared: str) -> bool:
    """Values of a map are numbers of Python on their way, whose widest types whoever wrote them may have kept."""
    if found == declared:
        return True
    wide = {"f": "double", "i": "int64", "u": "int64"}
    return declared in DTYPES and wide.get(DTYPES[declared].kind) == found


def _single(tensor: GoldenTensor) -> Any:
    return array_of(tensor).reshape(-1).tolist()[0]


def _spelled(element: Any, name: str) -> str:
    """An element for a message: what the bits stand for where they are those of a number."""
    return str(to_floats(np.asarray(element), name)) if are_floats(name) else str(element)
