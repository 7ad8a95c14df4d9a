"""The lines that say what ``diff`` found, the same in text and HTML: most important first, everything foreign escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Final

from mlsign.actions.difference import Ran
from mlsign.compare.interfaces import ChangeKind, Effect
from mlsign.errors import shown
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.actions.difference import Behaviour, Difference, Side, WeightChange
    from mlsign.compare.facts import FieldChange
    from mlsign.compare.graphs.result import LoneNode, NodeChange
    from mlsign.compare.interfaces import InterfaceChange
    from mlsign.evidence.findings import Finding
    from mlsign.evidence.record import MeasuredOutput

MANY: Final = 12
"""Lines of one kind that a person reads before asking for more."""
_LONG: Final = 300
_FEW: Final = 8
"""Attributes, and inputs, of one node in one line."""
_NOT_RUN: Final = {
    Ran.NO_DATA: "not run: neither has golden test data; --inputs FILE.npz gives inputs",
    Ran.NOT_ASKED: "not run: --no-run was given",
    Ran.SAME_BYTES: "not run: the model files are the same bytes",
}


class Sign(Enum):
    """What a line is about."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"
    SAME = "="
    NOTE = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is different, or the same. ``loud`` lines break somebody."""

    sign: Sign
    text: str
    loud: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines under a heading. ``more`` counts lines that were left out."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0


def subject_of(side: Side) -> str:
    """What one of the two is called."""
    return shown(f"{side.name} {side.version}" if side.name is not None else side.path)


def headline_of(found: Difference) -> str:
    """What all of it comes to, in one sentence."""
    if found.is_same:
        return "the same: the model files are the same bytes" if found.same_model else "the same in everything that is compared"
    if found.same_model:
        return "the same model, in another package"
    if found.is_renamed_only:
        return f"renamed but identical: {_renames(found)}, and nothing else of the models differs"
    parts = []
    if found.interface:
        parts.append("the interface changed, " + ("breaking" if found.is_breaking else "compatible"))
    if not found.graph.is_same:
        parts.append("the graph changed")
    if not found.weights.is_same:
        kinds = {change.difference.change.value for change in found.weights.changed if change.difference is not None}
        parts.append(f"weights were {kinds.pop()}" if kinds in ({"quantized"}, {"pruned"}) else "weights changed")
    return ", ".join(parts) or "the models compute the same, and say other things of themselves"


def sections_of(found: Difference, *, most: int | None = MANY) -> tuple[Section, ...]:
    """Every section that has something to say, with at most so many lines of each kind."""
    every = (
        ("Decision", _decision(found)),
        ("Problems", _problems(found)),
        ("Interface", (_interface(change) for change in found.interface)),
        ("Operators", _operators(found)),
        ("Graph", _graph(found)),
        ("Weights", _weights(found)),
        ("Behaviour", _behaviour(found.behaviour)),
        ("Manifest", (_field(change) for change in found.manifest)),
        ("Signers", _signers(found)),
        ("Files", _files(found)),
        ("Metadata", (_field(change) for change in found.metadata)),
    )
    told = ((title, list(lines)) for title, lines in every)
    return tuple(_section(title, lines, most) for title, lines in told if lines)


def _section(title: str, lines: list[Line], most: int | None) -> Section:
    if most is None:
        return Section(title=title, lines=tuple(lines))
    kept: list[Line] = []
    count = dict.fromkeys(Sign, 0)
    for line in lines:
        count[line.sign] += 1
        if count[line.sign] <= most or line.loud:
            kept.append(line)
    return Section(title=title, lines=tuple(kept), more=len(lines) - len(kept))


def _text(value: object) -> str:
    return shown(value, limit=_LONG)


def _change(before: str | None, after: str | None) -> str:
    return f"{'none' if before is None else _text(before)} → {'none' if after is None else _text(after)}"


def _field(change: FieldChange) -> Line:
    sign = Sign.ADDED if change.before is None else Sign.REMOVED if change.after is None else Sign.CHANGED
    value = change.after if sign is Sign.ADDED else change.before
    text = _change(change.before, change.after) if sign is Sign.CHANGED else _text(value)
    return Line(sign=sign, text=f"{_text(change.field)}: {text}")


def _decision(found: Difference) -> Iterator[Line]:
    if found.policy is None:
        return
    old, new = (report.decision.verdict.value for report in (found.policy.before, found.policy.after))
    if found.policy.alters_decision:
        yield Line(sign=Sign.CHANGED, text=f"{old} → {new}: the change alters the decision", loud=True)
    else:
        yield Line(sign=Sign.SAME, text=f"{new}, as before: the change does not alter the decision")
    for sign, findings in ((Sign.ADDED, found.policy.appeared), (Sign.REMOVED, found.policy.disappeared)):
        yield from (Line(sign=sign, text=_finding(finding)) for finding in findings)


def _finding(finding: Finding) -> str:
    return f"{shown(finding.code)} {_text(finding.message)}"


def _problems(found: Difference) -> Iterator[Line]:
    """What is wrong with only one of the models: few who change a model do that, and attackers do."""
    yield from (Line(sign=Sign.ADDED, text=_text(problem), loud=True) for problem in found.problems.added)
    yield from (Line(sign=Sign.REMOVED, text=_text(problem)) for problem in found.problems.removed)


def _interface(change: InterfaceChange) -> Line:
    loud = change.effect is Effect.BREAKING
    what = f"{change.side.value} {_text(change.name)}".strip()
    match change.kind:
        case ChangeKind.ADDED:
            sign, text = Sign.ADDED, f"{what}: {_text(change.after)}"
        case ChangeKind.REMOVED:
            sign, text = Sign.REMOVED, f"{what}: {_text(change.before)}"
        case ChangeKind.RENAMED:
            sign, text = Sign.CHANGED, f"{what} is called {_text(change.after)} now"
        case ChangeKind.ORDER:
            sign, text = Sign.CHANGED, f"order of {what}s: {_change(change.before, change.after)}"
        case _:
            sign, text = Sign.CHANGED, f"{what}: {_change(change.before, change.after)}"
    return Line(sign=sign, text=f"{change.effect.value}: {text} ({change.reason})", loud=loud)


def _operators(found: Difference) -> Iterator[Line]:
    for change in found.operators:
        sign = Sign.ADDED if not change.before else Sign.REMOVED if not change.after else Sign.CHANGED
        count = f"{change.before} → {change.after}" if sign is Sign.CHANGED else counted(max(change.before, change.after), "time")
        yield Line(sign=sign, text=f"{_text(change.operator)}: {count}")
    for opset in found.opsets:
        yield Line(sign=_field(opset).sign, text=f"opset of {_field(opset).text}")


def _graph(found: Difference) -> Iterator[Line]:
    graph = found.graph
    if graph.approximate and not (graph.identical or graph.changed):
        yield Line(sign=Sign.NOTE, text=f"not compared: {graph.before:,} and {graph.after:,} nodes are too many", loud=True)
        return
    if graph.is_same and not graph.renames.count:
        yield Line(sign=Sign.SAME, text=f"identical: {counted(graph.after, 'node')}")
    elif graph.is_same:
        yield Line(sign=Sign.SAME, text=f"renamed but identical, {counted(graph.after, 'node')} in all: {_renames(found)}")
    else:
        parts = (
            f"{graph.identical:,} identical",
            *(f"{len(nodes):,} {word}" for nodes, word in _node_lists(found) if nodes),
        )
        yield Line(sign=Sign.NOTE, text=f"{graph.before:,} → {counted(graph.after, 'node')}: {', '.join(parts)}")
    if graph.approximate:
        text = "approximate: the graphs are too entangled, nodes told as added and removed may be the same ones"
        yield Line(sign=Sign.NOTE, text=text, loud=True)
    yield from (_field(change) for change in (*graph.outputs, *graph.functions))
    yield from (_lone(Sign.ADDED, node) for node in graph.added)
    yield from (_lone(Sign.REMOVED, node) for node in graph.removed)
    yield from (_node(change) for change in graph.changed)
    if graph.renames.count and not graph.is_same:
        yield Line(sign=Sign.NOTE, text=f"besides, {_renames(found)}")
    if graph.renames.count:
        first = ", ".join(f"{_name(a)} → {_name(b)}" for a, b in graph.renames.examples[:4])
        yield Line(sign=Sign.NOTE, text=f"for example {first}")


def _node_lists(found: Difference) -> tuple[tuple[Sequence[object], str], ...]:
    graph = found.graph
    return (graph.changed, "changed"), (graph.added, "added"), (graph.removed, "removed")


def _renames(found: Difference) -> str:
    names = found.graph.renames
    parts = [counted(n, w) for n, w in ((names.nodes, "node"), (names.values, "value"), (names.weights, "weight")) if n]
    return f"other names for {', '.join(parts)}"


def _name(text: str) -> str:
    return shown(text, limit=60) or "(no name)"


def _lone(sign: Sign, found: LoneNode) -> Line:
    inside = f" with {counted(found.inside, 'node')} inside" if found.inside else ""
    text = f"{_text(found.node.operator)} {_name(found.node.name)}{inside}"
    takes, gives = (", ".join(map(_text, names)) for names in (found.takes_from, found.gives_to))
    return Line(sign=sign, text=text + (f", after {takes}" if takes else "") + (f", before {gives}" if gives else ""))


def _node(change: NodeChange) -> Line:
    few = change.attributes[:_FEW], change.inputs[:_FEW]
    attributes = (f"{_text(each.field)} {_change(each.before, each.after)}" for each in few[0])
    inputs = (f"input {each.field} comes from {_text(each.after)}, not {_text(each.before)}" for each in few[1])
    more = len(change.attributes) + len(change.inputs) - sum(map(len, few))
    what = "; ".join((*attributes, *inputs, *((f"and {more:,} more",) if more else ())))
    return Line(sign=Sign.CHANGED, text=f"{_text(change.after.operator)} {_name(change.after.name)}: {what}")


def _weights(found: Difference) -> Iterator[Line]:
    weights = found.weights
    if weights.is_same:
        text = f"identical: {counted(weights.identical, 'tensor')}" if weights.identical else "there are none"
        yield Line(sign=Sign.SAME, text=text)
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
    yield from (Line(sign=Sign.ADDED, text=_text(name)) for name in weights.added)
    yield from (Line(sign=Sign.REMOVED, text=_text(name)) for name in weights.removed)


def distance_of(change: WeightChange) -> float:
    """By what the most changed weights come first, and those first of which nothing is known."""
    found = change.difference
    if found is None or found.different is None:
        return inf
    return found.relative_l2 if found.relative_l2 is not None else 0.0


def _weight(change: WeightChange) -> str:
    name = _name(change.before) + (f" → {_name(change.after)}" if change.before != change.after else "")
    old, new = change.types
    kind = f"{_text(old)} → {_text(new)}" if old != new else _text(old)
    found = change.difference
    if found is None:
        return f"{name} {kind}: not compared, {_text(change.problem)}"
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


def _behaviour(found: Behaviour) -> Iterator[Line]:
    if found.ran in _NOT_RUN:
        yield Line(sign=Sign.NOTE, text=_NOT_RUN[found.ran])
        return
    if found.ran is Ran.FAILED:
        yield Line(sign=Sign.NOTE, text="not run, so it counts as different", loud=True)
    else:
        text = f"both run in the sandbox on {counted(len(found.inputs), 'set')} of inputs: {_listed(found.inputs)}"
        yield Line(sign=Sign.NOTE, text=text)
    yield from (Line(sign=Sign.CHANGED, text=_text(problem), loud=True) for problem in found.problems)
    yield from map(_output, found.outputs)


def _listed(names: Iterable[str]) -> str:
    every = list(map(_text, names))
    return ", ".join(every[:4]) + (f" and {len(every) - 4} more" if len(every) > 4 else "")


def _output(found: MeasuredOutput) -> Line:
    name = f"output {_text(found.output)}"
    if found.difference is None:
        return Line(sign=Sign.SAME, text=f"{name}: the same in {counted(found.compared, 'value')}")
    if not (found.too_far or found.unequal):
        odd = found.difference
        return Line(sign=Sign.CHANGED, text=f"{name}: {_text(odd.message)}, {_change(odd.expected, odd.found)}")
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
        parts.append(f"{found.unequal:,} of {found.compared:,} are other labels or whole numbers")
    return Line(sign=Sign.CHANGED, text=f"{name}: {', '.join(parts)}")


def _signers(found: Difference) -> Iterator[Line]:
    if not (found.signers.added or found.signers.removed):
        return
    note = "genuine signatures of signers whom the policy names" if found.authenticated else "claims, which nobody has checked"
    yield Line(sign=Sign.NOTE, text=note)
    yield from (Line(sign=Sign.ADDED, text=_text(name)) for name in found.signers.added)
    yield from (Line(sign=Sign.REMOVED, text=_text(name)) for name in found.signers.removed)


def _files(found: Difference) -> Iterator[Line]:
    if found.files is None:
        return
    for sign, paths in (
        (Sign.ADDED, found.files.added),
        (Sign.REMOVED, found.files.removed),
        (Sign.CHANGED, found.files.changed),
    ):
        yield from (Line(sign=sign, text=_text(path)) for path in paths)


def sizes_of(found: Difference) -> str:
    """How large both models are."""
    parts = (f"{size(side.model_bytes)}, {side.parameters:,} parameters" for side in (found.before, found.after))
    return " → ".join(parts)
