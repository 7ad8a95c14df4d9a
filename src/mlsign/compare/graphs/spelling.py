"""Nodes, values and attributes in words: where they are, what they are called, the first of long lists. Foreign text is not escaped."""

from __future__ import annotations

from typing import Final

from mlsign.compare.graphs.bodies import Body, Scaling, Source, SourceKind
from mlsign.compare.graphs.result import NodeRef
from mlsign.interface import ONNX_DOMAIN
from mlsign.onnx.records import AttributeRecord, GraphRecord, NodeRecord, SparseRecord, Stored, TensorRecord
from mlsign.words import counted

_MAX_LISTED: Final = 6
_MAX_TEXT: Final = 200


def operator_of(node: NodeRecord) -> str:
    """``domain:Name``, and behind a second colon the overload where there is one."""
    overload = f":{node.overload}" if node.overload else ""
    return f"{node.domain or ONNX_DOMAIN}:{node.operator}{overload}"


def node_ref(body: Body, index: int) -> NodeRef:
    """A node as reports name it."""
    node = body.nodes[index]
    return NodeRef(where=f"{body.where}.node[{index}]", operator=operator_of(node), name=node.name)


def spell_node(body: Body, index: int) -> str:
    """A node in few words: its operator and name, or where it is."""
    node = body.nodes[index]
    return f"{node.operator} {node.name or f'at {body.where}.node[{index}]'}"


def spell_source(body: Body, source: Source) -> str:
    """Where a value comes from."""
    match source.kind:
        case SourceKind.NODE:
            output = f"output {source.output} of " if source.output else ""
            return f"{output}{spell_node(body, source.place)}"
        case SourceKind.INPUT:
            return f"input {body.inputs[source.place][0]}"
        case SourceKind.CONSTANT:
            return f"weight {body.constants[source.place].name}"
        case SourceKind.OUTER:
            return "a value from around the subgraph"
        case _:
            return "nothing"


def spell_reading(scaling: Scaling) -> str:
    """How codes become numbers."""
    node, zero_point = scaling.node, scaling.zero_point
    attributes = () if node is None else node.attributes[:_MAX_LISTED]
    told = [] if node is None else [f"read by {operator_of(node)}"]
    told += [f"{attribute.name} {spell_attribute(attribute)}" for attribute in attributes]
    return ", ".join((*told, "no zero point" if zero_point is None else f"zero point {zero_point.name}"))


def spell_outputs(node: NodeRecord) -> str:
    """How many outputs a node gives, and which of them it leaves out."""
    absent = [str(place) for place, name in enumerate(node.outputs) if not name]
    listed = ", ".join(absent[:_MAX_LISTED]) + (", …" if len(absent) > _MAX_LISTED else "")
    return f"{len(node.outputs)} without {listed}" if absent else str(len(node.outputs))


def spell_attribute(attribute: AttributeRecord | None) -> str | None:
    """The value of an attribute; of long ones the beginning and how much there is."""
    if attribute is None:
        return None
    if attribute.reference:
        return f"attribute {attribute.reference} of the function"
    value = attribute.value
    if isinstance(value, tuple):
        first = ", ".join(map(_spell, value[:_MAX_LISTED]))
        return f"[{first}]" if len(value) <= _MAX_LISTED else f"[{first}, …] ({len(value)} values)"
    return f"{attribute.kind.name.lower()} without a value" if value is None else _spell(value)


def _spell(value: object) -> str:
    match value:
        case bytes():
            text = value[:_MAX_TEXT].decode("utf-8", "backslashreplace")
            return text if len(value) <= _MAX_TEXT else f"{text}… ({len(value)} bytes)"
        case float():
            return f"{value:.7g}"
        case TensorRecord() | SparseRecord():
            return f"tensor {list(value.shape)}"
        case GraphRecord():
            return f"graph of {counted(len(value.nodes), 'node')}"
        case Stored():
            return "very many values"
        case _:
            return str(value)
