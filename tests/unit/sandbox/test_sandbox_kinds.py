"""Types in the runtime's own spelling: it and our reader have to see the same model."""

import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from mlsign.interface import TypeSpec, ValueKind
from mlsign.onnx.inspect import read_model
from mlsign.sandbox.kinds import spelled
from mlsign.source import MemorySource
from mlsign.tensors.elements import ELEMENTS

tensor = helper.make_tensor_type_proto
FLOAT = tensor(TensorProto.FLOAT, ["n", 2])
MAP = helper.make_map_type_proto(TensorProto.INT64, tensor(TensorProto.STRING, []))
TYPES = [
    FLOAT,
    helper.make_sequence_type_proto(FLOAT),
    helper.make_sequence_type_proto(tensor(TensorProto.STRING, None)),
    helper.make_optional_type_proto(FLOAT),
    helper.make_optional_type_proto(helper.make_sequence_type_proto(tensor(TensorProto.BOOL, []))),
    MAP,
    helper.make_map_type_proto(TensorProto.STRING, tensor(TensorProto.FLOAT, None)),
    helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, tensor(TensorProto.FLOAT, None))),
    *(tensor(element.number, None) for element in ELEMENTS.values() if not element.name.startswith("complex")),
]


@pytest.mark.parametrize("proto", TYPES, ids=lambda proto: " ".join(str(proto).split()))
def test_the_runtime_and_our_reader_spell_alike(proto):
    value = helper.make_value_info("x", proto)
    graph = helper.make_graph([], "g", [value], [value])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=12).SerializeToString()
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    session = ort.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    (ours,) = read_model(MemorySource(data)).inputs
    assert spelled(ours.type) == session.get_inputs()[0].type


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (TypeSpec(kind=ValueKind.TENSOR), ""),
        (TypeSpec(kind=ValueKind.SEQUENCE), ""),
        (TypeSpec(kind=ValueKind.SEQUENCE, inner=TypeSpec(kind=ValueKind.OPTIONAL)), ""),
        (TypeSpec(kind=ValueKind.MAP, inner=TypeSpec(kind=ValueKind.TENSOR, element="float")), ""),
        (TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float"), "sparse_tensor(float)"),
    ],
)
def test_what_says_too_little_has_no_spelling(type_, text):
    assert spelled(type_) == text
