"""Two arrays of one element type held against each other: how far apart, and in how many elements too far.

Numbers with a fraction are measured: absolutely, relative to what was expected, and in units in the last place (ULPs), which is
how many steps from one number of the element type to the next lie between the two. Everything else is equal or not. Arrays are
gone through in blocks, so that measuring two large ones takes little memory beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.canonical import MAX_SAFE_INTEGER
from mlsign.tensors.bits import are_floats, to_floats
from mlsign.tensors.dtypes import DTYPES
from mlsign.tensors.elements import ELEMENTS

Array: TypeAlias = npt.NDArray[Any]

MAX_ULPS: Final = MAX_SAFE_INTEGER
"""Stands for itself and all that is more: a reader of JSON would round those, and nobody tells them apart."""
_LARGEST: Final = sys.float_info.max
"""Stands for a distance that no double is large enough for."""
_BLOCK: Final = 1 << 18
_COMPONENTS: Final = {"complex64": "float", "complex128": "double"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What became of so many elements that were ``compared``.

    ``unequal`` are those that have no distance and differ: integers, booleans, texts, and a NaN or an infinity beside anything
    else than the same. ``too_far`` are numbers further apart than they may be. ``first`` is the first of both, in C order. The
    largest errors are None where nothing was measured; one in relation to zero is none.
    """

    compared: int = 0
    unequal: int = 0
    too_far: int = 0
    first: int | None = None
    absolute: float | None = None
    relative: float | None = None
    ulps: int | None = None

    @property
    def wrong(self) -> int:
        """How many elements are not as they should be."""
        return self.unequal + self.too_far

    def and_then(self, other: Measure) -> Measure:
        """Both together, ``other`` being of the elements that come next."""
        return Measure(
            compared=self.compared + other.compared,
            unequal=self.unequal + other.unequal,
            too_far=self.too_far + other.too_far,
            first=self.first if self.first is not None or other.first is None else self.compared + other.first,
            absolute=_larger(self.absolute, other.absolute),
            relative=_larger(self.relative, other.relative),
            ulps=_larger(self.ulps, other.ulps),
        )


def _larger(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)


def has_fraction(element: str) -> bool:
    """The elements are numbers with a fraction, which may be near without being equal."""
    return are_floats(element) or (element in DTYPES and DTYPES[element].kind in "fc")


def measure_arrays(wanted: Array, found: Array, *, element: str, rtol: float, atol: float) -> Measure:
    """``found`` against ``wanted``, of the same shape; numbers of one type at least as wide as ``element`` or its bits.

    Near is what ``|found - wanted| <= atol + rtol * |wanted|`` holds for, in double precision and part by part of complex numbers.
    """
    if wanted.shape != found.shape:
        raise ValueError(f"arrays of {wanted.shape} and {found.shape} cannot be compared")
    out = Measure()
    for a, b in _blocks(wanted, found):
        if not has_fraction(element):
            out = out.and_then(_of_unequal(np.asarray(a != b, dtype=bool)))
        elif element in _COMPONENTS:
            parts = (_distances(x, y, _COMPONENTS[element], rtol, atol) for x, y in ((a.real, b.real), (a.imag, b.imag)))
            out = out.and_then(_either(*parts).measured())
        else:
            out = out.and_then(_distances(a, b, element, rtol, atol).measured())
    return out


def _blocks(wanted: Array, found: Array) -> Iterator[tuple[Array, Array]]:
    a, b = wanted.reshape(-1), found.reshape(-1)
    return ((a[at : at + _BLOCK], b[at : at + _BLOCK]) for at in range(0, a.size, _BLOCK))


def _of_unequal(wrong: Array) -> Measure:
    count = int(np.count_nonzero(wrong))
    return Measure(compared=wrong.size, unequal=count, first=int(np.argmax(wrong)) if count else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distances:
    """Element by element; distances are zero where there are none, and ``related`` says where ``relative`` is one."""

    unequal: Array
    too_far: Array
    measured_at: Array
    related: Array
    absolute: Array
    relative: Array
    ulps: Array

    def measured(self) -> Measure:
        wrong = self.unequal | self.too_far
        out = replace(
            _of_unequal(wrong),
            unequal=int(np.count_nonzero(self.unequal)),
            too_far=int(np.count_nonzero(self.too_far & ~self.unequal)),
        )
        if not self.measured_at.any():
            return out
        return replace(
            out,
            absolute=float(np.max(self.absolute)),
            relative=float(np.max(self.relative)) if self.related.any() else None,
            ulps=min(int(np.max(self.ulps)), MAX_ULPS),
        )


def _either(one: _Distances, other: _Distances) -> _Distances:
    """Of complex numbers the part that is further off."""
    return _Distances(
        unequal=one.unequal | other.unequal,
        too_far=one.too_far | other.too_far,
        measured_at=one.measured_at | other.measured_at,
        related=one.related | other.related,
        absolute=np.maximum(one.absolute, other.absolute),
        relative=np.maximum(one.relative, other.relative),
        ulps=np.maximum(one.ulps, other.ulps),
    )


def _distances(wanted: Array, found: Array, element: str, rtol: float, atol: float) -> _Distances:
    a, b = _numbers(wanted, element), _numbers(found, element)
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        apart = np.abs(a - b)
        near = np.isfinite(apart) & (apart <= atol + rtol * np.abs(a))
        # Beside a distance that no double is large enough for, what it is relative to can still be told.
        ratio = np.where(np.isfinite(apart), apart / np.abs(a), np.abs(b / a - 1))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
    related = finite & ((a != 0) | (b == 0))
    return _Distances(
        unequal=~finite & ~same,
        too_far=finite & ~near,
        measured_at=finite,
        related=related,
        absolute=np.where(finite, np.minimum(apart, _LARGEST), 0.0),
        relative=np.where(related & (a != 0), np.minimum(ratio, _LARGEST), 0.0),
        ulps=np.where(finite, _steps(wanted, found, element), np.uint64(0)),
    )


def _numbers(array: Array, element: str) -> Array:
    if are_floats(element):
        return to_floats(array, element)
    with np.errstate(invalid="ignore"):  # a signalling NaN is one like any other
        return array.astype(np.float64)


def _steps(wanted: Array, found: Array, element: str) -> Array:
    """How many steps of the element type lie between, for each element; both zeros are the same place."""
    a, b = _codes(wanted, element), _codes(found, element)
    # Of floats of any width the bits below the sign count up from zero; one format has no sign.
    sign = np.uint64(0 if element == "float8e8m0" else 1 << (ELEMENTS[element].bits - 1))
    below = ~sign if not sign else sign - np.uint64(1)
    x, y = a & below, b & below
    return np.where((a ^ b) & sign != 0, x + y, np.maximum(x, y) - np.minimum(x, y))


def _codes(array: Array, element: str) -> Array:
    dtype = DTYPES.get(element)
    if dtype is None:
        return array.astype(np.uint64)
    with np.errstate(invalid="ignore", over="ignore"):
        own = np.ascontiguousarray(array, dtype=dtype)
    return own.view(f"<u{dtype.itemsize}").astype(np.uint64)
