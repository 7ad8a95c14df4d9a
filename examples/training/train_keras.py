"""TensorFlow (Keras) to a signed package: a small network on the breast cancer data set, exported by tf2onnx.

Run: ``pip install -r requirements.txt && python train_keras.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from release import release
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> None:
    import keras  # once TensorFlow was told to say less

    keras.utils.set_random_seed(1)
    cancer = load_breast_cancer()
    features = cancer.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(features, cancer.target, test_size=0.3, random_state=1)
    scale = keras.layers.Normalization()
    scale.adapt(train_x)
    hidden, last = keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((features.shape[1],), name="rows"), scale, hidden, last])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(train_x, train_y, epochs=20, verbose=0)
    print(f"accuracy {model.evaluate(test_x, test_y, verbose=0)[1]:.3f}")

    # Trap: Keras 3 exports ONNX by itself, model.export("cancer.onnx", format="onnx"), and what the Normalization layer learned
    # comes out as two more inputs of the model, for every caller to choose. tf2onnx.convert.from_keras fails at Keras 3. By way
    # of a SavedModel, constants stay constants. tf2onnx before 1.17 also wants an older numpy and protobuf than TensorFlow.
    folder = Path(tempfile.mkdtemp())
    path = folder / "cancer.onnx"
    model.export(folder / "saved", verbose=False)
    tool = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", folder / "saved", "--output", path, "--opset", "18"]
    subprocess.run(tool, check=True, capture_output=True)

    # Names are TensorFlow's: the input is that of keras.Input, the output one of a SavedModel.
    answers = model.predict(test_x, verbose=0)
    release("cancer", path, inputs={"rows": test_x}, expected={"output_0": answers}, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    main()
