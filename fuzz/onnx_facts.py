"""What a model says, as the onnx library reads it and as the reader reads it, in the same plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from mlsign.interface import TypeSpec
from mlsign.onnx.schema import ELEMENTS
from mlsign.onnx.summary import ModelSummary


def name_of(domain: str, name: str) -> str:
    return f"{domain or 'ai.onnx'}:{name}"


def count_nodes(nodes: Iterable[Any], into: Counter[str]) -> None:
    """Counts the nodes of a graph and of all graphs within it."""
    for node in nodes:
        into[name_of(node.domain, node.op_type)] += 1
        for attribute in node.attribute:
            for graph in [attribute.g] if attribute.HasField("g") else []:
                count_nodes(graph.node, into)
            for graph in attribute.graphs:
                count_nodes(graph.node, into)


def expected_facts(model: Any) -> dict[str, Any]:
    """What the library says of its ``ModelProto``."""
    uses: Counter[str] = Counter()
    count_nodes(model.graph.node, uses)
    for function in model.functions:
        count_nodes(function.node, uses)
        for default in function.attribute_proto:
            for graph in [*([default.g] if default.HasField("g") else []), *default.graphs]:
                count_nodes(graph.node, uses)
    for training in model.training_info:
        for graph in (training.initialization, training.algorithm):
            count_nodes(graph.node, uses)
    initializers = {t.name for t in model.graph.initializer} | {s.values.name for s in model.graph.sparse_initializer}
    opsets = {(o.domain or "ai.onnx", o.version) for f in [model, *model.functions] for o in f.opset_import}
    return {
        "ir_version": model.ir_version,
        "operators": uses,
        "opsets": opsets,
        "functions": {name_of(f.domain, f.name) for f in model.functions},
        "inputs": [(v.name, type_of(v.type)) for v in model.graph.input if v.name not in initializers],
        "outputs": [(v.name, type_of(v.type)) for v in model.graph.output],
    }


def size_of(dimension: Any) -> int | None:
    return dimension.dim_value if dimension.dim_value != -1 else None  # how some exporters say "any size"


def type_of(proto: Any) -> tuple[Any, ...]:
    kind = proto.WhichOneof("value")
    if kind in ("tensor_type", "sparse_tensor_type"):
        tensor = getattr(proto, kind)
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(size_of(d) if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
        return (kind.removesuffix("_type"), ELEMENTS[tensor.elem_type].name, shape, None)
    if kind == "map_type":
        return ("map", ELEMENTS[proto.map_type.key_type].name, None, type_of(proto.map_type.value_type))
    return (kind.removesuffix("_type"), "", None, type_of(getattr(proto, kind).elem_type))


def plain(spec: TypeSpec) -> tuple[Any, ...]:
    return (spec.kind.value, spec.element, spec.shape, plain(spec.inner) if spec.inner else None)


def seen_facts(summary: ModelSummary) -> dict[str, Any]:
    """What the reader says."""
    uses = Counter({str(use.operator): use.count for use in summary.operators})
    uses.update({str(use.operator): use.count for use in summary.function_calls})
    return {
        "ir_version": summary.ir_version,
        "operators": uses,
        "opsets": {(o.domain, o.version) for o in summary.opsets},
        "functions": {str(f) for f in summary.functions},
        "inputs": [(v.name, plain(v.type)) for v in summary.inputs],
        "outputs": [(v.name, plain(v.type)) for v in summary.outputs],
    }


def as_document(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts as a JSON document, sets in order."""
    return {
        key: sorted(map(list, value)) if key == "opsets" else sorted(value) if key == "functions" else value
        for key, value in facts.items()
    }
