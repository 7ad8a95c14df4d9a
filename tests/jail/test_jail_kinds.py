"""A model whose sequences, maps and optionals are of other types than those that were verified is not run."""

from dataclasses import replace

import pytest
from jail_models import graph_model
from onnx import TensorProto, helper

from mlsign.errors import JailError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.sandbox.jail import Jail


def tensor(element: str) -> TypeSpec:
    return TypeSpec(kind=ValueKind.TENSOR, element=element)


def held(kind: ValueKind, inner: TypeSpec | None, element: str = "") -> TypeSpec:
    return TypeSpec(kind=kind, inner=inner, element=element)


FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
SEQUENCE, OPTIONAL, MAP = ValueKind.SEQUENCE, ValueKind.OPTIONAL, ValueKind.MAP


@pytest.mark.parametrize(
    ("proto", "right", "wrong"),
    [
        (helper.make_sequence_type_proto(FLOATS), held(SEQUENCE, tensor("float")), held(SEQUENCE, tensor("int64"))),
        (helper.make_sequence_type_proto(FLOATS), held(SEQUENCE, tensor("float")), held(OPTIONAL, tensor("float"))),
        (
            helper.make_optional_type_proto(FLOATS),
            held(OPTIONAL, tensor("float")),
            held(OPTIONAL, held(SEQUENCE, tensor("float"))),
        ),
        (
            helper.make_map_type_proto(TensorProto.STRING, FLOATS),
            held(MAP, tensor("float"), "string"),
            held(MAP, tensor("float"), "int64"),
        ),
    ],
)
def test_a_type_that_was_not_verified_is_refused(memory, proto, right, wrong):
    value = helper.make_value_info("x", proto)
    model = memory.model(graph_model([], [value], [value]))
    fitting = (ValueSpec(name="x", type=right),)
    Jail.start(replace(model, inputs=fitting, outputs=fitting)).close()
    for side in ("inputs", "outputs"):
        other = replace(model, inputs=fitting, outputs=fitting)
        with pytest.raises(JailError, match="verified are") as caught:
            Jail.start(replace(other, **{side: (ValueSpec(name="x", type=wrong),)}))
        assert caught.value.code == "sandbox.interface"


def test_a_model_that_the_runtime_cannot_be_fed_with_is_refused_when_it_is_loaded(memory):
    bits = helper.make_tensor_value_info("b", TensorProto.BFLOAT16, ["n"])
    texts = helper.make_tensor_value_info("s", TensorProto.STRING, ["n"])
    out = helper.make_tensor_value_info("c", TensorProto.BFLOAT16, ["n"])
    proto = graph_model([helper.make_node("Identity", ["b"], ["c"])], [bits, texts], [out])
    with pytest.raises(JailError, match="only one or the other") as caught:
        Jail.start(memory.model(proto))
    assert caught.value.code == "sandbox.model.load"
