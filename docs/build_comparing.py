"""Runs every ``mlsign diff`` that comparing.md shows, on models made here, and writes down what comes out.

``--check`` writes nothing and ends with 1 when something else would come out. Numbers do not count for that: the last digits of
a training are those of the machine that trains.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

PAGE = Path(__file__).resolve().parent / "comparing.md"
_SHOWN = re.compile(r"^```console\n\$ (mlsign diff [^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(\.\d+)?(e[+-]?\d+)?")
_LAST = "coefficient1"


def make(place: Path) -> None:
    """The models of the page: two trainings, a fine-tune, a quantized, a renamed and a spliced version of the first one."""
    rows, labels = load_iris(return_X_y=True)
    np.savez(place / "rows.npz", X=rows.astype(np.float32))
    models = [MLPClassifier(hidden_layer_sizes=(16,), random_state=seed, max_iter=2000).fit(rows, labels) for seed in (1, 2)]
    trained, retrained = (_exported(model) for model in models)
    onnx.save(trained, place / "trained.onnx")
    onnx.save(retrained, place / "retrained.onnx")
    onnx.save(_tuned(trained, models[0], rows, labels), place / "tuned.onnx")
    onnx.save(_renamed(trained), place / "renamed.onnx")
    onnx.save(_spliced(trained), place / "spliced.onnx")
    _quantize(place / "trained.onnx", place / "quantized.onnx")


def _exported(model: MLPClassifier) -> onnx.ModelProto:
    inputs = [("X", FloatTensorType([None, 4]))]
    return to_onnx(model, initial_types=inputs, options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})


def _tuned(trained: onnx.ModelProto, model: MLPClassifier, rows: np.ndarray, labels: np.ndarray) -> onnx.ModelProto:
    """The last layer trained on for a little while, with everything before it as it was."""
    hidden = np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0)
    last = model.coefs_[1].copy()
    for _ in range(50):
        scores = np.exp(hidden @ last + model.intercepts_[1])
        last -= 0.001 * hidden.T @ (scores / scores.sum(axis=1, keepdims=True) - np.eye(3)[labels]) / len(rows)
    return _changed(trained, {_LAST: last})


def _changed(model: onnx.ModelProto, values: dict[str, np.ndarray]) -> onnx.ModelProto:
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for tensor in out.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return out


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Other names for everything but what the model takes and gives."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    names = {spec.name: spec.name for spec in (*out.graph.input, *out.graph.output)}

    def other(name: str) -> str:
        return names.setdefault(name, f"t{len(names)}")

    for tensor in out.graph.initializer:
        tensor.name = other(tensor.name)
    for index, node in enumerate(out.graph.node):
        node.name = f"op{index}"
        node.input[:] = map(other, node.input)
        node.output[:] = map(other, node.output)
    return out


def _spliced(model: onnx.ModelProto) -> onnx.ModelProto:
    """One node put in, behind the first layer."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    index = next(index for index, node in enumerate(out.graph.node) if node.op_type == "Relu")
    value = out.graph.node[index].output[0]
    out.graph.node[index].output[0] = "before_tanh"
    out.graph.node.insert(index + 1, helper.make_node("Tanh", ["before_tanh"], [value], name="put_in"))
    return out


def _quantize(source: Path, target: Path) -> None:
    logging.disable()  # it advises to prepare the model, by the root logger
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_dynamic(source, target, weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)


def printed(command: str, place: Path) -> str:
    """What the command prints in that folder, with its exit code below."""
    argv = [sys.executable, "-m", *shlex.split(command)]
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR")} | {"COLUMNS": "110"}
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=False, env=env)  # noqa: S603 - our own program
    return f"{done.stdout}{done.stderr}"


def build(page: str, place: Path) -> str:
    """The page, with what its commands print now."""
    return _SHOWN.sub(lambda shown: f"```console\n$ {shown[1]}\n{printed(shown[1], place)}```", page)


def without_numbers(page: str) -> str:
    """What is held against each other: how a line breaks follows from its numbers as well."""
    return " ".join(_NUMBER.sub("0", page).split())


def main() -> int:
    """Writes the page; 1 if ``--check`` finds a difference."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        make(Path(place))
        fresh = build(page, Path(place))
    if "--check" in sys.argv[1:]:
        return 0 if without_numbers(page) == without_numbers(fresh) else 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
