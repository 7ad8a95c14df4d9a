"""Whether a model's answers to drawn inputs show anything: where all of them are the same, another model may answer so as well.

Inputs are drawn without knowing what a model was trained on. Numbers far from those drive a sigmoid to its end, or a sum beyond the
largest float.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsign.interface import ValueKind, ValueSpec
from mlsign.onnx.golden import GoldenTensor
from mlsign.onnx.golden_values import GoldenMap, GoldenOptional, GoldenSequence, GoldenValue
from mlsign.sandbox.arrays import Array
from mlsign.sandbox.golden.golden import any_number, array_of

_BLOCK: Final = 1 << 20
"""Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoorOutput:
    """An output that shows little: so many ``answers`` to drawn inputs were all the same, or not one number of them was ``finite``."""

    name: str
    answers: int
    finite: bool


class Variety:
    """What was answered to drawn inputs so far, output by output; of each it keeps the first answer."""

    def __init__(self, outputs: tuple[ValueSpec, ...]) -> None:
        self._seen = {spec.name: _Seen(by_row=_counts_rows(spec)) for spec in outputs}

    def add(self, outputs: Mapping[str, GoldenValue]) -> None:
        """Takes the answers to one set of inputs into account."""
        for name, value in outputs.items():
            self._seen[name].add(value)

    def poor(self) -> tuple[PoorOutput, ...]:
        """The outputs that show little, in the order of the model. One answer alone is not always the same."""
        return tuple(
            PoorOutput(name=name, answers=seen.answers, finite=seen.finite)
            for name, seen in self._seen.items()
            if seen.answers and (not seen.finite or (seen.answers > 1 and not seen.varied))
        )


class _Seen:
    """One output."""

    def __init__(self, *, by_row: bool) -> None:
        self._by_row = by_row
        self._first: Hashable = None
        self.answers = 0
        self.varied = False
        self.finite = False

    def add(self, value: GoldenValue) -> None:
        self.finite = self.finite or has_finite(value)
        for answer, count, alike in _answers(value, by_row=self._by_row):
            if not self.answers:
                self._first = answer
            self.varied = self.varied or not alike or answer != self._first
            self.answers += count


def _counts_rows(spec: ValueSpec) -> bool:
    """The first dimension is open, as the one is that counts rows."""
    type_ = spec.type
    shape = type_.inner.shape if type_.kind is ValueKind.OPTIONAL and type_.inner is not None else type_.shape
    return shape is not None and shape != () and not isinstance(shape[0], int)


_Answers = tuple[Hashable, int, bool]
"""One answer, how many there are from it on, and whether these are like it."""


def _answers(value: GoldenValue, *, by_row: bool) -> Iterator[_Answers]:
    """What a model answered: rows of a tensor, items of a sequence. Bit for bit, so that no two NaNs are mistaken."""
    match value:
        case GoldenTensor(shape=(0, *_)) if by_row:
            return
        case GoldenTensor(shape=shape) if 0 in shape:  # of which there can be any number
            yield _whole(value), 1, True
        case GoldenTensor(element="string", shape=(rows, *rest)) if by_row:
            width = math.prod(rest)
            first = value.texts[:width]
            alike = all(value.texts[at : at + width] == first for at in range(0, len(value.texts), width))
            yield (tuple(rest), first), rows, alike
        case GoldenTensor(shape=(rows, *rest)) if by_row:
            array = array_of(value)
            data = np.ascontiguousarray(array).reshape(rows, math.prod(rest)).view(np.uint8)
            yield (tuple(rest), data[0].tobytes()), rows, _alike(data)
        case GoldenSequence(items=items):
            yield from ((_whole(item), 1, True) for item in items)
        case GoldenOptional(value=inner) if inner is not None:
            yield from _answers(inner, by_row=by_row)
        case _:
            yield _whole(value), 1, True


def _alike(rows: Array) -> bool:
    """All rows are the first, some at once: their number is what somebody else says."""
    block = max(1, _BLOCK // rows.shape[1])
    return not any(bool((rows[at : at + block] != rows[0]).any()) for at in range(0, len(rows), block))


def _whole(value: GoldenValue) -> Hashable:
    match value:
        case GoldenTensor():
            return value.shape, value.data, value.texts
        case GoldenSequence(items=items):
            return tuple(map(_whole, items))
        case GoldenOptional(value=inner):
            return None if inner is None else _whole(inner)
        case GoldenMap(keys=keys, values=values):
            return keys, tuple(map(_whole, values))


def has_finite(value: GoldenValue) -> bool:
    """Whether there is an element that is neither NaN nor infinite."""
    match value:
        case GoldenSequence(items=items):
            return any(map(has_finite, items))
        case GoldenOptional(value=inner):
            return inner is not None and has_finite(inner)
        case GoldenMap(values=values):
            return any(map(has_finite, values))
        case GoldenTensor():
            return any_number(value, np.isfinite)
