"""From a matching of nodes to what is different between two bodies: added, removed, changed and renamed nodes, and pairs of weights."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from mlsign.compare.facts import FieldChange
from mlsign.compare.graphs.bodies import Body, Constant, Source, SourceKind, graphs_of, numbered
from mlsign.compare.graphs.keys import float_count, is_learned, tensor_key
from mlsign.compare.graphs.matching import NOBODY, Half, Matched
from mlsign.compare.graphs.result import ConstantPair, NodeChange, StoredPair
from mlsign.compare.graphs.spelling import node_ref, operator_of, spell_attribute, spell_outputs, spell_reading, spell_source
from mlsign.onnx.records import AttributeRecord, NodeRecord, SparseRecord, Stored, TensorRecord

_FLOAT_DATA: Final = 4
"""The field of ``TensorProto`` with floats."""
_MAX_BETWEEN: Final = 256
"""Nodes in between that are looked through for the reason why an input comes from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPair:
    """Two bodies and which of their nodes, inputs and outputs belong together, by their places."""

    first: Half
    second: Half
    matched: Matched
    inputs: Mapping[int, int]
    outputs: Mapping[int, int]


class Description:
    """What is different between two bodies."""

    def __init__(self, pair: BodyPair) -> None:
        self.pair = pair
        self.first, self.second = pair.first.body, pair.second.body
        self.back = {theirs: ours for ours, theirs in enumerate(pair.matched.pairs) if theirs != NOBODY}
        self.constants: dict[Hashable, ConstantPair] = {}
        self.stored: list[StoredPair] = []

    def changes(self) -> Iterator[NodeChange | None]:
        """For each matched node how it changed, None where it did not. Fills ``constants`` and ``stored``."""
        for ours, theirs in enumerate(self.pair.matched.pairs):
            if theirs != NOBODY:
                yield self._change(ours, theirs, tuple(self._inputs(ours, theirs)))

    def _change(self, ours: int, theirs: int, inputs: tuple[FieldChange, ...]) -> NodeChange | None:
        attributes = (*self._attributes(ours, theirs), *self._given(ours, theirs))
        if not (attributes or inputs):
            return None
        before, after = node_ref(self.first, ours), node_ref(self.second, theirs)
        return NodeChange(before=before, after=after, attributes=attributes, inputs=inputs)

    def _given(self, ours: int, theirs: int) -> Iterator[FieldChange]:
        """Which outputs a node gives, where it is not the same: some operators do another thing then."""
        old, new = self.first.nodes[ours], self.second.nodes[theirs]
        if list(map(bool, old.outputs)) != list(map(bool, new.outputs)):
            yield FieldChange(field="outputs", before=spell_outputs(old), after=spell_outputs(new))

    def outputs(self) -> Iterator[FieldChange]:
        """Outputs of the body that come from elsewhere. Fills ``constants``."""
        for ours, theirs in sorted(self.pair.outputs.items()):
            (name, a), (_, b) = self.first.outputs[ours], self.second.outputs[theirs]
            if not self._corresponds(a, b) and not self._is_explained(a, b):
                field = f"{self.first.where} output {name}"
                yield FieldChange(field=field, before=spell_source(self.first, a), after=spell_source(self.second, b))

    def lone(self) -> tuple[list[int], list[int]]:
        """Nodes of the first and of the second that are in no pair and compute something."""
        ours = [i for i, other in enumerate(self.pair.matched.pairs) if other == NOBODY and i not in self.first.folded]
        theirs = [i for i in range(len(self.second.nodes)) if i not in self.back and i not in self.second.folded]
        return ours, theirs

    def folded(self) -> tuple[list[tuple[int, int, NodeChange | None]], list[int], list[int]]:
        """Of the nodes that are constants: those of paired constants in both, each with how it changed, and those that only one of the
        bodies has.
        """
        left, right = set(self.first.folded), set(self.second.folded)
        both: list[tuple[int, int, NodeChange | None]] = []
        self._pair_unused()
        for pair in tuple(self.constants.values()):
            ours, theirs = pair.before.node, pair.after.node
            if ours not in left or theirs not in right:
                continue
            if operator_of(self.first.nodes[ours]) == operator_of(self.second.nodes[theirs]):
                both.append((ours, theirs, self._change(ours, theirs, tuple(_zero_points(pair)))))
                left.remove(ours)
                right.remove(theirs)
        return both, sorted(left), sorted(right)

    def readings(self, told: AbstractSet[tuple[int, int]]) -> Iterator[FieldChange]:
        """Pairs of codes that are read in another way than before, except those of the nodes in ``told``: the same codes may be read in
        several ways, by several nodes or in the body around, and what takes them can have gone from one to another.
        """
        for pair in self.constants.values():
            before, after = pair.before.quantized, pair.after.quantized
            if before is None or after is None or (pair.before.node, pair.after.node) in told:
                continue
            if self.pair.first.keys.reading(before) != self.pair.second.keys.reading(after):
                field = f"{self.second.where} codes of weight {pair.after.name}"
                yield FieldChange(field=field, before=spell_reading(before), after=spell_reading(after))

    def _pair_unused(self) -> None:
        """Pairs constants that nothing takes, of one type and shape: by name, and what is left in the order of the files."""
        ours, theirs = _unused(self.first), _unused(self.second)
        for by_name in (True, False):
            waiting: dict[Hashable, deque[Constant]] = {}
            taken = {id(found.tensor) for pair in self.constants.values() for found in (pair.before, pair.after)}
            for constant in theirs:
                if id(constant.tensor) not in taken:
                    waiting.setdefault((tensor_key(constant.tensor), by_name and constant.name), deque()).append(constant)
            for constant in ours:
                there = waiting.get((tensor_key(constant.tensor), by_name and constant.name))
                if there and id(constant.tensor) not in taken:
                    self._pair(constant, there.popleft())

    def _attributes(self, ours: int, theirs: int) -> Iterator[FieldChange]:
        a, b = self.first.nodes[ours], self.second.nodes[theirs]
        before, after = numbered(a.attributes), numbered(b.attributes)
        for key in dict.fromkeys((*before, *after)):
            old, new = before.get(key), after.get(key)
            if old is None or new is None or not self._same_attribute(a, old, new):
                yield FieldChange(field=key[0], before=spell_attribute(old), after=spell_attribute(new))

    def _same_attribute(self, node: NodeRecord, old: AttributeRecord, new: AttributeRecord) -> bool:
        """Whether nothing is to be said of an attribute here: values that are weights are held against each other elsewhere."""
        name = f"{node.name or operator_of(node)}.{old.name}"
        if is_learned(node) and float_count(old) is not None and float_count(new) is not None:
            self._pair(_learned(name, old), _learned(name, new))
            return True
        if old.kind is not new.kind or old.reference != new.reference:
            return False
        if graphs_of(old):
            return len(graphs_of(old)) == len(graphs_of(new))
        tensors = _tensors(old), _tensors(new)
        if tensors[0] and len(tensors[0]) == len(tensors[1]):
            for before, after in zip(*tensors, strict=True):
                self._pair(Constant(name=name, tensor=before), Constant(name=name, tensor=after))
            return True
        if isinstance(old.value, Stored) and isinstance(new.value, Stored):
            self.stored.append(StoredPair(name=name, before=old.value, after=new.value))
            return True
        keys = self.pair.first.keys, self.pair.second.keys
        return keys[0].attribute(old) == keys[1].attribute(new)

    def _pair(self, before: Constant, after: Constant) -> None:
        # Codes are read by any number of nodes, of this body and of those around.
        key = id(before.tensor), id(after.tensor), before.node, after.node, id(before.quantized), id(after.quantized)
        self.constants.setdefault(key, ConstantPair(before=before, after=after))

    def _inputs(self, ours: int, theirs: int) -> Iterator[FieldChange]:
        old, new = self.first.sources[ours], self.second.sources[theirs]
        for position in range(max(len(old), len(new))):
            a, b = (taken[position] if position < len(taken) else Source(SourceKind.ABSENT) for taken in (old, new))
            if not self._corresponds(a, b) and not self._is_explained(a, b):
                yield FieldChange(field=str(position), before=spell_source(self.first, a), after=spell_source(self.second, b))

    def _corresponds(self, a: Source, b: Source) -> bool:
        held, holds = self.first.constant(a), self.second.constant(b)
        if held is not None and holds is not None:
            self._pair(held, holds)
            given = self.first.defaults.get(a.place), self.second.defaults.get(b.place)
            return given[1] == (None if given[0] is None else self.pair.inputs.get(given[0], NOBODY))
        return self.image(a) == self.place(b)

    def image(self, source: Source) -> Hashable:
        """A value of the first body as one of the second; values that it does not have are like no other."""
        if source.kind is SourceKind.NODE:
            other = self.pair.matched.pairs[source.place]
            return ("node", other, source.output) if other != NOBODY else ("alone", source)
        if source.kind is SourceKind.INPUT:
            return ("input", self.pair.inputs.get(source.place, NOBODY))
        return ("alone", source) if source.kind is SourceKind.CONSTANT else source

    def place(self, source: Source) -> Hashable:
        if source.kind is SourceKind.NODE:
            return ("node", source.place, source.output)
        if source.kind is SourceKind.INPUT:
            return ("input", source.place)
        return ("only there", source) if source.kind is SourceKind.CONSTANT else source

    def _is_explained(self, a: Source, b: Source) -> bool:
        """Whether nodes that were put in between, or taken out, are all the reason why a value comes from elsewhere."""
        pairs, back = self.pair.matched.pairs, self.back
        ours = {self.image(source) for source in _behind(self.first, a, lambda node: pairs[node] == NOBODY)}
        theirs = {self.place(source) for source in _behind(self.second, b, lambda node: node not in back)}
        return not ours.isdisjoint(theirs)


def _zero_points(pair: ConstantPair) -> Iterator[FieldChange]:
    """A zero point that codes have in one model alone."""
    scalings = pair.before.quantized, pair.after.quantized
    found = [None if scaling is None else scaling.zero_point for scaling in scalings]
    before, after = (f"weight {tensor.name}" if tensor is not None else "nothing" for tensor in found)
    if None in found and before != after:
        yield FieldChange(field="2", before=before, after=after)


def _tensors(attribute: AttributeRecord) -> tuple[TensorRecord | SparseRecord, ...]:
    """The tensors that an attribute holds; none for most."""
    values = attribute.value if isinstance(attribute.value, tuple) else (attribute.value,)
    return tuple(value for value in values if isinstance(value, TensorRecord | SparseRecord))


def _unused(body: Body) -> list[Constant]:
    """The constants that nothing takes, not even to say what the numbers of another one stand for."""
    every = (source for taken in (*body.sources, [source for _, source in body.outputs]) for source in taken)
    used = {source.place for source in every if source.kind is SourceKind.CONSTANT}
    behind = {
        id(tensor)
        for constant in body.constants
        if (scaling := constant.quantized) is not None
        for tensor in (constant.tensor, scaling.scale, scaling.zero_point)
    }
    return [
        constant
        for place, constant in enumerate(body.constants)
        if place not in used and (constant.quantized is not None or id(constant.tensor) not in behind)
    ]


def _behind(body: Body, source: Source, is_alone: Callable[[int], bool]) -> Iterator[Source]:
    """A value, and what it is made of as far as nodes that are alone make it."""
    seen = {source}
    waiting = deque([source])
    while waiting and len(seen) <= _MAX_BETWEEN:
        found = waiting.popleft()
        if found.kind is SourceKind.NODE and is_alone(found.place):
            fresh = [taken for taken in dict.fromkeys(body.sources[found.place][:_MAX_BETWEEN]) if taken not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
        elif found.kind is not SourceKind.ABSENT:
            yield found


def _learned(name: str, attribute: AttributeRecord) -> Constant:
    """A list of floats as the tensor that it could be."""
    value, count = attribute.value, float_count(attribute) or 0
    if isinstance(value, Stored):
        stored = Stored(field=_FLOAT_DATA, parts=value.parts)
    else:
        numbers = [item for item in value if isinstance(item, float)] if isinstance(value, tuple) else []
        stored = Stored(field=_FLOAT_DATA, parts=(struct.pack(f"<{count}f", *numbers),))
    tensor = TensorRecord(name=name, element="float", shape=(count,), count=count, size=4 * count, values=stored)
    return Constant(name=name, tensor=tensor)
