"""Spark ML to a signed package: a random forest on the iris data set, exported by onnxmltools. Needs Java 17 or newer.

Run: ``pip install -r requirements.txt && python train_spark.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from onnxmltools import convert_sparkml
from onnxmltools.convert.common.data_types import FloatTensorType
from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from release import release
from sklearn.datasets import load_iris

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def main() -> None:
    iris = load_iris()
    # Trap: Spark has float64 columns, and what is exported takes float32. So the data is float32 before anything learns from it.
    features = iris.data.astype(np.float32)
    table = pd.DataFrame(features, columns=COLUMNS).assign(label=iris.target.astype(float))
    local = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "1"}
    spark = SparkSession.builder.master("local[1]").config(map=local).getOrCreate()
    try:
        rows = spark.createDataFrame(table)
        forest = RandomForestClassifier(featuresCol="features", numTrees=5, maxDepth=4, seed=1)
        model = Pipeline(stages=[VectorAssembler(inputCols=COLUMNS, outputCol="features"), forest]).fit(rows)
        # Trap: columns of vectors have no type in ONNX. A pipeline that begins with a VectorAssembler takes what the assembler
        # takes, an input of one column for each; one without it takes FloatTensorType([None, 4]) by the name of the vectors.
        # Reading a model goes through files of Spark, so the exporter wants the session as well.
        types = [(column, FloatTensorType([None, 1])) for column in COLUMNS]
        # Trap: where Python's folder of temporary files is known by now, every tree is left behind in it. Spark takes its own away.
        tempfile.tempdir = None
        exported = convert_sparkml(model, "iris", types, spark_session=spark)
        answers = model.transform(rows).select("prediction", "probability").toPandas()
    finally:
        spark.stop()
    path = Path(tempfile.mkdtemp()) / "iris.onnx"
    path.write_bytes(exported.SerializeToString())

    release(
        "iris",
        path,
        inputs={column: features[:, [index]] for index, column in enumerate(COLUMNS)},
        expected={
            # Trap: a prediction is a double in Spark, and an integer in the exported classifier. Probabilities come as vectors.
            "prediction": answers["prediction"].to_numpy().astype(np.int64),
            "probability": np.array([vector.toArray() for vector in answers["probability"]]),
        },
        rtol=1e-5,
        atol=1e-6,
    )


if __name__ == "__main__":
    main()
