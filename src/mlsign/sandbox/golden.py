"""Golden test data as arrays, and answers held against it.

Numbers with a fraction may differ as far as the set allows; everything else must be the same. A NaN is matched by a NaN
alone and an infinity by the same one: a model that fails with either has not answered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlsign.errors import shown
from mlsign.evidence.record import Difference
from mlsign.onnx.golden import GoldenTensor
from mlsign.sandbox.arrays import Array, decode_array, element_of
from mlsign.sandbox.values import Strings, Tensor


def array_of(tensor: GoldenTensor) -> Array:
    """The tensor as an array."""
    if tensor.element == "string":
        return decode_array(Strings(tensor.shape, tensor.texts))
    return decode_array(Tensor(tensor.element, tensor.shape, tensor.data))


def compare_answer(name: str, expected: GoldenTensor, answer: Any, *, rtol: float, atol: float) -> Difference | None:
    """What is different in the answer under that name, or None."""
    if not isinstance(answer, np.ndarray):
        return _different(name, "it is no tensor", expected.element, type(answer).__name__)
    found = element_of(answer)
    if found != expected.element:
        return _different(name, "its elements are of another type", expected.element, found or str(answer.dtype))
    if answer.shape != expected.shape:
        return _different(name, "it has another shape", str(expected.shape), str(answer.shape))
    wanted = array_of(expected)
    wrong = np.argwhere(~_matches(wanted, answer, rtol=rtol, atol=atol))
    if not len(wrong):
        return None
    first = tuple(int(index) for index in wrong[0])
    message = f"{len(wrong)} of {wanted.size} elements are too far off, the first at {list(first)}"
    return _different(name, message, str(wanted[first]), str(answer[first]))


def _different(name: str, message: str, expected: str, found: str) -> Difference:
    return Difference(output=name, message=message, expected=shown(expected), found=shown(found))


def _matches(wanted: Array, answer: Array, *, rtol: float, atol: float) -> Array:
    """For each element whether it is near enough."""
    if wanted.dtype.kind == "c":
        real = _near(wanted.real, answer.real, rtol=rtol, atol=atol)
        return real & _near(wanted.imag, answer.imag, rtol=rtol, atol=atol)
    if wanted.dtype.kind == "f":
        return _near(wanted, answer, rtol=rtol, atol=atol)
    return np.asarray(wanted == answer, dtype=bool)


def _near(wanted: Array, answer: Array, *, rtol: float, atol: float) -> Array:
    a, b = wanted.astype(np.float64), answer.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(a - b) <= atol + rtol * np.abs(a)
    return np.where(finite, near, (a == b) | (np.isnan(a) & np.isnan(b)))
