"""From a matching of nodes to what is different between two bodies: added, removed, changed and renamed nodes, and pairs of weights."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mlsign.compare.facts import FieldChange
from mlsign.compare.graphs.bodies import Body, Constant, Source, SourceKind, graphs_of
from mlsign.compare.graphs.keys import float_count, is_learned, tensor_key
from mlsign.compare.graphs.matching import NOBODY, Half, Matched
from mlsign.compare.graphs.result import ConstantPair, NodeChange, StoredPair
from mlsign.compare.graphs.spelling import node_ref, operator_of, spell_attribute, spell_source
from mlsign.onnx.records import AttributeRecord, NodeRecord, Stored, TensorRecord

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
        self.constants: dict[tuple[int, int], ConstantPair] = {}
        self.stored: list[StoredPair] = []

    def changes(self) -> Iterator[NodeChange | None]:
        """For each matched node how it changed, None where it did not. Fills ``constants`` and ``stored``."""
        for ours, theirs in enumerate(self.pair.matched.pairs):
            if theirs != NOBODY:
                attributes = tuple(self._attributes(ours, theirs))
                inputs = tuple(self._inputs(ours, theirs))
                if not (attributes or inputs):
                    yield None
                    continue
                before, after = node_ref(self.first, ours), node_ref(self.second, theirs)
                yield NodeChange(before=before, after=after, attributes=attributes, inputs=inputs)

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

    def folded(self) -> tuple[int, list[int], list[int]]:
        """Of the nodes that are constants: how many belong to paired constants in both, and those that only one of the bodies has."""
        left, right = set(self.first.folded), set(self.second.folded)
        both = 0
        self._pair_unused()
        for pair in self.constants.values():
            ours, theirs = pair.before.node, pair.after.node
            if ours in left and theirs in right and self.first.nodes[ours].operator == self.second.nodes[theirs].operator:
                both += 1
                left.remove(ours)
                right.remove(theirs)
        return both, sorted(left), sorted(right)

    def _pair_unused(self) -> None:
        """Pairs constants that nothing takes, of one type and shape: by name, and what is left in the order of the files."""
        ours, theirs = _unused(self.first), _unused(self.second)
        for by_name in (True, False):
            waiting: dict[Hashable, deque[Constant]] = {}
            taken = {found for pair in self.constants for found in pair}
            for constant in theirs:
                if id(constant.tensor) not in taken:
                    waiting.setdefault((tensor_key(constant.tensor), by_name and constant.name), deque()).append(constant)
            for constant in ours:
                there = waiting.get((tensor_key(constant.tensor), by_name and constant.name))
                if there and id(constant.tensor) not in taken:
                    self._pair(constant, there.popleft())

    def _attributes(self, ours: int, theirs: int) -> Iterator[FieldChange]:
        a, b = self.first.nodes[ours], self.second.nodes[theirs]
        before_by_name, after_by_name = ({each.name: each for each in node.attributes} for node in (a, b))
        for name in dict.fromkeys((*before_by_name, *after_by_name)):
            old, new = before_by_name.get(name), after_by_name.get(name)
            if old is None or new is None or not self._same_attribute(a, old, new):
                yield FieldChange(field=name, before=spell_attribute(old), after=spell_attribute(new))

    def _same_attribute(self, node: NodeRecord, old: AttributeRecord, new: AttributeRecord) -> bool:
        """Whether nothing is to be said of an attribute here: values that are weights are held against each other elsewhere."""
        name = f"{node.name or operator_of(node)}.{old.name}"
        graphs = len(graphs_of(old)), len(graphs_of(new))
        if any(graphs):
            return graphs[0] == graphs[1]
        if is_learned(node) and float_count(old) is not None and float_count(new) is not None:
            self._pair(_learned(name, old), _learned(name, new))
            return True
        if old.kind is not new.kind or old.reference != new.reference:
            return False
        if isinstance(old.value, TensorRecord) and isinstance(new.value, TensorRecord):
            self._pair(Constant(name=name, tensor=old.value), Constant(name=name, tensor=new.value))
            return True
        if isinstance(old.value, Stored) and isinstance(new.value, Stored):
            self.stored.append(StoredPair(name=name, before=old.value, after=new.value))
            return True
        keys = self.pair.first.keys, self.pair.second.keys
        return keys[0].attribute(old) == keys[1].attribute(new)

    def _pair(self, before: Constant, after: Constant) -> None:
        self.constants.setdefault((id(before.tensor), id(after.tensor)), ConstantPair(before=before, after=after))

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
            return True
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
