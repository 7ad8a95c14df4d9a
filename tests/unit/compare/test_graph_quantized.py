"""Quantized weights are matched to the ones that they stand for, whichever of the two models has them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph_kit import compared, counts, operators, parsed
from onnx import helper, numpy_helper

MLP = """g (float[N, 4] x) => (float[N, 2] y) <float[4, 3] W1 = {0,0,0,0,0,0,0,0,0,0,0,0}, float[3] b1 = {0,0,0}, float[3, 2] W2 = {0,0,0,0,0,0}> {
    h = MatMul(x, W1)\n i = Add(h, b1)\n j = Relu(i)\n y = MatMul(j, W2) }"""


@pytest.fixture(scope="module")
def quantized(tmp_path_factory) -> dict[str, onnx.ModelProto]:
    """The model, as onnxruntime quantizes it in each of its ways."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

    place = tmp_path_factory.mktemp("quantized")
    draw = np.random.default_rng(1)
    model = parsed(MLP)
    for tensor in model.graph.initializer:
        values = draw.standard_normal(tuple(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    del model.opset_import[1:]
    onnx.save(model, place / "model.onnx")

    class Rows(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter([{"x": draw.standard_normal((8, 4)).astype(np.float32)}])

        def get_next(self):
            return next(self.rows, None)

    quantize_dynamic(place / "model.onnx", place / "dynamic.onnx")
    quantize_dynamic(place / "model.onnx", place / "channels.onnx", per_channel=True)
    quantize_static(place / "model.onnx", place / "qdq.onnx", Rows(), quant_format=QuantFormat.QDQ)
    quantize_static(place / "model.onnx", place / "operators.onnx", Rows(), quant_format=QuantFormat.QOperator)
    return {path.stem: onnx.load(path) for path in place.glob("*.onnx")}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["dynamic", "channels", "qdq", "operators"])
def test_every_way_of_quantizing_a_matrix_is_recognised(quantized: dict[str, onnx.ModelProto], kind: str) -> None:
    found = compared(quantized["model"], quantized[kind])
    pairs = {pair.before.name: pair.after for pair in found.constants}
    for name in ("W1", "W2"):
        assert pairs[name].name == f"{name}_quantized"
        assert pairs[name].quantized.scale.name == f"{name}_scale"
        assert pairs[name].quantized.zero_point.name == f"{name}_zero_point"
        assert pairs[name].element == "float"
    assert not {"W1_quantized", "W1_scale", "W1_zero_point"} & {constant.name for constant in found.only_after}
    back = compared(quantized[kind], quantized["model"])
    assert {pair.after.name for pair in back.constants} >= {"W1", "W2"}
    again = compared(quantized[kind], quantized[kind])
    assert again.difference.is_same
    assert {pair.before.name for pair in again.constants} >= {"W1_scale", "W1_quantized"}


def test_nodes_between_quantizing_and_back_stay_what_they_were(quantized: dict[str, onnx.ModelProto]) -> None:
    found = compared(quantized["model"], quantized["qdq"])
    assert found.difference.identical == 3
    assert set(operators(found.difference.added)) == {"QuantizeLinear", "DequantizeLinear"}
    assert operators(found.difference.removed) == ["Relu"]  # which onnxruntime leaves to the range of what follows
    weights = [node for node in found.difference.added if node.node.name == "W1_DequantizeLinear"]
    assert [(node.takes_from, node.gives_to) for node in weights] == [
        (("weight W1_quantized",), ("MatMul at graph.node[5]",))
    ] or weights


def model(nodes, *weights, x="x") -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info("x", 1, ["N", 4])], [helper.make_tensor_value_info("y", 1, ["N", 2])]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, tensors), opset_imports=opsets, ir_version=10)


W = ("W", np.ones((4, 2), np.float32))
Q = ("Q", np.ones((4, 2), np.int8))
S = ("s", np.float32(0.5))
Z = ("z", np.int8(0))
PLAIN = model([helper.make_node("MatMul", ["x", "W"], ["y"])], W)
QUANTIZE = helper.make_node("DynamicQuantizeLinear", ["x"], ["a", "as", "az"])


def integer_model(*rest, **attributes) -> onnx.ModelProto:
    node = helper.make_node("MatMulInteger", ["a", "Q", "az"], ["i"])
    return model([QUANTIZE, node, helper.make_node("Cast", ["i"], ["f"], to=1), *rest], Q, S, Z)


def scale_of(found) -> list[str | None]:
    return [pair.after.quantized.scale.name for pair in found.constants if pair.after.quantized is not None]


def test_the_scale_is_what_the_result_is_multiplied_with() -> None:
    product = helper.make_node("Mul", ["as", "s"], ["p"])
    assert scale_of(compared(PLAIN, integer_model(product, helper.make_node("Mul", ["f", "p"], ["y"])))) == ["s"]
    assert scale_of(compared(PLAIN, integer_model(product, helper.make_node("Mul", ["p", "f"], ["y"])))) == ["s"]
    assert scale_of(compared(PLAIN, integer_model(helper.make_node("Mul", ["f", "s"], ["y"])))) == ["s"]


def test_what_else_takes_the_result_says_nothing() -> None:
    product = helper.make_node("Mul", ["as", "s"], ["p"])
    found = compared(
        PLAIN, integer_model(product, helper.make_node("Mul", ["f", "p"], ["y"]), helper.make_node("Neg", ["i"], ["n"]))
    )
    assert scale_of(found) == ["s"]
    first = integer_model(product, helper.make_node("Mul", ["f", "p"], ["y"]))
    first.graph.node.insert(2, helper.make_node("Neg", ["i"], ["n"]))
    assert scale_of(compared(PLAIN, first)) == ["s"]


@pytest.mark.parametrize(
    "rest",
    [
        [helper.make_node("Add", ["f", "s"], ["y"])],
        [helper.make_node("Mul", ["f", "as"], ["y"])],
        [helper.make_node("Mul", ["as", "az"], ["p"]), helper.make_node("Mul", ["f", "p"], ["y"])],
        [helper.make_node("Mul", ["f", "x"], ["y"])],
        [helper.make_node("Mul", ["f"], ["y"])],
    ],
)
def test_without_a_scale_nobody_knows_what_whole_numbers_stand_for(rest) -> None:
    found = compared(PLAIN, integer_model(*rest))
    assert scale_of(found) == []
    assert "Q" in [constant.name for constant in found.only_after]
    assert [constant.name for constant in found.only_before] == ["W"]


def test_operators_with_too_few_inputs_or_weights_that_are_computed() -> None:
    short = model([helper.make_node("QLinearMatMul", ["x", "s"], ["y"])], S)
    assert scale_of(compared(PLAIN, short)) == []
    alone = model([helper.make_node("DynamicQuantizeMatMul", ["x", "Q"], ["y"], domain="com.microsoft")], Q)
    assert scale_of(compared(PLAIN, alone)) == []
    computed = model([helper.make_node("DynamicQuantizeMatMul", ["x", "x", "s"], ["y"], domain="com.microsoft")], S)
    assert scale_of(compared(PLAIN, computed)) == []
    direct = model([helper.make_node("DynamicQuantizeMatMul", ["x", "Q", "s"], ["y"], domain="com.microsoft")], Q, S)
    assert scale_of(compared(PLAIN, direct)) == ["s"]


def test_weights_behind_dequantizing_stand_for_numbers_of_the_type_of_the_scale() -> None:
    node = helper.make_node("DequantizeLinear", ["Q", "s", "z"], ["w"], axis=0, block_size=2)
    found = compared(PLAIN, model([node, helper.make_node("MatMul", ["x", "w"], ["y"])], Q, S, Z))
    assert counts(found) == (1, 0, 1, 0)
    (pair,) = found.constants
    assert (pair.after.quantized.axis, pair.after.quantized.block, pair.after.node, pair.after.shape) == (0, 2, 0, (4, 2))
    plain = compared(
        PLAIN,
        model([helper.make_node("DequantizeLinear", ["Q", "s"], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])], Q, S),
    )
    assert plain.constants[0].after.quantized.zero_point is None
    empty = compared(
        PLAIN,
        model([helper.make_node("DequantizeLinear", ["Q", "s", ""], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])], Q, S),
    )
    assert empty.constants[0].after.quantized.zero_point is None


@pytest.mark.parametrize(
    "inputs",
    [["Q"], ["x", "s"], ["Q", "x"], ["Q", "s", "x"], ["Q", "s", "z", "z"]],
    ids=["one", "value", "scale", "zero", "many"],
)
def test_dequantizing_what_is_computed_is_a_node_like_any_other(inputs: list[str]) -> None:
    nodes = [helper.make_node("DequantizeLinear", inputs, ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    found = compared(model(nodes, Q, S, Z), model(nodes, Q, S, Z))
    assert counts(found) == (2, 0, 0, 0)
    assert all(pair.after.quantized is None for pair in found.constants)


def test_what_is_left_is_paired_by_the_name_that_onnxruntime_gives_and_then_in_order() -> None:
    plain = model(
        [
            helper.make_node("MatMul", ["x", "A"], ["h"]),
            helper.make_node("MatMul", ["x", "B"], ["i"]),
            helper.make_node("Add", ["h", "i"], ["y"]),
        ],
        ("A", W[1]),
        ("B", W[1]),
    )

    def integers(*names: str) -> onnx.ModelProto:
        nodes = [
            helper.make_node("DynamicQuantizeMatMul", ["x", name, "s"], [out], domain="com.microsoft")
            for name, out in zip(names, "hi", strict=True)
        ]
        return model([*nodes, helper.make_node("Add", ["h", "i"], ["y"])], *((name, Q[1]) for name in names), S)

    swapped = compared(plain, integers("B_quantized", "A_quantized"))
    assert {(pair.before.name, pair.after.name) for pair in swapped.constants} == {("A", "A_quantized"), ("B", "B_quantized")}
    other = compared(plain, integers("p", "q"))
    assert [(pair.before.name, pair.after.name) for pair in other.constants] == [("A", "p"), ("B", "q")]


def test_a_weight_whose_node_is_another_one_is_found_by_name_and_type() -> None:
    gemm = model([helper.make_node("Gemm", ["x", "W"], ["y"])], W)
    found = compared(PLAIN, gemm)
    assert counts(found) == (0, 0, 1, 1)
    assert [(pair.before.name, pair.after.name) for pair in found.constants] == [("W", "W")]
    assert (found.only_before, found.only_after) == ((), ())


def test_scales_and_zero_points_are_compared_where_both_have_them() -> None:
    def dequantized(*inputs: str) -> onnx.ModelProto:
        nodes = [helper.make_node("DequantizeLinear", inputs, ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
        return model(nodes, Q, S, Z)

    both = compared(dequantized("Q", "s", "z"), dequantized("Q", "s", "z"))
    assert {pair.before.name for pair in both.constants} == {"Q", "s", "z"}
    one = compared(dequantized("Q", "s", "z"), dequantized("Q", "s"))
    assert {pair.before.name for pair in one.constants} == {"Q", "s"}


def test_matrices_that_were_transposed_to_be_quantized() -> None:
    gemm = model([helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)], ("W", np.ones((2, 4), np.float32)))
    integers = model([helper.make_node("DynamicQuantizeMatMul", ["x", "Q", "s"], ["y"], domain="com.microsoft")], Q, S)
    for before, after in ((gemm, integers), (integers, gemm)):
        (pair,) = compared(before, after).constants
        assert pair.transposed
        assert pair.before.shape == pair.after.shape[::-1]
    cube = model([helper.make_node("Gemm", ["x", "W"], ["y"])], ("W", np.ones((2, 4, 4), np.float32)))
    assert compared(cube, integers).constants == ()


def test_square_matrices_are_transposed_where_their_name_says_so() -> None:
    square = ("W", np.ones((4, 4), np.float32))
    gemm = model([helper.make_node("Gemm", ["x", "W"], ["y"], transB=1)], square)

    def integers(name: str) -> onnx.ModelProto:
        node = helper.make_node("DynamicQuantizeMatMul", ["x", name, "s"], ["y"], domain="com.microsoft")
        return model([node], (name, np.ones((4, 4), np.int8)), S)

    assert [pair.transposed for pair in compared(gemm, integers("W_Transposed_quantized")).constants] == [True]
    assert [pair.transposed for pair in compared(gemm, integers("W_quantized")).constants] == [False]
    assert [pair.transposed for pair in compared(gemm, integers("other")).constants] == [False]
