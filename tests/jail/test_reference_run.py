"""Models on the reference evaluator in a jail: what onnxruntime answers, by other code, behind the same walls."""

import os
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import AttributeProto, SparseTensorProto, TensorProto, helper, numpy_helper
from test_jail_weights import MIB, Weights, private_bytes

from mlsign.errors import JailError, OutsideError
from mlsign.sandbox import zygote_host
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import FULL, Isolation, Wall
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec

REFERENCE = RuntimeName.REFERENCE
BOTH = tuple(RuntimeName)


def same(a, b) -> bool:
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind in "fc":
        return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-6)
    return a.shape == b.shape and np.array_equal(a, b)


def answers(start, proto, feeds, *, weights=None) -> list:
    return [start(proto, weights=weights, runtime=runtime).run(feeds) for runtime in BOTH]


def loop_model():
    """y = x doubled ``n`` times, and the list of what came between."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["v", "v"], ["v2"])],
        "body",
        [tensor("i", TensorProto.INT64, []), tensor("c", TensorProto.BOOL, []), tensor("v", shape=["n", 2])],
        [tensor("c2", TensorProto.BOOL, []), tensor("v2", shape=["n", 2])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    nodes = [helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body)]
    return graph_model(nodes, [tensor("turns", TensorProto.INT64, []), tensor("x")], [tensor("y")], initializers=[true])


def unconditional_model():
    """The same without a condition, which the evaluator took for one that does not hold."""
    model = loop_model()
    model.graph.node[0].input[1] = ""
    return model


def function_model():
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    model = graph_model([helper.make_node("Twice", ["x"], ["y"], domain="own")], [tensor("x")], [tensor("y")])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def zip_map_model():
    nodes = [helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"])]
    pairs = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    rows = helper.make_value_info("y", helper.make_sequence_type_proto(pairs))
    return graph_model(nodes, [tensor("x")], [rows], ml=True)


def sequence_model():
    nodes = [helper.make_node("SplitToSequence", ["x"], ["y"], axis=0)]
    return graph_model(nodes, [tensor("x")], [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)])


def text_model():
    nodes = [helper.make_node("StringConcat", ["s", "s"], ["t"])]
    texts = [tensor("s", TensorProto.STRING, ["n"])], [tensor("t", TensorProto.STRING, ["m"])]
    return graph_model(nodes, *texts, opset=20)


def optional_model():
    optional = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 2]))
    nodes = [helper.make_node("OptionalHasElement", ["o"], ["y"])]
    return graph_model(nodes, [helper.make_value_info("o", optional)], [tensor("y", TensorProto.BOOL, [])], opset=18)


def optional_made(inside: str):
    """What ``Optional`` makes, of a tensor or of a list of two."""
    made = [helper.make_node("SequenceConstruct", ["x", "x"], ["q"])] if inside == "q" else []
    type_ = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 2])
    type_ = helper.make_sequence_type_proto(type_) if inside == "q" else type_
    made.append(helper.make_node("Optional", [inside], ["y"]))
    return graph_model(made, [tensor("x")], [helper.make_value_info("y", helper.make_optional_type_proto(type_))], opset=18)


def four_bit_model():
    nodes = [
        helper.make_node("Cast", ["x"], ["q"], to=TensorProto.INT4),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.INT8),
    ]
    return graph_model(nodes, [tensor("x")], [tensor("q", TensorProto.INT4), tensor("y", TensorProto.INT8)], opset=21)


def bfloat_model():
    nodes = [helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT)]
    return graph_model(nodes, [tensor("b", TensorProto.BFLOAT16, ["n"])], [tensor("y", shape=["n"])], opset=21)


def tree_model():
    nodes = [
        helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_values=[2.5, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
            target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[-1.5, 4.0],
        )
    ]  # fmt: skip
    return graph_model(nodes, [tensor("x")], [tensor("y", shape=["n", 1])], ml=True)


MODELS = {
    "loop": (loop_model, {"turns": np.array(3), "x": X}),
    "loop without a condition": (unconditional_model, {"turns": np.array(3), "x": X}),
    "function": (function_model, {"x": X}),
    "maps": (zip_map_model, {"x": X}),
    "sequence": (sequence_model, {"x": X}),
    "texts": (text_model, {"s": np.array(["a", "é", ""], dtype=object)}),
    "optional": (optional_model, {"o": X}),
    "nothing": (optional_model, {}),
    "optional_tensor": (lambda: optional_made("x"), {"x": X}),
    "optional_list": (lambda: optional_made("q"), {"x": X}),
    "four_bits": (four_bit_model, {"x": X}),
    "bfloat16": (bfloat_model, {"b": np.array([0x3F80, 0xC000], np.uint16)}),
    "trees": (tree_model, {"x": X}),
}


@pytest.mark.parametrize("name", MODELS)
def test_both_runtimes_answer_alike(start, name):
    make, feeds = MODELS[name]
    first, second = answers(start, make(), feeds)
    assert first.keys() == second.keys()
    assert all(same(first[key], second[key]) for key in first), (first, second)


@pytest.mark.parametrize("runtime", BOTH, ids=lambda runtime: runtime.value)
def test_a_jail_says_what_runs_in_it(start, doubler, runtime):
    jail = start(doubler, runtime=runtime, threads=1)
    module = pytest.importorskip("onnx" if runtime is REFERENCE else "onnxruntime")
    assert (jail.runtime, jail.runtime_version, jail.threads) == (runtime, module.__version__, 1)


def test_the_reference_evaluator_has_one_thread_whatever_is_allowed(start, doubler):
    jail = start(doubler, runtime=REFERENCE, threads=4)
    assert jail.threads == 1
    assert len(os.listdir(f"/proc/{jail.pid}/task")) == 1
    assert start(doubler, threads=2).threads in (1, 2)


def test_it_is_confined_as_onnxruntime_is(start, doubler):
    first, second = (start(doubler, runtime=runtime) for runtime in BOTH)
    walls = [{layer.name for layer in jail.layers if layer.in_force} for jail in (first, second)]
    assert walls[0] == walls[1]
    if walls[0] >= set(FULL):
        start(doubler, runtime=REFERENCE, isolation=Isolation.FULL)


def libraries(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def test_each_zygote_has_its_own_runtime_alone(start, doubler):
    for runtime in BOTH:
        start(doubler, runtime=runtime)
    held = {runtime: libraries(zygote_host._current.zygotes[runtime]._popen.pid) for runtime in BOTH}
    assert ("/onnxruntime/" in held[REFERENCE], "/onnx/" in held[REFERENCE]) == (False, True)
    assert ("/onnxruntime/" in held[RuntimeName.ONNXRUNTIME], "/onnx/" in held[RuntimeName.ONNXRUNTIME]) == (True, False)


def test_calls_repeat_and_change_shape(start, doubler):
    jail = start(doubler, runtime=REFERENCE)
    for x in (X, X, 2 * X, np.ones((5, 2), np.float32), np.ones((0, 2), np.float32), X):
        assert np.array_equal(jail.run({"x": x})["y"], 2 * x)
    lent = jail.lend({"x": (2, 2)})
    lent["x"][...] = 7
    assert np.array_equal(jail.run(lent)["y"], np.full((2, 2), 14, np.float32))


def test_an_error_of_the_model_leaves_the_jail_usable(start):
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    jail = start(
        graph_model(nodes, [tensor("x"), tensor("s", TensorProto.INT64, [1])], [tensor("y", shape=["m"])]), runtime=REFERENCE
    )
    with pytest.raises(JailError) as caught:
        jail.run({"x": X, "s": np.array([5])})
    assert caught.value.code == "sandbox.model.run"
    assert jail.run({"x": X, "s": np.array([6])})["y"].shape == (6,)


def test_an_answer_of_another_type_than_was_declared_ends_the_jail(start):
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)]
    jail = start(graph_model(nodes, [tensor("x")], [tensor("y")]), runtime=REFERENCE)
    with pytest.raises(JailError) as caught:
        jail.run({"x": X})
    assert caught.value.code == "sandbox.output"


def test_weights_outside_the_model_are_used_where_they_lie(memory):
    weights = Weights(memory, side=2048, count=4)
    x = np.ones((3, weights.side), np.float32)
    with Jail.start(weights.model, spec=JailSpec(memory_bytes=64 * MIB, runtime=REFERENCE)) as jail:
        assert np.allclose(jail.run({"x": x})["y"], weights.expected(x), rtol=1e-4)
        assert private_bytes(jail.pid) < weights.bytes // 2


def test_workers_of_one_zygote_draw_different_numbers(start):
    nodes = [helper.make_node("RandomNormal", [], ["y"], shape=[4])]
    model = graph_model(nodes, [], [tensor("y", shape=[4])])
    first, second = (start(model, runtime=REFERENCE).run({})["y"] for _ in range(2))
    assert not np.array_equal(first, second)


def test_defaults_of_functions_count_where_a_call_says_nothing(start):
    node = helper.make_node("Gemm", ["a", "a"], ["b"], transB=1)
    node.attribute.append(AttributeProto(name="alpha", type=AttributeProto.FLOAT, ref_attr_name="by"))
    function = helper.make_function(
        "own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 17)], attribute_protos=[helper.make_attribute("by", 0.5)]
    )
    for given, factor in (({}, 0.5), ({"by": 3.0}, 3.0)):
        model = graph_model(
            [helper.make_node("F", ["x"], ["y"], domain="own", **given)], [tensor("x")], [tensor("y", shape=["n", "m"])]
        )
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("own", 1))
        for runtime in RuntimeName:
            assert np.allclose(start(model, runtime=runtime).run({"x": X})["y"], factor * X @ X.T)


def test_the_domain_of_onnx_has_two_names(start, doubler):
    doubler.graph.node[0].domain = doubler.opset_import[0].domain = "ai.onnx"
    assert np.array_equal(start(doubler, runtime=REFERENCE).run({"x": X})["y"], X + X)


def test_why_an_operator_failed_is_said_first(start):
    nodes = [helper.make_node("StringSplit", ["x"], ["y", ""])]
    jail = start(graph_model(nodes, [tensor("x")], [tensor("y", TensorProto.STRING, ["n", "m"])], opset=20), runtime=REFERENCE)
    with pytest.raises(JailError) as caught:
        jail.run({"x": X})
    assert caught.value.message.startswith("Inputs must be string tensors")


def test_without_the_package_it_says_what_to_install_before_anything_happens(memory, doubler, monkeypatch):
    zygote_host.end()
    monkeypatch.setitem(sys.modules, "onnx", None)  # to importlib, a package that is not there
    with pytest.raises(OutsideError) as caught:
        Jail.start(memory.model(doubler), spec=JailSpec(runtime=REFERENCE))
    assert (caught.value.code, caught.value.hint) == ("sandbox.reference", "pip install 'mlsign[reference]'")
    assert zygote_host._current.zygotes == {}


def test_a_folder_with_the_name_of_the_package_is_none(memory, doubler, monkeypatch, tmp_path):
    (tmp_path / "onnx").mkdir()
    monkeypatch.delitem(sys.modules, "onnx")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(OutsideError) as caught:
        Jail.start(memory.model(doubler), spec=JailSpec(runtime=REFERENCE))
    assert (caught.value.code, "not installed" in caught.value.message) == ("sandbox.reference", True)


@pytest.mark.parametrize(
    ("version", "taken"), [("1.17.0", False), ("1.9", False), ("0.99", False), ("1.19.0rc1", True), ("2.0", True)]
)
def test_a_package_that_is_too_old_is_named(memory, start, doubler, monkeypatch, version, taken):
    """Only what is written of it is: the zygote takes the one that is there."""
    monkeypatch.setattr(metadata, "version", lambda _: version)
    if taken:
        start(doubler, runtime=REFERENCE)
        return
    with pytest.raises(OutsideError) as caught:
        Jail.start(memory.model(doubler), spec=JailSpec(runtime=REFERENCE))
    assert caught.value.code == "sandbox.reference"
    assert caught.value.message == f"the reference evaluator needs the package onnx, 1.19 or later, and {version} is installed"


def test_it_does_not_run_inside_gvisor(memory, doubler):
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(doubler), spec=JailSpec(runtime=REFERENCE, wall=Wall.GVISOR), allow_unsandboxed=True)
    assert (caught.value.code, "gVisor" in caught.value.message) == ("sandbox.unavailable", True)


def sparse(name: str, kind: int, values, places, shape) -> SparseTensorProto:
    places = np.array(places, np.int64)
    return helper.make_sparse_tensor(
        helper.make_tensor(name, kind, [len(values)], values), numpy_helper.from_array(places, "places"), list(shape)
    )


def sparse_model(held: SparseTensorProto):
    model = graph_model([helper.make_node("Identity", [held.values.name], ["y"])], [], [tensor("y", held.values.data_type, None)])
    model.graph.sparse_initializer.append(held)
    return model


@pytest.mark.parametrize(
    ("kind", "values", "places", "shape"),
    [
        (TensorProto.FLOAT, [1.5, -2.0], [1, 5], (2, 3)),
        (TensorProto.FLOAT, [1.5, -2.0], [[0, 1], [1, 2]], (2, 3)),
        (TensorProto.INT64, [7], [3], (4,)),
        (TensorProto.DOUBLE, [], [], (2, 2)),
        (TensorProto.INT8, [1, 2, 3], [[0, 0, 0], [0, 1, 0], [1, 1, 1]], (2, 2, 2)),
    ],
)
def test_sparse_initializers_are_the_dense_ones(start, kind, values, places, shape):
    one, other = answers(start, sparse_model(sparse("w", kind, values, places, shape)), {})
    assert same(one, other)
    assert other["y"].shape == shape
    assert np.count_nonzero(other["y"]) == len(values)


def test_sparse_initializers_within_graphs_and_sparse_constants_are_dense(start):
    branch = helper.make_graph([helper.make_node("Add", ["x", "w"], ["z"])], "b", [], [tensor("z")])
    branch.sparse_initializer.append(sparse("w", TensorProto.FLOAT, [10.0], [1], (2,)))
    constant = helper.make_node("Constant", [], ["k"], sparse_value=sparse("", TensorProto.FLOAT, [100.0], [0], (2,)))
    nodes = [
        helper.make_node("If", ["c"], ["u"], then_branch=branch, else_branch=branch),
        constant,
        helper.make_node("Add", ["u", "k"], ["y"]),
    ]
    model = graph_model(nodes, [tensor("x"), tensor("c", TensorProto.BOOL, [])], [tensor("y")])
    one, other = answers(start, model, {"x": X, "c": np.array(True)})
    assert same(one, other)
    assert np.array_equal(other["y"], X + np.array([100.0, 10.0], np.float32))


@pytest.mark.parametrize(
    ("places", "shape"),
    [
        ([-1, 2], (2, 3)),
        ([1, 6], (2, 3)),
        ([2, 1], (2, 3)),
        ([1, 1], (2, 3)),
        ([[0, 1], [1, 3]], (2, 3)),
        ([[0, 1], [-1, 2]], (2, 3)),
        ([1], (2, 3)),
        ([[0], [1]], (2, 3)),
        ([1, 2], (2, -3)),
        ([[[0, 1]]], (2, 3)),
    ],
)
def test_sparse_values_that_are_out_of_place_are_refused(memory, places, shape):
    """A negative index would count from the end."""
    with pytest.raises(JailError) as caught:
        Jail.start(
            memory.model(sparse_model(sparse("w", TensorProto.FLOAT, [1.0, 2.0], places, shape))),
            spec=JailSpec(runtime=REFERENCE),
        )
    assert (caught.value.code, "sparse tensor w" in caught.value.message) == ("sandbox.model.load", True)


def test_a_sparse_tensor_that_stands_for_more_than_there_is_memory_is_refused(memory):
    huge = sparse_model(sparse("w", TensorProto.FLOAT, [1.0], [0], (1 << 20, 1 << 20)))
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(huge), spec=JailSpec(runtime=REFERENCE))
    assert caught.value.code in ("sandbox.memory", "sandbox.model.load")


@pytest.mark.parametrize("place", ["constant", "initializer", "attribute", "list"])
def test_texts_that_the_evaluator_would_cut_are_refused(memory, start, place):
    """It would answer ``cat`` where onnxruntime answers ``cat`` and a zero, and agree with data that says so."""

    def model(text: bytes):
        held = TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], string_data=[text])
        texts = [tensor("y", TensorProto.STRING, [1])]
        if place == "initializer":
            return graph_model([helper.make_node("Identity", ["w"], ["y"])], [], texts, initializers=[held])
        if place == "constant":
            return graph_model([helper.make_node("Constant", [], ["y"], value=held)], [], texts)
        if place == "attribute":
            return graph_model(
                [helper.make_node("Constant", [], ["y"], value_string=text)], [], [tensor("y", TensorProto.STRING, [])]
            )
        return graph_model([helper.make_node("Constant", [], ["y"], value_strings=[text])], [], texts)

    assert np.ravel(start(model(b"c\0at"), runtime=REFERENCE).run({})["y"])[0] == "c\0at"
    with pytest.raises(JailError) as caught:
        start(model(b"cat\0"), runtime=REFERENCE)
    assert (caught.value.code, "ends with a zero" in caught.value.message) == ("sandbox.model.load", True)
