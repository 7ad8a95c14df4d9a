"""scikit-learn to a signed package: a vote of a linear model and boosted trees on the wine data set, exported by skl2onnx.

Run: ``pip install -r requirements.txt && python train_sklearn.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from release import release
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    wine = load_wine()
    # Trap: scikit-learn computes in float64, exported models in float32. A value just below the threshold of a tree in one is
    # on it in the other, and the row goes to another leaf. So the data is float32 before anything learns from it, and trees
    # get it as it is: behind a StandardScaler they would compare what the two sides have rounded in different ways.
    features = wine.data.astype(np.float32)
    train_x, test_x, train_y, _ = train_test_split(features, wine.target_names[wine.target], test_size=0.4, random_state=1)
    line = make_pipeline(StandardScaler(), LogisticRegression())
    trees = GradientBoostingClassifier(n_estimators=30, random_state=1)
    # Trap: not every option of every estimator has a converter. This one is refused while it flattens what the two say.
    model = VotingClassifier([("line", line), ("trees", trees)], voting="soft", flatten_transform=False).fit(train_x, train_y)

    # Trap: by default a classifier ends in ZipMap and gives a list with a dictionary for each row, which no .npz and no CSV of
    # numbers holds. Without it the probabilities are an array. Versions of operators that are named do not change with the
    # version of the exporter.
    exported = to_onnx(model, train_x[:1], options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    path = Path(tempfile.mkdtemp()) / "wine.onnx"
    path.write_bytes(exported.SerializeToString())

    release(
        "wine",
        path,
        inputs={"X": test_x},
        expected={"label": model.predict(test_x), "probabilities": model.predict_proba(test_x)},
        rtol=1e-4,
        atol=1e-5,
    )


if __name__ == "__main__":
    main()
