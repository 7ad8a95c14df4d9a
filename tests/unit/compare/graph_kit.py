"""Graphs for tests of comparing them: models from ONNX's textual syntax, and chains of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

from mlsign.compare.graphs.comparing import compare_graphs
from mlsign.compare.graphs.result import Compared
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.structure import read_structure
from mlsign.source import MemorySource

HEADER = '<ir_version: 9, opset_import: ["" : 21, "local" : 1, "com.microsoft" : 1, "ai.onnx.ml" : 3]>'


def record(model: onnx.ModelProto) -> ModelRecord:
    return read_structure(MemorySource(model.SerializeToString()))


def parsed(text: str) -> onnx.ModelProto:
    return parser.parse_model(f"{HEADER}\n{text}")


def compared(before: str | onnx.ModelProto, after: str | onnx.ModelProto) -> Compared:
    models = (parsed(each) if isinstance(each, str) else each for each in (before, after))
    return compare_graphs(*map(record, models))


def chain(operators: Sequence[str], *, names: Callable[[int], str] = "v{}".format, width: int = 4) -> onnx.ModelProto:
    """One operator after the other, matrices between them where the operator is MatMul."""
    nodes, weights, previous = [], [], "x"
    for index, operator in enumerate(operators):
        output = "y" if index == len(operators) - 1 else names(index)
        inputs = [previous]
        if operator == "MatMul":
            inputs.append(f"w{names(index)}")
            weights.append(numpy_helper.from_array(np.full((width, width), index, np.float32), inputs[1]))
        nodes.append(helper.make_node(operator, inputs, [output], name=f"n{names(index)}"))
        previous = output
    ends = [[helper.make_tensor_value_info(name, 1, ["N", width])] for name in "xy"]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, weights), opset_imports=[helper.make_opsetid("", 17)])


def counts(found: Compared) -> tuple[int, int, int, int]:
    """Identical, changed, added and removed nodes."""
    graph = found.difference
    return graph.identical, len(graph.changed), len(graph.added), len(graph.removed)


def operators(nodes) -> list[str]:
    return [node.node.operator.rpartition(":")[2] for node in nodes]
