"""What the values of one tensor look like, from one pass over them in bounded memory: range, mean, spread and a histogram.

Elements of at most sixteen bits are counted by their bits, so everything about them is exact. Of wider ones the histogram
grows with its range: values fall into ``_FINE`` fine bins, and whenever one lies outside, bins are put together in pairs and
the range doubles. At the end the fine bins become ``BINS`` equal ones. A tensor of at most ``CHUNK_ELEMENTS`` elements has
exact bins; of a larger one a value may stand in the neighbour of its bin if it lies within a thirtieth of a bin of their border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from mlsign.tensors.bits import are_floats
from mlsign.tensors.payload import StoredTensor, element_of
from mlsign.tensors.stored import numbers, stored

BINS: Final = 64
"""Bins of a histogram."""
SMALL: Final = 4096
"""A tensor of no more elements has its different values counted, whatever their type."""
_FINE: Final = 128 * BINS
_BLOCK: Final = 2**16
"""Elements that are computed with at once: what is made of them on the way stays in the processor's cache."""
_COUNTED_BITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values are in each of the equal bins from ``low`` to ``high``; a value on a border is in the upper bin, ``high``
    itself in the last. Where all values are the same there is one bin.
    """

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The values of a tensor. ``minimum`` to ``histogram`` speak of the finite ones, and are None where there are none, and for
    complex numbers, which have no order. ``zeros`` counts both signs.

    ``mean`` and ``deviation`` (of the population) are computed in double precision and None where that does not hold them;
    so is ``histogram``. ``distinct`` is how many different finite values there are, where counting them is cheap: elements of
    at most sixteen bits, and tensors of at most ``SMALL`` elements.
    """

    count: int
    zeros: int
    nans: int
    infinities: int
    minimum: int | float | None = None
    maximum: int | float | None = None
    mean: float | None = None
    deviation: float | None = None
    distinct: int | None = None
    histogram: Histogram | None = None


def describe(tensor: StoredTensor) -> Statistics:
    """The statistics of a tensor. Raises what ``stored`` raises, and says nothing of a tensor that cannot be read to its end."""
    element = element_of(tensor)
    if element.bits <= _COUNTED_BITS:
        return _by_bits(tensor, bits=element.bits)
    if element.name.startswith("complex"):
        return _of_complex(tensor)
    return _by_range(tensor)


def _by_bits(tensor: StoredTensor, *, bits: int) -> Statistics:
    counts = np.zeros(2**bits, np.int64)
    unsigned = np.dtype("<u2" if bits == _COUNTED_BITS else "u1")
    dtype = unsigned
    for chunk in stored(tensor):
        dtype = chunk.dtype
        counts += np.bincount(chunk.view(unsigned), minlength=counts.size)
    patterns = np.flatnonzero(counts).astype(unsigned)
    counts = counts[patterns]
    values = numbers(patterns.view(dtype), element=tensor.record.element).astype(np.float64)
    nans, infinite = np.isnan(values), np.isinf(values)
    finite = ~(nans | infinite)
    facts = Statistics(
        count=int(counts.sum()),
        zeros=int(counts[values == 0].sum()),
        nans=int(counts[nans].sum()),
        infinities=int(counts[infinite].sum()),
        distinct=0,
    )
    if not finite.any():
        return facts
    values, counts = values[finite], counts[finite]
    low, high = float(values.min()), float(values.max())
    mean = float(np.average(values, weights=counts))
    whole = np.issubdtype(dtype, np.integer) and not are_floats(tensor.record.element)
    return replace(
        facts,
        minimum=int(low) if whole else low,
        maximum=int(high) if whole else high,
        mean=mean,
        deviation=math.sqrt(float(np.average((values - mean) ** 2, weights=counts))),
        distinct=int(np.unique(values).size),
        histogram=_histogram(values, counts, low=low, high=high),
    )


def _of_complex(tensor: StoredTensor) -> Statistics:
    count = zeros = nans = infinities = 0
    for chunk in stored(tensor):
        missing = int(np.count_nonzero(np.isnan(chunk)))
        count += chunk.size
        zeros += chunk.size - int(np.count_nonzero(chunk))
        nans += missing
        infinities += chunk.size - missing - int(np.count_nonzero(np.isfinite(chunk)))
    return Statistics(count=count, zeros=zeros, nans=nans, infinities=infinities)


def _by_range(tensor: StoredTensor) -> Statistics:
    count = zeros = nans = infinities = 0
    minimum: int | float | None = None
    maximum: int | float | None = None
    distinct: int | None = 0
    moments, grid = _Moments(), _Grid()
    with np.errstate(over="ignore", invalid="ignore"):  # what double precision does not hold ends as None
        for chunk in stored(tensor):
            count += chunk.size
            zeros += chunk.size - int(np.count_nonzero(chunk))
            finite = chunk
            low, high = chunk.min(), chunk.max()
            if not (np.isfinite(low) and np.isfinite(high)):
                finite = chunk[np.isfinite(chunk)]
                missing = int(np.count_nonzero(np.isnan(chunk)))
                nans += missing
                infinities += chunk.size - finite.size - missing
                if not finite.size:
                    continue
                low, high = finite.min(), finite.max()
            minimum = low.item() if minimum is None else min(minimum, low.item())
            maximum = high.item() if maximum is None else max(maximum, high.item())
            distinct = int(np.unique(finite).size) if count <= SMALL else None
            grid.reach(float(low), float(high))
            for start in range(0, finite.size, _BLOCK):
                block = finite[start : start + _BLOCK].astype(np.float64)
                moments.add(block)
                grid.add(block)
    return Statistics(
        count=count,
        zeros=zeros,
        nans=nans,
        infinities=infinities,
        minimum=minimum,
        maximum=maximum,
        mean=moments.mean if moments.count and math.isfinite(moments.mean) else None,
        deviation=moments.deviation,
        distinct=distinct if count <= SMALL else None,
        histogram=None if minimum is None or maximum is None else grid.histogram(float(minimum), float(maximum)),
    )


class _Moments:
    """Mean and spread of what was added, block by block (Chan, Golub, LeVeque 1979): no cancellation far from zero."""

    __slots__ = ("count", "mean", "squares")

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = 0.0

    def add(self, block: npt.NDArray[np.float64]) -> None:
        mean = float(block.mean())
        rest = np.square(block - mean)
        apart, total = mean - self.mean, self.count + block.size
        # no dot product: the library behind it starts threads of its own
        self.squares += float(rest.sum()) + apart * apart * (self.count / total) * block.size
        self.mean += apart * (block.size / total)
        self.count = total

    @property
    def deviation(self) -> float | None:
        return math.sqrt(self.squares / self.count) if self.count and math.isfinite(self.squares) else None


class _Grid:
    """Equal fine bins from ``low`` over ``width``, which double until they reach what is added."""

    __slots__ = ("counts", "low", "started", "width")

    def __init__(self) -> None:
        self.counts = np.zeros(_FINE, np.int64)
        self.low = self.width = 0.0
        self.started = False

    def reach(self, low: float, high: float) -> None:
        """Room for values from ``low`` to ``high``."""
        if not self.started:
            self.low, self.width, self.started = low, high - low, True
        if not self.width and (low < self.low or high > self.low):  # nothing but one value so far, all in the first bin
            alone, count = self.low, self.counts[0]
            self.low = min(low, alone)
            self.width = max(high, alone) - self.low
            self.counts[0] = 0
            self.counts[self._places(np.array([alone]))] = count
        while math.isfinite(self.width) and (low < self.low or high - self.low > self.width):
            pairs = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts[:] = 0
            if low < self.low:
                self.counts[_FINE // 2 :] = pairs
                self.low -= self.width
            else:
                self.counts[: _FINE // 2] = pairs
            self.width *= 2

    def add(self, block: npt.NDArray[np.float64]) -> None:
        """Counts values within reach."""
        if self.divisible:
            self.counts += np.bincount(self._places(block), minlength=_FINE)
        elif not self.width:
            self.counts[0] += block.size

    @property
    def divisible(self) -> bool:
        """Double precision holds the bins; it does not where values are near its largest or its smallest."""
        return bool(self.width) and math.isfinite(self.width) and math.isfinite(_FINE / self.width)

    def histogram(self, low: float, high: float) -> Histogram | None:
        if not self.width:
            return Histogram(low=low, high=high, counts=(int(self.counts[0]),))
        if not self.divisible:
            return None
        middles = np.linspace(self.low, self.low + self.width, 2 * _FINE + 1, dtype=np.float64)[1::2]
        return _histogram(middles, self.counts, low=low, high=high)

    def _places(self, block: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        places = ((block - self.low) * (_FINE / self.width)).astype(np.intp)
        return np.minimum(places, _FINE - 1, out=places)


def _histogram(values: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], *, low: float, high: float) -> Histogram:
    """Equal bins for values that stand for so many each; what a fine bin has beyond the ends is in the last one there."""
    if low == high:
        return Histogram(low=low, high=high, counts=(int(counts.sum()),))
    places = np.clip((values - low) * (BINS / (high - low)), 0, BINS - 1).astype(np.intp)
    bins = np.zeros(BINS, np.int64)
    np.add.at(bins, places, counts)
    return Histogram(low=low, high=high, counts=tuple(map(int, bins)))
