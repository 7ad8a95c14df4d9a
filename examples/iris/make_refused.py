"""Writes ``refused.onnx`` beside this file: a model that behaves until somebody sends the right row.

It takes and gives what ``model.onnx`` does and answers at once, except where a row begins with more than 1000: then a
Loop, hidden in one branch of an If, spins a thousand million times. No test with honest rows takes that branch, which
is why operators are checked, and what a run takes is computed, over all branches and not over those that happen to be
taken. Needs the onnx package.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HERE = Path(__file__).parent
SPINS = 1_000_000_000


def main() -> None:
    """Writes the model."""
    (HERE / "refused.onnx").write_bytes(build().SerializeToString(deterministic=True))


def build() -> object:
    """The model, valid by ONNX's own checker."""
    spin = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["seen"], ["seen_again"])],
        "spin",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("seen", TensorProto.FLOAT, [None, 3]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("seen_again", TensorProto.FLOAT, [None, 3]),
        ],
    )
    slow = helper.make_graph(
        [helper.make_node("Loop", ["spins", "", "scores"], ["slow_scores"], body=spin)],
        "slow",
        [],
        [helper.make_tensor_value_info("slow_scores", TensorProto.FLOAT, [None, 3])],
    )
    quick = helper.make_graph(
        [helper.make_node("Identity", ["scores"], ["quick_scores"])],
        "quick",
        [],
        [helper.make_tensor_value_info("quick_scores", TensorProto.FLOAT, [None, 3])],
    )
    nodes = [
        helper.make_node("MatMul", ["measurements", "weights"], ["scores"]),
        helper.make_node("ReduceMax", ["measurements"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "trigger"], ["triggered"]),
        helper.make_node("If", ["triggered"], ["probabilities"], then_branch=slow, else_branch=quick),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    weights = np.array([[0.4, -0.1, -0.3], [1.2, -0.6, -0.6], [-0.9, 0.3, 0.6], [-0.8, -0.2, 1.0]], dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "iris",
        [helper.make_tensor_value_info("measurements", TensorProto.FLOAT, [None, 4])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 3]),
        ],
        initializer=[
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(1000.0, dtype=np.float32), "trigger"),
            numpy_helper.from_array(np.array(SPINS, dtype=np.int64), "spins"),
        ],
    )
    model = helper.make_model(graph, producer_name="a stranger", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    main()
