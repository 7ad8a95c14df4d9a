"""Functions and values in models on the reference evaluator: what it makes of their names, of attributes of calls, and of what is left out."""

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper
from test_reference_hostile import REFERENCE, branch_of, refused

from mlsign.errors import JailError
from mlsign.limits import MIB
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec

TYPES = AttributeProto


def test_an_attribute_of_a_call_does_not_take_the_place_of_what_makes_up_the_evaluator(memory):
    """``impl`` would put a subgraph in the place of what the function does, by the name of ``_run_impl``."""
    for name in ("_run_impl", "impl", "run", "parent"):
        model = calling(negation())
        model.graph.node[0].attribute.append(helper.make_attribute(name, branch_of("z")))
        assert "a name of the evaluator" in refused(memory, model).message


def negation(name: str = "F", *, domain: str = "own", **more):
    return helper.make_function(
        domain, name, ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [helper.make_opsetid("", 17)], **more
    )


def calling(*functions) -> ModelProto:
    model = graph_model([helper.make_node("F", ["x"], ["y"], domain="own")], [tensor("x")], [tensor("y")])
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


@pytest.mark.parametrize("name", ["__dict__", "__class__", "run_params", "op_type", "_run", "impl"])
def test_an_attribute_of_a_function_is_not_read_from_there(memory, name):
    """The evaluator would read it from its own object where the call has no such attribute."""
    assert "a name of the evaluator" in refused(memory, calling(negation(attributes=[name]))).message


def test_a_function_with_the_name_of_an_operator_does_not_loosen_what_is_refused(memory):
    """The evaluator runs its own operator all the same."""
    for name in ("f", "g", "choose_act"):
        model = graph_model([helper.make_node("RNN", ["x"], ["y"], hidden_size=1)], [tensor("x")], [tensor("y")])
        model.graph.node[0].attribute.append(helper.make_attribute(name, "id"))
        model.functions.append(negation("RNN", domain=""))
        assert "a name of the evaluator" in refused(memory, model).message


def test_functions_that_differ_in_their_overload_are_not_mistaken_for_one_another(start, memory):
    second = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("Abs", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    second.overload = "other"
    model = calling(negation(), second)
    assert np.array_equal(start(model, runtime=REFERENCE).run({"x": X})["y"], -X)
    model.graph.node[0].overload = "other"
    assert np.array_equal(start(model, runtime=REFERENCE).run({"x": X})["y"], np.abs(X))
    assert "two functions are called F" in refused(memory, calling(negation(), negation())).message


def test_defaults_of_functions_that_are_graphs_with_calls_of_it_are_not_followed(memory, start):
    """Taken for granted in each call, they would have calls in them that lack them, without end."""
    inner = helper.make_graph([helper.make_node("F", ["x"], ["z"], domain="own")], "g", [], [tensor("z")])
    one, many = helper.make_attribute("one", inner), helper.make_attribute("many", [inner])
    jail = start(calling(negation(attribute_protos=[one, many])), runtime=REFERENCE)
    assert np.array_equal(jail.run({"x": X})["y"], -X)


def linked(operator: str, inputs: list[str], output: str = "b", **taken: tuple[str, int]) -> NodeProto:
    """A node in a function: each attribute is the named one of the call, of that type."""
    node = helper.make_node(operator, inputs, [output])
    for name, (source, kind) in taken.items():
        node.attribute.append(AttributeProto(name=name, ref_attr_name=source, type=kind))
    return node


def of_nodes(*nodes: NodeProto, name: str = "F", attributes=("p",), **more):
    return helper.make_function(
        "own", name, ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)], attributes, **more
    )


def call(model: ModelProto, **given) -> ModelProto:
    for name, value in given.items():
        model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    return model


def agree(start, model: ModelProto, **feeds: np.ndarray) -> dict:
    """What both runtimes answer."""
    one, other = (start(model, runtime=runtime).run(feeds or {"x": X}) for runtime in RuntimeName)
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert np.allclose(one[name], other[name], rtol=1e-5, atol=1e-6)
    return other


LINKED = {
    "Concat": (linked("Concat", ["a", "a"], axis=("p", TYPES.INT)), 1),
    "Softmax": (linked("Softmax", ["a"], axis=("p", TYPES.INT)), 0),
    "Transpose": (linked("Transpose", ["a"], perm=("p", TYPES.INTS)), [1, 0]),
    "LeakyRelu": (linked("LeakyRelu", ["a"], alpha=("p", TYPES.FLOAT)), 0.25),
    "Elu": (linked("Elu", ["a"], alpha=("p", TYPES.FLOAT)), 2.0),
    "Selu": (linked("Selu", ["a"], gamma=("p", TYPES.FLOAT)), 2.0),
    "Gemm": (linked("Gemm", ["a", "a"], transB=("p", TYPES.INT)), 1),
    "ReduceMean": (linked("ReduceMean", ["a"], axes=("p", TYPES.INTS)), [0]),
    "ReduceSum": (linked("ReduceSum", ["a"], keepdims=("p", TYPES.INT)), 0),
    "ArgMax and Cast": (linked("ArgMax", ["a"], "i", axis=("p", TYPES.INT)), 1),
    "Flatten": (linked("Flatten", ["a"], axis=("p", TYPES.INT)), 0),
    "CumSum": (linked("CumSum", ["a", "zero"], reverse=("p", TYPES.INT)), 1),
    "LpNormalization": (linked("LpNormalization", ["a"], axis=("p", TYPES.INT)), 0),
    "ThresholdedRelu": (linked("ThresholdedRelu", ["a"], alpha=("p", TYPES.FLOAT)), 2.5),
    "Constant": (linked("Constant", [], value_float=("p", TYPES.FLOAT)), 7.0),
    "DepthToSpace": (linked("DepthToSpace", ["wide"], blocksize=("p", TYPES.INT)), 1),
    "HardSigmoid": (linked("HardSigmoid", ["a"], beta=("p", TYPES.FLOAT)), 0.1),
    "Split": (linked("Split", ["a"], axis=("p", TYPES.INT)), 0),
}


@pytest.mark.parametrize("operator", LINKED)
def test_operators_within_functions_take_attributes_from_the_call(start, operator):
    """The evaluator hands them on as arguments, which most of its operators do not take."""
    node, value = LINKED[operator]
    before = []
    if "zero" in node.input:
        before = [helper.make_node("Constant", [], ["zero"], value_int=0)]
    if "wide" in node.input:
        before = [
            helper.make_node("Constant", [], ["axes"], value_ints=[0, 1]),
            helper.make_node("Unsqueeze", ["a", "axes"], ["wide"]),
        ]
    after = [helper.make_node("Cast", ["i"], ["b"], to=TensorProto.FLOAT)] if node.output[0] == "i" else []
    model = call(calling(of_nodes(*before, node, *after)), p=value)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    agree(start, model)


def test_each_call_has_its_own_attributes_and_defaults_stand_where_it_has_none(start):
    default = helper.make_attribute("p", 0.5)
    function = of_nodes(linked("LeakyRelu", ["a"], alpha=("p", TYPES.FLOAT)), attributes=(), attribute_protos=[default])
    nodes = [helper.make_node("F", [a], [b], domain="own") for a, b in ("xu", "uv", "vy")]
    for node, value in zip(nodes, (None, 0.25, 0.125), strict=True):
        if value is not None:
            node.attribute.append(helper.make_attribute("p", value))
    model = graph_model(nodes, [tensor("x")], [tensor("y")])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    x = np.array([[-64.0, 1.0]], np.float32)
    assert agree(start, model, x=x)["y"].tolist() == [[-1.0, 1.0]]


def test_attributes_are_handed_through_functions_that_stand_in_any_order(start):
    """The evaluator knows functions alone that stand before the one that calls them."""
    outer = of_nodes(linked("G", ["a"], q=("p", TYPES.FLOAT)))
    outer.node[0].domain = "own"
    inner = of_nodes(linked("LeakyRelu", ["a"], alpha=("q", TYPES.FLOAT)), name="G", attributes=("q",))
    x = np.array([[-8.0, 2.0]], np.float32)
    for functions in ((outer, inner), (inner, outer)):
        assert agree(start, call(calling(*functions), p=0.25), x=x)["y"].tolist() == [[-2.0, 2.0]]


def test_graphs_within_functions_take_attributes_from_the_call(start):
    def branch(operator, **taken):
        return helper.make_graph([linked(operator, ["a"], "z", **taken)], "g", [], [tensor("z")])

    choose = helper.make_node(
        "If", ["c"], ["b"], then_branch=branch("LeakyRelu", alpha=("p", TYPES.FLOAT)), else_branch=branch("Neg")
    )
    truth = helper.make_tensor("t", TensorProto.BOOL, [], [1])
    function = of_nodes(helper.make_node("Constant", [], ["c"], value=truth), choose)
    x = np.array([[-8.0, 2.0]], np.float32)
    assert agree(start, call(calling(function), p=0.5), x=x)["y"].tolist() == [[-4.0, 2.0]]


def test_what_neither_the_call_nor_a_default_gives_is_left_to_the_operator(start):
    x = np.array([[-100.0, 2.0]], np.float32)
    model = calling(of_nodes(linked("LeakyRelu", ["a"], alpha=("p", TYPES.FLOAT))))
    assert start(model, runtime=REFERENCE).run({"x": x})["y"].tolist() == [[-1.0, 2.0]]


def test_inputs_that_a_call_leaves_out_are_empty(start):
    function = helper.make_function(
        "own", "F", ["a", "low"], ["b"], [helper.make_node("Clip", ["a", "low"], ["b"])], [helper.make_opsetid("", 17)]
    )
    assert np.array_equal(start(calling(function), runtime=REFERENCE).run({"x": X})["y"], X)


CLIP = helper.make_node("Clip", ["u", "", "high"], ["y"])


def test_what_nobody_takes_of_one_node_is_not_what_another_leaves_out(start):
    """The evaluator keeps a result without a name where it looks for inputs without one: here, the mean would be the lower bound."""
    norm = helper.make_node("LayerNormalization", ["x", "scale"], ["u", "", "deviation"])
    own = helper.make_function(
        "own",
        "F",
        ["u", "low", "high"],
        ["y"],
        [helper.make_node("Clip", ["u", "low", "high"], ["y"])],
        [helper.make_opsetid("", 17)],
    )
    call_ = helper.make_node("F", ["u", "", "high"], ["y"], domain="own")
    branch = helper.make_graph([helper.make_node("Clip", ["u", "", "high"], ["z"])], "g", [], [tensor("z")])
    choose = helper.make_node("If", ["true"], ["y"], then_branch=branch, else_branch=branch)
    for node in (CLIP, call_, choose):
        model = graph_model([norm, node], [tensor("x")], [tensor("y")])
        for name, kind, shape, value in (("scale", 1, [2], [3, 4]), ("high", 1, [], [3]), ("true", TensorProto.BOOL, [], [1])):
            model.graph.initializer.append(helper.make_tensor(name, kind, shape, value))
        model.functions.append(own)
        model.opset_import.append(helper.make_opsetid("own", 1))
        assert agree(start, model)["y"].min() < -2.9


def test_a_name_is_not_given_that_something_reads(memory, start):
    model = graph_model(
        [helper.make_node("LayerNormalization", ["x", "x"], ["u", ""]), helper.make_node("Identity", ["unread 0"], ["y"])],
        [tensor("x")],
        [tensor("y")],
    )
    with pytest.raises(JailError) as caught:
        start(model, runtime=REFERENCE).run({"x": X[:1]})
    assert "Unable to find input 'unread 0'" in caught.value.message


def test_values_without_a_name_are_nobodys(memory):
    """Whatever takes no input would take this one."""
    for sparse in (False, True):
        model = graph_model([CLIP], [tensor("u")], [tensor("y")])
        value = helper.make_tensor("", TensorProto.FLOAT, [1], [3])
        if sparse:
            indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
            model.graph.sparse_initializer.add(values=value, indices=indices, dims=[1])
        else:
            model.graph.initializer.append(value)
        assert "an initializer has no name" in refused(memory, model).message
    model = graph_model([CLIP], [tensor("u"), tensor("", TensorProto.FLOAT, [])], [tensor("y")])
    assert refused(memory, model).code == "sandbox.interface"


def test_functions_that_are_made_of_others_are_not_called_by_nodes_that_call_none(start, memory):
    """The second call of F is of a function F_1, which the model does not have; and the evaluator looks at no overload."""
    nodes = [helper.make_node("F", [a], [b], domain="own", p=p) for a, b, p in (("x", "u", 0.5), ("u", "v", 0.25))]
    for name, overload in (("F_1", ""), ("F", "other"), ("G", "")):
        model = graph_model([*nodes, helper.make_node(name, ["v"], ["y"], domain="own")], [tensor("x")], [tensor("y")])
        model.graph.node[2].overload = overload
        model.functions.append(of_nodes(linked("LeakyRelu", ["a"], alpha=("p", TYPES.FLOAT))))
        model.opset_import.append(helper.make_opsetid("own", 1))
        assert f"there is no operator and no function {name} in own" in refused(memory, model).message
    model.graph.node[2].op_type = "F_1"
    model.functions.append(negation("F_1"))
    assert np.array_equal(agree(start, model)["y"], -X)


def test_an_attribute_outside_of_functions_is_taken_from_no_call(memory):
    model = graph_model([linked("LeakyRelu", ["x"], "y", alpha=("p", TYPES.FLOAT))], [tensor("x")], [tensor("y")])
    assert "is in no function" in refused(memory, model).message


def test_a_function_that_calls_itself_is_refused(memory):
    """With another attribute each time, so that none is like one before."""
    one = of_nodes(helper.make_node("F", ["a"], ["b"], domain="own", q=1.0), attributes=("p", "q"))
    assert "without end" in refused(memory, calling(one)).message
    loop = of_nodes(linked("F", ["a"], q=("p", TYPES.FLOAT), p=("q", TYPES.FLOAT)), attributes=("p", "q"))
    loop.node[0].domain = "own"
    assert "without end" in refused(memory, call(calling(loop), p=1.0, q=2.0)).message


def test_functions_that_come_to_more_and_more_are_refused(memory):
    """Each calls the next one twice, with attributes that say which way it was come by: no two calls are alike."""
    functions = []
    names = [f"p{number}" for number in range(17)]
    for level in range(17):
        nodes = []
        for source, target, value in (("a", "m", 0), ("m", "b", 1)):
            node = helper.make_node(
                f"F{level + 1}" if level < 16 else "Neg", [source], [target], domain="own" if level < 16 else ""
            )
            if level < 16:
                node.attribute.append(helper.make_attribute(names[level], value))
                for name in names[:level]:
                    node.attribute.append(AttributeProto(name=name, ref_attr_name=name, type=TYPES.INT))
            nodes.append(node)
        functions.append(of_nodes(*nodes, name="F" if not level else f"F{level}", attributes=names[:level]))
    error = refused(memory, calling(*functions))
    assert (error.code, "come to more than" in error.message) == ("sandbox.model.load", True)


SMALL = JailSpec(runtime=REFERENCE, memory_bytes=256 * MIB)


def test_what_is_made_of_a_model_takes_no_more_memory_than_it_may(memory):
    """Protobuf crashes where there is none. Each function hands a graph on that holds the one it was given twice."""
    functions = []
    for level in range(40):
        doubled = helper.make_graph([NodeProto(op_type="If", input=["c"], output=["z"])], "g", [], [tensor("z")])
        for name in ("then_branch", "else_branch"):
            doubled.node[0].attribute.append(AttributeProto(name=name, ref_attr_name="g", type=TYPES.GRAPH))
        node = helper.make_node(f"F{level + 1}", ["a"], ["b"], domain="own", g=doubled)
        functions.append(of_nodes(node, name=f"F{level}" if level else "F", attributes=("g",)))
    functions.append(of_nodes(helper.make_node("Neg", ["a"], ["b"]), name="F40", attributes=("g",)))
    given = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "g", [], [tensor("z")])
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(call(calling(*functions), g=given)), spec=SMALL)
    assert caught.value.code == "sandbox.memory"


@pytest.mark.parametrize("times", [1, 300])
def test_sparse_tensors_are_made_dense_in_no_more_memory_than_the_model_may_have(memory, times):
    constant = helper.make_node("Constant", [], ["y"])
    constant.attribute.add(name="sparse_value", type=TYPES.SPARSE_TENSOR).sparse_tensor.CopyFrom(
        helper.make_sparse_tensor(
            helper.make_tensor("v", TensorProto.FLOAT, [1], [9.0]),
            helper.make_tensor("i", TensorProto.INT64, [1], [3]),
            [1 << 20],
        )
    )
    nodes = [NodeProto() for _ in range(times)]
    for number, node in enumerate(nodes):
        node.CopyFrom(constant)
        node.output[0] = f"y{number}" if number else "y"
    model = graph_model(nodes, [], [tensor("y", TensorProto.FLOAT, [1 << 20])])
    if times > 1:
        with pytest.raises(JailError) as caught:
            Jail.start(memory.model(model), spec=SMALL)
        assert caught.value.code == "sandbox.memory"
        return
    with Jail.start(memory.model(model), spec=SMALL) as jail:
        assert jail.run({})["y"].sum() == 9.0
