"""How far the values of one tensor are from those of another, added up block by block in double precision."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.tensors.payload import Array

Mask: TypeAlias = npt.NDArray[np.bool_]

_EXACT: Final = 2**53
"""Whole numbers up to here are what they are in double precision."""
_WIDE: Final = 8


def same(x: Array, y: Array) -> Mask:
    """Where two values are equal or both no number. A whole number that doubles do not have is no fraction either."""
    out: Mask = (x == y) | (np.isnan(x) & np.isnan(y))
    for one, other in ((x, y), (y, x)):
        if one.dtype.kind in "iu" and one.dtype.itemsize == _WIDE and other.dtype.kind not in "iub":
            out &= (one <= _EXACT) & (one >= (0 if one.dtype.kind == "u" else -_EXACT))
    return out


class Distance:
    """The sums; each property says what ``Difference`` says of it."""

    __slots__ = ("_largest", "_length", "_measured", "_squares", "_sum", "different", "elements", "unmeasured", "zeros")

    def __init__(self) -> None:
        self.elements = self.zeros = self.different = self.unmeasured = self._measured = 0
        self._largest = self._sum = self._squares = self._length = 0.0

    def add(self, x: Array, y: Array, *, other: Mask) -> None:
        """Values as they were and as they are now; ``other`` marks those that count as different."""
        self.elements += y.size
        self.zeros += y.size - int(np.count_nonzero(y))
        self.different += int(np.count_nonzero(other))
        with np.errstate(over="ignore", invalid="ignore"):
            apart, long = _apart(x, y), np.abs(x.astype(_double(x)))
            if not math.isfinite(apart.sum()):
                finite = np.isfinite(x) & np.isfinite(y)
                self.unmeasured += int(np.count_nonzero(~same(x, y) & ~finite))
                apart, long = apart[finite], long[finite]
            self._measured += apart.size
            self._largest = max(self._largest, float(apart.max(initial=0)))
            self._sum += float(apart.sum())
            self._squares += float(np.square(apart).sum())
            self._length += float(np.square(long).sum())

    @property
    def largest(self) -> float | None:
        return self._finite(self._largest)

    @property
    def mean(self) -> float | None:
        return self._finite(self._sum / self._measured) if self._measured else None

    @property
    def relative_l2(self) -> float | None:
        if not self._largest:
            return self._finite(0.0)
        if not (0 < self._squares < math.inf and 0 < self._length < math.inf):
            return None
        return self._finite(math.sqrt(self._squares) / math.sqrt(self._length))

    def _finite(self, value: float) -> float | None:
        return value if self._measured and math.isfinite(value) else None


def _apart(x: Array, y: Array) -> Array:
    """The absolute differences; those of wide whole numbers are right before they are rounded."""
    if x.dtype == y.dtype and x.dtype.kind in "iu" and x.dtype.itemsize == _WIDE:
        low, high = np.minimum(x, y), np.maximum(x, y)
        return (high.view(np.uint64) - low.view(np.uint64)).astype(np.float64)
    return np.abs(y.astype(_double(y)) - x.astype(_double(x)))


def _double(values: Array) -> type[np.complex128 | np.float64]:
    return np.complex128 if values.dtype.kind == "c" else np.float64
