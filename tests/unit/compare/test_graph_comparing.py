"""Two graphs side by side: each change is told as what it is, whatever nodes and values are called."""

from __future__ import annotations

import random
import re

import numpy as np
import onnx
import pytest
from graph_kit import chain, compared, counts, operators, parsed, record
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from mlsign.compare.graphs import comparing
from mlsign.compare.graphs.comparing import compare_graphs, count_nodes

BASE = [*["MatMul", "Relu"] * 4, "Tanh"]


def test_a_graph_and_itself_are_the_same() -> None:
    found = compared(chain(BASE), chain(BASE))
    assert counts(found) == (9, 0, 0, 0)
    assert found.difference.is_same
    assert found.difference.renames.count == 0
    assert (
        [pair.before.name for pair in found.constants]
        == [pair.after.name for pair in found.constants]
        == ["wv0", "wv2", "wv4", "wv6"]
    )


def test_other_names_are_other_names_and_nothing_else() -> None:
    found = compared(chain(BASE), chain(BASE, names=lambda index: f"q{99 - index}"))
    assert counts(found) == (9, 0, 0, 0)
    assert found.difference.is_same
    renames = found.difference.renames
    assert (renames.nodes, renames.values, renames.weights) == (9, 8, 4)
    assert next((pair.before.name, pair.after.name) for pair in found.constants) == ("wv0", "wq99")
    assert renames.examples[0] == ("nv0", "nq99")


@pytest.mark.parametrize("operator", ["Sigmoid", "Relu", "Tanh"])
@pytest.mark.parametrize("place", range(10))
def test_one_node_put_in_is_one_node_added(place: int, operator: str) -> None:
    longer = [*BASE[:place], operator, *BASE[place:]]
    names = lambda index: f"other{index}"  # noqa: E731
    there = compared(chain(BASE), chain(longer, names=names))
    assert counts(there) == (9, 0, 1, 0)
    assert operators(there.difference.added) == [operator]
    assert not there.difference.outputs
    assert len(there.constants) == 4
    back = compared(chain(longer, names=names), chain(BASE))
    assert counts(back) == (9, 0, 0, 1)
    assert operators(back.difference.removed) == [operator]


def test_an_added_node_is_told_with_what_stands_around_it() -> None:
    (found,) = compared(chain(BASE), chain([*BASE[:2], "Sigmoid", *BASE[2:]])).difference.added
    assert found.node.where == "graph.node[2]"
    assert (found.takes_from, found.gives_to, found.inside) == (("Relu nv1",), ("MatMul nv3",), 0)
    (last,) = compared(chain(BASE), chain([*BASE, "Sigmoid"])).difference.added
    assert last.gives_to == ("output y",)


def test_two_nodes_put_in_far_apart() -> None:
    found = compared(chain(BASE), chain(["Neg", *BASE, "Neg"], names=lambda index: f"o{index}"))
    assert counts(found) == (9, 0, 2, 0)


def test_two_nodes_that_changed_places() -> None:
    swapped = list(BASE)
    swapped[7:9] = ["Tanh", "Relu"]
    found = compared(chain(BASE), chain(swapped))
    assert counts(found) == (7, 2, 0, 0)
    assert {change.before.operator for change in found.difference.changed} == {"ai.onnx:Relu", "ai.onnx:Tanh"}
    (output,) = found.difference.outputs
    assert (output.field, output.before, output.after) == ("graph output y", "Tanh nv8", "Relu nv8")


def test_an_attribute_that_changed() -> None:
    text = "g (float[N, 4] x) => (float[N, 4] y) {{ a = Relu(x)\n b = Softmax<axis={}>(a)\n y = Neg(b) }}"
    found = compared(text.format(1), text.format(0))
    assert counts(found) == (2, 1, 0, 0)
    (change,) = found.difference.changed
    assert [(a.field, a.before, a.after) for a in change.attributes] == [("axis", "1", "0")]
    gone = compared(text.format(1), text.replace("<axis={}>", "").format())
    assert [(a.before, a.after) for a in gone.difference.changed[0].attributes] == [("1", None)]


def test_inputs_that_come_from_elsewhere() -> None:
    text = "g (float[N] x, float[N] z) => (float[N] y) {{ a = Relu(x)\n b = Neg(z)\n y = Sub({}) }}"
    found = compared(text.format("a, b"), text.format("b, a"))
    assert counts(found) == (2, 1, 0, 0)
    assert [(i.field, i.before, i.after) for i in found.difference.changed[0].inputs] == [
        ("0", "Relu at graph.node[0]", "Neg at graph.node[1]"),
        ("1", "Neg at graph.node[1]", "Relu at graph.node[0]"),
    ]


def test_an_added_node_that_is_not_in_between_is_told_beside_what_it_took_the_place_of() -> None:
    before = "g (float[N] x, float[N] z) => (float[N] y) { a = Relu(x)\n y = Sub(a, x) }"
    after = "g (float[N] x, float[N] z) => (float[N] y) { a = Relu(x)\n b = Neg(z)\n y = Sub(a, b) }"
    found = compared(before, after)
    assert counts(found) == (1, 1, 1, 0)
    assert [(i.field, i.before, i.after) for i in found.difference.changed[0].inputs] == [
        ("1", "input x", "Neg at graph.node[1]")
    ]


def test_inputs_that_are_left_out_and_outputs_beyond_the_first() -> None:
    text = "g (float[4] x) => (float[2] y) {{ a, b = Split<num_outputs=2>(x)\n y = Clip({}) }}"
    found = compared(text.format("b"), text.format("a"))
    assert [(i.before, i.after) for i in found.difference.changed[0].inputs] == [
        ("output 1 of Split at graph.node[0]", "Split at graph.node[0]")
    ]
    less = compared(text.format("b, a"), text.format("b"))
    assert [(i.field, i.before, i.after) for i in less.difference.changed[0].inputs] == [
        ("1", "Split at graph.node[0]", "nothing")
    ]
    weight = "g (float[4] x) => (float[4] y) <float w = {0.0}> { y = Clip(x, w) }"
    gained = compared(weight.replace(", w)", ")"), weight)
    assert [(i.before, i.after) for i in gained.difference.changed[0].inputs] == [("nothing", "weight w")]


def test_weights_of_other_shapes_leave_the_graph_as_it_was() -> None:
    found = compared(chain(BASE, width=4), chain(BASE, width=8, names=lambda index: f"o{index}"))
    assert counts(found) == (9, 0, 0, 0)
    assert [(pair.before.shape, pair.after.shape) for pair in found.constants] == [((4, 4), (8, 8))] * 4


def test_the_order_of_nodes_in_the_file_says_nothing() -> None:
    before = parsed("g (float[N] x) => (float[N] y) { a = Relu(x)\n b = Neg(x)\n c = Abs(x)\n d = Sum(a, b, c)\n y = Tanh(d) }")
    after = onnx.ModelProto()
    after.CopyFrom(before)
    nodes = list(after.graph.node)
    del after.graph.node[:]
    after.graph.node.extend([nodes[2], nodes[0], nodes[1], *nodes[3:]])
    assert compared(before, after).difference.is_same


def test_twins_are_matched_in_the_order_in_which_they_are_taken() -> None:
    text = "g (float[N, 2] x) => (float[N, 2] y) <float[2, 2] {0} = {{1, 2, 3, 4}}, float[2, 2] {1} = {{5, 6, 7, 8}}> {{\n"
    text += "a = MatMul(x, {0})\n b = MatMul(x, {1})\n c = Relu(a)\n d = Relu(b)\n y = Sub(c, d) }}"
    found = compared(text.format("u", "v"), text.format("p", "q"))
    assert [(pair.before.name, pair.after.name) for pair in found.constants] == [("u", "p"), ("v", "q")]
    assert found.difference.is_same


def blocks(count: int, *, prefix: str = "") -> onnx.ModelProto:
    """Blocks of attention one behind the other, each the same as the others."""
    nodes, weights, last = [], [], "x"

    def add(operator: str, *inputs: str, weight: str = "") -> str:
        output = f"{prefix}v{len(nodes)}"
        if weight:
            weights.append(numpy_helper.from_array(np.zeros((4, 4), np.float32), f"{prefix}{weight}{len(nodes)}"))
            inputs = (*inputs, weights[-1].name)
        nodes.append(helper.make_node(operator, inputs, [output], name=f"n{output}"))
        return output

    for _ in range(count):
        query, key, value = (add("MatMul", last, weight=name) for name in "qkv")
        chances = add("Softmax", add("MatMul", query, add("Transpose", key)))
        last = add("Add", last, add("MatMul", add("MatMul", chances, value), weight="o"))
    nodes.append(helper.make_node("Identity", [last], ["y"]))
    ends = [[helper.make_tensor_value_info(name, 1, ["N", 4])] for name in "xy"]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, weights))


def test_one_more_block_of_many_that_are_alike_is_one_block_added() -> None:
    more = compared(blocks(6), blocks(7, prefix="p"))
    assert counts(more) == (55, 0, 9, 0)
    assert [node.node.where for node in more.difference.added] == [f"graph.node[{index}]" for index in range(54, 63)]
    assert len(more.constants) == 24
    assert counts(compared(blocks(7), blocks(4))) == (37, 0, 0, 27)


def test_constant_nodes_and_initializers_hold_the_same_weight() -> None:
    initializer = "g (float[N] x) => (float[N] y) <float[1] w = {2}> { y = Add(x, w) }"
    node = "g (float[N] x) => (float[N] y) { w = Constant<value = float[1] {2}>()\n y = Add(x, w) }"
    found = compared(initializer, node)
    assert counts(found) == (1, 0, 1, 0)
    assert operators(found.difference.added) == ["Constant"]
    assert found.difference.added[0].gives_to == ("Add at graph.node[1]",)
    assert [(pair.before.node, pair.after.node) for pair in found.constants] == [(None, 0)]
    assert counts(compared(node, node.replace("w", "other"))) == (2, 0, 0, 0)
    number = "g (float[N] x) => (float[N] y) { w = Constant<value_float = 2.0>()\n y = Add(x, w) }"
    assert counts(compared(number, number)) == (2, 0, 0, 0)
    assert len(compared(number, number.replace("2.0", "3.0")).difference.changed) == 1


def test_constants_that_nothing_takes_are_still_there() -> None:
    text = "g (float[N] x) => (float[N] y) {{ {} = Constant<value = float[1] {{2}}>()\n {} = Constant<value = float[2] {{2, 3}}>()\n y = Neg(x) }}"
    found = compared(text.format("a", "b"), text.format("c", "d"))
    assert counts(found) == (3, 0, 0, 0)
    assert [(pair.before.name, pair.after.name) for pair in found.constants] == [("a", "c"), ("b", "d")]
    less = compared(text.format("a", "b"), "g (float[N] x) => (float[N] y) { a = Constant<value = float[1] {2}>()\n y = Neg(x) }")
    assert counts(less) == (2, 0, 0, 1)


def test_initializers_that_nothing_takes_are_renamed_like_others() -> None:
    text = "g (float[N] x) => (float[N] y) <float[1] {} = {{2}}, float[2] {} = {{2, 3}}, float[1] {} = {{4}}> {{ y = Neg(x) }}"
    found = compared(text.format("a", "b", "c"), text.format("p", "q", "a"))
    assert [(pair.before.name, pair.after.name) for pair in found.constants] == [("a", "a"), ("b", "q"), ("c", "p")]
    assert found.difference.renames.weights == 2
    assert found.only_before == found.only_after == ()


def test_subgraphs_are_compared_inside_of_the_nodes_that_have_them() -> None:
    text = """g (bool c, float[2] x) => (float[2] y) <float[2] {w} = {{1, 2}}> {{
        {h} = Relu(x)
        y = If (c) <
            then_branch = t () => (float[2] {t}) {{ {u} = Mul({h}, {w})\n {t} = Neg({u}) }},
            else_branch = e () => (float[2] {e}) {{ {e} = {inner}({h}) }}
        >
    }}"""
    plain = {"h": "h", "t": "t", "u": "u", "w": "w", "e": "e", "inner": "Abs"}
    other = {"h": "h1", "t": "t1", "u": "u1", "w": "w1", "e": "e1", "inner": "Abs"}
    found = compared(text.format(**plain), text.format(**other))
    assert found.difference.before == found.difference.after == 5
    assert counts(found) == (5, 0, 0, 0)
    assert (found.difference.renames.values, found.difference.renames.weights) == (4, 1)
    changed = compared(text.format(**plain), text.format(**(other | {"inner": "Exp"})))
    assert counts(changed) == (4, 0, 1, 1)
    assert changed.difference.added[0].node.where == "graph.node[1].else_branch.node[0]"
    assert changed.difference.added[0].takes_from == ("a value from around the subgraph",)


LOOP = """g (int64 n, bool c, float[2] x) => (float[2] y) {{
    y = Loop (n, c, x) <body = b (int64 i, bool k, float[2] {a}) => (bool {o}, float[2] {r}) {{
        {o} = Identity(k)
        {r} = {operator}({a})
    }}>
}}"""


def test_the_inputs_of_subgraphs_go_by_their_place() -> None:
    text = LOOP.format(a="a", o="o", r="r", operator="Neg")
    assert compared(text, LOOP.format(a="a1", o="o1", r="r1", operator="Neg")).difference.is_same
    found = compared(text, LOOP.format(a="a", o="o", r="r", operator="Relu"))
    assert counts(found) == (2, 0, 1, 1)


def test_values_of_outer_bodies_are_matched_at_any_depth() -> None:
    text = """g (bool c, float[2] x, float[2] z) => (float[2] y) {{
        h = Relu(x)
        k = Neg(z)
        y = If (c) <then_branch = t () => (float[2] t) {{
            t = If (c) <then_branch = u () => (float[2] u) {{ u = Sub({}) }}, else_branch = v () => (float[2] v) {{ v = Abs(h) }}>
        }}, else_branch = e () => (float[2] e) {{ e = Identity(z) }}>
    }}"""
    assert compared(text.format("h, k"), re.sub(r"\bh\b", "hh", text.format("h, k"))).difference.is_same
    found = compared(text.format("h, k"), text.format("k, h"))
    assert counts(found)[1:] != (0, 0, 0)
    assert "graph.node[2].then_branch.node[0].then_branch.node[0]" in [change.before.where for change in found.difference.changed]


def test_a_subgraph_that_is_there_in_one_alone() -> None:
    before = "g (bool c, float[2] x) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] t) { t = Neg(x) }, else_branch = e () => (float[2] e) { e = Abs(x) }> }"
    after = "g (bool c, float[2] x) => (float[2] y) { y = Neg(x) }"
    found = compared(before, after)
    assert counts(found) == (0, 0, 1, 1)
    assert found.difference.removed[0].inside == 2
    other = "g (bool c, float[2] x) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] t) { t = Neg(x) }> }"
    (change,) = compared(before, other).difference.changed
    assert [(a.field, a.before, a.after) for a in change.attributes] == [("else_branch", "graph of 1 node", None)]


FUNCTIONS = """g (float[2] x) => (float[2] y) {{ a = local.{0}(x)\n y = local.{1}(a) }}
<opset_import: ["" : 21], domain: "local"> {0} (p) => (q) {{ r = Relu(p)\n q = {2}(r) }}
<opset_import: ["" : 21], domain: "local"> {1} (p) => (q) {{ q = Abs(p) }}"""


def test_functions_are_matched_by_what_they_do() -> None:
    found = compared(FUNCTIONS.format("f", "h", "Neg"), FUNCTIONS.format("f2", "h2", "Neg"))
    assert counts(found) == (5, 0, 0, 0)
    assert [(f.before, f.after) for f in found.difference.functions] == [("local:f", "local:f2"), ("local:h", "local:h2")]
    assert not found.difference.is_same
    swapped = compared(FUNCTIONS.format("f", "h", "Neg"), FUNCTIONS.format("h", "f", "Neg"))
    assert counts(swapped) == (5, 0, 0, 0)


def test_a_function_that_does_something_else_is_told_inside_of_it() -> None:
    found = compared(FUNCTIONS.format("f", "h", "Neg"), FUNCTIONS.format("f", "h", "Exp"))
    assert counts(found) == (4, 0, 1, 1)
    assert not found.difference.functions
    assert found.difference.added[0].node.where == "function local:f.node[1]"


def test_functions_that_only_one_model_has_or_that_take_something_else() -> None:
    before = FUNCTIONS.format("f", "h", "Neg")
    after = before + '\n<opset_import: ["" : 21], domain: "local"> k <a: int = 1> (p) => (q) { q = Exp(p) }'
    assert [(f.before, f.after) for f in compared(before, after).difference.functions] == [(None, "local:k")]
    assert [(f.before, f.after) for f in compared(after, before).difference.functions] == [("local:k", None)]
    (change,) = compared(before, before.replace("h (p)", "h <a> (p)")).difference.functions
    assert (change.before, change.after) == ("1 input, 1 output, no attributes", "1 input, 1 output, 1 attribute: a")


def test_attributes_that_stand_for_those_of_a_function() -> None:
    text = 'g (float[2] x) => (float[2] y) {{ y = local.f<a = 1>(x) }}\n<opset_import: ["" : 21], domain: "local"> f <a, b> (p) => (q) {{ q = Softmax<axis: int = @{}>(p) }}'
    (change,) = compared(text.format("a"), text.format("b")).difference.changed
    assert [(a.before, a.after) for a in change.attributes] == [("attribute a of the function", "attribute b of the function")]


def test_recursive_functions_and_very_deep_ones_end() -> None:
    one = 'g (float[2] x) => (float[2] y) { y = local.f(x) }\n<opset_import: ["" : 21, "local" : 1], domain: "local"> f (p) => (q) { q = local.f(p) }'
    assert compared(one, one).difference.is_same
    deep = "g (float[2] x) => (float[2] y) { y = local.f0(x) }"
    for level in range(60):
        deep += f'\n<opset_import: ["" : 21, "local" : 1], domain: "local"> f{level} (p) => (q) {{ q = local.f{level + 1}(p) }}'
    assert compared(deep, deep).difference.is_same


def test_subgraphs_nested_through_functions_are_told_apart_by_their_size_at_last() -> None:
    inner = "t = Relu(x)"
    for _ in range(20):
        inner = (
            f"t = If (c) <then_branch = a () => (float[2] t) {{ {inner} }}, else_branch = b () => (float[2] e) {{ e = Neg(x) }}>"
        )
    functions = ""
    for level in range(4):
        body = inner.replace("t = Relu(x)", f"t = local.f{level + 1}(c, x)")
        functions += f'\n<opset_import: ["" : 21, "local" : 1], domain: "local"> f{level} (c, x) => (t) {{ {body} }}'
    model = f"g (bool c, float[2] x) => (float[2] y) {{ y = local.f0(c, x) }}{functions}"
    assert compared(model, model).difference.is_same


def test_inputs_of_the_model_are_anchors_by_name_and_by_type() -> None:
    text = "g (float[2] {0}, float[2] {1}) => (float[2] {2}) {{ a = Relu({0})\n b = Relu({1})\n {2} = Sub(a, b) }}"
    found = compared(text.format("x", "z", "y"), text.format("p", "z", "r"))
    assert found.difference.is_same
    swapped = compared(text.format("x", "z", "y"), text.format("z", "x", "y"))
    assert counts(swapped) == (2, 1, 0, 0)


def test_weights_that_old_models_list_as_inputs_are_weights() -> None:
    text = "g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }"
    found = compared(text, text.replace("w", "v"))
    assert [(pair.before.name, pair.after.name) for pair in found.constants] == [("w", "v")]


def test_outputs_that_are_inputs_or_weights() -> None:
    text = "g (float[2] x, float[2] z) => (float[2] y, float[2] {0}) <float[2] w = {{1, 2}}> {{ y = Identity(x) }}"
    found = compared(text.format("w"), text.format("w"))
    assert [pair.before.name for pair in found.constants] == ["w"]
    changed = compared(text.format("x"), text.format("z"))
    assert [(o.before, o.after) for o in changed.difference.outputs] == [("input x", "input z")]


def test_graphs_that_feed_themselves_are_compared_all_the_same() -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Neg", ["b"], ["y"]),
    ]
    ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
    model = helper.make_model(helper.make_graph(nodes, "g", *ends))
    assert counts(compared(model, model)) == (3, 0, 0, 0)


def test_values_of_attributes_in_words() -> None:
    text = "g (float[2] x) => (float[2] y) {{ y = com.microsoft.Strange<a = {0}, b = {1}, c = {2}, d = {3}>(x) }}"
    found = compared(
        text.format("1.5", "[1, 2]", '"red"', "float[2] {1, 2}"),
        text.format("2.5", "[1, 2, 3, 4, 5, 6, 7]", f'"{"blue" * 100}"', "float[3] {1, 2, 3}"),
    )
    (change,) = found.difference.changed
    assert {a.field: (a.before, a.after) for a in change.attributes} == {
        "a": ("1.5", "2.5"),
        "b": ("[1, 2]", "[1, 2, 3, 4, 5, 6, …] (7 values)"),
        "c": ("red", "blue" * 50 + "… (400 bytes)"),
    }
    assert [(pair.before.name, pair.after.shape) for pair in found.constants] == [("com.microsoft:Strange.d", (3,))]


def test_attributes_of_other_kinds() -> None:
    def model(**attributes) -> onnx.ModelProto:
        node = helper.make_node("Strange", ["x"], ["y"], domain="com.microsoft", **attributes)
        ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
        return helper.make_model(helper.make_graph([node], "g", *ends))

    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "t")
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(1, np.float32), "v"), numpy_helper.from_array(np.zeros(1, np.int64), "i"), [4]
    )
    graph = chain(["Relu"]).graph
    typed = helper.make_tensor_type_proto(1, [2])
    values = [
        1,
        2.5,
        float("nan"),
        "text",
        [1, 2],
        [1.5, 2.5],
        ["a", "b"],
        tensor,
        [tensor, tensor],
        sparse,
        [sparse],
        graph,
        [graph, graph],
        typed,
        [typed],
    ]
    for index, value in enumerate(values):
        assert compared(model(a=value), model(a=value)).difference.is_same, value
        other = values[(index + 1) % len(values)]
        assert len(compared(model(a=value), model(a=other)).difference.changed) == 1, (value, other)
    assert [a.after for a in compared(model(a=1), model(a=tensor)).difference.changed[0].attributes] == ["tensor [2]"]
    assert [a.after for a in compared(model(a=1), model(a=typed)).difference.changed[0].attributes] == ["float[2]"]


def test_an_attribute_without_a_value_is_one() -> None:
    model = chain(["Relu", "Softmax"])
    model.graph.node[1].attribute.append(onnx.AttributeProto(name="axis"))
    (change,) = compared(chain(["Relu", "Softmax"]), model).difference.changed
    assert [(a.field, a.before, a.after) for a in change.attributes] == [("axis", None, "undefined without a value")]


def test_numbers_that_classical_models_learnt_are_weights() -> None:
    def model(coefficients) -> onnx.ModelProto:
        node = helper.make_node(
            "LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=coefficients, intercepts=[1.0], targets=1
        )
        ends = [[helper.make_tensor_value_info(name, 1, ["N", None])] for name in "xy"]
        return helper.make_model(helper.make_graph([node], "g", *ends))

    found = compared(model([1.0, 2.0]), model([1.0, 3.0]))
    assert found.difference.is_same
    assert [(pair.before.name, pair.before.shape) for pair in found.constants] == [
        ("ai.onnx.ml:LinearRegressor.coefficients", (2,)),
        ("ai.onnx.ml:LinearRegressor.intercepts", (1,)),
    ]
    longer = compared(model([1.0, 2.0]), model([1.0] * 5000))
    assert [pair.after.shape for pair in longer.constants] == [(5000,), (1,)]


def test_very_long_attributes_are_held_against_each_other_unread() -> None:
    def model(first) -> onnx.ModelProto:
        node = helper.make_node("Strange", ["x"], ["y"], domain="com.microsoft", numbers=[first] * 50_000)
        ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
        return helper.make_model(helper.make_graph([node], "g", *ends))

    found = compared(model(1), model(2))
    assert found.difference.is_same
    assert [pair.name for pair in found.stored] == ["com.microsoft:Strange.numbers"]
    short = helper.make_node("Strange", ["x"], ["y"], domain="com.microsoft", numbers=[1])
    other = model(1)
    other.graph.node[0].CopyFrom(short)
    (change,) = compared(model(1), other).difference.changed
    assert [(a.before, a.after) for a in change.attributes] == [("very many values", "[1]")]


def test_bounds_on_work_make_the_answer_approximate_and_never_the_same(monkeypatch) -> None:
    monkeypatch.setattr(comparing, "MAX_NODES", 10)
    found = compared(chain(BASE), chain(BASE))
    assert found.difference.approximate
    assert not found.difference.is_same
    assert (found.difference.before, found.difference.after) == (9, 9)
    assert len(found.constants) == 4
    monkeypatch.undo()
    monkeypatch.setattr(comparing, "MAX_BODIES", 1)
    text = LOOP.format(a="a", o="o", r="r", operator="Neg")
    assert compared(text, text).difference.approximate


def test_nodes_of_subgraphs_and_functions_are_counted() -> None:
    assert count_nodes(record(parsed(LOOP.format(a="a", o="o", r="r", operator="Neg")))) == 3
    assert count_nodes(record(parsed(FUNCTIONS.format("f", "h", "Neg")))) == 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["Relu"] * 20_000, ["Relu"] * 19_999),
        (["Sigmoid", *["Relu"] * 20_000], [*["Relu"] * 20_000, "Tanh"]),
    ],
)
def test_very_many_nodes_that_are_all_alike(before: list[str], after: list[str]) -> None:
    found = compared(chain(before), chain(after))
    assert found.difference.identical == min(before.count("Relu"), after.count("Relu"))


def test_one_value_with_very_many_users() -> None:
    def model(count: int) -> onnx.ModelProto:
        nodes = [helper.make_node("Relu", ["x"], ["h"]), *(helper.make_node("Neg", ["h"], [f"v{i}"]) for i in range(count))]
        nodes.append(helper.make_node("Sum", [f"v{i}" for i in range(count)], ["y"]))
        ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
        return helper.make_model(helper.make_graph(nodes, "g", *ends))

    found = compared(model(3000), model(3001))
    assert counts(found) == (3001, 1, 1, 0)
    assert not found.difference.approximate


def test_a_node_with_very_many_neighbours_is_no_evidence_and_no_doubt() -> None:
    def model(*operators: str) -> onnx.ModelProto:
        nodes = [helper.make_node("Relu", ["x"], ["h"]), *(helper.make_node("Neg", ["h"], [f"v{i}"]) for i in range(100))]
        nodes.append(helper.make_node("Sum", [f"v{i}" for i in range(100)], ["s"]))
        nodes += [helper.make_node(operator, ["s" if i == 0 else f"t{i}"], [f"t{i + 1}"]) for i, operator in enumerate(operators)]
        nodes += [helper.make_node("Identity", [f"t{len(operators)}"], ["y"])]
        ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
        return helper.make_model(helper.make_graph(nodes, "g", *ends))

    found = compared(model("Abs"), model("Exp"))
    assert counts(found) == (103, 0, 1, 1)
    assert not found.difference.approximate


def test_names_that_nothing_has_are_nothing() -> None:
    node = helper.make_node("Add", ["x", "nobody"], ["y", ""])
    ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", *ends))
    assert compared(model, model).difference.is_same


def test_constants_that_are_wrong_are_nodes() -> None:
    def model(node: onnx.NodeProto) -> onnx.ModelProto:
        ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
        return helper.make_model(helper.make_graph([node, helper.make_node("Add", ["x", "w"], ["y"])], "g", *ends))

    tensor = numpy_helper.from_array(np.zeros(2, np.float32), "t")
    for node in (helper.make_node("Constant", ["x"], ["w"], value=tensor), helper.make_node("Constant", [], ["w"])):
        found = compared(model(node), model(node))
        assert found.difference.identical == 2


OPERATORS = ["Relu", "Neg", "Add", "Mul"]


def _random_graph(seed: int, *, size: int) -> onnx.ModelProto:
    draw = random.Random(seed)  # noqa: S311 - tests repeat
    values, nodes = ["x"], []
    for index in range(size):
        operator = draw.choice(OPERATORS)
        inputs = [draw.choice(values[-6:]) for _ in range(2 if operator in ("Add", "Mul") else 1)]
        nodes.append(helper.make_node(operator, inputs, [f"v{index}"], name=f"n{index}"))
        values.append(f"v{index}")
    nodes.append(helper.make_node("Tanh", [values[-1]], ["y"]))
    ends = [[helper.make_tensor_value_info(name, 1, ["N"])] for name in "xy"]
    return helper.make_model(helper.make_graph(nodes, "g", *ends))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 40))
def test_any_graph_under_other_names_is_renamed_and_identical(seed: int, size: int) -> None:
    before, after = _random_graph(seed, size=size), _random_graph(seed, size=size)
    for node in after.graph.node:
        node.name = f"other {node.name}"
        node.input[:] = [name if name == "x" else f"other {name}" for name in node.input]
        node.output[:] = [name if name == "y" else f"other {name}" for name in node.output]
    found = compared(before, after)
    assert found.difference.is_same
    assert found.difference.identical == size + 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(1, 30))
def test_no_node_is_matched_twice_and_all_are_told(seed: int, other: int, size: int) -> None:
    found = compared(_random_graph(seed, size=size), _random_graph(other, size=size + 3)).difference
    matched = found.identical + len(found.changed)
    assert matched + len(found.removed) == found.before
    assert matched + len(found.added) == found.after
    for changed in found.changed:
        assert changed.before.operator == changed.after.operator


def test_hundreds_of_differences_end_with_an_answer() -> None:
    draw = random.Random(7)  # noqa: S311 - tests repeat
    before = [draw.choice(["Relu", "Tanh", "Exp", "Neg"]) for _ in range(3000)]
    after = [draw.choice(["Relu", "Tanh", "Exp", "Neg"]) for _ in range(3000)]
    found = compare_graphs(record(chain(before)), record(chain(after))).difference
    assert found.approximate
    assert found.identical + len(found.changed) + len(found.removed) == 3000
