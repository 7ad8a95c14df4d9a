"""Vectors of what a run would take, and of what operators can do: models that a reader finds in order and a policy refuses.

``vectors()`` gives names, models and the finding that the shipped baseline must have; an empty one is a model that passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
LARGE = 1 << 40


class Vector(NamedTuple):
    """A model, what it is called, and the codes of what is wrong with it under the baseline."""

    name: str
    model: ModelProto
    findings: tuple[str, ...]


def values(name: str, *numbers: int, shape: list[int] | None = None) -> TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.int64).reshape([len(numbers)] if shape is None else shape), name)


def info(name: str, element: int = FLOAT, shape: list[int | str] | None = None):
    return helper.make_tensor_value_info(name, element, [2] if shape is None else shape)


def node(operator: str, inputs: str, outputs: str = "y", domain: str = "", **attributes) -> NodeProto:
    return helper.make_node(operator, inputs.split(","), outputs.split(","), domain=domain, **attributes)


def model(
    nodes: list[NodeProto],
    constants: list[TensorProto] | None = None,
    *,
    inputs: list | None = None,
    functions: list[FunctionProto] | None = None,
    domains: tuple[str, ...] = (),
    opset: int = 17,
) -> ModelProto:
    graph = helper.make_graph(
        nodes, "g", [info("x")] if inputs is None else inputs, [helper.make_tensor_value_info("y", FLOAT, None)], constants or []
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    out = helper.make_model(graph, opset_imports=imports, functions=functions or [], producer_name="vectors")
    out.ir_version = 8
    declare(out)
    return out


def declare(made: ModelProto) -> None:
    """Gives outputs the types and ranks that follow from the nodes, so that nothing but what is meant to be is wrong."""
    bare = ModelProto()
    bare.CopyFrom(made)
    for output in bare.graph.output:
        output.ClearField("type")
    for output, inferred in zip(made.graph.output, shape_inference.infer_shapes(bare).graph.output, strict=True):
        kind = inferred.type.WhichOneof("value")
        if kind == "tensor_type" and inferred.type.tensor_type.elem_type:
            output.type.tensor_type.elem_type = inferred.type.tensor_type.elem_type
            output.type.tensor_type.shape.Clear()
            output.type.tensor_type.shape.SetInParent()
            for _ in inferred.type.tensor_type.shape.dim:
                output.type.tensor_type.shape.dim.add()
        elif kind == "sequence_type" and inferred.type.sequence_type.elem_type.map_type.key_type:
            output.type.CopyFrom(inferred.type)


def bomb(name: str, *inputs: str) -> list[NodeProto]:
    return [node("Expand", ",".join(inputs) or "x,large", name)]


def growing() -> Iterator[Vector]:
    """Operators that make elements out of numbers."""
    large = values("large", LARGE, 2)
    yield Vector("run_expand", model(bomb("y"), [large]), ("MLS380",))
    yield Vector("run_tile", model([node("Tile", "x,n")], [values("n", LARGE)]), ("MLS380",))
    yield Vector("run_constant_of_shape", model([node("ConstantOfShape", "n")], [values("n", LARGE)]), ("MLS380",))
    spread = [node("Range", "zero,n,one", "r"), node("Cast", "r", to=FLOAT)]
    scalars = [values("zero", 0, shape=[]), values("n", LARGE, shape=[]), values("one", 1, shape=[])]
    yield Vector("run_range", model(spread, scalars), ("MLS380",))
    yield Vector("run_pad", model([node("Pad", "x,n")], [values("n", 0, LARGE)]), ("MLS380",))
    yield Vector("run_resize_sizes", model([node("Resize", "x,,,n")], [values("n", LARGE)]), ("MLS380",))
    scales = numpy_helper.from_array(np.array([1e12], np.float32), "s")
    yield Vector("run_resize_scales", model([node("Resize", "x,,s")], [scales]), ("MLS380",))
    hot = [node("Cast", "x", "i", to=INT64), node("OneHot", "i,n,v")]
    pair = numpy_helper.from_array(np.array([0, 1], np.float32), "v")
    yield Vector("run_one_hot", model(hot, [values("n", LARGE, shape=[]), pair]), ("MLS380",))
    doubled = [node("Concat", f"c{turn},c{turn}", f"c{turn + 1}", axis=0) for turn in range(40)]
    chain = [node("Identity", "x", "c0"), *doubled, node("Identity", "c40")]
    yield Vector("run_concat_doubling", model(chain), ("MLS380", "MLS382"))
    outer = [node("Reshape", "x,column", "c"), node("Reshape", "x,row", "r"), node("Mul", "c,r")]
    shape = [values("column", -1, 1), values("row", 1, -1)]
    yield Vector("run_outer_product", model(outer, shape, inputs=[info("x", shape=[1 << 20])]), ("MLS380",))
    small = [node("Reshape", "x,column", "c"), node("Reshape", "x,row", "r"), node("Mul", "c,r")]
    yield Vector("good_run_outer_product", model(small, shape, inputs=[info("x", shape=["n"])]), ())


def computed() -> Iterator[Vector]:
    """Numbers that are computed from constants, and sizes that data decides."""
    product = [node("Mul", "a,a", "b"), node("Mul", "b,a", "c"), node("Concat", "c,two", "n", axis=0), *bomb("y", "x", "n")]
    yield Vector("run_computed", model(product, [values("a", 1 << 14), values("two", 2)]), ("MLS380",))
    shaped = [node("Shape", "x", "s"), node("Mul", "s,k", "t"), node("ConstantOfShape", "t")]
    yield Vector("run_from_a_shape", model(shaped, [values("k", LARGE)]), ("MLS380",))
    chosen = [
        node("Shape", "x", "s"),
        node("Equal", "s,eight", "c"),
        node("Where", "c,small,k", "t"),
        node("ConstantOfShape", "t"),
    ]
    sizes = [values("eight", 8), values("small", 1), values("k", LARGE)]
    yield Vector("run_hidden_behind_a_size", model(chosen, sizes, inputs=[info("x", shape=["n"])]), ("MLS380",))
    data = [node("Cast", "x", "i", to=INT64), node("ConstantOfShape", "i")]
    yield Vector("run_size_of_data", model(data), ("MLS381",))
    given = [node("ConstantOfShape", "n")]
    yield Vector("good_run_size_of_the_caller", model(given, inputs=[info("n", INT64, [1])]), ())


def hidden() -> Iterator[Vector]:
    """The same in branches, loops and functions, called or not."""
    large = values("large", LARGE, 2)
    branches = {
        "then_branch": helper.make_graph([node("Identity", "x", "t")], "t", [], [info("t")]),
        "else_branch": helper.make_graph(bomb("e"), "e", [], [info("e")]),
    }
    condition = [node("Cast", "x", "b", to=BOOL), node("Gather", "b,zero", "c")]
    picked = model([*condition, node("If", "c", **branches)], [large, values("zero", 0, shape=[])])
    yield Vector("run_in_a_branch", picked, ("MLS380",))
    yield Vector("run_in_a_loop", looped(4, inner=bomb("z")), ("MLS380",))
    imports = [helper.make_opsetid("", 17)]
    body = [helper.make_node("Constant", [], ["large"], value=large), *bomb("b", "a", "large")]
    function = helper.make_function("own", "F", ["a"], ["b"], body, imports)
    called = model([node("F", "x", domain="own")], functions=[function], domains=("own",))
    yield Vector("run_in_a_function", called, ("MLS380",))
    idle = model([node("Relu", "x")], functions=[function], domains=("own",))
    yield Vector("run_in_a_function_that_nothing_calls", idle, ("MLS380", "MLS382"))


def looped(turns: int | None, *, inner: list[NodeProto] | None = None, stops: bool = False, grows: bool = False) -> ModelProto:
    """A loop that carries ``x``; ``inner`` makes ``z`` besides."""
    large = values("large", LARGE, 2)
    condition = [node("Identity", "c", "c2")]
    if stops:
        condition = [node("Cast", "s", "b", to=BOOL), node("ReduceMax", "bi", "m", keepdims=0), node("Cast", "m", "c2", to=BOOL)]
        condition.insert(1, node("Cast", "b", "bi", to=TensorProto.INT32))
    step = node("Concat", "s,s", "s2", axis=0) if grows else node("Add", "s,s", "s2")
    shape = ["n"] if grows else [2]
    body = helper.make_graph(
        [*(inner or []), *condition, step],
        "body",
        [info("i", INT64, []), info("c", BOOL, []), info("s", shape=shape)],
        [info("c2", BOOL, []), info("s2", shape=shape)],
    )
    loop = node("Loop", f"{'' if turns is None else 'turns'},,x", body=body)
    return model([loop], [large, *([] if turns is None else [values("turns", turns, shape=[])])])


def loops() -> Iterator[Vector]:
    """How often a body turns."""
    yield Vector("good_run_loop", looped(64, stops=True), ())
    yield Vector("run_loop_too_often", looped(10**9), ("MLS382",))
    yield Vector("run_loop_without_end", looped(None), ("MLS384",))
    yield Vector("run_loop_without_end_by_a_large_number", looped(2**63 - 1), ("MLS384",))
    yield Vector("run_loop_until_data_says", looped(None, stops=True), ("MLS383",))
    yield Vector("run_loop_that_doubles", looped(60, grows=True), ("MLS381",))
    asked = looped(1)
    asked.graph.initializer.pop()
    asked.graph.input.append(info("turns", INT64, []))
    yield Vector("run_loop_as_often_as_asked", asked, ("MLS383",))
    nested = looped(1000)
    for _ in range(2):
        outer = looped(1000)
        inner = outer.graph.node[0].attribute[0].g
        kept = [step for step in inner.node if step.op_type != "Add"]
        del inner.node[:]
        again = NodeProto()
        again.CopyFrom(nested.graph.node[0])
        again.input[2], again.output[0] = "s", "s2"
        inner.node.extend([*kept, again])
        nested = outer
    yield Vector("run_loops_inside_each_other", renamed(nested), ("MLS382",))
    product = [node("ConstantOfShape", "n", "m0")]
    product += [node("MatMul", f"m{turn},m{turn}", f"m{turn + 1}") for turn in range(60)]
    yield Vector("run_products", model([*product, node("Identity", "m60")], [values("n", 8000, 8000)]), ("MLS382",))


def renamed(made: ModelProto) -> ModelProto:
    """Names of inner graphs made apart from those around them."""

    def visit(graph, suffix: str, outer: dict[str, str]) -> None:
        names = dict(outer)
        for value in graph.input:
            names[value.name] = value.name = value.name + suffix
        for step in graph.node:
            for index, name in enumerate(step.input):
                step.input[index] = names.get(name, name)
            for attribute in step.attribute:
                visit(attribute.g, suffix + "_", names)
            for index, name in enumerate(step.output):
                names[name] = step.output[index] = name + suffix
        for value in graph.output:
            value.name = names.get(value.name, value.name)

    for step in made.graph.node:
        visit(step.attribute[0].g, "_", {})
    return made


def misused() -> Iterator[Vector]:
    """Operators that cannot run on their own constants."""
    numbers = [values("zero", 0), values("least", -(2**63)), values("minus", -1), values("far", 7)]
    whole = [node("Cast", "x", "i", to=INT64)]
    back = [node("Cast", "q", to=FLOAT)]
    yield Vector("run_divided_by_zero", model([*whole, node("Div", "i,zero", "q"), *back], numbers), ("MLS378",))
    yield Vector("run_divided_past_the_end", model([node("Div", "least,minus", "q"), *back], numbers), ("MLS378",))
    yield Vector("run_index_outside", model([node("Gather", "x,far", axis=0)], numbers), ("MLS378",))
    place = values("place", 7, shape=[1, 1])
    yield Vector("run_taken_outside", model([node("GatherND", "x,place")], [place]), ("MLS378",))
    yield Vector(
        "run_written_outside",
        model([node("ScatterND", "x,place,one")], [place, numpy_helper.from_array(np.ones(1, np.float32), "one")]),
        ("MLS378",),
    )
    square, steps = info("s", shape=[2, 2]), values("steps", 1, 3)
    yield Vector("run_steps_beyond", model([node("ReverseSequence", "s,steps")], [steps], inputs=[square]), ("MLS378",))
    yield Vector("run_axis_outside", model([node("Softmax", "x", axis=5)]), ("MLS378",))
    wrong = numpy_helper.from_array(np.zeros((3, 2), np.float32), "w")
    yield Vector("run_shapes_apart", model([node("MatMul", "x,w")], [wrong]), ("MLS378",))
    yield Vector("run_shape_not_filled", model([node("Reshape", "x,far")], numbers), ("MLS378",))


def empty_numbers() -> Iterator[Vector]:
    """A number that is a tensor without elements: runtimes read what is not there."""
    nothing = values("turns", shape=[0])
    turned = looped(1)
    turned.graph.initializer.pop()
    turned.graph.initializer.append(nothing)
    yield Vector("run_loop_of_no_number", turned, ("MLS378",))
    started = looped(1)
    started.graph.initializer.append(numpy_helper.from_array(np.zeros([0], np.bool_), "go"))
    started.graph.node[0].input[1] = "go"
    yield Vector("run_loop_of_no_condition", started, ("MLS378",))
    sequence = [node("SequenceConstruct", "x,x", "q"), node("SequenceAt", "q,turns")]
    yield Vector("run_place_of_no_number", model(sequence, [nothing]), ("MLS378",))
    outside = [node("SequenceConstruct", "x,x", "q"), node("SequenceAt", "q,far")]
    yield Vector("run_place_outside", model(outside, [values("far", 7, shape=[])]), ("MLS378",))


def hazards() -> Iterator[Vector]:
    """Operators that do more than compute."""
    files = node("EPContext", "x", domain="com.microsoft", embed_mode=0, ep_cache_context="../engine.bin")
    yield Vector("operator_reads_files", model([files], domains=("com.microsoft",)), ("MLS303", "MLS385", "MLS386"))
    code = node("PyOp", "x", domain="ai.onnx.contrib")
    yield Vector("operator_runs_code", model([code], domains=("ai.onnx.contrib",)), ("MLS303", "MLS386"))
    network = node("AzureTritonInvoker", "x", domain="com.microsoft.extensions", model_uri="https://collector.example")
    yield Vector("operator_opens_the_network", model([network], domains=("com.microsoft.extensions",)), ("MLS303", "MLS387"))
    address = node("SpeculativePrefixCommit", "x", domain="com.microsoft")
    yield Vector("operator_takes_an_address", model([address], domains=("com.microsoft",)), ("MLS303", "MLS388"))


def vectors() -> Iterator[Vector]:
    for group in (growing, computed, hidden, loops, misused, empty_numbers, hazards):
        yield from group()
