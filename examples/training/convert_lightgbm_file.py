"""A native LightGBM file, as R and the JVM write it, to a signed package.

    lgb.save(model, "cancer.txt")                          R
    model.saveNativeModel("cancer.txt", true)              SynapseML on Spark

The file is text, and written by the same C++ code in every language, so it is read here by the Python library. With three
arguments the script takes a file from elsewhere, rows, and what R or the JVM answered to them, both as CSV without a header;
without arguments it trains a model itself and saves it natively.

Run: ``pip install -r requirements.txt && python convert_lightgbm_file.py [cancer.txt rows.csv answers.csv]``.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
from native_files import asked_files, read_table, rows_at_splits, table_of, try_export
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from release import release
from sklearn.datasets import load_breast_cancer


def train(folder: Path) -> tuple[Path, Path, Path]:
    """What happens in R or on the JVM."""
    cancer = load_breast_cancer()
    rows = cancer.data.astype(np.float32)
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "seed": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, cancer.target), num_boost_round=40)
    booster.save_model(folder / "cancer.txt")
    np.savetxt(folder / "rows.csv", rows, delimiter=",")
    np.savetxt(folder / "answers.csv", booster.predict(rows), delimiter=",")
    return folder / "cancer.txt", folder / "rows.csv", folder / "answers.csv"


def read(native: Path) -> lightgbm.Booster:
    """The model, with thresholds that float32 holds, and the same answers to every row of float32."""
    try:
        text = native.read_text(encoding="utf-8")
        # Trap: of a file that is cut off, LightGBM takes the trees that are there, or ends the process.
        sizes = re.search(r"^tree_sizes=(.*)\n", text, flags=re.MULTILINE)
        trees = len(re.findall(r"^Tree=", text, flags=re.MULTILINE))
        if sizes is None or len(sizes[1].split()) != trees or "\nend of trees\n" not in text:
            sys.exit(f"{native}: not a whole LightGBM model in text: it has {trees} trees, or no end")
        # Trap: thresholds are float64, exported ones float32. Rounded up, a threshold can meet a value that was above it, which
        # then goes to the other leaf; rounded down it cannot. The sizes of the trees in bytes change with it, and may be left out.
        text = text.replace(sizes[0], "")
        text = re.sub(r"^threshold=(.+)$", lambda line: f"threshold={rounded_down(line[1])}", text, flags=re.MULTILINE)
        return lightgbm.Booster(model_str=text)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        sys.exit(f"{native}: not a model that LightGBM reads: {error}")


def rounded_down(numbers: str) -> str:
    exact = np.array(numbers.split(), dtype=np.float64)
    near = exact.astype(np.float32)
    down = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return " ".join(repr(float(number)) for number in down)


def answers_of(booster: lightgbm.Booster, rows: np.ndarray, *, classes: bool) -> np.ndarray:
    """What the library says of rows, in the shape that the export has."""
    return table_of(np.asarray(booster.predict(rows)).reshape(len(rows), -1), classes=classes)


def export(booster: lightgbm.Booster, *, classes: bool) -> bytes:
    """The model in ONNX, tried on both sides of every split of its trees."""
    columns = booster.num_feature()
    types = [("rows", FloatTensorType([None, columns]))]
    try:
        exported = convert_lightgbm(booster, initial_types=types, target_opset=15, zipmap=False)
    except NotImplementedError as error:
        sys.exit(f"the converter refuses the model: {error}")

    trees = booster.trees_to_dataframe()
    number = {name: column for column, name in enumerate(booster.feature_name())}
    splits = trees.loc[trees["decision_type"] == "<=", ["split_feature", "threshold"]].to_numpy()
    codes = trees.loc[trees["decision_type"] == "==", ["split_feature", "threshold"]].to_numpy()
    rows = rows_at_splits(
        [(number[name], float(split)) for name, split in splits],
        [(number[name], int(code)) for name, several in codes for code in str(several).split("||")],
        columns=columns,
    )
    content = bytes(exported.SerializeToString())
    output = "probabilities" if classes else "variable"
    try_export(content, output=output, rows=rows, library=lambda rows: answers_of(booster, rows, classes=classes))
    return content


def convert(native: Path, rows_file: Path, answers_file: Path) -> tuple[bytes, np.ndarray, dict[str, np.ndarray]]:
    """The model in ONNX, the rows, and what R or the JVM says of them by the names of the model's outputs."""
    booster = read(native)
    classes = booster.dump_model(num_iteration=1)["objective"].startswith(("binary", "multiclass"))
    # The best golden vectors are the answers of R or the JVM themselves, with what was missing there as NA.
    rows, answers = read_table(rows_file, answers_file, columns=booster.num_feature())
    answers = table_of(answers, classes=classes)
    content = export(booster, classes=classes)
    return content, rows, {"label": answers.argmax(axis=1), "probabilities": answers} if classes else {"variable": answers}


def main() -> None:
    options = argparse.ArgumentParser(description="A native LightGBM file to a signed package.")
    options.add_argument("files", nargs="*", type=Path, metavar="FILE", help="the native file, rows.csv and answers.csv")
    asked = options.parse_args()
    native, rows_file, answers_file = asked_files(options, asked.files) or train(Path(tempfile.mkdtemp()))
    content, rows, expected = convert(native, rows_file, answers_file)
    path = Path(tempfile.mkdtemp()) / f"{native.stem}.onnx"
    path.write_bytes(content)
    release(native.stem, path, inputs={"rows": rows}, expected=expected, rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    main()
