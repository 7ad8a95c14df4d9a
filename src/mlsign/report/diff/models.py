"""What ``diff`` found of the models themselves, in lines: nodes, weights, answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from mlsign.actions.comparison.difference import Ran
from mlsign.errors import shown
from mlsign.report.diff.lines import Line, Sign, change_of, field_line, text_of
from mlsign.words import counted

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Behaviour, Difference, WeightChange
    from mlsign.compare.graphs.result import LoneNode, NodeChange
    from mlsign.evidence.record import MeasuredOutput

_FEW: Final = 8
"""Attributes, and inputs, of one node in one line."""
_NOT_FINITE: Final = frozenset(("nan", "inf", "-inf"))
_NOT_RUN: Final = {
    Ran.NO_DATA: "not run: neither has golden test data; --inputs FILE.npz gives inputs",
    Ran.NOT_ASKED: "not run: --no-run was given",
    Ran.SAME_BYTES: "not run: the model files are the same bytes",
}


def graph_lines(found: Difference) -> Iterator[Line]:
    graph = found.graph
    if graph.approximate and not (graph.identical or graph.changed):
        yield Line(sign=Sign.NOTE, text=f"not compared: {graph.before:,} and {graph.after:,} nodes are too many", loud=True)
        return
    if graph.is_same and not graph.renames.count:
        yield Line(sign=Sign.SAME, text=f"identical: {counted(graph.after, 'node')}")
    elif graph.is_same:
        yield Line(sign=Sign.SAME, text=f"renamed but identical, {counted(graph.after, 'node')} in all: {renames_of(found)}")
    else:
        parts = (
            f"{graph.identical:,} identical",
            *(f"{len(nodes):,} {word}" for nodes, word in _node_lists(found) if nodes),
        )
        yield Line(sign=Sign.NOTE, text=f"{graph.before:,} → {counted(graph.after, 'node')}: {', '.join(parts)}")
    if graph.approximate:
        text = "approximate: the graphs are too entangled, nodes told as added and removed may be the same ones"
        yield Line(sign=Sign.NOTE, text=text, loud=True)
    yield from (field_line(change) for change in (*graph.outputs, *graph.functions))
    yield from (_lone(Sign.ADDED, node) for node in graph.added)
    yield from (_lone(Sign.REMOVED, node) for node in graph.removed)
    yield from (_node(change) for change in graph.changed)
    if graph.renames.count and not graph.is_same:
        yield Line(sign=Sign.NOTE, text=f"besides, {renames_of(found)}")
    if graph.renames.count:
        first = ", ".join(f"{_name(a)} → {_name(b)}" for a, b in graph.renames.examples[:4])
        yield Line(sign=Sign.NOTE, text=f"for example {first}")


def _node_lists(found: Difference) -> tuple[tuple[Sequence[object], str], ...]:
    graph = found.graph
    return (graph.changed, "changed"), (graph.added, "added"), (graph.removed, "removed")


def renames_of(found: Difference) -> str:
    names = found.graph.renames
    parts = [counted(n, w) for n, w in ((names.nodes, "node"), (names.values, "value"), (names.weights, "weight")) if n]
    return f"other names for {', '.join(parts)}"


def _name(text: str) -> str:
    return shown(text, limit=60) or "(no name)"


def _lone(sign: Sign, found: LoneNode) -> Line:
    inside = f" with {counted(found.inside, 'node')} inside" if found.inside else ""
    text = f"{text_of(found.node.operator)} {_name(found.node.name)}{inside}"
    takes, gives = (", ".join(map(text_of, names)) for names in (found.takes_from, found.gives_to))
    return Line(sign=sign, text=text + (f", after {takes}" if takes else "") + (f", before {gives}" if gives else ""))


def _node(change: NodeChange) -> Line:
    few = change.attributes[:_FEW], change.inputs[:_FEW]
    attributes = (f"{text_of(each.field)} {change_of(each.before, each.after)}" for each in few[0])
    inputs = (f"input {each.field} comes from {text_of(each.after)}, not {text_of(each.before)}" for each in few[1])
    more = len(change.attributes) + len(change.inputs) - sum(map(len, few))
    what = "; ".join((*attributes, *inputs, *((f"and {more:,} more",) if more else ())))
    return Line(sign=Sign.CHANGED, text=f"{text_of(change.after.operator)} {_name(change.after.name)}: {what}")


def weight_lines(found: Difference) -> Iterator[Line]:
    weights = found.weights
    if weights.is_same:
        told = f"identical: {counted(weights.identical, 'tensor')}" if weights.identical else "there are none"
        # Of the same bytes nobody has looked how many numbers lie in attributes, which count as tensors otherwise.
        yield Line(sign=Sign.SAME, text="identical" if found.same_model else told)
        return
    kinds: dict[str, int] = {"identical": weights.identical}
    for change in weights.changed:
        kind = change.difference.change.value if change.difference is not None else "not compared"
        kinds[kind] = kinds.get(kind, 0) + 1
    kinds.update({"added": len(weights.added), "removed": len(weights.removed)})
    yield Line(sign=Sign.NOTE, text=", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count))
    yield from (
        Line(sign=Sign.CHANGED, text=_weight(change)) for change in sorted(weights.changed, key=distance_of, reverse=True)
    )
    yield from (Line(sign=Sign.ADDED, text=text_of(name)) for name in weights.added)
    yield from (Line(sign=Sign.REMOVED, text=text_of(name)) for name in weights.removed)


def distance_of(change: WeightChange) -> float:
    """By what the most changed weights come first, and those first of which nothing is known."""
    found = change.difference
    if found is None or found.different is None:
        return inf
    return found.relative_l2 if found.relative_l2 is not None else 0.0


def _weight(change: WeightChange) -> str:
    name = _name(change.before) + (f" → {_name(change.after)}" if change.before != change.after else "")
    old, new = change.types
    kind = f"{text_of(old)} → {text_of(new)}" if old != new else text_of(old)
    found = change.difference
    if found is None:
        return f"{name} {kind}: not compared, {text_of(change.problem)}"
    parts = [f"{found.change.value}, transposed" if change.transposed else found.change.value]
    if found.different is not None:
        parts.append(f"{found.different:,} of {counted(found.elements, 'value')}")
    if found.largest is not None and found.mean is not None:
        parts.append(f"largest difference {found.largest:.3g}, mean {found.mean:.3g}")
    if found.relative_l2 is not None:
        parts.append(f"relative L2 {found.relative_l2:.3g}")
    if found.change.value == "pruned" and found.zeros is not None:
        parts.append(f"{found.zeros:,} zeros now")
    if found.clipped:
        parts.append(f"{found.clipped:,} beyond the range")
    if found.unmeasured:
        parts.append(f"{found.unmeasured:,} not finite")
    return f"{name} {kind}: {', '.join(parts)}"


def behaviour_lines(found: Behaviour) -> Iterator[Line]:
    if found.ran in _NOT_RUN:
        yield Line(sign=Sign.NOTE, text=_NOT_RUN[found.ran])
        return
    if found.ran is Ran.FAILED:
        yield Line(sign=Sign.NOTE, text="not run, so it counts as different", loud=True)
    else:
        text = f"both run in the sandbox on {counted(len(found.inputs), 'set')} of inputs: {_listed(found.inputs)}"
        yield Line(sign=Sign.NOTE, text=text)
    yield from (Line(sign=Sign.CHANGED, text=text_of(problem), loud=True) for problem in found.problems)
    yield from map(_output, found.outputs)


def _listed(names: Iterable[str]) -> str:
    every = list(map(text_of, names))
    return ", ".join(every[:4]) + (f" and {len(every) - 4} more" if len(every) > 4 else "")


def _output(found: MeasuredOutput) -> Line:
    name = f"output {text_of(found.output)}"
    if found.difference is None:
        return Line(sign=Sign.SAME, text=f"{name}: the same in {counted(found.compared, 'value')}")
    if not (found.too_far or found.unequal):
        odd = found.difference
        return Line(sign=Sign.CHANGED, text=f"{name}: {text_of(odd.message)}, {change_of(odd.expected, odd.found)}")
    parts = []
    if found.too_far:
        parts.append(f"{found.too_far:,} of {counted(found.compared, 'value')} differ")
    if found.absolute is not None:
        parts.append(f"by at most {found.absolute:.3g}")
    if found.relative is not None:
        parts.append(f"relatively {found.relative:.3g}")
    if found.ulps is not None:
        parts.append(f"{found.ulps:,} ULPs")
    if found.unequal:
        # Numbers with a fraction have a distance unless one of them is not finite; labels and whole numbers have none.
        floats = found.absolute is not None or not _NOT_FINITE.isdisjoint((found.difference.expected, found.difference.found))
        what = "differ where one is not finite" if floats else "are other labels or whole numbers"
        parts.append(f"{found.unequal:,} of {found.compared:,} {what}")
    return Line(sign=Sign.CHANGED, text=f"{name}: {', '.join(parts)}")
