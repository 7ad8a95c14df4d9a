"""A record of a model's structure back as ONNX's own messages, and those messages with what a record leaves out taken away."""

from __future__ import annotations

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
)

from mlsign.interface import ONNX_DOMAIN, ValueKind
from mlsign.onnx.records import AttributeKind, SparseRecord, Stored, StoredOutside, TensorRecord
from mlsign.onnx.wire import Region

LEFT_OUT = {
    "ModelProto": ("configuration", "training_info"),
    "GraphProto": ("quantization_annotation", "metadata_props"),
    "NodeProto": ("doc_string", "metadata_props", "device_configurations"),
    "AttributeProto": ("doc_string",),
    "FunctionProto": ("metadata_props",),
    "TensorProto": ("doc_string", "metadata_props", "segment"),
    "ValueInfoProto": ("doc_string", "metadata_props"),
    "TypeProto": ("denotation",),
    "Dimension": ("denotation",),
}
KINDS = {
    AttributeKind.FLOAT: "f",
    AttributeKind.INT: "i",
    AttributeKind.STRING: "s",
    AttributeKind.FLOATS: "floats",
    AttributeKind.INTS: "ints",
    AttributeKind.STRINGS: "strings",
}


def normal(message):
    """The message without what a record leaves out, and without fields that say what their absence says."""
    kind = type(message).__name__
    for name in LEFT_OUT.get(kind, ()):
        message.ClearField(name)
    if kind == "OperatorSetIdProto" and message.domain == ONNX_DOMAIN:
        message.ClearField("domain")
    if kind == "TensorProto" and message.data_location != TensorProto.EXTERNAL:
        message.ClearField("external_data")
    if kind == "TensorProto":
        kept = sorted(
            (e.key, e.value) for e in message.external_data if e.key != "checksum" and (e.key, e.value) != ("offset", "0")
        )
        message.ClearField("external_data")
        for key, value in kept:
            message.external_data.add(key=key, value=value)
    if kind == "Dimension":
        if (message.WhichOneof("value") == "dim_value" and message.dim_value == -1) or (
            message.dim_param == "" and not message.HasField("dim_value")
        ):
            message.Clear()
        return message
    for field, value in message.ListFields():
        if hasattr(value, "add"):  # a list of messages
            for item in value:
                normal(item)
        elif hasattr(value, "ListFields"):
            normal(value)
        elif not hasattr(value, "append") and value == field.default_value and field.name != "key_type":
            message.ClearField(field.name)
    if kind == "ValueInfoProto" and message.type.WhichOneof("value") is None:
        message.ClearField("type")
    return message


def spelled(number):
    out = b""
    while number > 127:
        out += bytes((number & 127 | 128,))
        number >>= 7
    return out + bytes((number,))


def field_bytes(stored, data):
    """The payload as it stands in a message."""
    out = b""
    for part in stored.parts:
        if isinstance(part, int):
            out += spelled(stored.field << 3) + spelled(part)
        else:
            whole = data[part.start : part.end] if isinstance(part, Region) else part
            out += spelled(stored.field << 3 | 2) + spelled(len(whole)) + whole
    return out


def tensor_of(record: TensorRecord, data, into: TensorProto | None = None):
    out = TensorProto() if into is None else into
    if isinstance(record.values, Stored):
        out.MergeFromString(field_bytes(record.values, data))
    elif isinstance(record.values, StoredOutside):
        out.data_location = TensorProto.EXTERNAL
        out.external_data.add(key="location", value=record.values.location)
        out.external_data.add(key="offset", value=str(record.values.offset))
        if record.values.length is not None:
            out.external_data.add(key="length", value=str(record.values.length))
    out.name = record.name
    out.data_type = TensorProto.DataType.Value(record.element.upper()) if record.element else 0
    out.dims.extend(record.shape)
    return out


def sparse_of(record: SparseRecord, data, into: SparseTensorProto):
    assert record.name == record.values.name
    tensor_of(record.values, data, into.values)
    tensor_of(record.indices, data, into.indices)
    into.dims.extend(record.shape)


def type_of(spec, into: TypeProto):
    if spec.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR):
        if not spec.element and spec.shape is None:
            return
        plain = getattr(into, f"{spec.kind.value}_type")
        plain.elem_type = TensorProto.DataType.Value(spec.element.upper())
        if spec.shape is not None:
            plain.shape.SetInParent()
        for size in spec.shape or ():
            dim = plain.shape.dim.add()
            if isinstance(size, int):
                dim.dim_value = size
            elif size is not None:
                dim.dim_param = size
    elif spec.kind is ValueKind.MAP:
        into.map_type.key_type = TensorProto.DataType.Value(spec.element.upper())
        type_of(spec.inner, into.map_type.value_type)
    else:
        type_of(spec.inner, getattr(into, f"{spec.kind.value}_type").elem_type)


def value_of(spec, into: ValueInfoProto):
    into.name = spec.name
    type_of(spec.type, into.type)


def attribute_of(record, data, into: AttributeProto):
    if isinstance(record.value, Stored):
        into.MergeFromString(field_bytes(record.value, data))
    into.name, into.ref_attr_name = record.name, record.reference
    into.type = record.kind.value
    value = record.value
    if value is None or isinstance(value, Stored):
        return
    match record.kind:
        case AttributeKind.TENSOR:
            tensor_of(value, data, into.t)
        case AttributeKind.SPARSE_TENSOR:
            sparse_of(value, data, into.sparse_tensor)
        case AttributeKind.GRAPH:
            graph_of(value, data, into.g)
        case AttributeKind.TYPE_PROTO:
            into.tp.SetInParent()
            type_of(value, into.tp)
        case AttributeKind.TENSORS:
            [tensor_of(item, data, into.tensors.add()) for item in value]
        case AttributeKind.SPARSE_TENSORS:
            [sparse_of(item, data, into.sparse_tensors.add()) for item in value]
        case AttributeKind.GRAPHS:
            [graph_of(item, data, into.graphs.add()) for item in value]
        case AttributeKind.TYPE_PROTOS:
            [type_of(item, into.type_protos.add()) for item in value]
        case AttributeKind.FLOATS | AttributeKind.INTS | AttributeKind.STRINGS:
            getattr(into, KINDS[record.kind]).extend(value)
        case _:
            setattr(into, KINDS[record.kind], value)


def node_of(record, data, into: NodeProto):
    into.name, into.domain, into.op_type, into.overload = record.name, record.domain, record.operator, record.overload
    into.input.extend(record.inputs)
    into.output.extend(record.outputs)
    for attribute in record.attributes:
        attribute_of(attribute, data, into.attribute.add())


def graph_of(record, data, into: GraphProto):
    into.name, into.doc_string = record.name, record.doc
    for name, specs in (("input", record.inputs), ("output", record.outputs), ("value_info", record.values)):
        for spec in specs:
            value_of(spec, getattr(into, name).add())
    for tensor in record.initializers:
        tensor_of(tensor, data, into.initializer.add())
    for sparse in record.sparse_initializers:
        sparse_of(sparse, data, into.sparse_initializer.add())
    for node in record.nodes:
        node_of(node, data, into.node.add())


def function_of(record, data, into: FunctionProto):
    into.domain, into.name, into.overload, into.doc_string = record.domain, record.name, record.overload, record.doc
    into.input.extend(record.inputs)
    into.output.extend(record.outputs)
    into.attribute.extend(record.attributes)
    for attribute in record.defaults:
        attribute_of(attribute, data, into.attribute_proto.add())
    for opset in record.opsets:
        into.opset_import.add(domain=opset.domain, version=opset.version)
    for spec in record.values:
        value_of(spec, into.value_info.add())
    for node in record.nodes:
        node_of(node, data, into.node.add())


def model_of(record, data) -> ModelProto:
    """The message that a record stands for; ``data`` is the file that it was read from."""
    out = ModelProto(ir_version=record.ir_version, model_version=record.model_version)
    out.producer_name, out.producer_version = record.producer_name, record.producer_version
    out.domain, out.doc_string = record.domain, record.doc
    for opset in record.opsets:
        out.opset_import.add(domain=opset.domain, version=opset.version)
    for key, value in record.metadata:
        out.metadata_props.add(key=key, value=value)
    graph_of(record.graph, data, out.graph)
    for function in record.functions:
        function_of(function, data, out.functions.add())
    return out
