"""A native XGBoost file, as R and the JVM write it, to a signed package.

    xgb.save(model, "wine.ubj")          R
    booster.saveModel("wine.ubj")        XGBoost4J, and model.nativeBooster.saveModel(...) of XGBoost4J-Spark

The file is written by the same C++ code in every language, so it is read here by the Python library. This script trains the
model as well, and saves it natively; with a file from elsewhere, start where it is read.

Run: ``pip install -r requirements.txt && python convert_xgboost_file.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_wine


def train(native: Path, rows: np.ndarray, labels: np.ndarray) -> None:
    """What happens in R or on the JVM."""
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3}
    xgboost.train(settings, xgboost.DMatrix(rows, labels), num_boost_round=20).save_model(native)


def main() -> None:
    wine = load_wine()
    rows = wine.data.astype(np.float32)
    folder = Path(tempfile.mkdtemp())
    # Trap: .json and .ubj are read by every later version. The binary format of before (.model, .deprecated) is read by none since
    # XGBoost 3.1: load it with the version that wrote it and save it anew. saveRDS() and Java's serialization run code when loaded.
    native = folder / "wine.ubj"
    train(native, rows, wine.target)

    booster = xgboost.Booster(model_file=native)
    # Trap: a native file has no names of classes. R counts the levels of a factor from 1, XGBoost from 0: label 0 is level 1.
    types = [("rows", FloatTensorType([None, booster.num_features()]))]
    exported = convert_xgboost(booster, initial_types=types, target_opset=15)
    path = folder / "wine.onnx"
    path.write_bytes(exported.SerializeToString())

    # The best golden vectors are the answers of R or the JVM themselves: write.csv(predict(model, rows)), read with numpy.loadtxt.
    probabilities = booster.predict(xgboost.DMatrix(rows))
    release(
        "wine",
        path,
        inputs={"rows": rows},
        expected={"label": probabilities.argmax(axis=1), "probabilities": probabilities},
        rtol=1e-5,
        atol=1e-6,
    )


if __name__ == "__main__":
    main()
