"""Models as text, and what the reader says that a run of them takes."""

from dataclasses import replace

from onnx import ModelProto, parser

from mlsign.limits import DEFAULT
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import RunBounds, Unbounded
from mlsign.source import MemorySource

__all__ = ["bounds", "kinds", "model", "read"]


def model(text: str, *, opset: int = 21) -> ModelProto:
    """The model of a graph as text; two slashes stand between it and functions of its own."""
    graph, *functions = text.split("//")
    made = parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}, "own" : 1]>\ng {graph}'
        + "".join(f'<domain: "own", opset_import: ["" : {opset}, "own" : 1]>\n{function}' for function in functions)
    )
    if not functions:
        del made.opset_import[1]
    return made


def read(made: ModelProto, *, open_dimension: int = 10, evaluations: int = DEFAULT.max_evaluations) -> RunBounds:
    limits = replace(DEFAULT, open_dimension=open_dimension, max_evaluations=evaluations)
    summary = read_model(MemorySource(made.SerializeToString()), limits=limits)
    assert summary.problems == ()
    assert summary.bounds is not None
    return summary.bounds


def bounds(text: str, **how: int) -> RunBounds:
    return read(model(text), **how)


def kinds(text: str, **how: int) -> set[Unbounded]:
    return {item.kind for item in bounds(text, **how).unknown}
