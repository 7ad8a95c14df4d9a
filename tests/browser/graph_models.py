"""Models whose pictures are looked at: one with everything that opens, and one of very many nodes."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def _value(name: str, kind: int = FLOAT, shape: list | None = None):
    return helper.make_tensor_value_info(name, kind, shape)


def _tensor(name: str, array: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(array, name)


def nested_model() -> ModelProto:
    """An If, a Loop, a function, and an operator that no policy knows."""
    draw = np.random.default_rng(3)
    node = helper.make_node
    then = helper.make_graph(
        [node("MatMul", ["feat", "w_then"], ["t0"], name="deep/MatMul"), node("Relu", ["t0"], ["t1"], name="deep/Relu")],
        "then_graph",
        [],
        [_value("t1")],
        [_tensor("w_then", draw.normal(0, 0.3, (32, 32)).astype(np.float32))],
    )
    otherwise = helper.make_graph([node("Identity", ["feat"], ["e1"], name="shallow/Identity")], "else_graph", [], [_value("e1")])
    body = helper.make_graph(
        [
            node("Add", ["state_in", "bias"], ["s1"], name="step/Add"),
            node("Tanh", ["s1"], ["state_out"], name="step/Tanh"),
            node("Identity", ["cond_in"], ["cond_out"], name="step/Identity"),
        ],
        "body",
        [_value("i", INT64, []), _value("cond_in", BOOL, []), _value("state_in")],
        [_value("cond_out", BOOL, []), _value("state_out")],
    )
    nodes = [
        node("MatMul", ["x", "w0"], ["m0"], name="embed/MatMul"),
        node("Swish", ["m0"], ["feat"], domain="acme.nn", name="embed/Swish"),
        node("ReduceMean", ["feat"], ["mean"], name="gate/ReduceMean", keepdims=0),
        node("Greater", ["mean", "zero"], ["gate"], name="gate/Greater"),
        node("If", ["gate"], ["branch"], then_branch=then, else_branch=otherwise, name="gate/If"),
        node("Loop", ["trips", "yes", "branch"], ["looped"], body=body, name="refine/Loop"),
        node("FastConv", ["looped"], ["fast"], domain="com.vendor", name="vendor/FastConv", mode="unsafe"),
        node("Add", ["fast", "feat"], ["sum"], name="head/Add"),
        node("Gemm", ["sum", "w1", "b1"], ["logits"], name="head/Gemm"),
        node("Softmax", ["logits"], ["probabilities"], name="head/Softmax", axis=-1),
        node("ArgMax", ["probabilities"], ["label"], name="head/ArgMax", axis=-1, keepdims=0),
    ]
    weights = [
        _tensor("w0", draw.normal(0, 0.3, (30, 32)).astype(np.float32)),
        _tensor("w1", draw.normal(0, 0.3, (32, 2)).astype(np.float32)),
        _tensor("b1", draw.normal(0, 0.3, 2).astype(np.float32)),
        _tensor("bias", draw.normal(0, 0.3, 32).astype(np.float32)),
        _tensor("zero", np.array(0, np.float32)),
        _tensor("trips", np.array(4)),
        _tensor("yes", np.array(True)),
    ]
    swish = helper.make_function(
        "acme.nn",
        "Swish",
        ["X"],
        ["Y"],
        [node("Sigmoid", ["X"], ["s"]), node("Mul", ["X", "s"], ["Y"])],
        [helper.make_opsetid("", 17)],
    )
    outputs = [_value("probabilities", FLOAT, ["N", 2]), _value("label", INT64, ["N"])]
    graph = helper.make_graph(nodes, "fraud", [_value("x", FLOAT, ["N", 30])], outputs, weights)
    opsets = [helper.make_opsetid(*each) for each in (("", 17), ("acme.nn", 1), ("com.vendor", 1))]
    return helper.make_model(graph, functions=[swish], opset_imports=opsets, ir_version=8)


def long_model(count: int) -> ModelProto:
    """So many nodes in blocks of four, each with a way around it, as in a deep network."""
    nodes, last = [], "x"
    for block in range(count // 4):
        name = f"/encoder/layer.{block}"
        nodes += [
            helper.make_node("MatMul", [last, "w"], [f"m{block}"], name=f"{name}/MatMul"),
            helper.make_node("Relu", [f"m{block}"], [f"r{block}"], name=f"{name}/Relu"),
            helper.make_node("LayerNormalization", [f"r{block}", "scale"], [f"l{block}"], name=f"{name}/Norm", axis=-1),
            helper.make_node("Add", [f"l{block}", last], [f"a{block}"], name=f"{name}/Add"),
        ]
        last = f"a{block}"
    weights = [_tensor("w", np.eye(16, dtype=np.float32)), _tensor("scale", np.ones(16, np.float32))]
    graph = helper.make_graph(nodes, "deep", [_value("x", FLOAT, ["N", 16])], [_value(last, FLOAT, ["N", 16])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def fan_model(count: int) -> ModelProto:
    """So many nodes that all take the same value: one layer, and lines that all begin in one place."""
    nodes = [helper.make_node("Relu", ["x"], [f"y{number}"]) for number in range(count)]
    graph = helper.make_graph(nodes, "fan", [_value("x")], [_value(f"y{number}") for number in range(count)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
