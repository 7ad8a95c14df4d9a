"""What reports say of a model, as rows of facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.onnx.summary import Unbounded
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.interface import OperatorUse, ValueSpec
    from mlsign.onnx.summary import ModelSummary, RunBounds
    from mlsign.report.page import Facts

_MANY: Final = 12
_BEYOND: Final = 10**18
_UNBOUNDED: Final = {
    Unbounded.SIZE: "a size that only the run decides",
    Unbounded.TURNS: "turns that only the run decides",
    Unbounded.ENDLESS: "a loop without end",
    Unbounded.COMPLEXITY: "too entangled to be computed",
    Unbounded.MISUSE: "cannot run as it stands",
}


def add_model(facts: Facts, summary: ModelSummary) -> None:
    """Rows for what the model is, takes, gives and needs."""
    opsets = ", ".join(f"{shown(o.domain)} {o.version}" for o in summary.opsets)
    producer = " ".join(shown(part) for part in (summary.producer_name, summary.producer_version) if part)
    facts.add("Model", f"ONNX IR {summary.ir_version}, opset {opsets}" + (f", written by {producer}" if producer else ""))
    facts.add_each("Takes", [_value(v) for v in summary.inputs])
    facts.add_each("Gives", [_value(v) for v in summary.outputs])
    facts.add("Operators", _operators(summary.operators, summary.node_count))
    if summary.functions:
        facts.add("Functions", ", ".join(shown(f) for f in summary.functions[:_MANY]))
    external = f", {len(summary.external)} tensors in other files" if summary.external else ""
    facts.add("Weights", f"{summary.parameter_count:,} parameters, {size(summary.parameter_bytes)}{external}")
    facts.add("A run", run_words(summary.bounds))


def run_words(bounds: RunBounds | None) -> str:
    """What one run takes at most, or why that is not known."""
    if bounds is None:
        return "not bounded: the model has problems"
    if bounds.unknown:
        first = bounds.unknown[0]
        reason = f"{shown(first.operator)} at {shown(first.where)}: {_UNBOUNDED[first.kind]}"
        more = f", and {len(bounds.unknown) - 1} more" if len(bounds.unknown) > 1 else ""
        return f"not bounded: {reason}{f' ({shown(first.detail)})' if first.detail else ''}{more}"
    memory = size(bounds.peak_bytes) if bounds.peak_bytes < _BEYOND else "more than any machine has"
    steps = counted(bounds.steps, "operator") if bounds.steps < _BEYOND else "more operators than anybody waits for"
    return f"up to {memory} besides inputs and weights, {steps}, with open dimensions of {bounds.open_dimension}"


def _operators(uses: tuple[OperatorUse, ...], nodes: int) -> str:
    ordered = sorted(uses, key=lambda use: (-use.count, use.operator))
    names = ", ".join(f"{shown(use.operator)} x{use.count}" for use in ordered[:_MANY])
    more = f" and {len(ordered) - _MANY} more" if len(ordered) > _MANY else ""
    return f"{len(ordered)} in {nodes:,} nodes: {names}{more}" if ordered else f"none in {nodes} nodes"


def _value(value: ValueSpec) -> str:
    return f"{shown(value.name)}: {shown(value.type)}"
