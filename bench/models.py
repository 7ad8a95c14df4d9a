"""Models and trees of files to measure with: random bytes on the disk, nothing sparse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

COLUMNS = 1024
PIECE_BYTES = 16 * 1024**2
FILES_IN_FOLDER = 1000


def write_random(path: Path, size: int, *, seed: int = 0) -> None:
    """A file of ``size`` random bytes. One that is there already is cut, or goes on."""
    dice = np.random.SFC64([seed, path.stat().st_size if path.exists() else 0])
    with path.open("ab") as file:
        file.truncate(min(size, file.tell()))
        left = size - file.tell()
        while left > 0:
            piece = dice.random_raw(PIECE_BYTES // 8).data.cast("B")[:left]
            file.write(piece)
            left -= len(piece)


def write_matrices(path: Path, weights: Mapping[str, int]) -> None:
    """A model that multiplies its input by matrices, which lie in files beside it: so many bytes in the file of each name."""
    matrices, nodes, made = [], [], []
    for index, (location, size) in enumerate(weights.items()):
        dims = [COLUMNS, size // 4 // COLUMNS]
        matrix = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            matrix.external_data.add(key=key, value=value)
        matrices.append(matrix)
        made.append(f"y{index}")
        nodes.append(helper.make_node("MatMul", ["x", f"w{index}"], [made[-1]]))
    nodes.append(helper.make_node("Concat", made, ["y"], axis=1))
    save(path, nodes, matrices, width=COLUMNS, out=sum(weights.values()) // 4 // COLUMNS)


def write_perceptron(path: Path) -> None:
    """Two layers, 64 inputs and 8 outputs."""
    dice = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(dice.standard_normal(shape, dtype=np.float32), name)
        for name, shape in (("w1", (64, 64)), ("b1", (64,)), ("w2", (64, 8)), ("b2", (8,)))
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"]),
    ]
    save(path, nodes, weights, width=64, out=8)


def write_files(folder: Path, *, count: int, size: int) -> None:
    """So many files of random bytes, in folders of a thousand."""
    dice = np.random.SFC64(0)
    for index in range(count):
        if index % FILES_IN_FOLDER == 0:
            inner = folder / f"{index // FILES_IN_FOLDER:03}"
            inner.mkdir(parents=True)
        (inner / f"{index:06}.bin").write_bytes(dice.random_raw(size // 8 + 1).data.cast("B")[:size])


def save(path: Path, nodes: list[onnx.NodeProto], weights: list[TensorProto], *, width: int, out: int) -> None:
    """Writes a model with one input ``x`` and one output ``y``, any number of rows each."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, out])
    graph = helper.make_graph(nodes, "bench", [x], [y], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
