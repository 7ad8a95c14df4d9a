"""Weights in other files: beyond 2 GiB, in several files, and thousands of tensors in one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper

from mlsign.actions.inspection.findings import FindRequest, find
from mlsign.policy.model import Verdict

GIB = 1 << 30


def regions(places: list[tuple[str, int, int | None]], *, size: int = 4) -> ModelProto:
    """A model that adds a tensor of ``size`` floats for each place (file, offset, length) to its input."""
    weights, nodes, last = [], [], "x"
    for index, (location, offset, length) in enumerate(places):
        tensor = TensorProto(name=f"w{index}", data_type=TensorProto.FLOAT, dims=[size])
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": str(offset)} | ({} if length is None else {"length": str(length)})
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        weights.append(tensor)
        nodes.append(helper.make_node("Add", [last, tensor.name], [f"y{index}"]))
        last = f"y{index}"
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "g", shape[:1], shape[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def judge(folder: Path, model: ModelProto) -> list[str]:
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    found = find(folder / "model.onnx", FindRequest())
    codes = sorted({finding.code for judged in found.models for finding in judged.wrong})
    assert (found.verdict is Verdict.ALLOW) == (not codes)
    return codes


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder with ``w.bin`` of 5 GiB; holes take no room, and nobody may read them anyway."""
    with (tmp_path / "w.bin").open("wb") as file:
        os.truncate(file.fileno(), 5 * GIB)
    return tmp_path


@pytest.mark.parametrize("offset", [0, 2 * GIB - 16, 2 * GIB, 4 * GIB - 16, 4 * GIB, 5 * GIB - 16])
def test_a_region_beyond_two_and_four_gibibytes_is_in_order(large: Path, offset: int) -> None:
    assert judge(large, regions([("w.bin", offset, 16)])) == []


@pytest.mark.parametrize("offset", [5 * GIB - 12, 5 * GIB, 2**62, 2**63 - 1])
def test_a_region_that_ends_beyond_its_file_is_refused_however_large_the_numbers(large: Path, offset: int) -> None:
    assert judge(large, regions([("w.bin", offset, 16)])) == ["MLS315"]


def test_one_tensor_above_two_gibibytes(large: Path) -> None:
    model = regions([("w.bin", 0, 3 * GIB)], size=3 * GIB // 4)
    codes = judge(large, model)
    assert codes == ["MLS380"], "the weights are there, and what adds them takes as much again"


def test_overlap_is_found_beyond_four_gibibytes(large: Path) -> None:
    assert judge(large, regions([("w.bin", 4 * GIB, 16), ("w.bin", 4 * GIB + 8, 16)])) == ["MLS316"]


def test_weights_in_several_files(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin", "c.bin"):
        (tmp_path / name).write_bytes(bytes(32))
    places = [("a.bin", 0, 16), ("b.bin", 16, 16), ("a.bin", 16, 16), ("c.bin", 0, 16)]
    assert judge(tmp_path, regions(places)) == []
    (tmp_path / "b.bin").unlink()
    assert judge(tmp_path, regions(places)) == ["MLS311"]


def test_thousands_of_tensors_in_one_file(tmp_path: Path) -> None:
    count = 5000
    (tmp_path / "w.bin").write_bytes(bytes(16 * count))
    places = [("w.bin", 16 * index, 16) for index in range(count)]
    assert judge(tmp_path, regions(places)) == []
    places[count // 2] = ("w.bin", 16 * (count // 2) - 4, 16)
    assert judge(tmp_path, regions(places)) == ["MLS316"]
