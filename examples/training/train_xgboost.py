"""XGBoost to a signed package: a classifier on the breast cancer data set, exported by onnxmltools.

Run: ``pip install -r requirements.txt && python train_xgboost.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main() -> None:
    cancer = load_breast_cancer()
    # XGBoost keeps its data in float32 itself. Told here, it is the same for whoever scores.
    features = cancer.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(features, cancer.target, test_size=0.3, random_state=1)
    model = xgboost.XGBClassifier(n_estimators=200, max_depth=4, early_stopping_rounds=10, random_state=1)
    model.fit(train_x, train_y, eval_set=[(test_x, test_y)], verbose=False)

    # Trap: after an early stop the model has trees that `predict` leaves out, everything behind `best_iteration`. onnxmltools
    # leaves them out as well; a model that was saved and loaded by other means may not know of them any more.
    print(f"{model.best_iteration + 1} trees count, of {model.get_booster().num_boosted_rounds()}")
    # Trap: since XGBoost 3.1 the base score, what every prediction starts from, is a list and found from the data. onnxmltools
    # 1.14 fails at it, and a converter that ignored it would shift every answer by the same amount.
    types = [("rows", FloatTensorType([None, features.shape[1]]))]
    exported = convert_xgboost(model, initial_types=types, target_opset=15)
    path = Path(tempfile.mkdtemp()) / "cancer.onnx"
    path.write_bytes(exported.SerializeToString())

    release(
        "cancer",
        path,
        inputs={"rows": test_x},
        expected={"label": model.predict(test_x).astype(np.int64), "probabilities": model.predict_proba(test_x)},
        rtol=1e-5,
        atol=1e-6,
    )


if __name__ == "__main__":
    main()
