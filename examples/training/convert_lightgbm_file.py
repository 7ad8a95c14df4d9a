"""A native LightGBM file, as R and the JVM write it, to a signed package.

    lgb.save(model, "cancer.txt")                          R
    model.saveNativeModel("cancer.txt", true)              SynapseML on Spark

The file is text, and written by the same C++ code in every language, so it is read here by the Python library. This script
trains the model as well, and saves it natively; with a file from elsewhere, start where it is read.

Run: ``pip install -r requirements.txt && python convert_lightgbm_file.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_breast_cancer


def train(native: Path, rows: np.ndarray, labels: np.ndarray) -> None:
    """What happens in R or on the JVM."""
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "seed": 1}
    lightgbm.train(settings, lightgbm.Dataset(rows, labels), num_boost_round=40).save_model(native)


def main() -> None:
    cancer = load_breast_cancer()
    rows = cancer.data.astype(np.float32)
    folder = Path(tempfile.mkdtemp())
    native = folder / "cancer.txt"
    train(native, rows, cancer.target)

    booster = lightgbm.Booster(model_file=native)
    types = [("rows", FloatTensorType([None, booster.num_feature()]))]
    exported = convert_lightgbm(booster, initial_types=types, target_opset=15, zipmap=False)
    path = folder / "cancer.onnx"
    path.write_bytes(exported.SerializeToString())

    # Trap: of two classes LightGBM gives the probability of the second one alone, and no label.
    # The best golden vectors are the answers of R or the JVM themselves: write.csv(predict(model, rows)), read with numpy.loadtxt.
    second = booster.predict(rows)
    release(
        "cancer",
        path,
        inputs={"rows": rows},
        expected={"label": (second > 0.5).astype(np.int64), "probabilities": np.stack([1 - second, second], axis=1)},
        rtol=1e-5,
        atol=1e-6,
    )


if __name__ == "__main__":
    main()
