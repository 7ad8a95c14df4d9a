"""Trains the classifier of this example and writes ``model.onnx`` and ``rows.csv`` beside this file.

A small neural network on scaled measurements of iris flowers, exported to ONNX. The same versions of scikit-learn and
skl2onnx give the same bytes. Needs both; using the example needs neither.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
INPUT = "measurements"
COLUMNS = "sepal_length,sepal_width,petal_length,petal_width"
SEED = 7


def main() -> None:
    """Trains, says how good the model is, writes the model and ten rows that it has not seen."""
    iris = load_iris()
    features = iris.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        features, iris.target, test_size=0.3, random_state=SEED, stratify=iris.target
    )
    model = make_pipeline(
        StandardScaler(), MLPClassifier((16,), solver="lbfgs", alpha=0.1, max_iter=1000, random_state=SEED)
    ).fit(train_x, iris.target_names[train_y])
    print(f"accuracy on {len(test_y)} rows that it has not seen: {model.score(test_x, iris.target_names[test_y]):.3f}")

    # zipmap would give one map a row; a table of probabilities is what services and spreadsheets want.
    rows = FloatTensorType([None, features.shape[1]])
    exported = to_onnx(model, initial_types=[(INPUT, rows)], options={id(model): {"zipmap": False}}, target_opset=17)
    exported.graph.name = "iris"
    (HERE / "model.onnx").write_bytes(exported.SerializeToString(deterministic=True))

    lines = [COLUMNS, *(",".join(f"{value:.1f}" for value in row) for row in test_x[:10])]
    (HERE / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
