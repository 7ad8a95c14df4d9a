"""Models as text, and what the reader says that a run of them takes."""

from dataclasses import replace
from unittest import mock

from onnx import ModelProto, parser

from mlsign.limits import DEFAULT
from mlsign.onnx import inspect
from mlsign.onnx.bounds.amounts import Value
from mlsign.onnx.bounds.evaluate import begin
from mlsign.onnx.bounds.run import Run
from mlsign.onnx.bounds.tensors import Tensor
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import RunBounds, Unbounded
from mlsign.source import MemorySource

__all__ = ["bounds", "kinds", "model", "numbers", "operations", "read", "shape", "size", "value"]


def model(text: str, *, opset: int = 21, ml: int = 4) -> ModelProto:
    """The model of a graph as text; two slashes stand between it and functions of its own."""
    graph, *functions = text.split("//")
    made = parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}, "own" : 1, "ai.onnx.ml" : {ml}]>\ng {graph}'
        + "".join(f'<domain: "own", opset_import: ["" : {opset}, "own" : 1]>\n{function}' for function in functions)
    )
    if "ai.onnx.ml." not in graph:
        del made.opset_import[2]
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


def operations(node: str, *, signature: str, head: str = "") -> int:
    """The arithmetic of one node that makes y, without what comes before it; ``f`` is an input of one number."""
    alone = bounds(f"{signature} {{ {head} y = Identity(f) }}").operations - 2  # one number is read, one is written
    return bounds(f"{signature} {{ {head} {node} }}").operations - alone


def kinds(text: str, **how: int) -> set[Unbounded]:
    return {item.kind for item in bounds(text, **how).unknown}


def value(text: str, name: str = "y", *, opset: int = 21, ml: int = 4, open_dimension: int = 10) -> tuple[Run, Tensor]:
    """What is known of one value of the main graph after a run, and that run."""
    asked = []
    limits = replace(DEFAULT, open_dimension=open_dimension)
    with mock.patch.object(inspect, "evaluate", side_effect=lambda *args, **how: asked.append((args, how))):
        problems = read_model(MemorySource(model(text, opset=opset, ml=ml).SerializeToString()), limits=limits).problems
    assert problems == ()
    (main, functions), how = asked[0]
    run, env = begin(main, functions, **how)
    run.body(main.steps, env, main.where, keep=[output for output, _ in main.outputs])
    found = env[name.encode()]
    assert found is not None
    return run, found


def shape(text: str, name: str = "y", **how: int) -> list[int | None] | None:
    """The largest that each dimension can be, None for one without bound; None where the rank is not known."""
    run, tensor = value(text, name, **how)
    return None if tensor.dims is None else [None if dim.high is None else run.space.at_most(dim.high) for dim in tensor.dims]


def size(text: str, name: str = "y", **how: int) -> int | None:
    """The most bytes of a value, None where nothing bounds them."""
    return value(text, name, **how)[1].size


def numbers(text: str, name: str = "y", **how: int) -> tuple[Value, ...] | None:
    """The numbers in a value, as far as they are known."""
    return value(text, name, **how)[1].values
