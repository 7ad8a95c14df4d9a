"""Pieces of models as their reader gives them, with no more said than a test of pages needs."""

from math import prod

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.records import AttributeRecord, FunctionRecord, GraphRecord, ModelRecord, NodeRecord, Stored, TensorRecord

HOSTILE = "<img src=x onerror=alert(1)>\u202e"
FLOATS = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=("N", 3))


def node(operator, inputs, outputs, *attributes, domain="", name=""):
    return NodeRecord(
        name=name, domain=domain, operator=operator, overload="", inputs=inputs, outputs=outputs, attributes=attributes
    )


def attribute(name, kind, value, reference=""):
    return AttributeRecord(name=name, kind=kind, value=value, reference=reference)


def tensor(name, *shape, element="float", data=None):
    count = prod(shape)
    values = None if data is None else Stored(field=9, parts=(data,))
    size = count * {"float": 4, "int64": 8}.get(element, 1)
    return TensorRecord(name=name, element=element, shape=shape, count=count, size=size, values=values)


def graph(*nodes, inputs=(), outputs=(), values=(), tensors=(), name="g"):
    """Every value is of floats."""
    inputs, outputs, values = (tuple(ValueSpec(name=each, type=FLOATS) for each in names) for names in (inputs, outputs, values))
    return GraphRecord(
        name=name, inputs=inputs, outputs=outputs, values=values, initializers=tensors, sparse_initializers=(), nodes=nodes
    )


def function(name, *nodes):
    return FunctionRecord(
        domain="f",
        name=name,
        overload="",
        inputs=("a",),
        outputs=("b",),
        attributes=(),
        defaults=(),
        opsets=(),
        values=(),
        nodes=nodes,
    )


def model(main, *functions):
    return ModelRecord(
        ir_version=8,
        producer_name="",
        producer_version="",
        domain="",
        model_version=0,
        opsets=(),
        metadata=(),
        graph=main,
        functions=functions,
    )
