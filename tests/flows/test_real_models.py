"""The whole chain on real models: pack, sign, verify under the shipped operator sets, score in the sandbox.

``MLSIGN_MODELS`` names a folder of models with inputs and expected outputs (NAME.onnx, NAME.input.npy,
NAME.expected.npy); the models of the installed ``onnx`` package are always there.
"""

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from making import write_policy
from onnx import numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, NotImplemented  # noqa: A004 - the runtime's own name

import mlsign
from mlsign.actions.signing.sign import sign
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"

# name: (which output the expected values are of, whether the input file's columns are inputs of their own)
REAL = {
    "lgbm_iris": "probabilities",
    "sk_bc_mlp": "probabilities",
    "sk_diabetes_linreg": "variable",
    "sk_iris_kmeans": "label",
    "sk_iris_logreg": "probabilities",
    "sk_iris_rf": "probabilities",
    "spark_lr": "probability",
    "xgb_bc": "probabilities",
}

# Models that the sets of the baseline policy deny, and by which code. Nothing else may be denied, or refused by pack.
REFUSED: dict[str, str] = {
    # Operators of the training domain: gradients are for training, and code of the runtime's own.
    "test_gradient_of_add": "MLS303",
    "test_gradient_of_add_and_mul": "MLS303",
    # Sequences grow without a bound that the model shows; sequence-v1 allows them by name.
    **{f"test_sequence_model{number}": "MLS301" for number in range(1, 9)},
}


@pytest.fixture(scope="module")
def wide_gate(tmp_path_factory: pytest.TempPathFactory, keys) -> mlsign.Gate:
    """The sets of the shipped baseline policy and its caps, but opsets from the first on: onnx ships old models."""
    rest = 'model: {opset: {ai.onnx: ">=1,<=26", ai.onnx.ml: ">=1,<=5"}, max_nodes: 100000, max_parameter_bytes: 4GiB}\n'
    rest += "sandbox: {memory: 8GiB, cpu: 30s, wall: 60s, threads: 2}\n"
    return mlsign.Gate.load(write_policy(tmp_path_factory.mktemp("wide"), {"release": (1, [keys.release.public])}, rest=rest))


def wrong(report: mlsign.Report) -> list[str]:
    return sorted({f.code for f in report.decision.findings if f.outcome is not Outcome.PASS})


def chain(model: Path, folder: Path, pair, gate: mlsign.Gate) -> mlsign.AdmittedModel:
    package = mlsign.pack(mlsign.PackRequest(model=model, output=folder / "p")).path
    assert (package / "model.onnx").read_bytes() == model.read_bytes()
    sign(package, pair.signer)
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.ALLOW, wrong(report)
    return gate.admit(package)


@pytest.fixture(scope="session")
def models() -> Path:
    folder = os.environ.get("MLSIGN_MODELS")
    if not folder:
        pytest.skip("MLSIGN_MODELS names no folder of models with expected outputs")
    return Path(folder)


@pytest.mark.linux
@pytest.mark.parametrize("name", REAL)
def test_scores_are_those_of_the_library_that_trained_it(models, tmp_path, keys, wide_gate, name):
    rows, expected = np.load(models / f"{name}.input.npy"), np.load(models / f"{name}.expected.npy")
    with chain(models / f"{name}.onnx", tmp_path, keys.release, wide_gate) as model:
        inputs = [value.name for value in model.summary.inputs]
        feeds = {inputs[0]: rows} if len(inputs) == 1 else {n: rows[:, [i]] for i, n in enumerate(inputs)}
        with mlsign.Scorer(model) as scorer:
            got = scorer.run(feeds)[REAL[name]]
    if expected.dtype.kind in "iu" or REAL[name] == "label":
        assert np.array_equal(got.reshape(expected.shape), expected)
    else:
        assert np.max(np.abs(got.reshape(expected.shape) - expected)) < 1e-4


def dummy(value: onnx.ValueInfoProto) -> np.ndarray:
    """The input for which onnx ships the outputs of its light models: 0 to 1 in equal steps."""
    shape = tuple(d.dim_value if d.HasField("dim_value") else 1 for d in value.type.tensor_type.shape.dim)
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) / count).astype(np.float32)


@pytest.mark.linux
@pytest.mark.parametrize("path", sorted(DATA.glob("light/*.onnx")), ids=lambda p: p.stem)
def test_light_models_give_the_outputs_that_onnx_ships(tmp_path, keys, wide_gate, path):
    proto = onnx.load(path)
    weights = {tensor.name for tensor in proto.graph.initializer}
    (value,) = [v for v in proto.graph.input if v.name not in weights]
    (expected,) = [numpy_helper.to_array(onnx.load_tensor(path.with_name(f"{path.stem}_output_0.pb")))]
    with chain(path, tmp_path, keys.release, wide_gate) as model, mlsign.Scorer(model) as scorer:
        (got,) = scorer.run({value.name: dummy(value)}).values()
    assert np.max(np.abs(got - expected)) < 1e-4


def small_models() -> list[Path]:
    return [p for kind in ("simple", "pytorch-converted", "pytorch-operator") for p in sorted(DATA.glob(f"{kind}/*/model.onnx"))]


@pytest.mark.parametrize("path", small_models(), ids=lambda p: p.parent.name)
def test_small_models_are_allowed_or_refused_for_a_stated_reason(tmp_path, keys, wide_gate, path):
    package = mlsign.pack(mlsign.PackRequest(model=path, output=tmp_path / "p")).path
    sign(package, keys.release.signer)
    report = wide_gate.verify(package)
    expected = REFUSED.get(path.parent.name)
    assert wrong(report) == ([expected] if expected else [])
    if expected:
        with pytest.raises(mlsign.Denied):
            wide_gate.admit(package)
    else:
        with wide_gate.admit(package) as model:
            assert bytes(model.model.view) == path.read_bytes()


def plain_session(path: Path) -> onnxruntime.InferenceSession | None:
    """The model in plain onnxruntime, or None where that cannot run it: old operator versions, locales that are missing."""
    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except (NotImplemented, Fail):
        return None


def scored() -> list:
    """All that the sets of the baseline policy allow."""
    return [pytest.param(p, id=p.parent.name) for p in small_models() if p.parent.name not in REFUSED]


def read_value(path: Path) -> np.ndarray:
    return numpy_helper.to_array(onnx.load_tensor(path))


@pytest.mark.linux
@pytest.mark.parametrize("path", scored())
def test_small_models_give_their_golden_outputs(tmp_path, keys, wide_gate, path):
    with chain(path, tmp_path, keys.release, wide_gate) as model:
        if plain_session(path) is None:
            with pytest.raises(mlsign.JailError):
                mlsign.Scorer(model)
            return
        names = [value.name for value in model.summary.inputs]
        with mlsign.Scorer(model) as scorer:
            for data in sorted(path.parent.glob("test_data_set_*")):
                feeds = {n: read_value(data / f"input_{i}.pb") for i, n in enumerate(names)}
                for number, got in enumerate(scorer.run(feeds).values()):
                    expected = read_value(data / f"output_{number}.pb")
                    assert got.dtype == expected.dtype
                    if expected.dtype.kind in "fc":
                        assert np.allclose(got, expected, rtol=1e-3, atol=1e-5, equal_nan=True)
                    else:
                        assert np.array_equal(got, expected)


@pytest.mark.linux
@pytest.mark.parametrize("path", [p for p in small_models() if "sequence" in p.parent.name], ids=lambda p: p.parent.name)
def test_models_that_work_with_sequences_replay_the_data_that_onnx_ships(tmp_path, keys, path):
    rest = 'model: {opset: {ai.onnx: ">=1,<=26"}}\ngolden: {required: true, replay: true}\n'
    policy = write_policy(tmp_path, {"release": (1, [keys.release.public])}, rest=rest, allow="[inference-v1, sequence-v1]")
    sets = tuple(sorted(path.parent.glob("test_data_set_*")))
    package = mlsign.pack(mlsign.PackRequest(model=path, output=tmp_path / "p", golden=sets)).path
    sign(package, keys.release.signer)
    report = mlsign.Gate.load(policy).verify(package)
    assert report.decision.verdict is Verdict.ALLOW, wrong(report)
    assert any("golden test data says" in f.message for f in report.decision.findings)
