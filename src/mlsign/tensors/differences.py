"""Two tensors side by side, value by value, in bounded memory: whether anything changed, by how much, and in what way.

A change is one of a few sorts, looked for in the order of ``Change``; each says exactly what was found, no more. Two values
are the same when they are equal or both no number (NaN). Differences are computed in double precision, over the places where
both values are finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlsign.tensors.payload import Array


class Change(Enum):
    """What became of a tensor."""

    IDENTICAL = "identical"
    """Type, shape and every bit are the same."""
    RESHAPED = "reshaped"
    """The shape is another. With as many elements as before, the numbers say how the values differ in the order they are stored."""
    RETYPED = "retyped"
    """The type is another, every value is the same."""
    QUANTIZED = "quantized"
    """The type is another, and one tensor holds the other to the precision of its type: see ``quantized``."""
    PRUNED = "pruned"
    """Values that were not zero are zero now, and every other bit is the same."""
    CHANGED = "changed"
    """Anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How whole numbers stand for values: ``scale`` times what is left after ``zero_point`` is taken away.

    Both are numbers as ``QuantizeLinear`` has them, flat or in shape: one for the tensor, one for each index along ``axis``,
    or, with a ``block`` size, one for each block along ``axis``. ``zero_point`` is None for zero.
    """

    scale: Array
    zero_point: Array | None = None
    axis: int = 1
    block: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the new tensor differs from the old one.

    ``elements`` are those of the new tensor; ``different`` is how many are not what they were, to the bit where the types are
    the same, by value where they are not, None where there is nothing to hold side by side. ``largest`` and ``mean`` are of
    the absolute differences, ``relative_l2`` is the length of the difference by the length of the old tensor (None where that
    has none but zeros); all three are None where no two values are finite, and compare the values that quantized numbers
    stand for. ``unmeasured`` counts places where a value is not finite and they are not the same. ``zeros`` is how many values
    are zero now, ``clipped`` how many lie outside of what the quantized tensor can hold.
    """

    change: Change
    elements: int
    different: int | None = None
    largest: float | None = None
    mean: float | None = None
    relative_l2: float | None = None
    unmeasured: int = 0
    zeros: int = 0
    clipped: int = 0
