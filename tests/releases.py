"""Releases of one model whose weights lie in several files, most of which are the same from one release to the next."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from making import Pair
from onnx import TensorProto, helper

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.signing.sign import sign
from mlsign.digest import Algorithm
from mlsign.paths import PackagePath

SIDE = 512
BYTES = SIDE * SIDE * 4
"""Of each file of weights: as much as the smallest file that a store takes."""
FILES = tuple(PackagePath(f"w{n}.bin") for n in range(3))


def write_release(folder: Path, *, seeds: Iterable[int] = (0, 1, 2)) -> Path:
    """``y = x (W0 + W1 + W2)`` with a file for each matrix, filled from its seed. Files that are the same already are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors, nodes, last = [], [], ""
    for path, seed in zip(FILES, seeds, strict=True):
        data = np.random.default_rng(seed).standard_normal((SIDE, SIDE), dtype=np.float32).tobytes()
        place = folder / path
        if not place.exists() or place.read_bytes() != data:
            place.unlink(missing_ok=True)
            place.write_bytes(data)
        name = path.text.removesuffix(".bin")
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[SIDE, SIDE], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", str(path)), ("offset", "0"), ("length", str(BYTES))):
            tensor.external_data.add(key=key, value=value)
        tensors.append(tensor)
        if last:
            nodes.append(helper.make_node("Add", [last, name], [f"s{name}"]))
        last = f"s{name}" if last else name
    nodes.append(helper.make_node("MatMul", ["x", last], ["y"]))
    value = helper.make_tensor_value_info
    inputs, outputs = [value("x", TensorProto.FLOAT, ["n", SIDE])], [value("y", TensorProto.FLOAT, ["n", SIDE])]
    graph = helper.make_graph(nodes, "sum", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(folder / "model.onnx"))
    return folder / "model.onnx"


def make_release(
    folder: Path,
    version: str,
    signers: Iterable[Pair],
    *,
    seeds: Iterable[int] = (0, 1, 2),
    algorithm: Algorithm = Algorithm.BLAKE3,
    store: Path | None = None,
) -> Path:
    """A signed package of a release."""
    model = write_release(folder / "source", seeds=seeds)
    package = folder / f"sum-{version}"
    pack(PackRequest(model=model, output=package, algorithm=algorithm, store=store))
    for pair in signers:
        sign(package, pair.signer, store=store)
    return package
