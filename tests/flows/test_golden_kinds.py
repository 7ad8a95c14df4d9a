"""Golden data of every kind replayed in the real sandbox: classifiers with maps of probabilities, sequences, optionals, raw types."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from making import UNCHECKED, write_policy
from onnx import MapProto, SequenceProto, TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict

pytestmark = pytest.mark.linux

ALLOW = "[inference-v1, ml-v1, quantized-v1, sequence-v1]"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, keys):
    rest = "golden: {required: true, replay: true}\n"
    return load_policy(
        write_policy(tmp_path_factory.mktemp("policy"), {"release": (1, [keys.release.public])}, rest=rest, allow=ALLOW)
    )


def map_proto(row: dict) -> MapProto:
    texts = isinstance(next(iter(row)), str)
    out = MapProto(key_type=TensorProto.STRING if texts else TensorProto.INT64)
    (out.string_keys if texts else out.keys).extend([key.encode() for key in row] if texts else row)
    out.values.CopyFrom(numpy_helper.from_list([np.float32(value) for value in row.values()]))
    return out


def proto_of(value, name: str):
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        proto = map_proto(value)
        proto.name = name
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        proto = SequenceProto(name=name, elem_type=SequenceProto.MAP, map_values=map(map_proto, value))
    elif isinstance(value, list):
        proto = numpy_helper.from_list(value, name)
    else:
        proto = value if isinstance(value, onnx.TensorProto | onnx.OptionalProto) else numpy_helper.from_array(value, name)
    return proto.SerializeToString()


def findings(folder: Path, keys, loaded, model, inputs: list, outputs: list, *, names: bool = True) -> set:
    """What is wrong with a release of this model and these values, by number or by name."""
    data = folder / "test_data_set_0"
    data.mkdir()
    proto = onnx.load_from_string(model)
    for side, values, specs in (("input", inputs, proto.graph.input), ("output", outputs, proto.graph.output)):
        for number, (value, spec) in enumerate(zip(values, specs, strict=False)):
            (data / f"{side}_{number}.pb").write_bytes(proto_of(value, spec.name if names else ""))
    (folder / "model.onnx").write_bytes(model)
    request = PackRequest(model=folder / "model.onnx", output=folder / "p", golden=(data,), golden_request=UNCHECKED)
    package = pack(request).path
    sign(package, keys.release.signer)
    report = verify(package, VerifyRequest(policy=loaded))
    bad = {(f.code, f.outcome.value, f.cause) for f in report.decision.findings if f.outcome is not Outcome.PASS}
    assert (report.decision.verdict is Verdict.ALLOW) == (not bad)
    return bad


FAILS, NAMES = {("MLS406", "fail", "")}, {("MLS406", "unknown", "golden.names")}


@pytest.fixture(scope="module", params=["texts", "numbers"])
def classifier(request) -> tuple[bytes, np.ndarray, np.ndarray, list[dict]]:
    """A classifier as skl2onnx exports it, its inputs, and what onnxruntime itself answers: labels, and a map for each row."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 60)
    trained = LogisticRegression().fit(rows, np.array(["a", "b", "ü"])[labels] if request.param == "texts" else labels)
    model = to_onnx(trained, rows[:1], target_opset=17).SerializeToString()
    assert "ZipMap" in {node.op_type for node in onnx.load_from_string(model).graph.node}
    label, chances = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"X": rows[:5]})
    return model, rows[:5], label, chances


@pytest.mark.parametrize("names", [True, False])
def test_a_classifier_with_maps_of_probabilities(tmp_path, keys, loaded, classifier, names):
    model, rows, label, chances = classifier
    assert findings(tmp_path, keys, loaded, model, [rows], [label, chances], names=names) == set()


@pytest.mark.parametrize("fault", ["value", "key", "row", "label", "nothing", "tensor", "swapped"])
def test_a_classifier_that_answers_otherwise_is_denied(tmp_path, keys, loaded, classifier, fault):
    model, rows, label, chances = classifier
    chances = [dict(row) for row in chances]
    key = next(iter(chances[-1]))
    expected = FAILS
    outputs = [label, chances]
    if fault == "value":
        chances[-1][key] += 0.01
    if fault == "key":
        chances[-1]["other" if isinstance(key, str) else 99] = chances[-1].pop(key)
    if fault == "row":
        chances.pop()
    if fault == "label":
        outputs[0] = np.roll(label, 1)
    if fault == "nothing":
        outputs.pop()
    if fault == "tensor":
        outputs[1], expected = np.zeros((5, 3), np.float32), None
    if fault == "swapped":
        outputs, expected = [proto_of(chances, "output_probability"), proto_of(label, "output_label")], None
    found = findings(tmp_path, keys, loaded, model, [rows], outputs)
    if expected is None:  # read as what they are not, whichever way that is noticed
        assert [(code, outcome) for code, outcome, _ in found] == [("MLS406", "unknown")]
    else:
        assert found == expected


def model_of(nodes, inputs, outputs, *, opset=21, init=()) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(init))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


X = np.array([0.5, -2, 100], np.float32)
FLOAT = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])


def test_sequences(tmp_path, keys, loaded):
    q = helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, ["n"])
    model = model_of([helper.make_node("SequenceConstruct", ["x", "x"], ["q"])], [FLOAT], [q])
    for number, (answer, expected) in enumerate([([X, X], set()), ([X], FAILS), ([X, X + 1], FAILS), ([], FAILS)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert findings(folder, keys, loaded, model, [X], [answer]) == expected


def test_optionals(tmp_path, keys, loaded):
    o = helper.make_value_info("o", helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"])))
    has = helper.make_tensor_value_info("h", TensorProto.BOOL, [])
    model = model_of([helper.make_node("OptionalHasElement", ["o"], ["h"])], [o], [has])
    something, nothing = numpy_helper.from_optional(X, "o"), numpy_helper.from_optional(None, "o")
    cases = [([something], True, set()), ([nothing], False, set()), ([nothing], True, FAILS), ([], False, set())]
    for number, (inputs, answer, expected) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert findings(folder, keys, loaded, model, inputs, [np.array(answer)]) == expected


def test_maps_as_inputs(tmp_path, keys, loaded):
    type_ = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    m, y = helper.make_value_info("m", type_), helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    node = helper.make_node("DictVectorizer", ["m"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b"])
    model = model_of([node], [m], [y])
    answer = np.array([[0.5, 2]], np.float32)
    assert findings(tmp_path, keys, loaded, model, [{"b": 2.0, "a": 0.5}], [answer]) == set()


@pytest.mark.parametrize(("element", "wrong"), [("BFLOAT16", 0.1), ("FLOAT8E4M3FN", 1), ("FLOAT8E5M2", 1)])
def test_elements_that_numpy_has_no_name_for(tmp_path, keys, loaded, element, wrong):
    number = TensorProto.DataType.Value(element)
    model = model_of(
        [helper.make_node("Cast", ["x"], ["y"], to=number)], [FLOAT], [helper.make_tensor_value_info("y", number, ["n"])]
    )
    for name, answer, expected in (("right", X, set()), ("wrong", X + wrong * X, FAILS)):
        folder = tmp_path / name
        folder.mkdir()
        assert findings(folder, keys, loaded, model, [X], [helper.make_tensor("y", number, [3], answer)]) == expected


def test_elements_below_a_byte(tmp_path, keys, loaded):
    init = [helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0]), helper.make_tensor("zero", TensorProto.INT4, [], [0])]
    y = helper.make_tensor_value_info("y", TensorProto.INT4, ["n"])
    model = model_of([helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])], [FLOAT], [y], init=init)
    for number, (answer, expected) in enumerate([([0, -2, 7], set()), ([0, -2, 6], FAILS)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert findings(folder, keys, loaded, model, [X], [helper.make_tensor("y", TensorProto.INT4, [3], answer)]) == expected
