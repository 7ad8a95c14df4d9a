"""LightGBM to a signed package: a regression on the diabetes data set, exported by onnxmltools.

Run: ``pip install -r requirements.txt && python train_lightgbm.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split


def main() -> None:
    diabetes = load_diabetes(scaled=False)
    # Trap: LightGBM splits in float64, and what is exported compares in float32. Values that differ only beyond the seventh
    # digit (times in seconds since 1970, account numbers) are one number then, and rows go to the wrong leaf without a word. So
    # the data is float32 before anything learns from it: what cannot be told apart later is not told apart in training either.
    features = diabetes.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(features, diabetes.target, test_size=0.3, random_state=1)
    model = lightgbm.LGBMRegressor(n_estimators=300, num_leaves=15, verbose=-1, random_state=1)
    model.fit(train_x, train_y, eval_X=test_x, eval_y=test_y, callbacks=[lightgbm.early_stopping(10, verbose=False)])
    print(f"{model.best_iteration_} trees")

    # Trap: a classifier ends in ZipMap, a list with a dictionary for each row, unless zipmap=False is given here.
    types = [("rows", FloatTensorType([None, features.shape[1]]))]
    exported = convert_lightgbm(model, initial_types=types, target_opset=15)
    path = Path(tempfile.mkdtemp()) / "diabetes.onnx"
    path.write_bytes(exported.SerializeToString())

    release(
        "diabetes",
        path,
        inputs={"rows": test_x},
        # One column, as the model gives it. Its sums are float32: six digits of a number near 150, so the tolerance is relative.
        expected={"variable": model.predict(test_x).reshape(-1, 1)},
        rtol=1e-5,
        atol=1e-6,
    )


if __name__ == "__main__":
    main()
