"""Graphs and nodes at the edges: what is only counted, what is left open, and what is in order after all."""

import pytest
from onnx import ModelProto, TensorProto, helper

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx import problems
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import ModelSummary
from mlsign.source import MemorySource


def read(model: ModelProto, **limits: int) -> ModelSummary:
    return read_model(MemorySource(model.SerializeToString()), limits=Limits(**limits))


def made(nodes, *, inputs=None, initializers=(), ir_version=10, opset=21) -> ModelProto:
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    given = inputs if inputs is not None else [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])]
    graph = helper.make_graph(nodes, "g", given, [value], initializer=list(initializers))
    return helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])


def codes(model: ModelProto, **limits: int) -> list[str]:
    return [problem.code for problem in read(model, **limits).problems]


def test_a_node_of_nothing_is_a_problem():
    nothing = helper.make_node("Add", [], [])
    found = read(made([nothing, helper.make_node("Relu", ["x"], ["y"])])).problems
    assert "a node takes nothing and gives nothing" in [problem.message for problem in found]


WIDE = helper.make_node("Sum", ["x"] * 20, ["y"])


def test_edges_are_limited():
    assert codes(made([WIDE]), max_edges=21) == []
    with pytest.raises(InputError) as caught:
        read(made([WIDE]), max_edges=20)
    assert (caught.value.code, str(caught.value)) == ("onnx.limit.edges", "graph: the model has more than 20 edges")


def test_edges_of_all_graphs_are_counted_together():
    branches = {
        name: helper.make_graph(
            [helper.make_node("Sum", ["x"] * 20, [name])], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])]
        )
        for name in ("then_branch", "else_branch")
    }
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    model = made([helper.make_node("If", ["c"], ["y"], **branches)], inputs=[*made([]).graph.input, condition])
    assert codes(model, max_edges=42) == []
    with pytest.raises(InputError) as caught:
        read(model, max_edges=41)
    assert caught.value.code == "onnx.limit.edges"


def test_few_edges_of_a_node_are_held_by_the_limit_on_nodes():
    assert codes(made([helper.make_node("Sum", ["x"] * 8, ["y"])]), max_edges=1) == []


@pytest.mark.parametrize("count", [problems.MAX_SHOWN_PER_CODE, 60])
def test_names_that_are_made_again_are_listed_up_to_a_point(count):
    nodes = [helper.make_node("Relu", ["x"], ["y"]) for _ in range(count + 1)]
    found = [problem for problem in read(made(nodes)).problems if problem.code == problems.REPEATED_NAME]
    more = count > problems.MAX_SHOWN_PER_CODE
    assert len(found) == problems.MAX_SHOWN_PER_CODE + more
    assert (found[-1].message == "more of the same kind follow and are not listed") == more


def weights(count: int) -> list[TensorProto]:
    return [helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]) for _ in range(count)]


def test_initializers_of_one_name_are_listed_up_to_a_point():
    found = read(made([helper.make_node("Add", ["x", "w"], ["y"])], initializers=weights(60))).problems
    assert [problem.code for problem in found] == [problems.REPEATED_NAME] * (problems.MAX_SHOWN_PER_CODE + 1)


@pytest.mark.parametrize(
    ("element", "shape", "expected"),
    [
        (TensorProto.FLOAT, [2], []),
        (TensorProto.FLOAT, ["n"], []),
        (TensorProto.FLOAT, [3], [problems.INPUT_SHADOWED]),
        (TensorProto.FLOAT, [2, 1], [problems.INPUT_SHADOWED]),
        (TensorProto.DOUBLE, [2], [problems.INPUT_SHADOWED]),
        # of any shape: the weight fits, and that an input has no number of dimensions is another matter
        (TensorProto.FLOAT, None, [problems.INTERFACE_TYPE]),
    ],
)
def test_an_initializer_in_the_place_of_an_input_is_of_its_type(element, shape, expected):
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("w", element, shape)]
    assert codes(made([helper.make_node("Add", ["x", "w"], ["y"])], inputs=given, initializers=weights(1))) == expected


@pytest.mark.parametrize(("last", "expected"), [(0b00000011, []), (0b00000100, [problems.PAYLOAD_LENGTH])])
def test_bits_that_no_element_uses_are_zero(last, expected):
    tensor = TensorProto(name="w", data_type=27, dims=[3], raw_data=bytes((255, 255, last)))  # FLOAT6E2M3: 18 of 24 bits
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    assert codes(made(nodes, initializers=[tensor], opset=26, ir_version=14)) == expected
