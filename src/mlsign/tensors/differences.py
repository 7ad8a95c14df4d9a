"""Two tensors side by side, value by value, in bounded memory: whether anything changed, by how much, and in what way.

A change is one of a few sorts, looked for in the order of ``Change``; each says exactly what was found, no more. Two values
are the same when they are equal or both no number (NaN). Differences are computed in double precision, over the places where
both values are finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np

from mlsign.tensors.distance import Distance, same
from mlsign.tensors.payload import Array, StoredTensor, count_of, element_of
from mlsign.tensors.quantized import Bounds, Hold, Line, Quantization, Scales, coarse_of, is_whole
from mlsign.tensors.stored import numbers, stored
from mlsign.tensors.texts import different_texts

__all__ = ["Change", "Difference", "Quantization", "compare"]

_BLOCK: Final = 2**16
"""Elements that are computed with at once: what is made of them on the way stays in the processor's cache."""


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
class Difference:
    """How the new tensor differs from the old one.

    ``elements`` are those of the new tensor, ``zeros`` how many of them are zero (of texts: empty). ``different`` is how many
    are not what they were: to the bit where the types are the same, by value where they are not. It and all that follows is
    None where the number of elements is another, and where texts became numbers.

    ``largest`` and ``mean`` are of the absolute differences, ``relative_l2`` is the length of the difference by the length of
    the old tensor. They are 0 for identical tensors, and None for texts, where no two values are finite, and where double
    precision does not hold them; the last one also where only the old tensor is zero throughout. ``unmeasured`` counts places
    where a value is not finite and they are not the same.

    Where a quantization was given or found, differences are those of the values that codes stand for; ``clipped`` is how many
    values lie beyond its range, and ``fitted`` the scale and the zero point that were found.
    """

    change: Change
    elements: int
    zeros: int | None = None
    different: int | None = None
    largest: float | None = None
    mean: float | None = None
    relative_l2: float | None = None
    unmeasured: int = 0
    clipped: int = 0
    fitted: tuple[float, int] | None = None


def compare(old: StoredTensor, new: StoredTensor, *, quantization: Quantization | None = None) -> Difference:
    """What became of ``old``; ``quantization`` says what the codes of the coarse one of the two stand for, if there is one.

    Each tensor is read once or twice, three times to find a scale. Raises what ``stored`` raises, ``tensor.scale`` for a
    quantization that does not fit its tensor, and ``tensor.element`` for elements that nobody can compute with.
    """
    if old.record.element == new.record.element == "string":
        return _of_texts(old, new)
    if "string" in (old.record.element, new.record.element):
        return Difference(change=Change.CHANGED, elements=count_of(new))
    for tensor in (old, new):
        element_of(tensor)
    if count_of(old) != count_of(new):
        return Difference(change=Change.RESHAPED, elements=count_of(new))
    if old.record.element != new.record.element:
        found = _of_two_types(old, new, quantization=quantization)
    else:
        found = _identical(old, new) or _of_one_type(old, new)
    return found if old.record.shape == new.record.shape else replace(found, change=Change.RESHAPED)


def _of_texts(old: StoredTensor, new: StoredTensor) -> Difference:
    elements = count_of(new)
    if count_of(old) != elements:
        return Difference(change=Change.RESHAPED, elements=elements)
    different, empty = different_texts(old, new)
    change = Change.CHANGED if different else Change.IDENTICAL
    if old.record.shape != new.record.shape:
        change = Change.RESHAPED
    return Difference(change=change, elements=elements, zeros=empty, different=different)


def _identical(old: StoredTensor, new: StoredTensor) -> Difference | None:
    """The answer for tensors without any difference; None as soon as there is one."""
    elements = zeros = 0
    for before, after in zip(stored(old), stored(new), strict=True):
        if not np.array_equal(before.view(np.uint8), after.view(np.uint8)):
            return None
        elements += after.size
        zeros += after.size - int(np.count_nonzero(numbers(after, element=new.record.element)))
    return Difference(
        change=Change.IDENTICAL, elements=elements, zeros=zeros, different=0, largest=0.0, mean=0.0, relative_l2=0.0
    )


def _of_one_type(old: StoredTensor, new: StoredTensor) -> Difference:
    distance, pruned = Distance(), True
    element = new.record.element
    for _, before, after in _blocks(old, new):
        x, y = numbers(before, element=element), numbers(after, element=element)
        other = (before.view(np.uint8) != after.view(np.uint8)).reshape(before.size, -1).any(axis=1)
        distance.add(x, y, other=other)
        pruned = pruned and not np.any(other & ~((y == 0) & (x != 0)))
    return _difference(distance, Change.PRUNED if pruned else Change.CHANGED)


def _of_two_types(old: StoredTensor, new: StoredTensor, *, quantization: Quantization | None) -> Difference:
    coarse = coarse_of(old.record.element, new.record.element)
    if coarse and quantization is not None:
        return _held(old, new, coarse=coarse, quantization=quantization)
    plain, line = Distance(), Line()
    for _, x, y in _valued(old, new):
        plain.add(x, y, other=~same(x, y))
        if is_whole(coarse):
            line.add(*_ordered(x, y, coarse_is_new=coarse == new.record.element))
    if not plain.different:
        return _difference(plain, Change.RETYPED)
    if not coarse:
        return _difference(plain, Change.CHANGED)
    if not is_whole(coarse):
        return _held(old, new, coarse=coarse, quantization=Quantization(scale=np.ones(1)))
    zero_points = line.zero_points(element=coarse)
    bounds = Bounds(zero_points)
    if zero_points:
        for _, x, y in _valued(old, new):
            bounds.add(*_ordered(x, y, coarse_is_new=coarse == new.record.element))
    found = bounds.quantization()
    if found is None:
        return _difference(plain, Change.CHANGED)
    scale, zero = found
    given = Quantization(scale=np.array([scale]), zero_point=np.array([zero]))
    return replace(_held(old, new, coarse=coarse, quantization=given), fitted=found)


def _held(old: StoredTensor, new: StoredTensor, *, coarse: str, quantization: Quantization) -> Difference:
    """Whether the coarse tensor holds the other one, and how far what its codes stand for is away."""
    coarse_is_new = coarse == new.record.element
    scales = Scales(quantization, tensor=new if coarse_is_new else old)
    distance, hold = Distance(), Hold(coarse)
    for start, x, y in _valued(old, new):
        codes, values = _ordered(x, y, coarse_is_new=coarse_is_new)
        stand = hold.add(codes, values, scales=scales.at(start, x.size))
        was, now = (values, stand) if coarse_is_new else (stand, values)
        distance.add(was, now, other=~same(was, now))
    change = (Change.QUANTIZED if hold.holds else Change.CHANGED) if distance.different else Change.RETYPED
    return replace(_difference(distance, change), clipped=hold.clipped)


def _difference(distance: Distance, change: Change) -> Difference:
    return Difference(
        change=change,
        elements=distance.elements,
        zeros=distance.zeros,
        different=distance.different,
        largest=distance.largest,
        mean=distance.mean,
        relative_l2=distance.relative_l2,
        unmeasured=distance.unmeasured,
    )


def _ordered(x: Array, y: Array, *, coarse_is_new: bool) -> tuple[Array, Array]:
    """Codes and values, in double precision."""
    codes, values = (y, x) if coarse_is_new else (x, y)
    return codes.astype(np.float64), values.astype(np.float64)


def _valued(old: StoredTensor, new: StoredTensor) -> Iterator[tuple[int, Array, Array]]:
    for start, before, after in _blocks(old, new):
        yield start, numbers(before, element=old.record.element), numbers(after, element=new.record.element)


def _blocks(old: StoredTensor, new: StoredTensor) -> Iterator[tuple[int, Array, Array]]:
    """The stored elements of both, side by side, with the place of the first."""
    start = 0
    for before, after in zip(stored(old), stored(new), strict=True):
        for at in range(0, before.size, _BLOCK):
            yield start + at, before[at : at + _BLOCK], after[at : at + _BLOCK]
        start += before.size
