"""Models of scikit-learn, LightGBM, XGBoost and Spark on both runtimes: alike, and as the library that trained them answered."""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jail"))
try:
    from jail_models import Memory
finally:
    sys.path.pop(0)

from mlsign.sandbox.jail import Jail
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec

SHARED = os.environ.get("MLSIGN_MODELS")
NAMES = sorted(path.stem for path in Path(SHARED).glob("*.onnx")) if SHARED else []
pytestmark = [pytest.mark.linux, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux with seccomp")]


@pytest.fixture
def answer():
    """What each runtime answers to these feeds."""
    memory = Memory()

    def run(model: bytes, feeds) -> list[dict]:
        out = []
        for runtime in RuntimeName:
            with Jail.start(memory.model(model), spec=JailSpec(runtime=runtime, cpu_seconds=60, wall_seconds=60)) as jail:
                out.append(jail.run(feeds))
        return out

    yield run
    for fd in memory.fds:
        os.close(fd)


@pytest.mark.skipif(not SHARED, reason="MLSIGN_MODELS names no folder of models")
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_models_with_expected_outputs(answer, name):
    folder = Path(SHARED or "")
    model, rows = (folder / f"{name}.onnx").read_bytes(), np.load(folder / f"{name}.input.npy").astype(np.float32)
    inputs = [item.name for item in onnx.load_from_string(model).graph.input]
    feeds = {inputs[0]: rows} if len(inputs) == 1 else {each: rows[:, [at]] for at, each in enumerate(inputs)}
    first, second = answer(model, feeds)
    assert first.keys() == second.keys()
    for output in first:
        assert np.allclose(first[output], second[output], rtol=1e-4, atol=1e-5)
        assert first[output].dtype == second[output].dtype
    expected = np.load(folder / f"{name}.expected.npy")
    shaped = [found for found in second.values() if found.size == expected.size]
    assert any(np.allclose(found.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4) for found in shaped)


X, CLASSES = np.random.default_rng(3).normal(size=(90, 4)).astype(np.float32), np.array(["a", "b", "c"])
LABELS = CLASSES[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]


@pytest.mark.parametrize(
    "trained",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        pytest.param(
            SVC(probability=True, random_state=1),
            marks=pytest.mark.xfail(
                reason="the evaluator of onnx 1.23.2 computes other probabilities; onnxruntime has scikit-learn's"
            ),
        ),
        GradientBoostingClassifier(n_estimators=8, random_state=1),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore:.*probability.*")
def test_classifiers_as_skl2onnx_exports_them_by_itself(answer, trained):
    """With a map of probabilities for each row."""
    model = to_onnx(trained.fit(X, LABELS), X[:1], target_opset=17).SerializeToString()
    first, second = answer(model, {"X": X[:20]})
    label, chances = second["output_label"], second["output_probability"]
    assert first["output_label"].tolist() == label.tolist() == trained.predict(X[:20]).tolist()
    assert all(row.keys() == set(CLASSES) for row in chances)
    wanted = [[row[key] for key in CLASSES] for row in first["output_probability"]]
    assert np.allclose(wanted, trained.predict_proba(X[:20]), atol=1e-5)
    assert np.allclose([[row[key] for key in CLASSES] for row in chances], wanted, atol=1e-5)


def test_a_forest_of_numbers(answer):
    trained = RandomForestRegressor(n_estimators=5, random_state=1).fit(X, X[:, 0] * 2)
    first, second = answer(to_onnx(trained, X[:1], target_opset=17).SerializeToString(), {"X": X})
    assert np.allclose(first["variable"], second["variable"], rtol=1e-5)
    assert np.allclose(second["variable"].ravel(), trained.predict(X), rtol=1e-4, atol=1e-5)
