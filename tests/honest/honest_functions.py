"""Models with functions of their own, written in onnxscript or put together as PyTorch's exporter once did."""

import onnx
import onnxscript
from honest_graph import FLOAT, Graph, honest
from onnx import helper
from onnxscript import FLOAT as REAL
from onnxscript import opset15, opset17, opset18, script
from onnxscript.values import Opset

ROWS = ({"batch": 1}, {"batch": 5})
LIBRARY = Opset("pkg.onnxscript.torch_lib", 1)
OWN = Opset("team.layers", 1)
WIDE = 8


@script(LIBRARY, default_opset=opset18)
def aten_gelu(x):
    half = opset18.CastLike(0.5, x)
    root = opset18.CastLike(1.4142135, x)
    one = opset18.CastLike(1.0, x)
    return half * x * (opset18.Erf(x / root) + one)


@script(LIBRARY, default_opset=opset18)
def aten_linear(x, weight, bias):
    turned = opset18.Transpose(weight, perm=[1, 0])
    return opset18.Add(opset18.MatMul(x, turned), bias)


@script(LIBRARY, default_opset=opset18)
def aten_layer(x, weight, bias):
    return aten_gelu(aten_linear(x, weight, bias))


@script(OWN, default_opset=opset15)
def scaled(x, alpha: float = 0.5, axis: int = -1):
    return opset15.Softmax(x * opset15.CastLike(opset15.Constant(value_float=alpha), x), axis=axis)


@script(OWN, default_opset=opset15)
def either(x):
    if opset15.ReduceSum(x, keepdims=0) > 0.0:  # noqa: SIM108 - onnxscript makes an If of it
        y = opset15.Relu(x)
    else:
        y = opset15.Neg(x)
    return y


@script(default_opset=opset15)
def main_scaled(x: REAL["batch", 8]) -> REAL["batch", 8]:  # noqa: F821 - names of dimensions
    return either(scaled(x, alpha=2.0)) + scaled(x, axis=0)


@script(default_opset=opset17)
def main_loop(x: REAL["batch", 8]) -> REAL["batch", 8]:  # noqa: F821 - names of dimensions
    total = opset17.Identity(x)
    for _ in range(5):
        total = opset17.Tanh(total + x)
    return total


@script(default_opset=opset17)
def main_break(x: REAL["batch", 8]) -> REAL["batch", 8]:  # noqa: F821 - names of dimensions
    total = opset17.Identity(x)
    for _ in range(20):
        total = total + opset17.Abs(x)
        enough = opset17.ReduceMin(total, keepdims=0) > 1.0
        if enough:
            break
    return total


@honest("functions-torch-library", sizes=ROWS, by=("onnxscript",))
def functions_torch_library(_opset):
    """The functions that PyTorch's second exporter left in models before it inlined them; one calls two others."""
    g = Graph("library", opset=18)
    x = g.input("x", FLOAT, ["batch", WIDE])
    for _ in range(3):
        x = g("aten_layer", x, g.weight(WIDE, WIDE), g.weight(WIDE), domain=LIBRARY.domain)
    g.output(g("aten_gelu", x, domain=LIBRARY.domain), FLOAT, ["batch", WIDE])
    functions = [f.to_function_proto() for f in (aten_gelu, aten_linear, aten_layer)]
    return g.model(domains={LIBRARY.domain: 1}, functions=functions, ir_version=8)


@honest("functions-with-attributes", sizes=ROWS, by=("onnxscript",))
def functions_with_attributes(_opset):
    """Attributes with defaults that nodes refer to, and a branch inside a function."""
    return onnxscript_model(main_scaled)


@honest("script-loop", sizes=ROWS, by=("onnxscript",))
def script_loop(_opset):
    return onnxscript_model(main_loop)


@honest("script-break", sizes=ROWS, by=("onnxscript",))
def script_break(_opset):
    return onnxscript_model(main_break)


def onnxscript_model(function: onnxscript.OnnxFunction) -> onnx.ModelProto:
    return function.to_model_proto(ir_version=9)


@honest("functions-nested", opsets=(15, 21), sizes=ROWS)
def functions_nested(opset):
    """A network of functions of functions, six levels deep, each called twice by the next: a tree of 64 leaves."""
    g = Graph("nested", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(OWN.domain, 1)]
    functions = []
    for level in range(6):
        kind, domain = ("Tanh", "") if level == 0 else (f"level{level - 1}", OWN.domain)
        nodes = [
            helper.make_node(kind, ["a"], ["b"], domain=domain),
            helper.make_node(kind, ["b"], ["c"], domain=domain),
            helper.make_node("Add", ["a", "c"], ["d"]),
        ]
        functions.append(helper.make_function(OWN.domain, f"level{level}", ["a"], ["d"], nodes, imports))
    g.output(g("level5", x, domain=OWN.domain), FLOAT, ["batch", WIDE])
    return g.model(domains={OWN.domain: 1}, functions=functions, ir_version=8)


@honest("functions-unused-and-overloaded", opsets=(18, 21), sizes=ROWS)
def functions_unused_and_overloaded(opset):
    """Two functions of one name that overloads tell apart, and one that nothing calls, as libraries leave behind."""
    g = Graph("overloads", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    imports, functions = [helper.make_opsetid("", opset)], []
    for name, operator, overload in (("act", "Relu", "relu"), ("act", "Tanh", "tanh"), ("left", "Sin", "")):
        node = helper.make_node(operator, ["a"], ["b"])
        functions.append(helper.make_function(OWN.domain, name, ["a"], ["b"], [node], imports, overload=overload))
    for overload in ("relu", "tanh"):
        x = g("Add", x, g("act", x, domain=OWN.domain, overload=overload))
    g.output(x, FLOAT, ["batch", WIDE])
    return g.model(domains={OWN.domain: 1}, functions=functions, ir_version=10)


@honest("exporter-metadata", sizes=ROWS)
def exporter_metadata(_opset):
    """What PyTorch's second exporter writes on nodes and values: where each came from in the program."""
    g = Graph("metadata", opset=18)
    x = g.input("x", FLOAT, ["batch", WIDE])
    g.output(g("Relu", g.linear(x, WIDE, WIDE)), FLOAT, ["batch", WIDE])
    model = onnx.shape_inference.infer_shapes(g.model(ir_version=10))
    for node in model.graph.node:
        node.metadata_props.add(key="namespace", value=": __main__.Net/relu: aten.relu.default")
        node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value="['__main__.Net', 'aten.relu.default']")
        node.metadata_props.add(key="pkg.torch.onnx.fx_node", value="%relu : [num_users=1] = call_function[target=relu]")
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "model.py", line 9, in forward\n    return x')
    for tensor in model.graph.initializer:
        tensor.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="PARAMETER")
    for value in model.graph.value_info:
        value.metadata_props.add(key="pkg.torch.onnx.original_node_name", value="relu")
    model.graph.metadata_props.add(key="pkg.torch.export.ExportedProgram.graph_signature", value="ExportGraphSignature()")
    model.metadata_props.add(key="framework", value="pytorch")
    return model
