"""Which weight of one model is which of another: through the nodes that take them, and what is left by what it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import product
from typing import Final, TypeAlias

from mlsign.compare.graphs.bodies import Body, Constant
from mlsign.compare.graphs.integers import integer_weights
from mlsign.compare.graphs.keys import tensor_key
from mlsign.compare.graphs.result import Compared, ConstantPair, GraphDifference, StoredPair
from mlsign.onnx.records import TensorRecord

_FLOATS: Final = frozenset({"float", "float16", "bfloat16", "double"})
_SUFFIX: Final = ("_quantized", "_Transposed_quantized")
"""What onnxruntime puts behind the name of a weight that it quantizes, and of one that it transposes for that."""


_Key: TypeAlias = tuple[int, int, tuple[int, ...] | None]


def _key(pair: ConstantPair) -> _Key:
    """Two weights; where one of them is codes, together with what the codes stand for, which may be several things."""
    scalings = [constant.quantized for constant in (pair.before, pair.after) if constant.quantized is not None]
    one = scalings[0] if len(scalings) == 1 else None
    stands = None if one is None else (id(one.scale), id(one.zero_point), one.axis, one.block, id(one.factor))
    return id(pair.before.tensor), id(pair.after.tensor), stands


class Weights:
    """The weights of two models, as they are found; the first model is number 0."""

    def __init__(self) -> None:
        self._pairs: dict[_Key, ConstantPair] = {}
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
            for weight in integer_weights(body, index):
                self._held[number][id(weight.tensor)] = weight
                self._spend(number, weight)

    def _spend(self, number: int, constant: Constant) -> None:
        """What says what the numbers of another weight stand for is no weight of its own."""
        if constant.quantized is not None:
            self._held[number][id(constant.tensor)] = constant
            self._spent[number].update((id(constant.quantized.scale), id(constant.quantized.zero_point)))

    def pair(self, pairs: Iterable[ConstantPair]) -> list[ConstantPair]:
        """Remembers which weights belong together; those that nobody knew of yet."""
        fresh = []
        for found in pairs:
            if _key(found) not in self._pairs:
                fresh.append(found)
            self._add(found.before, found.after)  # numbers that are known may stand for something else here
        return fresh

    def _add(self, before: Constant, after: Constant) -> None:
        pair = ConstantPair(before=before, after=after)
        self._pairs.setdefault(_key(pair), pair)
        old, new = before.quantized, after.quantized
        if old is not None and new is not None:
            if (old.factor is None) is (new.factor is None):  # else one scale is the product of what the other model has apart
                self._add_tensors(old.scale, new.scale)
            if old.zero_point is not None and new.zero_point is not None:
                self._add_tensors(old.zero_point, new.zero_point)

    def _add_tensors(self, before: TensorRecord, after: TensorRecord) -> None:
        self._add(Constant(name=before.name, tensor=before), Constant(name=after.name, tensor=after))

    def compared(self, difference: GraphDifference, stored: tuple[StoredPair, ...]) -> Compared:
        """All that was found. What is left is matched where one is a quantized form of the other by its shape, or by name and type."""
        # By name first: of square matrices nobody sees whether they are transposed.
        for transposed, plain in product((False, True), (0, 1)):
            self._pair_quantized(plain, transposed=transposed, by_name=True)
        self._pair_named()
        for transposed, plain in product((False, True), (0, 1)):
            self._pair_quantized(plain, transposed=transposed, by_name=False)
        return Compared(
            difference=difference,
            constants=tuple(self._pairs.values()),
            stored=stored,
            only_before=self._left(0),
            only_after=self._left(1),
        )

    def _pair_named(self) -> None:
        """Pairs what is left by name, type and shape."""
        for suffixes in (("", ""), ("", _SUFFIX[0]), (_SUFFIX[0], "")):  # some quantizers rename what they leave as it is
            named = {(constant.name + suffixes[0], tensor_key(constant.tensor)): constant for constant in self._left(1)}
            for constant in self._left(0):
                other = named.get((constant.name + suffixes[1], tensor_key(constant.tensor)))
                if other is not None:
                    self._add(constant, other)

    def _pair_quantized(self, plain: int, *, transposed: bool, by_name: bool) -> None:
        """Pairs what is left of one model in floats with what is left of the other in quantized form and of the same shape: by the
        name that onnxruntime gives it, or in order. Matrices may be ``transposed``.
        """
        waiting: dict[object, deque[Constant]] = {}
        for constant in self._left(1 - plain):
            if constant.quantized is not None:
                waiting.setdefault((constant.shape, constant.name if by_name else ""), deque()).append(constant)
        for constant in self._left(plain):
            if constant.quantized is not None or constant.element not in _FLOATS or (transposed and len(constant.shape) != 2):
                continue
            shape = constant.shape[::-1] if transposed else constant.shape
            found = waiting.get((shape, f"{constant.name}{_SUFFIX[transposed]}" if by_name else ""))
            if found:
                before, after = (constant, found.popleft()) if plain == 0 else (found.popleft(), constant)
                pair = ConstantPair(before=before, after=after, transposed=transposed)
                self._pairs[_key(pair)] = pair

    def _left(self, number: int) -> tuple[Constant, ...]:
        paired = {pair[number] for pair in self._pairs}
        return tuple(
            constant for key, constant in self._held[number].items() if key not in paired and key not in self._spent[number]
        )
