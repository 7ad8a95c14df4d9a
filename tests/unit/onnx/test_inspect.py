"""The facts of a model, the limits, and that size does not change the answer."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mlsign.errors import InputError
from mlsign.interface import OperatorId, OperatorUse
from mlsign.limits import Limits
from mlsign.onnx import wire
from mlsign.onnx.inspect import is_runtime_key, read_model
from mlsign.onnx.problems import MAX_SHOWN_PER_CODE
from mlsign.onnx.summary import ExternalTensor
from mlsign.source import MemorySource

VECTORS = Path(__file__).parents[2] / "vectors" / "onnx"
NAMES = sorted(json.loads((VECTORS / "index.json").read_text()))


def vector(name):
    return (VECTORS / f"{name}.onnx").read_bytes()


def read(data, **limits):
    return read_model(MemorySource(data.SerializeToString() if isinstance(data, ModelProto) else data), limits=Limits(**limits))


def parsed(name):
    model = ModelProto()
    model.ParseFromString(vector(name))
    return model


def refusal(data, **limits):
    with pytest.raises(InputError) as caught:
        read(data, **limits)
    return caught.value


def test_facts_of_a_small_model():
    summary = read(vector("good"))
    assert (summary.ir_version, summary.producer_name, summary.producer_version) == (8, "vectors", "")
    assert summary.operators == (OperatorUse(OperatorId("ai.onnx", "Add"), 1),)
    assert [(v.name, str(v.type)) for v in summary.inputs] == [("x", "float[2]")]
    assert [(v.name, str(v.type)) for v in summary.outputs] == [("y", "float[2]")]
    assert (summary.node_count, summary.graph_count, summary.graph_depth) == (1, 1, 1)
    assert (summary.parameter_count, summary.parameter_bytes) == (2, 8)
    assert (summary.external, summary.metadata_keys, summary.functions, summary.problems) == ((), (), (), ())


def test_functions_are_told_apart_from_operators():
    summary = read(vector("good_function"))
    assert summary.operators == (OperatorUse(OperatorId("ai.onnx", "Relu"), 1),)
    assert summary.functions == (OperatorId("own", "F"),)
    assert summary.function_calls == (OperatorUse(OperatorId("own", "F"), 1),)


def test_an_initializer_is_not_an_input():
    assert [v.name for v in read(vector("good_initializer_is_input")).inputs] == ["x"]


def test_operators_of_branches_count():
    summary = read(vector("good_if"))
    assert {str(use.operator): use.count for use in summary.operators} == {"ai.onnx:If": 1, "ai.onnx:Identity": 2}
    assert (summary.graph_count, summary.graph_depth) == (3, 2)


def test_operators_in_the_default_graph_of_a_function_count():
    summary = read(vector("good_every_message"))
    assert {str(use.operator) for use in summary.operators} == {
        f"ai.onnx:{n}" for n in ("Dropout", "LSTM", "Optional", "Relu", "Identity")
    }
    assert (summary.graph_count, summary.graph_depth, summary.parameter_count) == (2, 2, 4)


def forest(*, packed):
    """A regressor of many small trees, its arrays in the one or the other form."""
    count = 30_000
    arrays = {
        "nodes_treeids": [tree for tree in range(count) for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * count,
        "nodes_featureids": [0, 300, 0] * count,
        "nodes_truenodeids": [1, 0, 0] * count,
        "nodes_falsenodeids": [2, 0, 0] * count,
        "target_treeids": list(range(count)),
        "target_nodeids": [1] * count,
        "target_ids": [0] * count,
    }
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **arrays)
    floats = {
        "nodes_values": [0.5] * 3 * count,
        "target_weights": [1.0] * count,
        "nodes_modes": ["BRANCH_LT", "LEAF", "LEAF"] * count,
    }
    node.attribute.extend(helper.make_attribute(name, value) for name, value in floats.items())
    model = parsed("good_tree")
    model.graph.node[0].CopyFrom(node)
    if not packed:
        return model.SerializeToString()
    plain = helper.make_node(node.op_type, ["x"], ["y"], domain=node.domain)
    data = plain.SerializeToString()
    for attribute in node.attribute:
        payload = b"".join(wire_header(0, number)[1:] for number in attribute.ints)
        ints = wire_field(8, payload) if payload else b""
        attribute.ClearField("ints")
        data += wire_field(5, attribute.SerializeToString() + ints)
    graph = model.graph
    del graph.node[:]
    rest = graph.SerializeToString() + wire_field(1, data)
    model.ClearField("graph")
    return model.SerializeToString() + wire_field(7, rest)


@pytest.mark.parametrize("packed", [False, True])
def test_large_forests_are_followed(packed):
    data = forest(packed=packed)
    assert read(data).problems == ()


def test_a_broken_forest_is_found_however_large():
    model = ModelProto()
    model.ParseFromString(forest(packed=False))
    features = next(a for a in model.graph.node[0].attribute if a.name == "nodes_featureids")
    features.ints[-3] = -1  # the last two are leaves, whose features mean nothing
    (problem,) = read(model).problems
    assert (problem.code, "feature -1" in problem.message) == ("MLS370", True)


def test_external_tensors_are_listed():
    (tensor,) = read(vector("good_external")).external
    wanted = ExternalTensor(name="w", where="graph.initializer[0]", location="w.bin", offset=0, length=8, size=8, element_bytes=4)
    assert tensor == wanted


def test_an_unreadable_offset_is_never_zero():
    assert [t.offset for t in read(vector("external_offset_negative")).external] == [-1]
    assert [t.length for t in read(vector("external_length_too_large")).external] == [-1]


def test_the_order_of_inputs_and_outputs_is_the_models():
    model = parsed("good")
    for name in ("b", "a"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]))
    assert [v.name for v in read(model).inputs] == ["x", "b", "a"]
    assert str(read(model).inputs[1].type) == "float[n, ?]"


def test_constants_count_as_parameters():
    node = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("v", TensorProto.INT4, [3], [1, 2, 3]))
    other = helper.make_node("ConstantOfShape", ["c"], ["d"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1]))
    model = parsed("good")
    model.graph.node.extend([node, other])
    assert (read(model).parameter_count, read(model).parameter_bytes) == (5, 10)


def test_strings_count_by_their_bytes():
    model = parsed("good")
    model.graph.initializer.append(numpy_helper.from_array(np.array(["ab", "c"], dtype=object), "s"))
    assert (read(model).parameter_count, read(model).parameter_bytes) == (4, 11)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_model_bytes": 10}, "size"),
        ({"max_nodes": 2}, "nodes"),
        ({"max_attributes": 1}, "attributes"),
        ({"max_tensors": 0}, "tensors"),
        ({"max_graph_depth": 1}, "depth"),
        ({"max_name_bytes": 0}, "name"),
        ({"max_fields": 20}, "fields"),
        ({"max_skeleton_bytes": 20}, "skeleton"),
        ({"max_type_depth": 0}, "type_depth"),
        ({"max_dimensions": 0}, "dimensions"),
    ],
)
def test_limits_hold(limits, code):
    assert refusal(vector("good_if"), **limits).code == f"onnx.limit.{code}"


def test_functions_are_limited():
    assert refusal(vector("good_function"), max_functions=0).code == "onnx.limit.functions"
    assert [p.code for p in read(vector("good_function"), max_expanded_nodes=0).problems] == ["MLS353"]


def test_expansion_is_counted_and_not_done():
    (problem,) = read(vector("function_expansion")).problems
    assert problem.found == "more than 10^18"


def test_problems_of_one_kind_are_bounded():
    model = parsed("good")
    model.graph.node.extend(helper.make_node("Relu", [f"missing{i}"], [f"r{i}"]) for i in range(100))
    found = read(model).problems
    assert len(found) == MAX_SHOWN_PER_CODE + 1
    assert found[-1].message == "more of the same kind follow and are not listed"


def test_each_kind_of_problem_is_bounded():
    model = parsed("good")
    model.graph.node.extend(helper.make_node("Relu", ["x"], ["y"]) for _ in range(40))
    for index in range(40):
        model.graph.initializer[0].external_data.add(key=f"key{index}", value="v")
        model.metadata_props.add(key="k", value="v")
    unknown = helper.make_node("Relu", ["nothing"], ["z"])
    then = helper.make_graph([unknown], "b", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)], [])
    model.graph.node.extend(helper.make_node("If", ["x"], [], then_branch=then) for _ in range(40))
    found = read(model).problems
    for code in ("MLS339", "MLS344", "MLS345", "MLS346", "MLS361"):
        assert sum(problem.code == code for problem in found) == MAX_SHOWN_PER_CODE + 1, code


def test_foreign_text_is_shown_safely():
    model = parsed("good")
    model.graph.node[0].input[0] = "\x1b[2J\u202e"
    (problem,) = read(model).problems
    assert "\x1b" not in problem.message + problem.found
    assert "\u202e" not in problem.message + problem.found


@pytest.mark.parametrize(
    ("key", "expected"), [("ort_config", True), (" ORT_Config", True), ("session.x", True), ("names", False)]
)
def test_runtime_keys(key, expected):
    assert is_runtime_key(key) is expected


def outcome(data):
    try:
        return read(data, max_name_bytes=120)  # no name is larger than what is read whole, and so it is without the patch
    except InputError as err:
        return err.code


@pytest.fixture(scope="module")
def tiny_windows():
    """The constants of the wire reader so small that every path for large models is taken by small ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "WHOLE_BYTES", 120)
        patch.setattr(wire, "HEAVY_BYTES", 24)
        patch.setattr(wire, "_FIRST_WINDOW", 32)
        patch.setattr(wire, "_LAST_WINDOW", 64)
        yield patch


def outcomes(patch, data):
    small = outcome(data)
    with patch.context() as large:
        for name, value in (("WHOLE_BYTES", 1 << 20), ("HEAVY_BYTES", 4096), ("_FIRST_WINDOW", 4096), ("_LAST_WINDOW", 1 << 18)):
            large.setattr(wire, name, value)
        return small, outcome(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_too_large_for_memory_gives_the_same_answer(name, tiny_windows):
    small, large = outcomes(tiny_windows, vector(name))
    assert small == large


@given(st.sampled_from(NAMES), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_a_mutated_one_too(tiny_windows, name, at, new, removed):
    data = bytearray(vector(name))
    data[at : at + removed] = new
    small, large = outcomes(tiny_windows, bytes(data))
    assert small == large


def large_packed(count, values):
    """A model whose one weight is a packed list of integers too large to be read whole."""
    model = parsed("good")
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.dims[0] = count
    tensor.data_type = TensorProto.INT64
    tensor.int64_data.extend(values)
    return model


def test_packed_integers_are_counted_without_being_kept():
    numbers = [300] * 700_000
    assert read(large_packed(700_000, numbers)).problems == ()
    assert [p.found for p in read(large_packed(699_999, numbers)).problems] == ["700000 entries"]
    assert [p.found for p in read(large_packed(10, numbers)).problems] == ["another length"]  # no need to read it


class Sparse:
    """A source of any size that is zero but for a few places."""

    def __init__(self, size, pieces):
        self.size = size
        self._pieces = pieces

    def read_at(self, offset, length):
        out = bytearray(length)
        for start, data in self._pieces:
            low, high = max(start, offset), min(start + len(data), offset + length)
            if low < high:
                out[low - offset : high - offset] = data[low - start : high - start]
        return bytes(out)


def test_a_model_of_terabytes_is_read_in_moments():
    elements = 2**38
    head = wire_field(1, b"", number=elements) + wire_field(2, b"", number=1) + wire_field(8, b"w")
    tensor_size = len(head) + len(wire_header(9, elements * 4)) + elements * 4
    node = helper.make_node("Add", ["x", "w"], ["y"]).SerializeToString()
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [elements]).SerializeToString() for name in "xy"]
    tail = wire_field(11, ends[0]) + wire_field(12, ends[1])
    start = wire_field(2, b"g") + wire_field(1, node) + wire_header(5, tensor_size) + head + wire_header(9, elements * 4)
    graph = len(start) + elements * 4 + len(tail)
    front = wire_field(1, b"", number=8) + wire_field(8, wire_field(2, b"", number=17)) + wire_header(7, graph) + start
    size = len(front) + elements * 4 + len(tail)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    summary = read_model(Sparse(size, [(0, front), (size - len(tail), tail)]), limits=Limits(max_model_bytes=2**42))
    assert summary.problems == ()
    assert summary.parameter_bytes == 2**40
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB


def wire_header(number, size):
    out, rest = bytearray((number << 3 | 2,)), size
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes(out) + bytes((rest,))


def wire_field(field, payload, *, number=None):
    if number is None:
        return wire_header(field, len(payload)) + payload
    return bytes((field << 3,)) + wire_header(0, number)[1:]


def test_what_is_large_is_read_whatever_was_remembered_of_nothing():
    """A function without default attributes is remembered as having none; a large ``If`` in it is not that."""
    hidden = [helper.make_node("Exfiltrate", ["a"], ["h"], domain="com.evil")]
    filler = [helper.make_node("Identity", ["h" if turn == 0 else f"t{turn - 1}"], [f"t{turn}"]) for turn in range(40)]
    branch = helper.make_graph([*hidden, *filler], "branch", [], [helper.make_tensor_value_info("t39", TensorProto.FLOAT, [2])])
    other = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["o"])], "other", [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, [2])]
    )
    choice = helper.make_node("If", ["c"], ["b"], then_branch=branch, else_branch=other)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.evil", 1)]
    function = helper.make_function("own", "F", ["a", "c"], ["b"], [choice], imports)
    graph = helper.make_graph(
        [helper.make_node("F", ["x", "c"], ["y"], domain="own")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, functions=[function], opset_imports=[*imports, helper.make_opsetid("own", 1)])
    model.ir_version = 8
    assert "com.evil:Exfiltrate" in {str(use.operator) for use in read(model).operators}
