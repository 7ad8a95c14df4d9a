"""All tensors of one run: equal ones are one object, and what is either of two is one that holds for both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlsign.onnx.bounds.amounts import (
    CEILING,
    Amount,
    Poly,
    Value,
    either,
    evaluated,
    largest,
    product,
    symbol,
    times,
)
from mlsign.onnx.bounds.tensors import FLOAT, TEXT, TEXT_BYTES, Tensor, constants, counted, dims_of, element_of, width_of
from mlsign.onnx.tensors import TensorFacts

OBJECT_BYTES: Final = 64
"""What a tensor in a sequence weighs by itself, about: a million empty ones are not nothing."""
_MAX_CASES: Final = 6
"""Ranks that a tensor may have before it counts as one of which no rank is known."""


class Space:
    """All tensors of one run, each once, and the largest that its symbols can be."""

    __slots__ = ("_known", "given", "maxima")

    def __init__(self) -> None:
        self.maxima: list[int] = []
        self.given: set[int] = set()
        self._known: dict[tuple[object, ...], Tensor] = {}

    def symbol(self, most: Amount) -> Poly:
        """A new symbol that is at most this."""
        self.maxima.append(evaluated(most, self.maxima))
        return symbol(len(self.maxima) - 1)

    def number(self, most: int) -> Value:
        """A whole number that a caller gives, between this and its negative."""
        made = self.symbol(most)
        self.given.add(len(self.maxima) - 1)
        return Value(-most, made)

    def is_given(self, amount: Amount) -> bool:
        """Whether the amount depends on numbers that a caller gives, and not only on how much the caller gives."""
        return isinstance(amount, Poly) and any(index in self.given for monomial, _ in amount.terms for index in monomial)

    def at_most(self, amount: Amount) -> int:
        """The largest that an amount can be."""
        return evaluated(amount, self.maxima)

    def tensor(
        self,
        element: int,
        dims: tuple[Value, ...] | None,
        *,
        count: Amount | None = None,
        values: tuple[Value, ...] | None = None,
        width: int | None = None,
        inside: Tensor | None = None,
        cases: tuple[Tensor, ...] = (),
    ) -> Tensor:
        """The tensor with these dimensions and at most ``count`` elements, whichever is less."""
        bytes_each = width_of(element) if width is None else width
        own = counted(dims)
        if own == CEILING and dims is not None:
            # too many terms to carry on with: one number in their place
            own = product(self.at_most(dim.high) for dim in dims if dim.high is not None)
        if count is None or (own is not None and self.at_most(own) < self.at_most(count)):
            count = own
        key = (element, bytes_each, dims, count, values, inside, cases)
        known = self._known.get(key)
        if known is None:
            size = None if count is None else max(0, self.at_most(times(count, bytes_each)))
            if inside is not None:
                size = None if inside.size is None or count is None else self.at_most(times(count, inside.size + OBJECT_BYTES))
            known = Tensor(
                element=element,
                width=bytes_each,
                dims=dims,
                count=count,
                values=values,
                inside=inside,
                size=size,
                cases=cases,
            )
            self._known[key] = known
        return known

    def unknown(self, element: int = FLOAT) -> Tensor:
        """A tensor of which nothing is known but its type."""
        return self.tensor(element, None)

    def constant(self, facts: TensorFacts) -> Tensor:
        """A tensor of the file."""
        element = element_of(facts.element)
        width = TEXT_BYTES + facts.longest if element == TEXT else None
        return self.tensor(element, dims_of(facts.dims), values=constants(facts), width=width)

    def joined(self, one: Tensor, other: Tensor) -> Tensor:
        """A bound for what is either of two."""
        if one is other:
            return one
        inside = None
        if one.inside is not None and other.inside is not None:
            inside = self.joined(one.inside, other.inside)
        elif one.inside is not None or other.inside is not None:
            return self.unknown(one.element)
        if inside is None and (one.cases or other.cases or _kind(one) != _kind(other)):
            cases = self._cases(*(one.cases or (one,)), *(other.cases or (other,)))
            if cases:
                count = self._most(cases)
                return self.tensor(one.element, None, count=count, width=max(one.width, other.width), cases=cases)
        return self._joined(one, other, inside)

    def _joined(self, one: Tensor, other: Tensor, inside: Tensor | None = None) -> Tensor:
        dims = None
        if one.dims is not None and other.dims is not None and len(one.dims) == len(other.dims):
            dims = tuple(map(either, one.dims, other.dims))
        values = None
        if one.values is not None and other.values is not None and len(one.values) == len(other.values):
            values = tuple(map(either, one.values, other.values))
        return self.tensor(
            one.element, dims, count=self._most((one, other)), values=values, width=max(one.width, other.width), inside=inside
        )

    def _most(self, tensors: Iterable[Tensor]) -> Amount | None:
        most: Amount | None = 0
        for tensor in tensors:
            most = None if most is None or tensor.count is None else largest(most, tensor.count)
        return most

    def _cases(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One tensor for each rank and number of known numbers, by rank; none where that is too many, or a rank is not known."""
        known: dict[tuple[int, int], Tensor] = {}
        bare = {tensor.rank for tensor in tensors if tensor.values is None}
        for tensor in tensors:
            if tensor.rank is None or tensor.element != tensors[0].element:
                return ()
            kind = (tensor.rank, -1 if tensor.rank in bare or tensor.values is None else len(tensor.values))
            known[kind] = self._joined(known[kind], tensor) if kind in known else tensor
        return tuple(known[kind] for kind in sorted(known)) if 1 < len(known) <= _MAX_CASES else ()


def _kind(tensor: Tensor) -> tuple[int | None, int | None]:
    return tensor.rank, None if tensor.values is None else len(tensor.values)
