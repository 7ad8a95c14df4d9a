"""Which weight of one model is which of another: through the nodes that take them, and what is left by what it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from mlsign.compare.graphs.bodies import Body, Constant
from mlsign.compare.graphs.integers import integer_weight
from mlsign.compare.graphs.keys import tensor_key
from mlsign.compare.graphs.result import Compared, ConstantPair, GraphDifference, StoredPair
from mlsign.onnx.records import TensorRecord

_FLOATS: Final = frozenset({"float", "float16", "bfloat16", "double"})


class Weights:
    """The weights of two models, as they are found; the first model is number 0."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], ConstantPair] = {}
        self._held: tuple[dict[int, Constant], dict[int, Constant]] = ({}, {})
        self._spent: tuple[set[int], set[int]] = (set(), set())

    def keep(self, number: int, constant: Constant) -> None:
        """Remembers a weight of a model."""
        self._held[number].setdefault(id(constant.tensor), constant)
        self._spend(number, constant)

    def hold(self, number: int, body: Body, alone: Iterable[int]) -> None:
        """Remembers the weights of a body, with what their numbers stand for where a node that is ``alone`` says so."""
        for constant in body.constants:
            self.keep(number, constant)
        for index in alone:
            weight = integer_weight(body, index)
            if weight is not None:
                self._held[number][id(weight.tensor)] = weight
                self._spend(number, weight)

    def _spend(self, number: int, constant: Constant) -> None:
        """What says what the numbers of another weight stand for is no weight of its own."""
        if constant.quantized is not None:
            self._held[number][id(constant.tensor)] = constant
            self._spent[number].update((id(constant.quantized.scale), id(constant.quantized.zero_point)))

    def pair(self, pairs: Iterable[ConstantPair]) -> list[ConstantPair]:
        """Remembers which weights belong together; those that nobody knew of yet."""
        fresh = [found for found in pairs if (id(found.before.tensor), id(found.after.tensor)) not in self._pairs]
        for found in fresh:
            self._add(found.before, found.after)
        return fresh

    def _add(self, before: Constant, after: Constant) -> None:
        self._pairs.setdefault((id(before.tensor), id(after.tensor)), ConstantPair(before=before, after=after))
        old, new = before.quantized, after.quantized
        if old is not None and new is not None:
            self._add_tensors(old.scale, new.scale)
            if old.zero_point is not None and new.zero_point is not None:
                self._add_tensors(old.zero_point, new.zero_point)

    def _add_tensors(self, before: TensorRecord, after: TensorRecord) -> None:
        self._add(Constant(name=before.name, tensor=before), Constant(name=after.name, tensor=after))

    def compared(self, difference: GraphDifference, stored: tuple[StoredPair, ...]) -> Compared:
        """All that was found. What is left is matched where one is a quantized form of the other by its shape, or by name and type."""
        self._pair_quantized(0)
        self._pair_quantized(1)
        ours, theirs = self._left(0), self._left(1)
        named = {(constant.name, tensor_key(constant.tensor)): constant for constant in theirs}
        for constant in ours:
            other = named.get((constant.name, tensor_key(constant.tensor)))
            if other is not None:
                self._add(constant, other)
        return Compared(
            difference=difference,
            constants=tuple(self._pairs.values()),
            stored=stored,
            only_before=self._left(0),
            only_after=self._left(1),
        )

    def _pair_quantized(self, plain: int) -> None:
        """Pairs what is left of one model in floats with what is left of the other in quantized form: of one shape, by the name that
        onnxruntime gives it where there is such a one, and else in order.
        """
        quantized = [constant for constant in self._left(1 - plain) if constant.quantized is not None]
        floats = [found for found in self._left(plain) if found.quantized is None and found.element in _FLOATS]
        called = {(constant.shape, constant.name): constant for constant in quantized}
        for constant in floats:
            self._add_quantized(plain, constant, called.get((constant.shape, f"{constant.name}_quantized")))
        waiting: dict[tuple[int, ...], deque[Constant]] = {}
        for constant in self._left(1 - plain):
            if constant.quantized is not None:
                waiting.setdefault(constant.shape, deque()).append(constant)
        left = {id(constant.tensor) for constant in self._left(plain)}
        for constant in floats:
            if id(constant.tensor) in left and waiting.get(constant.shape):
                self._add_quantized(plain, constant, waiting[constant.shape].popleft())

    def _add_quantized(self, plain: int, constant: Constant, other: Constant | None) -> None:
        if other is not None:
            self._add(*((constant, other) if plain == 0 else (other, constant)))

    def _left(self, number: int) -> tuple[Constant, ...]:
        paired = {pair[number] for pair in self._pairs}
        return tuple(
            constant for key, constant in self._held[number].items() if key not in paired and key not in self._spent[number]
        )
