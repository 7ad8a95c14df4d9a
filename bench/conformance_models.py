"""The models in an unpacked wheel of onnx that have golden data: inputs and expected outputs beside each, or made as ONNX makes them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

GROUPS = {
    "node": "operators",
    "simple": "small graphs",
    "pytorch-operator": "exports of PyTorch's operators",
    "pytorch-converted": "exports of PyTorch's modules",
    "light": "networks, their weights replaced by constants",
}
"""Folders in ``backend/test/data``, and what is in them."""
RTOL, ATOL = 1e-3, 1e-7
"""What ONNX's own runner allows, where a model says nothing else (``onnx/backend/test/loader``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One test: where it is, its sets of golden data, and how far off an answer may be."""

    group: str
    name: str
    path: Path
    sets: tuple[Path, ...]
    rtol: float = RTOL
    atol: float = ATOL


def find_models(folder: Path, *, made: Path | None = None) -> list[Model]:
    """Every model with golden data below an unpacked wheel, in groups, by name.

    The networks come without inputs, which are put into ``made``; without it the networks are left out.
    """
    data = folder / "onnx" / "backend" / "test" / "data"
    out = []
    for group in GROUPS:
        for place in sorted((data / group).glob("test_*")):
            path, sets = place / "model.onnx", tuple(sorted(place.glob("test_data_set_*")))
            if path.is_file() and sets:
                said = place / "data.json"
                own = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else {}
                rtol, atol = float(own.get("rtol", RTOL)), float(own.get("atol", ATOL))
                out.append(Model(group=group, name=place.name.removeprefix("test_"), path=path, sets=sets, rtol=rtol, atol=atol))
    if made is not None:
        out += [with_inputs(path, made / path.stem) for path in sorted((data / "light").glob("*.onnx"))]
    return out


def with_inputs(path: Path, folder: Path) -> Model:
    """A network with the inputs that ONNX's runner makes for it: numbers from 0 to 1 in equal steps."""
    folder = folder / "test_data_set_0"
    folder.mkdir(parents=True)
    graph = onnx.load(path).graph
    held = {item.name for item in graph.initializer}
    for number, item in enumerate(item for item in graph.input if item.name not in held):
        shape = tuple(size.dim_value if size.HasField("dim_value") else 1 for size in item.type.tensor_type.shape.dim)
        count = int(np.prod(shape))
        steps = (np.arange(count).reshape(shape) / count).astype(np.float32)
        (folder / f"input_{number}.pb").write_bytes(onnx.numpy_helper.from_array(steps).SerializeToString())
    for number in range(len(graph.output)):
        shutil.copy(path.with_name(f"{path.stem}_output_{number}.pb"), folder / f"output_{number}.pb")
    return Model(group="light", name=path.stem, path=path, sets=(folder,))
