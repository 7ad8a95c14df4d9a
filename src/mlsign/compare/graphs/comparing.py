"""Two models as graphs: the main graph, the functions, and the subgraphs of matched nodes, at any depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

from mlsign.compare.facts import FieldChange
from mlsign.compare.graphs.bodies import (
    ABSENT,
    Body,
    Constant,
    Outer,
    Source,
    SourceKind,
    function_body,
    graph_body,
    initializers,
    numbered,
    subgraphs,
)
from mlsign.compare.graphs.describing import BodyPair, Description
from mlsign.compare.graphs.functions import (
    changed_signature,
    defaults_body,
    defined_twice,
    functions_of,
    matched_functions,
    named,
)
from mlsign.compare.graphs.keys import FunctionKey, Interner, Keys
from mlsign.compare.graphs.matching import NOBODY, Half, Matched, match_bodies
from mlsign.compare.graphs.notes import ToldNotes, changed_notes, notes_of_bodies, notes_of_nodes, notes_of_weights
from mlsign.compare.graphs.result import (
    Compared,
    ConstantPair,
    GraphDifference,
    LoneNode,
    NodeChange,
    Renames,
    StoredPair,
)
from mlsign.compare.graphs.spelling import node_ref, spell_node, spell_source
from mlsign.compare.graphs.weights import Weights
from mlsign.compare.interfaces import DEFAULTS_SINCE, matched_names
from mlsign.interface import ValueSpec
from mlsign.onnx.records import AttributeKind, FunctionRecord, GraphRecord, ModelRecord, NodeRecord

MAX_NODES: Final = 600_000
"""Of both models together. Beyond, which node is which is not looked for."""
MAIN: Final = "graph"
MAX_BODIES: Final = 20_000
_MAX_BESIDE: Final = 4
_MAX_EXAMPLES: Final = 8


def compare_graphs(before: ModelRecord, after: ModelRecord) -> Compared:
    """What is different between the graphs of two models, and which of their weights belong together."""
    counts = count_nodes(before), count_nodes(after)
    if sum(counts) > MAX_NODES:
        return _not_compared(before, after, counts)
    return _Comparison(before, after).run(counts)


def count_nodes(model: ModelRecord) -> int:
    """All nodes, those of subgraphs and functions included."""
    return sum(map(_inside, model.graph.nodes)) + sum(_inside(node) for function in model.functions for node in function.nodes)


def _inside(node: NodeRecord) -> int:
    return 1 + sum(_inside(inner) for _, graph in subgraphs(node) for inner in graph.nodes)


class _Comparison:
    """What has been found so far, and bodies that are still to be compared."""

    def __init__(self, before: ModelRecord, after: ModelRecord) -> None:
        self.models = before, after
        self.interner = Interner()
        self.keys = (Keys(self.interner, functions_of(before)), Keys(self.interner, functions_of(after)))
        self.waiting: deque[tuple[Body, Body, Mapping[int, int], Mapping[int, int]]] = deque()
        self.identical = 0
        self.exact = True
        self.scopes = 0
        self.changed: list[NodeChange] = []
        self.lone: tuple[list[LoneNode], list[LoneNode]] = ([], [])
        self.outputs: list[FieldChange] = []
        self.functions: list[FieldChange] = []
        self.names = [0, 0, 0]
        self.examples: list[tuple[str, str]] = []
        self.stored: list[StoredPair] = []
        self.notes = ToldNotes()
        self.notes.add(changed_notes("model", before.notes, after.notes))
        self.weights = Weights()

    def run(self, counts: tuple[int, int]) -> Compared:
        before, after = self.models
        self._pair_functions(functions_of(before), functions_of(after))
        for name in dict.fromkeys((*defined_twice(before), *defined_twice(after))):
            self.functions.append(FieldChange(field=f"function {name}", before="defined more than once", after="not compared"))
        inputs, outputs = _by_name(before.graph, after.graph)
        first, second = (graph_body(m.graph, where=MAIN, defaults=m.ir_version >= DEFAULTS_SINCE) for m in self.models)
        self.waiting.appendleft((first, second, inputs, outputs))
        done = 0
        while self.waiting:
            done += 1
            if done > MAX_BODIES:
                self.exact = False
                break
            self._compare(*self.waiting.popleft())
        found = self.weights.compared(self._difference(counts), tuple(self.stored))
        self.notes.add(notes_of_weights(found.constants))
        return replace(found, notes=self.notes.told())

    def _pair_functions(self, before: Mapping[FunctionKey, FunctionRecord], after: Mapping[FunctionKey, FunctionRecord]) -> None:
        pairs = matched_functions(before, after, self.keys)
        self.functions += [
            FieldChange(field="function", before=named(old), after=None if new is None else named(new))
            for old in before
            if (new := pairs.get(old)) is None or named(new) != named(old)
        ]
        gone = set(pairs.values())
        self.functions += [FieldChange(field="function", before=None, after=named(new)) for new in after if new not in gone]
        defaults: list[tuple[Body, Body]] = []
        for number, (old, new) in enumerate(pairs.items()):
            self.keys[0].call(old, number)
            self.keys[1].call(new, number)
            a, b = before[old], after[new]
            self.functions += changed_signature(a, b)
            defaults.append((defaults_body(a), defaults_body(b)))
            bodies = (function_body(a, where=f"function {named(old)}"), function_body(b, where=f"function {named(new)}"))
            self.waiting.append((*bodies, _in_place(a.inputs, b.inputs), _in_place(a.outputs, b.outputs)))
        for both in defaults:
            self._compare(*both, {}, {})
        self.identical = 0  # defaults are no nodes

    def _compare(self, first: Body, second: Body, inputs: Mapping[int, int], outputs: Mapping[int, int]) -> None:
        halves = Half(body=first, keys=self.keys[0]), Half(body=second, keys=self.keys[1])
        matched = match_bodies(*halves, interner=self.interner, inputs=inputs, outputs=outputs)
        self.exact = self.exact and matched.exact
        found = Description(BodyPair(first=halves[0], second=halves[1], matched=matched, inputs=inputs, outputs=outputs))
        changes = list(found.changes())
        self.outputs += found.outputs()
        both, *folded = found.folded()
        self.outputs += found.readings({pair[:2] for pair in both})
        for change in (*changes, *(change for _, _, change in both)):
            if change is None:
                self.identical += 1
            else:
                self.changed.append(change)
        for number, (body, alone, constants) in enumerate(zip((first, second), found.lone(), folded, strict=True)):
            takers = _takers(body, constants=bool(constants))
            self.lone[number].extend(_lone(body, index, takers) for index in sorted((*alone, *constants)))
            self.weights.hold(number, body, alone)
        fresh = self.weights.pair(found.constants.values())
        self.stored += found.stored
        self._rename(first, second, matched, fresh)
        self._note(first, second, [*((a, b) for a, b in enumerate(matched.pairs) if b != NOBODY), *(pair[:2] for pair in both)])
        for ours, theirs, _ in both:
            self._name(0, first.nodes[ours].name, second.nodes[theirs].name)
        if first.where != MAIN:
            for ours, theirs in inputs.items():
                self._name(1, first.inputs[ours][0], second.inputs[theirs][0])
        self._descend(first, second, matched, found)

    def _rename(self, first: Body, second: Body, matched: Matched, weights: list[ConstantPair]) -> None:
        # What outputs of the model are called is a matter of its interface.
        ends = {name for name, _ in (*first.outputs, *second.outputs)} if first.where == MAIN else set()
        for ours, theirs in enumerate(matched.pairs):
            if theirs == NOBODY:
                continue
            old, new = first.nodes[ours], second.nodes[theirs]
            self._name(0, old.name, new.name)
            for a, b in zip(old.outputs, new.outputs, strict=False):
                if a and b and not {a, b} & ends:
                    self._name(1, a, b)
        for pair in weights:
            self._name(2, pair.before.name, pair.after.name)

    def _note(self, first: Body, second: Body, pairs: Sequence[tuple[int, int]]) -> None:
        names: dict[str, str] = {}
        if first.record.value_notes or second.record.value_notes:
            every = (zip(first.nodes[ours].outputs, second.nodes[theirs].outputs, strict=False) for ours, theirs in pairs)
            names = {old: new for outputs in every for old, new in outputs}
        self.notes.add(notes_of_bodies(second.where, first.record, second.record, names))
        for ours, theirs in pairs:
            self.notes.add(notes_of_nodes(spell_node(second, theirs), first.nodes[ours], second.nodes[theirs]))

    def _name(self, kind: int, before: str, after: str) -> None:
        if before != after:
            self.names[kind] += 1
            if len(self.examples) < _MAX_EXAMPLES:
                self.examples.append((before, after))

    def _descend(self, first: Body, second: Body, matched: Matched, found: Description) -> None:
        scope, self.scopes = self.scopes, self.scopes + 1

        def around(body: Body, key: Callable[[Source], Hashable]) -> Outer:
            def outer(name: str) -> Source | Constant:
                source = body.names.get(name, ABSENT)
                constant = body.constant(source)
                if constant is not None:
                    return replace(constant, node=None)  # which is a node of this body, and not of the one inside
                known = source.kind in (SourceKind.OUTER, SourceKind.ABSENT)
                return source if known else Source(SourceKind.OUTER, self.interner.number((scope, key(source))))

            return outer

        outers = around(first, found.image), around(second, found.place)
        for ours, theirs in enumerate(matched.pairs):
            graphs = (dict(subgraphs(first.nodes[ours])), dict(subgraphs(second.nodes[theirs]))) if theirs != NOBODY else ({}, {})
            for place in (place for place in graphs[0] if place in graphs[1]):
                a, b = graphs[0][place], graphs[1][place]
                bodies = (
                    _subgraph_body(a, first, ours, place, outer=outers[0]),
                    _subgraph_body(b, second, theirs, place, outer=outers[1]),
                )
                self.outputs += _ends(bodies[1].where, a, b)
                self.waiting.append((*bodies, _in_place(a.inputs, b.inputs), _in_place(a.outputs, b.outputs)))

    def _difference(self, counts: tuple[int, int]) -> GraphDifference:
        return GraphDifference(
            before=counts[0],
            after=counts[1],
            identical=self.identical,
            changed=tuple(self.changed),
            added=tuple(self.lone[1]),
            removed=tuple(self.lone[0]),
            outputs=tuple(self.outputs),
            functions=tuple(self.functions),
            renames=Renames(nodes=self.names[0], values=self.names[1], weights=self.names[2], examples=tuple(self.examples)),
            approximate=not self.exact,
        )


def _subgraph_body(graph: GraphRecord, body: Body, index: int, place: tuple[str, int, int], *, outer: Outer) -> Body:
    """The body of a graph at ``place`` in a node. Its inputs are given whatever the version, so an initializer of their name is no weight."""
    where = f"{body.where}.node[{index}].{_spelled(body.nodes[index], place)}"
    return graph_body(graph, where=where, outer=outer, defaults=True)


def _spelled(node: NodeRecord, place: tuple[str, int, int]) -> str:
    """Where in a node a subgraph is."""
    name, number, index = place
    attribute = numbered(node.attributes)[name, number]
    return name if attribute.kind is AttributeKind.GRAPH else f"{name}[{index}]"


def _ends(where: str, before: GraphRecord, after: GraphRecord) -> Iterator[FieldChange]:
    """Inputs and outputs of a subgraph that only one has, or whose type is another."""
    for side, old, new in (("input", before.inputs, after.inputs), ("output", before.outputs, after.outputs)):
        for index, (a, b) in enumerate(zip_longest(old, new)):
            if a is None or b is None or a.type != b.type:
                types = (None if spec is None else str(spec.type) for spec in (a, b))
                yield FieldChange(field=f"{where} {side} {index}", before=next(types), after=next(types))


def _by_name(before: GraphRecord, after: GraphRecord) -> tuple[dict[int, int], dict[int, int]]:
    """Inputs and outputs of the main graphs that belong together, by their places."""

    def places(old: tuple[ValueSpec, ...], new: tuple[ValueSpec, ...]) -> dict[int, int]:
        at = {spec.name: index for index, spec in enumerate(new)}
        pairs = matched_names(old, new)
        return {index: at[pairs[spec.name]] for index, spec in enumerate(old) if spec.name in pairs}

    return places(before.inputs, after.inputs), places(before.outputs, after.outputs)


def _in_place(before: Sized, after: Sized) -> dict[int, int]:
    return {index: index for index in range(min(len(before), len(after)))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Takers:
    """The first nodes that take each constant which is a node itself, and the outputs of the body that each node gives."""

    constants: Mapping[int, Sequence[int]]
    outputs: Mapping[int, Sequence[str]]


def _takers(body: Body, *, constants: bool) -> _Takers:
    takers: dict[int, list[int]] = {constant: [] for constant in body.folded.values()}
    for index, taken in enumerate(body.sources if constants else ()):
        for source in taken:
            found = takers.get(source.place) if source.kind is SourceKind.CONSTANT else None
            if found is not None and len(found) < _MAX_BESIDE:
                found.append(index)
    outputs: dict[int, list[str]] = {}
    for name, source in body.outputs:
        if source.kind is SourceKind.NODE:
            outputs.setdefault(source.place, []).append(name)
    return _Takers(constants=takers, outputs=outputs)


def _lone(body: Body, index: int, takers: _Takers) -> LoneNode:
    """A node that only one body has, with what is around it."""
    node, held = body.nodes[index], body.folded.get(index)
    if held is None:
        sources = body.sources[index][: 4 * _MAX_BESIDE]
        takes = [spell_source(body, source) for source in sources if source.kind is not SourceKind.ABSENT]
        users: Sequence[int] = [user for _, _, user in body.users[index][: 4 * _MAX_BESIDE]]
    else:
        takes = [f"weight {body.constants[held].name}"] if node.inputs else []
        users = takers.constants[held]
    ends = [f"output {name}" for name in takers.outputs.get(index, ())[:_MAX_BESIDE]]
    gives = dict.fromkeys((*(spell_node(body, user) for user in users), *ends))
    return LoneNode(
        node=node_ref(body, index),
        takes_from=tuple(dict.fromkeys(takes))[:_MAX_BESIDE],
        gives_to=tuple(gives)[:_MAX_BESIDE],
        inside=_inside(node) - 1,
    )


def _not_compared(before: ModelRecord, after: ModelRecord, counts: tuple[int, int]) -> Compared:
    """What is said of models whose nodes are too many: how many there are. Weights are matched by name, type and shape alone."""
    weights = Weights()
    for number, model in enumerate((before, after)):
        for constant in initializers(model.graph):
            weights.keep(number, constant)
    difference = GraphDifference(
        before=counts[0],
        after=counts[1],
        identical=0,
        changed=(),
        added=(),
        removed=(),
        outputs=(),
        functions=(),
        renames=Renames(),
        approximate=True,
    )
    return weights.compared(difference, ())
