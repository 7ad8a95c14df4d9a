"""A native XGBoost file, as R and the JVM write it, to a signed package.

    xgb.save(model, "wine.ubj")          R
    booster.saveModel("wine.ubj")        XGBoost4J, and model.nativeBooster.saveModel(...) of XGBoost4J-Spark

The file is written by the same C++ code in every language, so it is read here by the Python library. With three arguments the
script takes a file from elsewhere, rows, and what R or the JVM answered to them, both as CSV without a header; without arguments
it trains a model itself and saves it natively.

Run: ``pip install -r requirements.txt && python convert_xgboost_file.py [--all-rounds] [wine.ubj rows.csv answers.csv]``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import xgboost
from native_files import asked_files, read_table, rows_at_splits, table_of, try_export
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_wine

CLASSIFIERS = frozenset({"binary:logistic", "reg:logistic", "multi:softprob", "multi:softmax"})


def train(folder: Path) -> tuple[Path, Path, Path]:
    """What happens in R or on the JVM."""
    wine = load_wine()
    data = xgboost.DMatrix(wine.data, wine.target)
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3}, data, num_boost_round=20)
    booster.save_model(folder / "wine.ubj")
    np.savetxt(folder / "rows.csv", wine.data, delimiter=",")
    np.savetxt(folder / "answers.csv", booster.predict(data), delimiter=",")
    return folder / "wine.ubj", folder / "rows.csv", folder / "answers.csv"


def read(native: Path, *, all_rounds: bool = False) -> tuple[xgboost.Booster, str]:
    """The model, made ready for the converter, and its objective."""
    # Trap: .json and .ubj are read by every later version. The binary format of before (.model, .deprecated) is read by none since
    # XGBoost 3.1: load it with the version that wrote it and save it anew. saveRDS() and Java's serialization run code when loaded.
    if native.read_bytes()[:4] == b"binf":
        sys.exit(
            f"{native}: XGBoost's binary format, which XGBoost 3.0 is the last to read: load it there, and save it as model.ubj"
        )
    try:
        booster = xgboost.Booster(model_file=native)
    except xgboost.core.XGBoostError as error:
        sys.exit(f"{native}: not a model that XGBoost reads: {str(error).splitlines()[0]}")
    learner = json.loads(booster.save_config())["learner"]
    kind, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if kind != "gbtree":
        sys.exit(f"{native}: the booster is {kind}, which no converter knows: train with gbtree")
    if int(learner["learner_model_param"]["num_target"]) > 1:
        sys.exit(f"{native}: the model has several targets, and the converter knows one: train a model for each")
    # Trap: after early stopping R answers with the rounds up to the best one, XGBoost4J with all of them, and the file says neither.
    best = booster.attr("best_iteration")
    if best is not None and not all_rounds:
        booster = booster[: int(best) + 1]
    booster.set_attr(best_iteration=None)  # of which the converter would make its own use
    # Trap: R saves names of columns, and the converter takes them for numbers: of a column "f2" or "3" it makes another column.
    booster.feature_names = None
    # Trap: multi:softmax answers with the number of a class. The same trees give probabilities, of which that is the largest.
    if objective == "multi:softmax":
        booster.set_param({"objective": "multi:softprob"})
    return booster, objective


def answers_of(booster: xgboost.Booster, rows: np.ndarray, *, classes: bool) -> np.ndarray:
    """What the library says of rows, in the shape that the export has."""
    kinds = booster.feature_types
    answers = booster.predict(xgboost.DMatrix(rows, feature_types=kinds, enable_categorical=bool(kinds)))
    return table_of(answers.reshape(len(rows), -1), classes=classes)


def export(booster: xgboost.Booster, *, classes: bool) -> bytes:
    """The model in ONNX, tried on both sides of every split of its trees."""
    # Trap: given a Booster, the converter guesses the objective from its trees: small classifiers come out as regressions, and
    # binary:logitraw as binary:logistic. The classes of scikit-learn's interface read it from the file.
    path = Path(tempfile.mkdtemp()) / "model.ubj"
    booster.save_model(path)
    model = xgboost.XGBClassifier() if classes else xgboost.XGBRegressor()
    model.load_model(path)
    columns = booster.num_features()
    exported = convert_xgboost(model, initial_types=[("rows", FloatTensorType([None, columns]))], target_opset=15)

    trees = booster.trees_to_dataframe()
    splits = trees.loc[trees["Split"].notna(), ["Feature", "Split"]].to_numpy()
    codes = trees.loc[trees["Category"].notna(), ["Feature", "Category"]].to_numpy()
    rows = rows_at_splits(
        [(int(name[1:]), float(split)) for name, split in splits],
        [(int(name[1:]), int(code)) for name, several in codes for code in several],
        columns=columns,
    )
    content = bytes(exported.SerializeToString())
    output = "probabilities" if classes else "variable"
    try_export(content, output=output, rows=rows, library=lambda rows: answers_of(booster, rows, classes=classes))
    return content


def convert(
    native: Path, rows_file: Path, answers_file: Path, *, all_rounds: bool = False
) -> tuple[bytes, np.ndarray, dict[str, np.ndarray]]:
    """The model in ONNX, the rows, and what R or the JVM says of them by the names of the model's outputs."""
    booster, objective = read(native, all_rounds=all_rounds)
    classes = objective in CLASSIFIERS
    # The best golden vectors are the answers of R or the JVM themselves, with what was missing there as NA.
    rows, answers = read_table(rows_file, answers_file, columns=booster.num_features())
    content = export(booster, classes=classes)
    if not classes:
        return content, rows, {"variable": answers}
    if objective == "multi:softmax":
        return content, rows, {"label": answers[:, 0].astype(np.int64), "probabilities": answers_of(booster, rows, classes=True)}
    # Trap: a native file has no names of classes. R counts the levels of a factor from 1, XGBoost from 0: label 0 is level 1.
    probabilities = table_of(answers, classes=True)
    return content, rows, {"label": probabilities.argmax(axis=1), "probabilities": probabilities}


def main() -> None:
    options = argparse.ArgumentParser(description="A native XGBoost file to a signed package.")
    options.add_argument("files", nargs="*", type=Path, metavar="FILE", help="the native file, rows.csv and answers.csv")
    options.add_argument("--all-rounds", action="store_true", help="the answers are those of all rounds, as XGBoost4J gives them")
    asked = options.parse_args()
    native, rows_file, answers_file = asked_files(options, asked.files) or train(Path(tempfile.mkdtemp()))
    content, rows, expected = convert(native, rows_file, answers_file, all_rounds=asked.all_rounds)
    path = Path(tempfile.mkdtemp()) / f"{native.stem}.onnx"
    path.write_bytes(content)
    release(native.stem, path, inputs={"rows": rows}, expected=expected, rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    main()
