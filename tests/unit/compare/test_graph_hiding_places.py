"""Places where a difference could hide: whatever a runtime may act on is told, and what is only written otherwise is not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graph_kit import compared, counts, record
from onnx import helper, numpy_helper

from mlsign.compare.facts import compare_metadata, compare_opsets
from mlsign.compare.graphs.result import Compared


def tensor(name: str, *numbers: float, dtype=np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(numbers, dtype), name)


def value(name: str, shape=(None,), element: int = 1) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def model(*nodes: onnx.NodeProto, weights=(), inputs=("x",), functions=(), ir_version: int = 10) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", list(map(value, inputs)), [value("y")], list(weights))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=ir_version)


def strange(**attributes) -> onnx.ModelProto:
    return model(helper.make_node("Strange", ["x"], ["y"], domain="local", **attributes))


def changed(found: Compared) -> list[tuple[str, str | None, str | None]]:
    every = (field for change in found.difference.changed for field in (*change.attributes, *change.inputs))
    return [(field.field, field.before, field.after) for field in every]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (["y", "b"], ["y", "b", "c"], ("outputs", "2", "3")),
        (["y", "b"], ["y", "b", ""], ("outputs", "2", "3 without 2")),
        (["y", "b"], ["y", ""], ("outputs", "2", "2 without 1")),
        (["y", *[""] * 8], ["y", *[""] * 7, "b"], ("outputs", "9 without 1, 2, 3, 4, 5, 6, …", "9 without 1, 2, 3, 4, 5, 6, …")),
    ],
)
def test_a_node_that_gives_other_outputs_does_another_thing(before: list[str], after: list[str], told) -> None:
    found = compared(model(helper.make_node("Split", ["x"], before)), model(helper.make_node("Split", ["x"], after)))
    assert changed(found) == [told]
    assert found.difference.renames.count == 0


def test_every_attribute_of_one_name_counts() -> None:
    def twice(first: float) -> onnx.ModelProto:
        out = strange(alpha=first)
        out.graph.node[0].attribute.append(helper.make_attribute("alpha", 0.5))
        return out

    assert changed(compared(twice(0.25), twice(0.75))) == [("alpha", "0.25", "0.75")]
    assert compared(twice(0.25), twice(0.25)).difference.is_same


@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [tensor("t", 0), item]])
def test_tensors_in_attributes_are_weights_however_they_are_held(wrap: Callable) -> None:
    plain = [strange(held=wrap(tensor("t", number))) for number in (1, 2)]
    found = compared(*plain)
    assert found.difference.is_same
    assert {pair.before.name for pair in found.constants} == {"local:Strange.held"}
    assert len(found.constants) == (1 if wrap(0) == 0 else 2)


def test_sparse_tensors_in_attributes_are_weights() -> None:
    def sparse(number: float) -> onnx.SparseTensorProto:
        return helper.make_sparse_tensor(tensor("v", number), tensor("i", 1, dtype=np.int64), [4])

    for before, after in ((sparse(1), sparse(2)), ([sparse(1)], [sparse(2)])):
        found = compared(strange(held=before), strange(held=after))
        assert [pair.before.shape for pair in found.constants] == [(4,)]
    more = compared(strange(held=[sparse(1)]), strange(held=[sparse(1), sparse(1)]))
    assert changed(more) == [("held", "[tensor [4]]", "[tensor [4], tensor [4]]")]


def graph(*nodes: onnx.NodeProto, outputs=None) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "b", [], outputs or [value("t")])


def test_one_graph_and_a_list_of_one_are_not_the_same() -> None:
    inner = graph(helper.make_node("Neg", ["x"], ["t"]))
    assert changed(compared(strange(body=inner), strange(body=[inner]))) == [("body", "graph of 1 node", "[graph of 1 node]")]


def test_every_graph_under_one_name_is_looked_into() -> None:
    def twice(first: str) -> onnx.ModelProto:
        out = strange(body=graph(helper.make_node(first, ["x"], ["t"])))
        out.graph.node[0].attribute.append(helper.make_attribute("body", graph(helper.make_node("Neg", ["x"], ["t"]))))
        return out

    assert counts(compared(twice("Neg"), twice("Abs"))) == (2, 0, 1, 1)


def test_what_a_subgraph_takes_and_gives_is_told() -> None:
    node = helper.make_node("Neg", ["x"], ["t"])
    plain = strange(body=graph(node))
    more = strange(body=graph(node, outputs=[value("t"), value("t")]))
    other = strange(body=graph(node, outputs=[value("t", element=11)]))
    where = "graph.node[0].body output"

    def told(after: onnx.ModelProto) -> list[tuple[str, str | None, str | None]]:
        return [(field.field, field.before, field.after) for field in compared(plain, after).difference.outputs]

    assert told(more) == [(f"{where} 1", None, "float[?]")]
    assert told(other) == [(f"{where} 0", "float[?]", "double[?]")]


def test_the_order_of_nodes_in_a_subgraph_says_nothing() -> None:
    nodes = [
        helper.make_node("Neg", ["p"], ["a"]),
        helper.make_node("Abs", ["q"], ["b"]),
        helper.make_node("Sub", ["b", "a"], ["t"]),
    ]
    before = helper.make_node("Relu", ["x"], ["p"]), helper.make_node("Exp", ["x"], ["q"])

    def holding(inner: onnx.GraphProto) -> onnx.ModelProto:
        return model(*before, helper.make_node("Strange", ["x"], ["y"], domain="local", body=inner))

    found = compared(holding(graph(*nodes)), holding(graph(nodes[1], nodes[0], nodes[2])))
    assert found.difference.is_same
    assert counts(found) == (6, 0, 0, 0)
    assert compared(holding(graph(*nodes, helper.make_node("Print", ["p"], []))), holding(graph(*nodes))).difference.removed


def test_names_within_subgraphs_and_functions_are_names() -> None:
    def looping(name: str) -> onnx.ModelProto:
        inner = helper.make_graph([helper.make_node("Neg", [name], ["t"])], "b", [value(name)], [value("t")])
        return strange(body=inner)

    found = compared(looping("a"), looping("c")).difference
    assert found.is_same
    assert found.renames.examples == (("a", "c"),)
    nameless = model(helper.make_node("Constant", [], ["c"], value=tensor("c", 1)), helper.make_node("Add", ["x", "c"], ["y"]))
    named = copy.deepcopy(nameless)
    named.graph.node[0].name = "put"
    assert compared(nameless, named).difference.renames.nodes == 1


def function(*defaults, opset: int = 21, alpha: float = 0.5) -> onnx.FunctionProto:
    return helper.make_function(
        "local",
        "f",
        ["p"],
        ["q"],
        [helper.make_node("LeakyRelu", ["p"], ["q"], alpha=alpha)],
        [helper.make_opsetid("", opset)],
        attribute_protos=[helper.make_attribute("d", default) for default in defaults],
    )


def calling(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    return model(helper.make_node("f", ["x"], ["y"], domain="local"), functions=functions)


@pytest.mark.parametrize(
    ("before", "after"),
    [(0.12345678, 0.12345679), (list(range(8)), [*range(7), 9]), ("a" * 300, "a" * 299 + "b"), (1, 1.0)],
)
def test_defaults_of_functions_are_compared_to_their_end(before, after) -> None:
    found = compared(calling(function(before)), calling(function(after)))
    (change,) = found.difference.changed
    assert (change.after.operator, [field.field for field in change.attributes]) == ("local:f", ["d"])
    assert found.difference.identical == found.difference.after == 2


def test_tensors_and_graphs_in_defaults_are_compared() -> None:
    found = compared(calling(function(tensor("t", 1))), calling(function(tensor("t", 2))))
    assert [pair.before.name for pair in found.constants] == ["local:f.d"]
    graphs = (graph(helper.make_node(operator, ["x"], ["t"])) for operator in ("Neg", "Abs"))
    assert counts(compared(*(calling(function(each)) for each in graphs)))[2:] == (1, 1)
    long = compared(calling(function([1] * 200_000)), calling(function([2] * 200_000)))
    assert [pair.name for pair in long.stored] == ["local:f.d"]


def test_the_versions_of_operators_that_a_function_is_written_for_are_told() -> None:
    (change,) = compared(calling(function()), calling(function(opset=17))).difference.functions
    assert (change.field, change.before, change.after) == ("function local:f opset ai.onnx", "21", "17")


def test_functions_that_are_defined_twice_are_never_the_same() -> None:
    two = [calling(function(alpha=alpha), function()) for alpha in (0.1, 0.2)]
    (change,) = compared(*two).difference.functions
    assert (change.field, change.before, change.after) == ("function local:f", "defined more than once", "not compared")


def test_graphs_that_a_function_is_given_are_no_graphs_of_its_own() -> None:
    def given(name: str) -> onnx.ModelProto:
        node = helper.make_node("Strange", ["p"], ["q"], domain="local")
        node.attribute.append(onnx.AttributeProto(name="bodies", type=onnx.AttributeProto.GRAPHS, ref_attr_name=name))
        made = helper.make_function("local", "f", ["p"], ["q"], [node], [helper.make_opsetid("local", 1)], ["a", "b"])
        return calling(made)

    assert compared(given("a"), given("a")).difference.is_same
    assert changed(compared(given("a"), given("b")))[0][0] == "bodies"


def test_the_order_in_which_a_function_lists_its_attributes_says_nothing() -> None:
    two = [calling(function()) for _ in range(2)]
    for model, names in zip(two, (("a", "b"), ("b", "a")), strict=True):
        model.functions[0].attribute.extend(names)
    assert compared(*two).difference.is_same


def dequantized(*, zero_points=(), scale: str = "s", axis: int = 0, domain: str = "") -> onnx.ModelProto:
    weights = [numpy_helper.from_array(np.ones((2, 2), np.int8), "w"), tensor("s", 1, 2), tensor("r", 1, 2)]
    weights += [tensor("z", *zero_points, dtype=np.int8)] if zero_points else []
    taken = ["w", scale, *(["z"] if zero_points else [])]
    first = helper.make_node("DequantizeLinear", ["w", "s"], ["a"], axis=0)
    second = helper.make_node("DequantizeLinear", taken, ["b"], axis=axis, domain=domain)
    return model(first, second, helper.make_node("Sub", ["a", "b"], ["y"]), weights=weights)


def test_what_makes_numbers_of_codes_is_compared_with_the_codes() -> None:
    assert compared(dequantized(), dequantized()).difference.is_same
    assert changed(compared(dequantized(), dequantized(axis=1))) == [("axis", "0", "1")]
    assert changed(compared(dequantized(), dequantized(zero_points=(5, 5)))) == [("2", "nothing", "weight z")]
    assert counts(compared(dequantized(), dequantized(domain="com.microsoft"))) == (2, 0, 1, 1)


def read_twice(*, third: str, inside: bool, **second) -> onnx.ModelProto:
    """Codes that two nodes read; ``third`` is which of them the last product takes, in a subgraph or beside them."""
    weights = [numpy_helper.from_array(np.ones((2, 2), np.int8), "w"), tensor("s", 1, 2), tensor("z", 5, 5, dtype=np.int8)]
    taken = ["w", "s", *(["z"] if second.pop("zero_point", False) else [])]
    readers = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["a"], axis=0),
        helper.make_node("DequantizeLinear", taken, ["b"], **second),
    ]
    products = [helper.make_node("MatMul", pair[:2], pair[2:]) for pair in (("x", "a", "t"), ("t", "b", "u"), ("u", third, "v"))]
    if not inside:
        return model(*readers, *products, helper.make_node("Neg", ["v"], ["y"]), weights=weights)
    branches = {name: helper.make_graph(products, name, [], [value("v")]) for name in ("then_branch", "else_branch")}
    return model(*readers, helper.make_node("If", ["c"], ["y"], **branches), weights=weights, inputs=("x", "c"))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("second", [{"axis": 1}, {"axis": 0, "zero_point": True}, {"axis": 0, "domain": "com.microsoft"}])
def test_codes_that_are_read_in_two_ways_count_by_who_takes_which(second: dict, inside: bool) -> None:
    same = compared(*(read_twice(third="a", inside=inside, **second) for _ in range(2)))
    assert same.difference.is_same
    found = compared(*(read_twice(third=third, inside=inside, **second) for third in "ab")).difference
    assert not found.is_same
    wheres = ["graph"] if not inside else ["graph.node[2].else_branch", "graph.node[2].then_branch"]
    assert [change.field for change in found.outputs] == [f"{where} codes of weight w" for where in wheres]
    assert found.outputs[0].before == "read by ai.onnx:DequantizeLinear, axis 0, no zero point"


def test_an_input_of_a_subgraph_is_no_weight_where_an_initializer_has_its_name() -> None:
    def looping(taken: str) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Add", ["a", taken], ["p"]),
            helper.make_node("Sub", ["a", "b"], ["q"]),
        ]
        inputs = [value("i", [], 7), value("on", [], 9), value("a"), value("b")]
        outputs = [value("still", [], 9), value("p"), value("q")]
        body = helper.make_graph(nodes, "body", inputs, outputs, [tensor("a", 1), tensor("b", 1)])
        return model(helper.make_node("Loop", ["", "", "x", "z"], ["y", "w"], body=body), inputs=("x", "z"))

    assert compared(looping("a"), looping("a")).difference.is_same
    assert changed(compared(looping("a"), looping("b"))) == [("1", "weight a", "weight b")]


def test_every_scale_of_codes_that_are_used_twice_is_compared() -> None:
    found = compared(dequantized(), dequantized(scale="r"))
    assert ("s", "r") in [(pair.before.name, pair.after.name) for pair in found.constants]


def test_an_input_with_a_default_is_no_weight_like_another() -> None:
    def using(first: str, second: str, ir_version: int = 10) -> onnx.ModelProto:
        nodes = helper.make_node("Add", ["x", first], ["t"]), helper.make_node("Mul", ["t", second], ["y"])
        weights = [tensor("a", 1), tensor("b", 1)]
        return model(*nodes, weights=weights, inputs=("x", "a"), ir_version=ir_version)

    swapped = compared(using("a", "b"), using("b", "a"))
    assert changed(swapped) == [("1", "weight a", "weight b"), ("1", "weight b", "weight a")]
    assert compared(using("a", "b"), using("a", "b")).difference.is_same
    assert compared(using("a", "b", 3), using("b", "a", 3)).difference.is_same  # every weight was an input then


def test_properties_and_opsets_that_are_said_twice_count_each() -> None:
    def saying(first: str, version: int) -> onnx.ModelProto:
        out = strange()
        out.opset_import.append(helper.make_opsetid("", 21))
        out.opset_import[0].version = version
        for text in (first, "z"):
            out.metadata_props.add(key="k", value=text)
        return out

    before, after = record(saying("a", 21)), record(saying("b", 20))
    assert [(each.field, each.before, each.after) for each in compare_metadata(before, after)] == [("metadata k", "a", "b")]
    (opset,) = compare_opsets(before.opsets, after.opsets)
    assert (opset.field, opset.before, opset.after) == ("ai.onnx", "21", "20, 21")
    last = record(saying("a", 21))
    assert [each.field for each in compare_metadata(before, last)] == []
