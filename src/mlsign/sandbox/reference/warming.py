"""What the reference evaluator and numpy load at first use, loaded; and tiny models that take every way through them once."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Final

from onnx import TensorProto, helper
from onnx.reference import ops
from onnx.reference.ops import aionnx_preview_training, aionnxml

from mlsign.sandbox.values import Sequence, Strings, Tensor, Value

_LATE: Final = ("numpy.char", "numpy.fft", "numpy.linalg", "numpy.random")
"""Parts of numpy that operators name, and that it imports when they are first named."""


def load_everything() -> None:
    """Every operator's implementation and every part of numpy that one of them may name is imported."""
    for name in _LATE:
        importlib.import_module(name)
    ops.load_op("", "Abs", 1)
    aionnxml.load_op("ai.onnx.ml", "Scaler", 1)
    aionnx_preview_training.load_op("ai.onnx.preview.training", "Adam", 1)
    for domain in pkgutil.iter_modules(ops.__path__, f"{ops.__name__}."):  # not every version has the same ones
        if domain.ispkg:
            importlib.import_module(f"{domain.name}._op_list")


def warming_models() -> Iterator[tuple[bytes, Mapping[str, Value]]]:
    """Models with feeds for them."""
    numbers = Tensor("float", (2,), bytes(8))
    texts = Strings((2,), ("a", "b"))
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["x"], ["y"]),
            helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Identity", ["s"], ["t"]),
            helper.make_node("Identity", ["q"], ["r"]),
            helper.make_node("RandomNormalLike", ["x"], ["drawn"]),
        ],
        "warm",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("b", TensorProto.INT4, ["n"]),
            helper.make_tensor_value_info("s", TensorProto.STRING, ["n"]),
            helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("c", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("t", TensorProto.STRING, ["n"]),
            helper.make_tensor_sequence_value_info("r", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("drawn", TensorProto.FLOAT, ["n"]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    feeds: dict[str, Value] = {"x": numbers, "b": Tensor("int4", (2,), b"\x21"), "s": texts, "q": Sequence((numbers,))}
    yield model.SerializeToString(), feeds
