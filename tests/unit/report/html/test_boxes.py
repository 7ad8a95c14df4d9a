"""What is a box in a picture, what is folded into one, and what boxes say of weights and values."""

import pytest
from model_records import HOSTILE, attribute, graph, model, node, tensor
from onnx import defs

from mlsign.onnx.records import AttributeKind, SparseRecord, TensorRecord
from mlsign.report.html.boxes import Boxes, tensor_words
from mlsign.report.html.elements import render_element
from mlsign.report.html.families import FAMILIES, family_of
from mlsign.report.html.layers import MAX_ROWS, layers
from mlsign.report.html.picture import picture_of
from mlsign.report.html.sheets import sheets_of


def constant(name, value):
    return node("Constant", (), (name,), attribute("value", AttributeKind.TENSOR, value))


def sheets(*nodes, inputs=("x",), outputs=("y",), **pieces):
    return sheets_of(model(graph(*nodes, inputs=inputs, outputs=outputs, **pieces)))


def boxes(*nodes, marked=(), **pieces):
    return Boxes(sheets(*nodes, **pieces).sheets[0], marked=frozenset(marked))


SHAPE = tensor("", 2, element="int64", data=(1).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True))


def test_a_constant_is_told_where_it_is_taken():
    made = boxes(constant("c", SHAPE), node("Reshape", ("x", "c"), ("y",)))
    assert made.folded == {0: "{1, -1}"}
    assert made.weights(made._sheet.nodes[1]) == "{1, -1}"


def test_a_constant_of_a_shape_tells_its_shape():
    shape = tensor("s", 4, element="int64", data=b"".join(each.to_bytes(8, "little") for each in (64, 3, 7, 7)))
    filled = node("ConstantOfShape", ("s",), ("w",), attribute("value", AttributeKind.TENSOR, tensor("", 1)))
    made = boxes(filled, node("Conv", ("x", "w"), ("y",)), tensors=(shape,))
    assert made.weights(made._sheet.nodes[1]) == "64×3×7×7"


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ((constant("c", SHAPE), node("Relu", ("x",), ("y",))), "nobody takes it"),
        ((constant("y", SHAPE), node("Relu", ("y",), ("z",))), "it is what the graph gives"),
        ((constant("", SHAPE), node("Relu", ("",), ("y",))), "it makes nothing"),
        ((node("Constant", ("x",), ("c",)), node("Relu", ("c",), ("y",))), "it takes what another makes"),
        ((node("Constant", (), ("c",), domain="evil"), node("Relu", ("c",), ("y",))), "it is called like one, and is none"),
        ((node("Relu", (), ("c",)), node("Relu", ("c",), ("y",))), "it is none"),
        ((node("Constant", (), ("c", "d")), node("Relu", ("c",), ("y",))), "it makes more"),
    ],
)
def test_what_is_not_plainly_a_constant_is_a_box(nodes, why):
    assert boxes(*nodes).folded == {}, why


def test_a_constant_with_a_finding_or_something_inside_is_a_box():
    nodes = constant("c", SHAPE), node("Relu", ("c",), ("y",))
    assert boxes(*nodes, marked={0}).folded == {}
    opens = node("Constant", (), ("c",), attribute("body", AttributeKind.GRAPH, graph()))
    assert boxes(opens, nodes[1]).folded == {}


def test_of_two_that_make_a_value_the_first_is_folded_as_it_is_the_first_that_lines_come_from():
    made = boxes(constant("c", SHAPE), constant("c", tensor("", 9, 9)), node("Relu", ("c",), ("y",)))
    assert list(made.folded) == [0]


def test_a_value_made_here_is_no_weight_though_one_has_its_name():
    made = boxes(node("Relu", ("x",), ("w",)), node("Add", ("w", "w"), ("y",)), tensors=(tensor("w", 3),))
    assert made.weights(made._sheet.nodes[1]) == ""


def test_boxes_tell_few_weights_and_how_many_more():
    tensors = tuple(tensor(f"w{n}", n + 1, 5) for n in range(9))
    made = boxes(node("Sum", tuple(each.name for each in tensors), ("y",)), tensors=tensors)
    assert made.weights(made._sheet.nodes[0]) == "1×5  2×5  3×5  +6"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (tensor("", 64, 3), "64×3"),
        (tensor("", *[2] * 9), "2×2×2×2×2×2×…"),
        (tensor("", element="float", data=b"\0\0\xc0\x3f"), "1.5"),
        (tensor("", 2, data=b"\0" * 8), "2"),
        (tensor("", element="int64", data=b"\7" + bytes(7)), "7"),
        (tensor("", element="int64", data=b"\7"), "a number"),
        (tensor("", element="string"), "a number"),
        (SparseRecord(name="", shape=(3, 3), values=tensor("", 1), indices=tensor("", 1)), "3×3"),
    ],
)
def test_a_weight_is_its_shape_or_its_number(record, words):
    assert tensor_words(record) == words


def test_constants_in_other_attributes_are_told_short():
    for given, words in (
        (attribute("value_float", AttributeKind.FLOAT, 0.5), "0.5"),
        (attribute("value_ints", AttributeKind.INTS, (1, 2)), "1, 2"),
    ):
        made = boxes(node("Constant", (), ("c",), given), node("Relu", ("c",), ("y",)))
        assert made.folded == {0: words}
    sparse = SparseRecord(name="", shape=(3, 3), values=tensor("", 1), indices=tensor("", 1))
    made = boxes(
        node("Constant", (), ("c",), attribute("sparse_value", AttributeKind.SPARSE_TENSOR, sparse)), node("Relu", ("c",), ("y",))
    )
    assert made.folded == {0: "3×3"}


def test_values_of_a_node_are_told_by_their_types():
    made = boxes(node("Split", ("x",), ("a", "b", "c", "d", "")), values=("a", "b", "c", "d"))
    assert made.gives(made._sheet.nodes[0]) == "float[N, 3], float[N, 3], float[N, 3], …"
    made = boxes(node("Split", ("x",), ("a", "b")))
    assert made.gives(made._sheet.nodes[0]) == ""


def test_texts_of_a_box_are_short_and_visible():
    long = tensor("", *[10**17] * 32)
    made = boxes(
        node("Relu", ("w", "v", "u"), (HOSTILE,)),
        tensors=tuple(TensorRecord(name=n, element="float", shape=long.shape, count=0, size=0, values=None) for n in "wvu"),
    )
    assert len(made.weights(made._sheet.nodes[0])) < 120
    text = node("Constant", (), ("c",), attribute("value_string", AttributeKind.STRING, (HOSTILE * 99).encode()))
    made = boxes(text, node("Relu", ("c",), ("y",)))
    assert len(made.weights(made._sheet.nodes[1])) < 120
    assert "\u202e" not in made.weights(made._sheet.nodes[1])


def test_a_folded_constant_has_no_width_and_stands_where_it_is_taken():
    drawn = picture_of(sheets(constant("c", SHAPE), node("Relu", ("x",), ("r",)), node("Add", ("r", "c"), ("y",))), {})
    sheet = drawn.data["sheets"][0]
    folded, taker = 1, 3
    assert sheet["w"][folded] == 0
    assert (sheet["x"][folded], sheet["y"][folded]) == (sheet["x"][taker], sheet["y"][taker])
    assert drawn.folded == 1
    assert drawn.families["moving"] == 0, "it is counted as a constant"


def test_operators_belong_to_families_and_none_of_them_is_misspelled():
    known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
    from mlsign.report.html.families import _BY_NAME

    assert set(_BY_NAME) <= known | {"CausalConvWithState", "LinearAttention", "CumProd"}
    assert family_of(node("Conv", (), ()), opens=False) == "linear"
    assert family_of(node("Conv", (), (), domain="ai.onnx"), opens=False) == "linear"
    assert family_of(node("Conv", (), (), domain="evil"), opens=False) == "other"
    assert family_of(node("Conv", (), (), domain="evil"), opens=True) == "control"
    assert family_of(node("TreeEnsemble", (), (), domain="ai.onnx.ml"), opens=False) == "learnt"
    assert family_of(node("__proto__", (), ()), opens=False) == "other"
    assert set(_BY_NAME.values()) < set(FAMILIES)


def part_rows(*nodes, tensors):
    return "".join(map(render_element, layers(sheets(*nodes, tensors=tensors))))


def test_parameters_are_summed_by_the_parts_that_names_have():
    nodes = [node("MatMul", ("x", f"w{n}"), (f"h{n}",), name=f"/encoder/layer.{n}/attention/MatMul") for n in range(3)]
    nodes.append(node("Add", ("x", "head.weight"), ("y",)))
    nodes.append(node("Add", ("x", "w0"), ("z",), name="/again/taken/Add"))
    text = part_rows(*nodes, tensors=(*(tensor(f"w{n}", 10, n + 1) for n in range(3)), tensor("head.weight", 40)))
    assert [part in text for part in ("encoder.layer.0.attention", "encoder.layer.2.attention", ">head<", "again")] == [
        True,
        True,
        True,
        False,
    ]
    assert "30.0 %" in text
    assert "40.0 %" in text


def test_a_sum_without_the_nodes_that_are_left_out_says_so(monkeypatch):
    """Or a model could keep most of its weights behind the last node that is shown, and shares would read as of all of it."""
    nodes = [node("Add", ("x", f"w{n}"), (f"h{n}",), name=f"/part{n}/Add") for n in range(3)]
    tensors = tuple(tensor(f"w{n}", 10) for n in range(3))
    assert "All weights that nodes take" in part_rows(*nodes, tensors=tensors)
    monkeypatch.setattr("mlsign.report.html.sheets.MAX_NODES", 2)
    text = part_rows(*nodes, tensors=tensors)
    assert "All weights" not in text
    assert "Weights of the nodes that are shown, and of no others" in text


def test_parts_without_names_are_operators():
    nodes = node("MatMul", ("x", "onnx::MatMul_1.2"), ("h",)), node("Gemm", ("h", "b"), ("y",))
    text = part_rows(*nodes, tensors=(tensor("onnx::MatMul_1.2", 4, 4), tensor("b", 4)))
    assert "ai.onnx:MatMul nodes" in text
    assert "ai.onnx:Gemm nodes" in text
    assert part_rows(nodes[0], tensors=(tensor("onnx::MatMul_1.2", 4, 4),)) == "", "one part is no chart"


def test_very_many_parts_and_hostile_ones_are_bounded_and_escaped():
    nodes = [node("Add", ("x", f"w{n}"), (f"h{n}",), name=f"{HOSTILE}{n}/a/" + "b/" * 5_000) for n in range(MAX_ROWS + 5)]
    text = part_rows(*nodes, tensors=tuple(tensor(f"w{n}", 2) for n in range(MAX_ROWS + 5)))
    assert "5 smaller parts not listed" in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert len(text) < 60_000
