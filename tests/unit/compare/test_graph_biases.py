"""Biases of operators on whole numbers stand for the scale of the weight times that of the input; weights may be turned around."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph_kit import compared
from onnx import helper, numpy_helper

W = ("W", np.ones((2, 4), np.float32))
B = ("b", np.ones(2, np.float32))
INTEGERS = (("Q", np.ones((2, 4), np.int8)), ("c", np.ones(2, np.int32)))
SCALES = (
    ("s", np.float32([0.5, 0.25])),
    ("xs", np.float32(0.1)),
    ("ys", np.float32(0.2)),
    ("z", np.int8(0)),
    ("wide", np.ones(2, np.float32)),
)


def model(nodes, *weights) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info("x", 1, ["N", 4])], [helper.make_tensor_value_info("y", 1, ["N", 2])]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, tensors), opset_imports=opsets, ir_version=10)


GEMM = model([helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1)], W, B)


def quantized(*, given: str = "xs", bias: str = "c", **attributes) -> onnx.ModelProto:
    taken = ["q", given, "z", "Q", "s", "z", bias, "ys", "z"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "z"], ["q"]),
        helper.make_node("QGemm", taken, ["r"], domain="com.microsoft", **attributes),
        helper.make_node("DequantizeLinear", ["r", "ys", "z"], ["y"]),
    ]
    return model(nodes, *INTEGERS, *SCALES)


def biases(found) -> list[tuple[str, str, str]]:
    pairs = (pair for pair in found.constants if pair.before.name == "b" and pair.after.quantized.factor is not None)
    return [(pair.after.name, pair.after.quantized.scale.name, pair.after.quantized.factor.name) for pair in pairs]


def test_a_bias_is_paired_with_the_one_in_floats_and_only_its_factor_is_a_weight_of_its_own() -> None:
    found = compared(GEMM, quantized(transB=1))
    assert biases(found) == [("c", "s", "xs")]
    left = {constant.name for constant in found.only_after}
    assert "xs" in left
    assert not {"s", "c", "Q"} & left
    assert found.only_before == ()
    back = compared(quantized(transB=1), GEMM)
    assert [(pair.before.quantized.factor.name, pair.after.name) for pair in back.constants if pair.after.name == "b"] == [
        ("xs", "b")
    ]


@pytest.mark.parametrize(("turned", "axis"), [({"transB": 1}, 0), ({"transB": 0}, 1), ({}, 1)])
def test_scales_are_along_the_outputs(turned: dict[str, int], axis: int) -> None:
    found = compared(GEMM, quantized(**turned))
    weights = [pair.after.quantized for pair in found.constants if pair.before.name == "W"]
    assert [scaling.axis for scaling in weights] == [axis]


@pytest.mark.parametrize(
    "odd",
    [quantized(alpha=2.0), quantized(given="x"), quantized(given="wide"), quantized(bias="x"), quantized(bias="")],
    ids=["multiplied", "computed scale", "several scales", "computed bias", "no bias"],
)
def test_a_bias_of_an_unknown_scale_is_told_as_added(odd: onnx.ModelProto) -> None:
    found = compared(GEMM, odd)
    assert biases(found) == []
    assert [constant.name for constant in found.only_before] == ["b"]


def test_codes_of_codes_are_no_bias_and_no_weight() -> None:
    made = quantized(transB=1)
    made.graph.node.insert(0, helper.make_node("DequantizeLinear", ["Q", "xs"], ["QQ"]))
    made.graph.node.insert(0, helper.make_node("DequantizeLinear", ["c", "xs"], ["cc"]))
    made.graph.node[3].input[3], made.graph.node[3].input[6] = "QQ", "cc"
    assert biases(compared(GEMM, made)) == []


def test_two_ways_of_quantizing_are_compared_by_their_codes() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["Q", "s"], ["W"], axis=0),
        helper.make_node("DequantizeLinear", ["c", "cs"], ["b"], axis=0),
        helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1),
    ]
    found = compared(model(nodes, *INTEGERS, SCALES[0], ("cs", np.float32([0.05, 0.025]))), quantized(transB=1))
    pairs = {(pair.before.name, pair.after.name) for pair in found.constants}
    assert {("Q", "Q"), ("c", "c"), ("s", "s")} <= pairs
    assert ("cs", "s") not in pairs


@pytest.mark.parametrize("turned", [False, True])
def test_what_a_quantizer_only_renames_is_the_same_weight(turned: bool) -> None:
    cast = [helper.make_node("Cast", ["b_quantized"], ["b"], to=1), helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1)]
    after = model(cast, W, ("b_quantized", B[1]))
    found = compared(after, GEMM) if turned else compared(GEMM, after)
    assert (found.only_before, found.only_after) == ((), ())
