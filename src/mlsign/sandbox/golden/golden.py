"""Golden test data as feeds, answers held against it, and answers held against one another.

Numbers with a fraction may differ as far as the set allows; everything else must be the same. A NaN is matched by a NaN
alone and an infinity by the same one: a model that fails with either has not answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mlsign.errors import shown
from mlsign.evidence.record import Difference, MeasuredOutput
from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, GoldenValue
from mlsign.sandbox.arrays import Array, Result, decode_array
from mlsign.sandbox.values import Strings, Tensor
from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES
from mlsign.tensors.measure import Measure, has_fraction, measure_arrays

_BLOCK: Final = 1 << 18
"""Elements."""


def array_of(tensor: GoldenTensor) -> Array:
    """The tensor as an array; elements that numpy has no name for as their bits."""
    if tensor.element == "string":
        return decode_array(Strings(tensor.shape, tensor.texts))
    return decode_array(Tensor(tensor.element, tensor.shape, tensor.data))


def any_number(tensor: GoldenTensor, test: Callable[[Array], Array]) -> bool:
    """Whether there is an element that is no number with a fraction, or one for which the test holds. Block by block: as doubles all take much."""
    flat = array_of(tensor).reshape(-1)
    for at in range(0, flat.size, _BLOCK):
        block = flat[at : at + _BLOCK]
        numbers = to_floats(block, tensor.element) if are_floats(tensor.element) else block
        if numbers.dtype.kind not in "fc" or bool(test(numbers).any()):
            return True
    return False


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


def measure_golden(name: str, expected: GoldenValue, answer: Any, *, type_: TypeSpec, rtol: float, atol: float) -> MeasuredOutput:
    """How far the answer under that name, which is of the type that the model declares, is from golden data."""
    odd = _other_element(expected, type_, at="")
    if odd is not None:
        return _measured(name, Measure(), odd)
    return measure(name, feed_of(expected), answer, type_=type_, rtol=rtol, atol=atol)


def measure(name: str, expected: Result, answer: Result, *, type_: TypeSpec, rtol: float, atol: float) -> MeasuredOutput:
    """How far one answer under that name is from another, both of the same declared type but for their shapes.

    Everything that can be compared is, also behind what is different.
    """
    measuring = _Measuring(rtol=rtol, atol=atol)
    measuring.hold(expected, answer, type_, at="")
    return _measured(name, measuring.total, measuring.odd)


def _measured(name: str, total: Measure, odd: _Odd | None) -> MeasuredOutput:
    return MeasuredOutput(
        output=name,
        compared=total.compared,
        unequal=total.unequal,
        too_far=total.too_far,
        absolute=total.absolute,
        relative=total.relative,
        ulps=total.ulps,
        difference=None if odd is None else Difference(message=odd.message, expected=shown(odd.expected), found=shown(odd.found)),
    )


@dataclass(frozen=True, slots=True)
class _Odd:
    """What is different, in a message and in what was expected and found."""

    message: str
    expected: str
    found: str


class _Measuring:
    """Goes through two values side by side; ``odd`` is the first thing that is different."""

    def __init__(self, *, rtol: float, atol: float) -> None:
        self._rtol, self._atol = rtol, atol
        self.total = Measure()
        self.odd: _Odd | None = None

    def hold(self, expected: Result, answer: Result, type_: TypeSpec, *, at: str) -> None:
        place = f" at {at}" if at else ""
        type_ = _held(type_)
        if expected is None:
            if answer is not None:
                self._differ(f"it holds something{place}", "nothing", type(answer).__name__)
        elif isinstance(expected, np.ndarray):
            self._hold_tensor(expected, answer, type_, at=at)
        elif isinstance(expected, list):
            self._hold_sequence(expected, answer, type_, at=at)
        else:
            self._hold_map(expected, answer, type_, place=place)

    def _differ(self, message: str, expected: str, found: str) -> None:
        self.odd = self.odd or _Odd(message, expected, found)

    def _hold_sequence(self, expected: list[Result], answer: Result, type_: TypeSpec, *, at: str) -> None:
        place = f" at {at}" if at else ""
        if not isinstance(answer, list):
            self._differ(f"it is no sequence{place}", "a sequence", type(answer).__name__)
        elif len(answer) != len(expected):
            self._differ(f"it has another length{place}", str(len(expected)), str(len(answer)))
        else:
            inner = type_.inner if type_.inner is not None else type_
            for index, (wanted, found) in enumerate(zip(expected, answer, strict=True)):
                self.hold(wanted, found, inner, at=f"{at}[{index}]")

    def _hold_tensor(self, expected: Array, answer: Result, type_: TypeSpec, *, at: str) -> None:
        place = f" at {at}" if at else ""
        if not isinstance(answer, np.ndarray):
            self._differ(f"it is no tensor{place}", type_.element, type(answer).__name__)
        elif answer.dtype != expected.dtype:
            self._differ(f"its elements are of another type{place}", str(expected.dtype), str(answer.dtype))
        elif answer.shape != expected.shape:
            self._differ(f"it has another shape{place}", str(expected.shape), str(answer.shape))
        else:
            found = self._add(expected, answer, type_.element)
            if found.first is not None:
                first = tuple(int(index) for index in np.unravel_index(found.first, expected.shape))
                message = f"{found.wrong} of {expected.size} elements are {_off(type_.element)}, the first at {at}{list(first)}"
                self._differ(message, *(_spelled(side[first], type_.element) for side in (expected, answer)))

    def _hold_map(self, expected: dict[Any, Any], answer: Result, type_: TypeSpec, *, place: str) -> None:
        if not isinstance(answer, dict):
            self._differ(f"it is no map{place}", "a map", type(answer).__name__)
        elif odd := [key for key in expected if key not in answer] or sorted(answer.keys() - expected.keys()):
            message = f"it has other keys{place}, for instance {shown(odd[0])}"
            self._differ(message, f"{len(expected)} keys", f"{len(answer)} keys")
        else:
            element = "" if type_.inner is None else type_.inner.element
            dtype = _dtype_of_values(element)
            wanted, given = (np.array([side[key] for key in expected], dtype=dtype) for side in (expected, answer))
            found = self._add(wanted, given, element)
            if found.first is not None:
                key = list(expected)[found.first]
                message = f"{found.wrong} of {len(expected)} values are {_off(element)}{place}, the first at {shown(key)}"
                self._differ(message, str(expected[key]), str(answer[key]))

    def _add(self, wanted: Array, found: Array, element: str) -> Measure:
        measured = measure_arrays(wanted, found, element=element, rtol=self._rtol, atol=self._atol)
        self.total = self.total.and_then(measured)
        return measured


def _off(element: str) -> str:
    """What is wrong with elements that are told: what no tolerance is for is not far off."""
    return "too far off" if has_fraction(element) else "not equal"


def _dtype_of_values(element: str) -> np.dtype[Any]:
    """How values of a map are compared: as objects texts keep the zeros at their ends, and integers all their digits."""
    if not has_fraction(element):
        return np.dtype(object)
    return RAW_DTYPES[element] if are_floats(element) else np.result_type(DTYPES[element], np.float64)


def _held(type_: TypeSpec) -> TypeSpec:
    """What an optional of this type holds, or the type itself."""
    while type_.kind is ValueKind.OPTIONAL and type_.inner is not None:
        type_ = type_.inner
    return type_


def _other_element(expected: GoldenValue, type_: TypeSpec, *, at: str) -> _Odd | None:
    """Golden data whose elements are not those of the declared type: arrays of bits would not tell it."""
    place, type_ = (f" at {at}" if at else ""), _held(type_)
    inner = type_.inner if type_.inner is not None else type_
    match expected:
        case GoldenTensor(element=element):
            if type_.kind is ValueKind.TENSOR and element != type_.element:
                return _Odd(f"its elements are of another type{place}", element, type_.element)
        case GoldenOptional(value=value):
            return None if value is None else _other_element(value, type_, at=at)
        case GoldenSequence(items=items):
            found = (_other_element(item, inner, at=f"{at}[{index}]") for index, item in enumerate(items))
            return next((odd for odd in found if odd is not None), None)
        case GoldenMap(values=values):
            other = next((value.element for value in values if not _same_kind(value.element, inner.element)), None)
            if type_.kind is ValueKind.MAP and other is not None:
                return _Odd(f"its values are of another type{place}", other, inner.element)
    return None


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
