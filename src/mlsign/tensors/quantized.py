"""Whether one tensor holds another to the precision of its type, which is what quantizing and rounding do.

The coarse one of two is the one of whole numbers where the other has fractions, and the one of fewer bits otherwise. Its
codes ``c`` stand for ``scale * (c - zero_point)``. It holds the other when each value lies within ``REACH`` steps of what its
code stands for: half a step, and a little for the arithmetic of whoever rounded. A step is ``scale`` for whole numbers and
``scale`` times the distance to the next larger number for floats. Values beyond the range of the type may stand at its end;
such clipped ones are allowed up to one in a hundred.

A scale that nobody gives is looked for, one for the whole tensor with a whole zero point; the zero point is the one of a
straight line through all pairs (least squares), give or take one, or zero. Then the scale is any that holds every value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mlsign.tensors.distance import same
from mlsign.tensors.elements import ELEMENTS
from mlsign.tensors.payload import Array, StoredTensor

Floats: TypeAlias = npt.NDArray[np.float64]

REACH: Final = 0.51
"""Steps that a value may lie away from what its code stands for."""
FEWEST: Final = 16
"""Through fewer pairs of values a line is soon drawn, so no scale is looked for."""
MOST_CLIPPED: Final = 100
"""One value in so many may lie beyond the range of the coarse type."""
_FLOATS: Final = MappingProxyType(
    {
        # name: (mantissa bits, exponent of the smallest normal number, largest number)
        "float": (23, -126, float(np.finfo(np.float32).max)),
        "float16": (10, -14, 65504.0),
        "bfloat16": (7, -126, float.fromhex("0x1.fep127")),
        "float8e4m3fn": (3, -6, 448.0),
        "float8e4m3fnuz": (3, -7, 240.0),
        "float8e5m2": (2, -14, 57344.0),
        "float8e5m2fnuz": (2, -15, 57344.0),
        "float4e2m1": (1, 0, 6.0),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What codes stand for: ``scale`` times what is left after ``zero_point`` is taken away.

    Both are numbers as ``QuantizeLinear`` has them, flat or in shape: one for the tensor, one for each index along ``axis``,
    or, with a ``block`` size, one for each block along ``axis``. ``zero_point`` is None for zero.
    """

    scale: Array
    zero_point: Array | None = None
    axis: int = 1
    block: int = 0


def coarse_of(old: str, new: str) -> str:
    """The element type of the two that is the coarse one; empty where neither is, or where it is none that rounds."""
    whole = {name: is_whole(name) for name in (old, new)}
    if not all(whole[name] or name in _FLOATS or name == "double" for name in (old, new)):
        return ""
    if whole[old] != whole[new]:
        coarse = old if whole[old] else new
    elif ELEMENTS[old].bits != ELEMENTS[new].bits:
        coarse = min(old, new, key=lambda name: ELEMENTS[name].bits)
    else:
        return ""
    return coarse


def is_whole(element: str) -> bool:
    """The element type is one of whole numbers."""
    return element.startswith(("int", "uint"))


def range_of(element: str) -> tuple[float, float]:
    """The lowest and the highest finite number of a type that ``coarse_of`` gives."""
    if not is_whole(element):
        return -_FLOATS[element][2], _FLOATS[element][2]
    bits = ELEMENTS[element].bits
    return (0.0, 2.0**bits - 1) if element.startswith("uint") else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)


def steps(codes: Floats, *, element: str) -> Floats | float:
    """How far the next larger number of the type is away; for codes that are not finite, as from the largest one."""
    if is_whole(element):
        return 1.0
    mantissa, smallest, largest = _FLOATS[element]
    _, exponents = np.frexp(np.minimum(np.nan_to_num(np.abs(codes), nan=largest), largest))
    out: Floats = np.ldexp(1.0, np.maximum(exponents - 1, smallest) - mantissa)
    return out


class Scales:
    """The scale and the zero point of each place of a tensor. Raises ``InputError`` (``tensor.scale``) where they do not fit it."""

    __slots__ = ("_block", "_dim", "_inner", "_scale", "_zero")

    def __init__(self, quantization: Quantization, *, tensor: StoredTensor) -> None:
        scale = np.asarray(quantization.scale, np.float64).reshape(-1)
        given = quantization.zero_point
        zero = np.zeros_like(scale) if given is None else np.asarray(given, np.float64).reshape(-1)
        shape, rank = tensor.record.shape, len(tensor.record.shape)
        axis = quantization.axis + rank if quantization.axis < 0 else quantization.axis
        self._scale, self._zero, self._block = scale, zero, max(0, quantization.block)
        self._dim = self._inner = wanted = 1
        if scale.size != 1:
            if not 0 <= axis < rank:
                found = quantization.axis
                tensor.reject(f"has scales along axis {found}, and {rank} dimensions", code="scale", found=found)
            self._dim, self._inner = shape[axis], math.prod(shape[axis + 1 :])
            wanted = math.prod(shape[:axis]) * self._blocks * self._inner if self._block else self._dim
        if scale.size != wanted or zero.size != wanted or not (np.isfinite(scale).all() and np.isfinite(zero).all()):
            message = f"has {scale.size} scales and {zero.size} zero points, wanted are {wanted} finite numbers of each"
            tensor.reject(message, code="scale", expected=wanted, found=scale.size)

    @property
    def _blocks(self) -> int:
        return -(-self._dim // self._block)

    def at(self, start: int, size: int) -> tuple[Floats, Floats]:
        """Those of ``size`` places from ``start`` on."""
        if self._scale.size == 1:
            return self._scale, self._zero
        flat = np.arange(start, start + size)
        index = flat // self._inner % self._dim
        if self._block:
            before = flat // (self._inner * self._dim)
            index = (before * self._blocks + index // self._block) * self._inner + flat % self._inner
        return self._scale[index], self._zero[index]


class Line:
    """The straight line through pairs of a code and a value, from their sums about the first pair."""

    __slots__ = ("_at", "_count", "_sums")

    def __init__(self) -> None:
        self._at: tuple[float, float] | None = None
        self._sums = np.zeros(4)
        self._count = 0

    def add(self, codes: Floats, values: Floats) -> None:
        """More pairs; a value that is not finite spoils the line, which then has no zero points."""
        if self._at is None:
            self._at = float(codes[0]), float(values[0])
        c, x = codes - self._at[0], values - self._at[1]
        self._sums += (c.sum(), x.sum(), (c * c).sum(), (c * x).sum())
        self._count += codes.size

    def zero_points(self, *, element: str) -> tuple[int, ...]:
        """Where the value zero may be, nearest first; nothing where no line rises through the pairs."""
        if self._at is None or self._count < FEWEST or not np.isfinite(self._sums).all():
            return ()
        c, x, cc, cx = (float(total) / self._count for total in self._sums)
        if cc - c * c <= 0 or cx - c * x <= 0:
            return ()
        slope = (cx - c * x) / (cc - c * c)
        zero = self._at[0] + c - (self._at[1] + x) / slope
        low, high = range_of(element)
        if not low - 1 <= zero <= high + 1:
            return ()
        near = round(zero)
        return tuple(dict.fromkeys(at for at in (near, near - 1, near + 1, 0) if low <= at <= high))


class Bounds:
    """The scales with which codes hold all values that were added, by zero point."""

    __slots__ = ("_high", "_low", "_zeros")

    def __init__(self, zero_points: tuple[int, ...]) -> None:
        self._zeros = zero_points
        self._low = [0.0] * len(zero_points)
        self._high = [math.inf] * len(zero_points)

    def add(self, codes: Floats, values: Floats) -> None:
        """A scale must put each value within ``REACH`` of its code."""
        for index, zero in enumerate(self._zeros):
            away = codes - zero
            apart = np.abs(away)
            along = np.where(away < 0, -values, values)
            along = np.where(away == 0, np.abs(values), along)
            self._low[index] = max(self._low[index], float((along / (apart + REACH)).max()))
            some = apart >= 1
            if some.any():
                self._high[index] = min(self._high[index], float((along[some] / (apart[some] - REACH)).min()))

    def quantization(self) -> tuple[float, int] | None:
        """The first zero point with a scale, and before it the scale in the middle of those that do."""
        for zero, low, high in zip(self._zeros, self._low, self._high, strict=True):
            if 0 < low <= high < math.inf:
                return (low + high) / 2, zero
        return None


class Hold:
    """Whether codes of one type hold the values that were added."""

    __slots__ = ("_coarse", "_elements", "_missed", "clipped")

    def __init__(self, coarse: str) -> None:
        self._coarse = coarse
        self._elements = self._missed = 0
        self.clipped = 0

    def add(self, codes: Floats, values: Floats, *, scales: tuple[Floats, Floats]) -> Floats:
        """What the codes stand for, after their values were looked at."""
        scale, zero = scales
        lowest, highest = range_of(self._coarse)
        with np.errstate(over="ignore", invalid="ignore"):
            stand, size = scale * (codes - zero), np.abs(scale)
            fits = same(values, stand) | (np.abs(values - stand) <= REACH * size * steps(codes, element=self._coarse))
            along = values * np.sign(scale)  # a scale below zero turns the range around
            above = (codes >= highest) & (along > size * (highest - zero))
            below = (codes <= lowest) & (along < size * (lowest - zero))
        clipped = (above | below) & ~fits
        self._elements += codes.size
        self.clipped += int(np.count_nonzero(clipped))
        self._missed += int(np.count_nonzero(~(fits | clipped)))
        return stand

    @property
    def holds(self) -> bool:
        """No value is missed, and at most one in ``MOST_CLIPPED`` is clipped."""
        return not self._missed and self.clipped * MOST_CLIPPED <= self._elements
