"""Trains XGBoost in H2O on Fisher's irises, and takes the native booster and H2O's own answers out of it.

python make_h2o.py iris.rows.csv FOLDER: with ``pip install h2o==3.46.0.6`` and Java; later versions may export no MOJO.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import zipfile
from pathlib import Path

import h2o
from h2o.estimators import H2OXGBoostEstimator


def main() -> None:
    rows = list(csv.reader(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    flowers = [[float(value) for value in row] for row in rows]
    species = [["setosa", "versicolor", "virginica"][at // 50] for at in range(len(rows))]
    h2o.init(ip="127.0.0.1", port=54399, nthreads=1, max_mem_size="1G", bind_to_localhost=True)
    try:
        table = {f"c{column}": [row[column] for row in flowers] for column in range(4)} | {"species": species}
        frame = h2o.H2OFrame(table, column_types={"species": "enum"})
        model = H2OXGBoostEstimator(ntrees=10, max_depth=3, seed=1)
        model.train(x=[f"c{column}" for column in range(4)], y="species", training_frame=frame)
        answers = h2o.as_list(model.predict(frame), use_pandas=False)[1:]
        with zipfile.ZipFile(model.download_mojo(tempfile.mkdtemp())) as mojo:
            (folder / "iris.deprecated").write_bytes(mojo.read("boosterBytes"))
    finally:
        h2o.cluster().shutdown()
    with (folder / "iris.answers.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(row[1:] for row in answers)
    with (folder / "iris.rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
