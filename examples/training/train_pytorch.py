"""PyTorch to a signed package: a small convolutional network on the digits data set, exported by torch.onnx.

Run: ``pip install -r requirements.txt -r requirements-torch.txt && python train_pytorch.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from release import release
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def train(images: np.ndarray, labels: np.ndarray) -> nn.Module:
    torch.manual_seed(1)
    features = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*features, nn.Dropout(0.2), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(images)), torch.from_numpy(labels)).backward()
        optimizer.step()
    # Trap: in training mode Dropout draws random numbers, which the baseline policy refuses, and BatchNorm looks at the batch.
    return nn.Sequential(model, nn.Softmax(dim=1)).eval()


def main() -> None:
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    train_x, test_x, train_y, test_y = train_test_split(images, digits.target, test_size=0.3, random_state=1)
    model = train(train_x, train_y)

    # Trap: what is not said to be dynamic is as large for ever as in the example: without dynamic_shapes this model would take
    # two images, no more and no fewer.
    program = torch.onnx.export(
        model,
        (torch.from_numpy(train_x[:2]),),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes=[{0: torch.export.Dim("batch")}],
        opset_version=18,
        verbose=False,
    )
    # Trap: every node brings a stack trace along, with paths and lines of the code that made it, for all who get the model.
    for node in program.model.graph:
        node.metadata_props.clear()
    path = Path(tempfile.mkdtemp()) / "digits.onnx"
    # Weights above 2 GiB go to a file of their own, digits.onnx.data; `mlsign pack` finds and packs it.
    program.save(path)

    with torch.no_grad():
        answers = model(torch.from_numpy(test_x)).numpy()
    print(f"accuracy {np.mean(answers.argmax(axis=1) == test_y):.3f}")
    release("digits", path, inputs={"images": test_x}, expected={"probabilities": answers}, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    main()
