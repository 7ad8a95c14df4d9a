"""Fits small models of LightGBM and XGBoost and exports each with onnxmltools into the folder that is named.

For the virtual environment that ``honest.py`` makes. Prints one line of JSON a model: its file and what made it.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import lightgbm
import numpy as np
import onnxmltools
import onnxruntime
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

FEATURES, ROWS = 6, 300
rng = np.random.default_rng(0)
X = rng.standard_normal((ROWS, FEATURES)).astype(np.float32)
HOLES = np.where(rng.random(X.shape) < 0.1, np.nan, X).astype(np.float32)
TARGET = X[:, 0] * 2 + np.sin(X[:, 1]) + X[:, 2] * X[:, 3]
TWO = (TARGET > 0).astype(int)
THREE = np.digitize(TARGET, [-1, 1])
GROUPS = [30] * (ROWS // 30)
COUNTS = np.abs(TARGET).round()
QUIET = {"verbose": -1, "random_state": 0, "n_jobs": 2}
SEED = {"random_state": 0, "n_jobs": 2}
SMALL = {"n_estimators": 10, "num_leaves": 8}
LIGHT = {
    "classifier-two": lambda: lightgbm.LGBMClassifier(**SMALL, **QUIET).fit(X, TWO),
    "classifier-three": lambda: lightgbm.LGBMClassifier(**SMALL, **QUIET).fit(X, THREE),
    "classifier-large": lambda: lightgbm.LGBMClassifier(n_estimators=300, num_leaves=31, **QUIET).fit(X, THREE),
    "classifier-dart": lambda: lightgbm.LGBMClassifier(boosting_type="dart", **SMALL, **QUIET).fit(X, TWO),
    "classifier-forest": lambda: lightgbm.LGBMClassifier(
        boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **SMALL, **QUIET
    ).fit(X, TWO),
    "classifier-missing": lambda: lightgbm.LGBMClassifier(**SMALL, **QUIET).fit(HOLES, TWO),
    "classifier-categories": lambda: lightgbm.LGBMClassifier(**SMALL, **QUIET).fit(
        np.round(np.abs(X) * 3), TWO, categorical_feature=[0, 1]
    ),
    "regressor": lambda: lightgbm.LGBMRegressor(**SMALL, **QUIET).fit(X, TARGET),
    "regressor-quantile": lambda: lightgbm.LGBMRegressor(objective="quantile", alpha=0.9, **SMALL, **QUIET).fit(X, TARGET),
    "regressor-poisson": lambda: lightgbm.LGBMRegressor(objective="poisson", **SMALL, **QUIET).fit(X, COUNTS),
    "ranker": lambda: lightgbm.LGBMRanker(**SMALL, **QUIET).fit(X, THREE, group=GROUPS),
    "booster": lambda: lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_leaves": 8}, lightgbm.Dataset(X, TWO), num_boost_round=10
    ),
}
EXTREME = {
    "classifier-two": lambda: xgboost.XGBClassifier(n_estimators=10, **SEED).fit(X, TWO),
    "classifier-three": lambda: xgboost.XGBClassifier(n_estimators=10, **SEED).fit(X, THREE),
    "classifier-large": lambda: xgboost.XGBClassifier(n_estimators=300, max_depth=6, **SEED).fit(X, THREE),
    "classifier-missing": lambda: xgboost.XGBClassifier(n_estimators=10, **SEED).fit(HOLES, TWO),
    "regressor": lambda: xgboost.XGBRegressor(n_estimators=10, **SEED).fit(X, TARGET),
    "regressor-deep": lambda: xgboost.XGBRegressor(n_estimators=20, max_depth=12, **SEED).fit(X, TARGET),
    "regressor-poisson": lambda: xgboost.XGBRegressor(objective="count:poisson", n_estimators=10, **SEED).fit(X, COUNTS),
    "regressor-logistic": lambda: xgboost.XGBRegressor(objective="reg:logistic", n_estimators=10, **SEED).fit(X, TWO),
    "regressor-stumps": lambda: xgboost.XGBRegressor(n_estimators=50, max_depth=1, **SEED).fit(X, TARGET),
    "forest-classifier": lambda: xgboost.XGBRFClassifier(n_estimators=20, **SEED).fit(X, TWO),
    "forest-regressor": lambda: xgboost.XGBRFRegressor(n_estimators=20, **SEED).fit(X, TARGET),
}


def main() -> int:
    """Exports; a combination that onnxmltools does not convert is told on stderr and left out."""
    folder = Path(sys.argv[1])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    made = 0
    for library, models, convert in (
        (lightgbm, LIGHT, onnxmltools.convert_lightgbm),
        (xgboost, EXTREME, onnxmltools.convert_xgboost),
    ):
        made_with = f"{library.__name__} {library.__version__}, onnxmltools {onnxmltools.__version__}"
        for name, fit in models.items():
            path = folder / f"{library.__name__}-{name}.onnx"
            try:
                fitted = fit()
                if library is xgboost:
                    fitted.get_booster().feature_names = None
                model = convert(fitted, initial_types=[("input", FloatTensorType([None, FEATURES]))])
                path.write_bytes(model.SerializeToString())
                session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                session.run(None, {session.get_inputs()[0].name: X[:5]})
            except Exception as error:  # noqa: BLE001 - whatever these three libraries raise
                path.unlink(missing_ok=True)
                print(f"{path.stem} cannot be exported: {type(error).__name__}: {error}"[:300], file=sys.stderr)
                continue
            print(json.dumps({"file": path.name, "made_with": made_with}), flush=True)
            made += 1
    return 0 if made else 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    raise SystemExit(main())
