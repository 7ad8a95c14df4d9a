"""Models whose pictures are looked at: some with everything that opens, a transformer, and some of very many nodes."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

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


def deep_model() -> ModelProto:
    """An If in a Loop in a Scan."""
    node = helper.make_node
    then = helper.make_graph([node("Relu", ["s"], ["r"], name="innermost")], "then", [], [_value("r")])
    otherwise = helper.make_graph([node("Neg", ["s"], ["r2"], name="negative")], "else", [], [_value("r2")])
    turn = helper.make_graph(
        [
            node("If", ["c"], ["s_out"], then_branch=then, else_branch=otherwise, name="inner"),
            node("Identity", ["c"], ["c_out"], name="go on"),
        ],
        "turn",
        [_value("i", INT64, []), _value("c", BOOL, []), _value("s")],
        [_value("c_out", BOOL, []), _value("s_out")],
    )
    row = helper.make_graph(
        [
            node("Add", ["sum", "row"], ["added"], name="add up"),
            node("Loop", ["three", "yes", "added"], ["sum_out"], body=turn, name="middle"),
            node("MatMul", ["sum_out", "w"], ["scored"], name="project"),
        ],
        "row",
        [_value("sum", FLOAT, [4]), _value("row", FLOAT, [4])],
        [_value("sum_out", FLOAT, [4]), _value("scored", FLOAT, [2])],
    )
    nodes = [
        node("Constant", [], ["start"], value=_tensor("", np.zeros(4, np.float32)), name="zeros"),
        node("Scan", ["start", "x"], ["last", "scores"], body=row, num_scan_inputs=1, name="outer"),
    ]
    weights = [_tensor("w", np.ones((4, 2), np.float32)), _tensor("three", np.array(3)), _tensor("yes", np.array(True))]
    outputs = [_value("last", FLOAT, [4]), _value("scores", FLOAT, ["T", 2])]
    graph = helper.make_graph(nodes, "deep", [_value("x", FLOAT, ["T", 4])], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def recursive_model() -> ModelProto:
    """Two functions that call each other, which no runtime runs."""
    opsets = [helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function("f", name, ["a"], ["b"], [helper.make_node(other, ["a"], ["b"], domain="f")], opsets)
        for name, other in (("There", "Back"), ("Back", "There"))
    ]
    graph = helper.make_graph([helper.make_node("There", ["x"], ["y"], domain="f")], "g", [_value("x")], [_value("y")])
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=8)


def transformer_model(layers: int = 2, width: int = 64, heads: int = 4) -> ModelProto:
    """Attention and what follows it, as exporters of PyTorch write it: shapes are constants, and biases have names of layers."""
    draw = np.random.default_rng(5)
    nodes, weights = [], []

    def weight(name: str, *shape: int) -> str:
        weights.append(_tensor(name, draw.normal(0, 0.05, shape).astype(np.float32)))
        return name

    def constant(value: object) -> str:
        name = f"/Constant_{len(nodes)}_output_0"
        nodes.append(helper.make_node("Constant", [], [name], name=name[:-9], value=_tensor("", np.asarray(value))))
        return name

    def add(operator: str, inputs: list[str], path: str, **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"{path}_output_0"], name=path, **attributes))
        return f"{path}_output_0"

    last = add("Gather", [weight("embeddings.weight", 500, width), "tokens"], "/embeddings/Gather")
    for layer in range(layers):
        path, name = f"/encoder/layer.{layer}", f"encoder.layer.{layer}"
        split = {}
        for part in ("query", "key", "value"):
            own = f"{path}/attention/{part}"
            value = add("MatMul", [last, weight(f"onnx::MatMul_{layer}{part}", width, width)], f"{own}/MatMul")
            value = add("Add", [weight(f"{name}.attention.{part}.bias", width), value], f"{own}/Add")
            value = add("Reshape", [value, constant(np.array([0, -1, heads, width // heads]))], f"{own}/Reshape")
            order = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
            split[part] = add("Transpose", [value], f"{own}/Transpose", perm=order)
        value = add("MatMul", [split["query"], split["key"]], f"{path}/attention/MatMul")
        value = add("Div", [value, constant(np.float32(4))], f"{path}/attention/Div")
        value = add("Softmax", [value], f"{path}/attention/Softmax", axis=-1)
        value = add("MatMul", [value, split["value"]], f"{path}/attention/MatMul_1")
        value = add("Transpose", [value], f"{path}/attention/Transpose", perm=[0, 2, 1, 3])
        value = add("Reshape", [value, constant(np.array([0, -1, width]))], f"{path}/attention/Reshape")
        value = add("Add", [value, last], f"{path}/attention/Add")
        norm = [weight(f"{name}.norm.weight", width), weight(f"{name}.norm.bias", width)]
        last = add("LayerNormalization", [value, *norm], f"{path}/norm/LayerNormalization")
        value = add("MatMul", [last, weight(f"{name}.up.weight", width, 4 * width)], f"{path}/up/MatMul")
        value = add("Gelu", [value], f"{path}/Gelu")
        value = add("MatMul", [value, weight(f"{name}.down.weight", 4 * width, width)], f"{path}/down/MatMul")
        last = add("Add", [value, last], f"{path}/Add")
    nodes.append(helper.make_node("MatMul", [last, weight("head.weight", width, 2)], ["logits"], name="/head/MatMul"))
    inputs = [_value("tokens", INT64, ["batch", "length"])]
    graph = helper.make_graph(nodes, "encoder", inputs, [_value("logits", FLOAT, ["batch", "length", 2])], weights)
    return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9))
